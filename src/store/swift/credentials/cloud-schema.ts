/** The shape of clouds.yaml: strict where a misspelt key would cost the sign-in, tolerant to what other tools keep there. */

import { z } from 'zod';
import { nearestWord } from '../../../strategy/spelling.ts';
import { AUTH_KEYS, type AuthKey } from './written.ts';

/** Other spellings of auth keys, as openstacksdk takes them. */
const OTHER_SPELLINGS: Record<string, AuthKey> = {
  tenant_id: 'project_id',
  tenant_name: 'project_name',
  user_name: 'username',
};

/** Settings that change where or how one signs in, and are not supported: passing over them would mislead. */
const REFUSED: Record<string, string> = {
  profile: 'profiles of vendors are not supported: write the auth_url and the rest out',
  vendor: 'profiles of vendors are not supported: write the auth_url and the rest out',
  cloud: 'profiles of vendors are not supported: write the auth_url and the rest out',
  cert: 'certificates of the client are not supported: take it out',
  key: 'certificates of the client are not supported: take it out',
  object_store_endpoint: 'the endpoint is taken from the catalogue alone: take it out',
  object_store_endpoint_override: 'the endpoint is taken from the catalogue alone: take it out',
  object_store_region_name: 'is not supported: use region_name, or store.swift.region of the strategy',
  object_store_interface: 'is not supported: use interface, or store.swift.interface of the strategy',
};

function text() {
  return z.string().min(1);
}

const auth = z.strictObject(
  Object.fromEntries(AUTH_KEYS.map((key) => [key, text().optional()])) as Record<
    AuthKey,
    z.ZodOptional<z.ZodString>
  >,
);

const truth = z.union([
  z.boolean(),
  z
    .string()
    .regex(/^(true|false)$/i)
    .transform((word) => word.toLowerCase() === 'true'),
]);

const region = z.union([
  text(),
  z
    .strictObject({ name: text(), values: z.looseObject({}).optional() })
    .refine(
      ({ values }) => Object.keys(values ?? {}).length === 0,
      'settings of a single region are not supported: take "values" out',
    ),
]);

/** One cloud, or what secure.yaml adds to it. */
export const cloudSchema = z.preprocess(
  gatherAuth,
  z
    .looseObject({
      auth: auth.optional(),
      auth_type: text().optional(),
      region_name: text().optional(),
      regions: z.array(region).min(1).optional(),
      interface: text().optional(),
      endpoint_type: text().optional(),
      cacert: text().optional(),
      verify: truth.optional(),
      insecure: truth.optional(),
      identity_api_version: z
        .union([z.number(), z.string()])
        .refine(
          (version) => /^v?3(\.\d+)?$/.test(String(version)),
          'must be 3: other versions of Keystone are not supported',
        )
        .optional(),
    })
    .superRefine((cloud, context) => {
      for (const key of Object.keys(cloud)) {
        if (Object.hasOwn(REFUSED, key)) {
          context.addIssue({ code: 'custom', path: [key], message: REFUSED[key]! });
        }
      }
    }),
);

export type Cloud = z.infer<typeof cloudSchema>;

/** A whole file; its clouds are looked at one by one. */
export const cloudsSchema = z.looseObject({ clouds: z.record(z.string(), z.unknown()).optional() });

/** Keys in one spelling, and auth keys that stand beside `auth` moved into it, as openstacksdk reads them. */
function gatherAuth(written: unknown): unknown {
  if (!isBlock(written)) return written;
  const cloud: Record<string, unknown> = {};
  const beside: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(written)) {
    const name = plain(key);
    if ((AUTH_KEYS as readonly string[]).includes(name)) beside[name] = value;
    else cloud[plainWord(key)] = value;
  }
  if ('auth' in cloud && !isBlock(cloud.auth)) return cloud;
  const within = Object.fromEntries(
    Object.entries((cloud.auth as object) ?? {}).map(([key, value]) => [plain(key), value]),
  );
  if ('auth' in cloud || Object.keys(beside).length > 0) cloud.auth = { ...beside, ...within };
  return cloud;
}

/** Whether a cloud holds a secret, whatever else is wrong with it. */
export function holdsSecret(written: unknown): boolean {
  const cloud = gatherAuth(written);
  if (!isBlock(cloud) || !isBlock(cloud.auth)) return false;
  const { password, application_credential_secret } = cloud.auth;
  return [password, application_credential_secret].some((secret) => secret != null && secret !== '');
}

function isBlock(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function plainWord(key: string): string {
  return key.replaceAll('-', '_');
}

function plain(key: string): string {
  const word = plainWord(key);
  return Object.hasOwn(OTHER_SPELLINGS, word) ? OTHER_SPELLINGS[word]! : word;
}

/** The first issue in words, beginning with the key; values are never shown, for they may be secrets. */
export function wordsOf(error: z.ZodError): string {
  const issue = error.issues[0]!;
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!;
    // Where a blank is forgotten after the colon, the value is part of the key.
    const shown = /^[A-Za-z_-]{1,40}$/.test(key)
      ? `${[...issue.path, key].join('.')}: `
      : `${issue.path.join('.')}: holds an `;
    const meant = nearestWord(key, AUTH_KEYS);
    return `${shown}unknown key${meant === undefined ? `; known here are ${AUTH_KEYS.join(', ')}` : `; did you mean "${meant}"?`}`;
  }
  const key = issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
  return `${key}${issue.code === 'custom' ? issue.message : shapeWords(issue)}`;
}

function shapeWords(issue: z.core.$ZodIssue): string {
  if (issue.code === 'too_small') return 'is empty: give it a value or take the line out';
  if (issue.code === 'invalid_type' && issue.expected === 'string') {
    return 'must be text: give it a value, in quotes where it looks like a number';
  }
  if (issue.code === 'invalid_type' && (issue.expected === 'object' || issue.expected === 'record')) {
    return 'must be a block of keys';
  }
  if (issue.path.at(-1) === 'verify' || issue.path.at(-1) === 'insecure') return 'must be true or false';
  return 'is not what stands here in a clouds.yaml';
}
