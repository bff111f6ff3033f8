/** One cloud out of clouds.yaml, with what secure.yaml adds to it. Which files these are is decided in places.ts. */

import { dirname, join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { type Cloud, cloudSchema, cloudsSchema, holdsSecret, wordsOf } from './cloud-schema.ts';
import { type FileText, refuseOpenFile, wrongFile } from './read.ts';
import { type Written, wrongCredentials } from './written.ts';

/** Bounds what a text of limited length may unfold to. */
const MOST_ALIASES = 100;

/** No more clouds than this are named in a message. */
const MOST_NAMED = 10;

/**
 * The cloud of that name, or, without one, the only one in the file. `secure` is merged over it. Throws HoldfastError
 * `strategy`. No message holds a value of the files.
 */
export function cloudOf(
  name: string | undefined,
  found: FileText,
  secure: FileText | undefined,
  home: string,
): Written {
  const clouds = cloudsOf(found);
  const names = Object.keys(clouds);
  if (names.length === 0) throw wrongFile(found.file, 'holds no clouds: it must begin with "clouds:"');
  const chosen = name ?? (names.length === 1 ? names[0]! : undefined);
  if (chosen === undefined) {
    throw wrongFile(found.file, `holds several clouds: choose one with store.swift.cloud (${list(names)})`);
  }
  if (!Object.hasOwn(clouds, chosen)) {
    throw wrongFile(found.file, `holds no cloud ${quoted(chosen)}; there is ${list(names)}`);
  }
  const plain = checked(chosen, clouds[chosen], found);
  const secureClouds = secure === undefined ? {} : cloudsOf(secure);
  const added =
    secure !== undefined && Object.hasOwn(secureClouds, chosen)
      ? checked(chosen, secureClouds[chosen], secure)
      : {};
  const cloud = { ...plain, ...added, auth: { ...plain.auth, ...added.auth } };
  const source = `cloud ${quoted(chosen)} in ${found.file}`;
  return written(cloud, source, {
    folder: dirname((added.cacert === undefined ? found : secure!).file),
    home,
  });
}

function cloudsOf(found: FileText): Record<string, unknown> {
  const result = cloudsSchema.safeParse(parse(found));
  if (!result.success) throw wrongFile(found.file, wordsOf(result.error));
  const clouds = result.data.clouds ?? {};
  if (Object.values(clouds).some(holdsSecret)) refuseOpenFile(found);
  return clouds;
}

/** Plain values of a YAML text, read as openstacksdk reads it: YAML 1.1, with merge keys. */
function parse({ file, text }: FileText): unknown {
  let place: { line: number; col: number } | undefined;
  try {
    const document = parseDocument(text, { version: '1.1', prettyErrors: true, logLevel: 'silent' });
    const error = document.errors[0];
    if (error === undefined) return document.toJS({ maxAliasCount: MOST_ALIASES }) ?? {};
    place = error.linePos?.[0];
  } catch {
    // Too many aliases or too deep a nesting. What the parser says can quote the text, so it is not handed on.
  }
  const where = place === undefined ? '' : ` (line ${place.line}, column ${place.col})`;
  throw wrongFile(file, `is not valid YAML${where}; put text with special characters in quotes`);
}

function checked(name: string, written: unknown, { file }: FileText): Cloud {
  const result = cloudSchema.safeParse(written ?? {});
  if (result.success) return result.data;
  throw wrongFile(file, `cloud ${quoted(name)}: ${wordsOf(result.error)}`);
}

function written(cloud: Cloud, source: string, from: { folder: string; home: string }): Written {
  const region = regionOf(cloud, source);
  const interfaceKey =
    cloud.interface !== undefined || cloud.endpoint_type === undefined ? 'interface' : 'endpoint_type';
  const interfaceName = cloud[interfaceKey];
  const checks = cloud.insecure !== undefined || cloud.verify !== undefined;
  return {
    values: Object.fromEntries(Object.entries(cloud.auth ?? {}).filter(([, value]) => value !== undefined)),
    ...(cloud.auth_type !== undefined && { authType: cloud.auth_type }),
    ...(region !== undefined && { region }),
    ...(interfaceName !== undefined && { interface: interfaceName }),
    ...(cloud.cacert !== undefined && { caFile: path(cloud.cacert, from) }),
    ...(checks && { insecure: cloud.insecure === true || cloud.verify === false }),
    source,
    nameOf: (key) => {
      if (key === 'auth_type') return key;
      if (key === 'interface') return interfaceKey;
      return key === 'region' ? 'region_name' : `auth.${key}`;
    },
    elsewhere: (key) =>
      key === 'password' || key === 'application_credential_secret'
        ? 'there or in secure.yaml beside it'
        : undefined,
  };
}

function regionOf(cloud: Cloud, source: string): string | undefined {
  if (cloud.region_name !== undefined || cloud.regions === undefined) return cloud.region_name;
  const names = cloud.regions.map((region) => (typeof region === 'string' ? region : region.name));
  if (names.length === 1) return names[0];
  throw wrongCredentials(source, `has several regions (${list(names)}): choose one with region_name`);
}

/** As openstacksdk takes it, but from the file's folder rather than from wherever the program was started. */
function path(written: string, { folder, home }: { folder: string; home: string }): string {
  return written.startsWith('~/') ? join(home, written.slice(2)) : resolve(folder, written);
}

function list(names: readonly string[]): string {
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
  return names.slice(0, MOST_NAMED).map(quoted).join(', ') + more;
}

function quoted(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}
