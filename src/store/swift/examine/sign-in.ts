/** What of signing in is worth telling: the credentials, what stands between, the endpoint with its region, and the clock. Asks nothing. */
import type { Finding } from '../../../finding.ts';
import { formatDuration } from '../../../strategy/duration.ts';
import type { SwiftStore } from '../../../strategy/strategy.ts';
import type { Credentials } from '../credentials/credentials.ts';
import type { SignedIn } from '../sign-in.ts';

const PROXIES = ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'];
/** From here on times of points mislead, and from an hour on certificates and tokens may seem to be over. */
const SKEW_MS = 60_000;

/** Variables that send other programs through a proxy. Their values may hold passwords, and are not shown. */
export function* proxyFindings(env: NodeJS.ProcessEnv): Generator<Finding> {
  const set = PROXIES.filter((name) => env[name]);
  if (set.length === 0) return;
  yield {
    subject: 'proxy',
    state: 'note',
    what: `${set.join(', ')} ${set.length === 1 ? 'is' : 'are'} set in the environment, and not used: Holdfast connects to the servers directly`,
    advice:
      'where the way leads through a proxy only, let this machine reach the servers of the store directly',
  };
}

export function credentialsFinding({ source, how }: Credentials): Finding {
  if (how.kind === 'tempauth') {
    return {
      subject: 'credentials',
      state: 'good',
      what: `${source}: TempAuth, user ${JSON.stringify(how.user)}`,
    };
  }
  const kind =
    how.kind === 'password' ? 'Keystone, with a password' : 'Keystone, with an application credential';
  const finding: Finding = { subject: 'credentials', state: 'good', what: `${source}: ${kind}` };
  if (how.kind === 'application-credential') return finding;
  return {
    ...finding,
    state: 'note',
    advice:
      'an application credential is better on a host: it can be revoked alone, and opens nothing else (docs/credentials.md)',
  };
}

export function* tlsFindings(
  { insecure, caFile, source }: Credentials,
  urls: readonly URL[],
): Generator<Finding> {
  const subject = 'TLS';
  const isPlain = urls.some(({ protocol }) => protocol === 'http:');
  if (insecure) {
    yield {
      subject,
      state: 'warning',
      what: `insecure: true (from the strategy, or ${source}): certificates are not checked and plain http is allowed; whoever is on the way can take the token, and delete backups with it`,
      advice: 'take it out; the certificate of an authority of your own goes into store.swift.caFile',
    };
  }
  if (isPlain) {
    yield {
      subject,
      state: 'note',
      what: `${origins(urls)}: plain http, without encryption: for tests on one machine only`,
    };
  } else if (!insecure) {
    const trusted = caFile === undefined ? 'the authorities of this machine' : caFile;
    yield {
      subject,
      state: 'good',
      what: `${origins(urls)}: TLS 1.2 or newer; certificates are checked by ${trusted}`,
    };
  }
}

export function signedInFinding(signedIn: SignedIn, authUrl: URL): Finding {
  const { user, roles = [], expires, date } = signedIn;
  const life = expires !== undefined && date !== undefined ? expires.getTime() - date.getTime() : undefined;
  const details = [
    roles.length === 0 ? undefined : `roles ${roles.map((role) => JSON.stringify(role)).join(', ')}`,
    life === undefined ? undefined : `a token is good for ${formatDuration(life)}`,
  ].filter((detail) => detail !== undefined);
  return {
    subject: 'sign-in',
    state: 'good',
    what: `signed in at ${authUrl.href} as ${user}${details.length === 0 ? '' : `; ${details.join('; ')}`}`,
  };
}

export function endpointFinding(
  { storageUrl, region }: SignedIn,
  { interface: which, how }: Credentials,
  { allowedRegions }: Pick<SwiftStore, 'allowedRegions'>,
): Finding {
  const subject = 'endpoint';
  if (how.kind === 'tempauth') {
    return { subject, state: 'good', what: `${storageUrl.href}; TempAuth tells no region` };
  }
  const where = `${storageUrl.href} (${which}), in ${region === undefined ? 'a region without a name' : `region ${JSON.stringify(region)}`}`;
  const allowed =
    allowedRegions === undefined
      ? '; any region would do, since store.swift.allowedRegions says nothing'
      : ', which store.swift.allowedRegions allows';
  return { subject, state: 'good', what: where + allowed };
}

/** `seen`: the local time at which the answer with the server's `date` had come. */
export function* clockFindings(date: Date | undefined, seen: Date): Generator<Finding> {
  const subject = 'clock';
  if (date === undefined) {
    yield {
      subject,
      state: 'note',
      what: 'the server does not tell its time: the clock of this machine was not compared',
    };
    return;
  }
  const ahead = seen.getTime() - date.getTime();
  const difference = `${formatDuration(ahead)} ${ahead < 0 ? 'behind' : 'ahead of'} the server's`;
  if (Math.abs(ahead) < SKEW_MS) {
    const what = Math.abs(ahead) < 3000 ? "agrees with the server's" : `is ${difference}`;
    yield { subject, state: 'good', what: `the clock of this machine ${what}` };
    return;
  }
  yield {
    subject,
    state: 'warning',
    what: `the clock of this machine is ${difference} (here ${seen.toISOString()}, there ${date.toISOString()}): points get wrong times, and certificates, tokens and keys may seem to be over`,
    advice:
      'see which of the two is wrong; "timedatectl" tells whether this machine keeps its time by the network',
  };
}

function origins(urls: readonly URL[]): string {
  return [...new Set(urls.map(({ origin }) => origin))].join(', ');
}
