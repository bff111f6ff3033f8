/** Which requests a rule is about: by method, path and query. */

/** What is known of a request before its body is read. */
export interface Asked {
  readonly method: string;
  /** Percent-decoded where that gives UTF-8. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case; without tokens, keys and passwords. */
  readonly headers: Readonly<Record<string, string>>;
}

export type Match = (asked: Asked) => boolean;

/** A pattern or a test for the decoded path; without it every path will do. */
export type PathMatch = RegExp | ((path: string) => boolean);

/** Requests of any method. */
export function any(path?: PathMatch): Match {
  return ({ path: asked }) => {
    if (path === undefined) return true;
    return path instanceof RegExp ? asked.search(path) >= 0 : path(asked);
  };
}

/** Requests of one method. */
export function method(name: string, path?: PathMatch): Match {
  const onPath = any(path);
  return (asked) => asked.method === name && onPath(asked);
}

export const get = (path?: PathMatch): Match => method('GET', path);
export const head = (path?: PathMatch): Match => method('HEAD', path);
export const put = (path?: PathMatch): Match => method('PUT', path);
export const post = (path?: PathMatch): Match => method('POST', path);
export const del = (path?: PathMatch): Match => method('DELETE', path);

/** Listings of a container: GET of `/v1/ACCOUNT/CONTAINER`. */
export function listing(container?: string): Match {
  return ({ method, path }) => {
    const [, version, account, name, ...object] = path.replace(/\/$/, '').split('/');
    const isContainer =
      version === 'v1' && account !== undefined && name !== undefined && object.length === 0;
    return method === 'GET' && isContainer && (container === undefined || container === name);
  };
}

/** Swift's bulk delete. */
export function bulkDelete(): Match {
  return ({ method, query }) => (method === 'POST' || method === 'DELETE') && query.has('bulk-delete');
}

/** Sign-ins: TempAuth's GET below `/auth`, and Keystone's POST of `…/v3/auth/tokens`. */
export function signIn(): Match {
  return ({ method, path }) =>
    (method === 'GET' && /^\/auth(\/|$)/.test(path)) ||
    (method === 'POST' && /\/v3\/auth\/tokens$/.test(path));
}

/** Requests for which all of `matches` hold. */
export function all(...matches: readonly Match[]): Match {
  return (asked) => matches.every((match) => match(asked));
}

/** Requests for which `match` does not hold. */
export function not(match: Match): Match {
  return (asked) => !match(asked);
}
