/** What somebody does to a container with a credential that he has stolen, in plain requests. Judges nothing. */

/** Signed in, with nothing of Holdfast: requests about paths in the account, `container/object`. */
export class Account {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** With TempAuth. */
  static async enter(authUrl: string, user: string, key: string): Promise<Account> {
    const { headers } = await fetch(authUrl, { headers: { 'x-auth-user': user, 'x-auth-key': key } });
    return new Account(headers.get('x-storage-url') ?? '', headers.get('x-auth-token') ?? '');
  }

  /** The status, the headers and the body of the answer. `path` may have a query; its names are encoded already. */
  async ask(method: string, path: string, headers: Record<string, string> = {}, body?: string) {
    const answer = await fetch(`${this.#url}/${path}`, {
      method,
      headers: { 'x-auth-token': this.#token, ...headers },
      ...(body !== undefined && { body }),
    });
    return { status: answer.status, headers: answer.headers, body: await answer.text() };
  }

  /** Names in a container. */
  async names(container: string): Promise<string[]> {
    const { body } = await this.ask('GET', container);
    return body.split('\n').filter((name) => name !== '');
  }
}

/** Requests by which he would get at the past, or at who may do what. None of them may be granted. */
export async function reachForThePast(
  thief: Account,
  container: string,
  history: string,
  entry: string,
): Promise<[string, number][]> {
  const off: Record<string, string>[] = [
    { 'x-remove-history-location': 'x' },
    { 'x-history-location': '' },
    { 'x-history-location': container },
    { 'x-versions-location': container },
    { 'x-versions-enabled': 'false' },
    { 'x-container-read': '.r:*' },
    { 'x-container-write': '' },
    { 'x-container-meta-quota-bytes': '1' },
  ];
  const requests: [string, string, Record<string, string>?][] = [
    // With a slash behind it, a rule for paths of objects takes the container for one.
    ...off.flatMap((headers) =>
      [container, `${container}/`].flatMap((path): [string, string, Record<string, string>][] => [
        ['POST', path, headers],
        ['PUT', path, headers],
      ]),
    ),
    ['DELETE', container],
    ['DELETE', `${container}/`],
    ['GET', ''],
    ['POST', '', { 'x-account-meta-temp-url-key': 'key' }],
    ['PUT', 'another'],
    ['GET', history],
    ['DELETE', history],
    ['POST', history, { 'x-container-write': '*' }],
    ['GET', `${history}/${entry}`],
    ['PUT', `${history}/${entry}`],
    ['POST', `${history}/${entry}`, { 'x-delete-after': '1' }],
    ['DELETE', `${history}/${entry}`],
    ['COPY', `${history}/${entry}`, { destination: `${container}/stolen` }],
    ['PUT', `${container}/stolen`, { 'x-copy-from': `/${history}/${entry}` }],
  ];
  return Promise.all(
    requests.map(async ([method, path, headers]): Promise<[string, number]> => {
      const { status } = await thief.ask(method, path, headers, method === 'PUT' ? '' : undefined);
      return [`${method} ${path} ${JSON.stringify(headers ?? {})}`, status];
    }),
  );
}

/** Overwrites every object, half of them twice, and deletes all, one by one and in bulk; returns their names. */
export async function destroyAll(thief: Account, container: string): Promise<string[]> {
  const names = await thief.names(container);
  await Promise.all(
    names.map(async (name, i) => {
      const path = `${container}/${name}`;
      for (let again = 0; again <= i % 2; again++) await thief.ask('PUT', path, {}, 'destroyed');
      if (i % 3 > 0) await thief.ask('DELETE', path);
    }),
  );
  const bulk = names.map((name) => `${container}/${name}\n`).join('');
  await thief.ask('POST', '?bulk-delete=true', { 'content-type': 'text/plain' }, bulk);
  return names;
}
