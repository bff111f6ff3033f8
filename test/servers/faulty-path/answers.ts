/** Actions that answer in the server's place, so that nothing of the request is done. */
import type { Action, AnswerOptions, Exchange } from './exchange.ts';

type When = Pick<AnswerOptions, 'early'>;

function answering(name: string, run: (exchange: Exchange) => Promise<void>): Action {
  return { name, run };
}

/** Answers `code`, with a short page of HTML as Swift does. `early`: while the body is still arriving, closing the connection. */
export function status(code: number, options: AnswerOptions = {}): Action {
  const body = options.body ?? `<html><h1>${code}</h1><p>Said by the faulty path.</p></html>`;
  return answering(`status ${code}`, (exchange) => exchange.answer(code, { ...options, body }));
}

/** 200 with the page of some other proxy, and none of Swift's headers. */
export function html(options: When = {}): Action {
  const body =
    '<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Guest network</body></html>\n';
  return answering('html', (exchange) => exchange.answer(200, { ...options, body }));
}

export function redirect(location: string, code = 302): Action {
  return answering(`redirect ${code}`, (exchange) => exchange.answer(code, { headers: { location } }));
}

/** 101, as if the client had asked for another protocol; `early` as for a status. The connection stays open. */
export function upgrade({ early = false }: When = {}): Action {
  return answering('upgrade', async (exchange) => {
    if (!early) await exchange.drain();
    exchange.logged.status = 101;
    // ServerResponse would take this for an answer before the answer.
    exchange.request.socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    );
    await exchange.pause(Number.POSITIVE_INFINITY);
  });
}

/** The token that came with this request, and all seen before, are refused from here on, until their owners sign in again. */
export function expireToken(options: When = {}): Action {
  return answering('expireToken', (exchange) => {
    exchange.way.tokens.expire();
    return unauthorized(exchange, options);
  });
}

/** Swift's answer to a token that is not, or no longer, good. */
export function unauthorized(exchange: Exchange, options: When = {}): Promise<void> {
  const realm = /^\/v1\/([^/]+)/.exec(exchange.logged.path)?.[1] ?? 'unknown';
  return exchange.answer(401, {
    ...options,
    headers: { 'www-authenticate': `Swift realm="${realm}"` },
    body: '<html><h1>401</h1><p>Token not valid, said by the faulty path.</p></html>',
  });
}

/** 200, with a body that says of every name in the request that it was not deleted. */
export function bulkDeleteFails(response = '400 Bad Request', error = '403 Forbidden'): Action {
  return answering('bulkDeleteFails', async (exchange) => {
    const pieces: Buffer[] = [];
    for await (const bytes of exchange.body()) pieces.push(bytes);
    const names = Buffer.concat(pieces)
      .toString()
      .split('\n')
      .filter((line) => line.trim() !== '');
    const errors = names.map((name): [string, string] => [name.startsWith('/') ? name : `/${name}`, error]);
    const counts = {
      'Number Deleted': 0,
      'Number Not Found': 0,
      'Response Body': '',
      'Response Status': response,
    };
    const json = exchange.headers.get('accept')?.[0]?.includes('application/json') === true;
    const lines = [
      ...Object.entries(counts).map(([name, value]) => `${name}: ${value}`),
      'Errors:',
      ...errors.map(([name, why]) => `${name}, ${why}`),
    ];
    await exchange.answer(200, {
      headers: { 'content-type': json ? 'application/json' : 'text/plain' },
      body: json ? JSON.stringify({ ...counts, Errors: errors }) : `${lines.join('\n')}\n`,
    });
  });
}
