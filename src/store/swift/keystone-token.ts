/** What Keystone says of a token that it has made, read and checked. */

import { z } from 'zod';
import { HoldfastError } from '../../errors.ts';
import type { Service } from './catalogue.ts';
import type { Answer } from './exchange.ts';

export interface KeystoneToken {
  expires: Date;
  /** User and project, for messages. */
  user: string;
  roles: string[];
  catalog: Service[];
}

const name = z.string().max(1024);

const answerSchema = z.looseObject({
  token: z.looseObject({
    expires_at: z.iso.datetime({ offset: true, local: true }),
    user: z.looseObject({ name }),
    project: z.looseObject({ name }).optional(),
    roles: z.array(z.looseObject({ name })).optional(),
    catalog: z
      .array(
        z.looseObject({
          type: name,
          endpoints: z.array(
            z.looseObject({
              interface: name,
              region: name.nullish(),
              region_id: name.nullish(),
              url: z.string(),
            }),
          ),
        }),
      )
      .optional(),
  }),
});

const errorSchema = z.looseObject({ error: z.looseObject({ code: z.number() }) });

/** Whether a body is an error as Keystone itself forms it, and not one of a server before it. */
export function isKeystoneError(body: Buffer): boolean {
  try {
    return errorSchema.safeParse(JSON.parse(body.toString('utf8'))).success;
  } catch {
    return false;
  }
}

/** Throws HoldfastError `store` when the body is none that Keystone v3 gives. Shows nothing of it. */
export function readToken({ body, headers, status }: Answer, what: string): KeystoneToken {
  const refuse = (message: string) => new HoldfastError('store', `${what}: ${message}`);
  const type = headers['content-type'] ?? '';
  if (/html/i.test(type) || /^\s*</.test(body.subarray(0, 64).toString('latin1'))) {
    throw refuse(
      `the server answered with a web page (${status}): the auth URL seems not to be one of Keystone v3, or a proxy stands between`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw refuse(`the answer (${status}) is no JSON: the auth URL seems not to be one of Keystone v3`);
  }
  const result = answerSchema.safeParse(value);
  if (!result.success) {
    const place = result.error.issues[0]!.path.join('.');
    throw refuse(
      `the answer (${status}) is not what Keystone v3 gives${place === '' ? '' : ` (${place})`}; check the auth URL`,
    );
  }
  const { token } = result.data;
  if (token.catalog === undefined || token.project === undefined) {
    throw refuse(
      'the token is for no project, and so for no object store: give a project (project_name, OS_PROJECT_NAME)',
    );
  }
  return {
    expires: utc(token.expires_at),
    user: `${JSON.stringify(token.user.name)} in project ${JSON.stringify(token.project.name)}`,
    roles: (token.roles ?? []).map((role) => role.name),
    catalog: token.catalog,
  };
}

/** Keystone leaves the zone out where it takes the time from an application credential: it is UTC. */
function utc(written: string): Date {
  return new Date(/Z$|[+-]\d\d:?\d\d$/.test(written) ? written : `${written}Z`);
}
