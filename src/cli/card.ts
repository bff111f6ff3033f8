/** The restore card: one printable page for the safe, with everything that a restore needs but the key itself. */
import type { Recipient } from '../crypto/recipients.ts';
import type { StoreChoice, Strategy } from '../strategy/strategy.ts';

/** What the card says. */
export interface CardFacts {
  strategy: Strategy;
  storeLabel: string;
  recipients: readonly Recipient[];
  /** Fingerprints of the signers whose points are in the store, this host's first. */
  signers: readonly string[];
  made: Date;
}

/** How every card begins: a file that begins otherwise is none. */
export const CARD_TITLE = 'HOLDFAST RESTORE CARD';

/** The text of the card: plain, at most 80 columns where names allow it. */
export function restoreCard({ strategy, storeLabel, recipients, signers, made }: CardFacts): string {
  const { name } = strategy;
  const pins = signers.join(' ');
  const option = storeOption(strategy.store);
  const keys = recipients.map(({ fingerprint, userId }) => `  ${spaced(fingerprint)}\n      ${userId}`);
  return `${CARD_TITLE}                                            ${made.toISOString().slice(0, 10)}
${'='.repeat(76)}
Strategy     ${name}
Store        ${storeLabel}
Backs up     ${strategy.sources.map((s) => (s.kind === 'paths' ? s.paths.join(' ') : s.name)).join(' ')}

SIGNER OF THE BACKED-UP HOST (what is not signed by it was not made by it)
${signers.map((fingerprint) => `  ${spaced(fingerprint)}`).join('\n')}

THE SECRET KEY OF ONE OF THESE OPENS THE BACKUPS
${keys.join('\n')}

  The secret key file (secret.asc) lies at: ______________________________________
  Its passphrase lies at:                   ______________________________________
  It must NOT be on the backed-up machine. Without both, nothing can be restored.

THE RESTORING MACHINE NEEDS
  Access to the store, free space of at least the size of the point (restore
  says it, and checks it, before it writes), and either Holdfast (Node.js 22.15 or
  newer) or, without Holdfast, the packages ${packages(strategy.store)}.
${access(strategy.store)}
TO RESTORE WITH HOLDFAST
  1. See what there is:
     holdfast points ${option} --name ${name} \\
       --signer ${pins}
  2. Bring back everything of the newest point, or of an older one with --at SEQ:
     holdfast restore ${option} --name ${name} \\
       --signer ${pins} \\
       --secret-key secret.asc --to /restored
     One file or folder only: add its path as it was on the machine at the end.

TO RESTORE WITHOUT HOLDFAST (with docs/recover.py, kept beside this card)
${download(strategy.store, name)}     gpg --import secret.asc
     python3 recover.py --store ${quoted(recoverFolder(strategy.store))} --name ${name} \\
       --signer ${pins} --to /restored

TO BE SURE, REHEARSE: once in a while restore to an empty folder, and compare.
${'='.repeat(76)}
`;
}

function storeOption(store: StoreChoice): string {
  const place =
    store.kind === 'directory'
      ? `directory:${storeFolder(store)}`
      : `swift:${store.container}${store.prefix === '' ? '' : `/${store.prefix}`}`;
  return `--store ${quoted(place)}`;
}

function packages(store: StoreChoice): string {
  return store.kind === 'directory'
    ? 'gnupg, zstd and python3'
    : 'gnupg, zstd, python3 and\n  python3-swiftclient';
}

/** What has to be set before the commands, for a store that is signed in to. */
function access(store: StoreChoice): string {
  if (store.kind === 'directory') return '';
  const region = store.region === undefined ? 'OS_REGION_NAME' : `OS_REGION_NAME=${quoted(store.region)}`;
  const cloud =
    store.cloud === undefined
      ? ''
      : `  Holdfast takes instead: OS_CLOUD=${quoted(store.cloud)}, with ~/.config/openstack/clouds.yaml.\n`;
  return `
THE STORE IS SIGNED IN TO WITH A CREDENTIAL OF ITS OWN (reading is enough)
  It lies at:                               ______________________________________
  Export in the shell: OS_AUTH_URL, OS_AUTH_TYPE=v3applicationcredential,
  OS_APPLICATION_CREDENTIAL_ID, OS_APPLICATION_CREDENTIAL_SECRET,
  ${region}; or for TempAuth: ST_AUTH, ST_USER, ST_KEY.
${cloud}`;
}

/** Brings the objects to where the recovery script finds them; done again, it goes on. */
function download(store: StoreChoice, name: string): string {
  if (store.kind === 'directory') return '';
  const prefix = store.prefix === '' ? `${name}/` : `${store.prefix}/${name}/`;
  return `     swift download ${quoted(store.container)} --prefix ${quoted(prefix)} \\
       --output-dir ${DOWNLOADED} --skip-identical
`;
}

const DOWNLOADED = 'downloaded';

function recoverFolder(store: StoreChoice): string {
  if (store.kind === 'directory') return storeFolder(store);
  return store.prefix === '' ? DOWNLOADED : `${DOWNLOADED}/${store.prefix}`;
}

/** With its prefix the folder is a store of its own. */
function storeFolder(store: { directory: string; prefix: string }): string {
  return store.prefix === '' ? store.directory : `${store.directory}/${store.prefix}`;
}

/** As one word for a shell. */
function quoted(word: string): string {
  return /^[\w./:@%+,=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function spaced(fingerprint: string): string {
  return fingerprint.replace(/.{4}(?=.)/g, '$& ');
}
