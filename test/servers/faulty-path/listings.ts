/** Actions that edit the JSON listing of a container: what an eventually consistent store may show. */
import type { Action } from './exchange.ts';

/** One line of a listing; others of Swift's fields are passed on as they are. */
export interface ListedObject {
  name: string;
  hash: string;
  bytes: number;
  content_type: string;
  last_modified: string;
}

/** Swift's default, and the most it gives. */
const PAGE = 10_000;

/**
 * Edits a listing page by page. The server is asked for full pages whatever the client asked for, and the edited page is cut to
 * the client's limit, so that leaving names out ends no listing early (unless 10,000 in a row are left out).
 */
function editListing(
  name: string,
  edit: (objects: ListedObject[], query: URLSearchParams, isLast: boolean) => ListedObject[],
): Action {
  return {
    name,
    run: (exchange) => {
      const asked = new URLSearchParams(exchange.logged.query);
      const limit = Number(asked.get('limit') ?? PAGE);
      let editable = false;
      return exchange.forward({
        ask: (_headers, query) => query.delete('limit'),
        answer: ({ status, headers }) => {
          editable =
            status === 200 && headers.get('content-type')?.[0]?.startsWith('application/json') === true;
          if (editable) headers.delete('content-length');
        },
        download: async function* (body) {
          const pieces: Buffer[] = [];
          for await (const bytes of body) pieces.push(bytes);
          const text = Buffer.concat(pieces);
          if (!editable) return yield text;
          const objects: ListedObject[] = JSON.parse(text.toString());
          const edited = edit(objects, asked, objects.length < PAGE).slice(0, limit);
          yield Buffer.from(JSON.stringify(edited));
        },
      });
    },
  };
}

/** Leaves out the names that match, as if the listing did not know them yet. */
export function delayListing(names: RegExp | ((name: string) => boolean)): Action {
  const hidden = (name: string) => (names instanceof RegExp ? name.search(names) >= 0 : names(name));
  return editListing('delayListing', (objects) =>
    objects.filter((object) => object.name === undefined || !hidden(object.name)),
  );
}

/** Adds objects that are not there, where their names belong; a name alone stands for an empty object of long ago. */
export function ghost(...ghosts: readonly (string | (Partial<ListedObject> & { name: string }))[]): Action {
  const lines = ghosts.map(
    (given): ListedObject => ({
      hash: 'd41d8cd98f00b204e9800998ecf8427e',
      bytes: 0,
      content_type: 'application/octet-stream',
      last_modified: '2020-01-01T00:00:00.000000',
      ...(typeof given === 'string' ? { name: given } : given),
    }),
  );
  return editListing('ghost', (objects, query, isLast) => {
    const real = new Set(objects.map(({ name }) => name));
    const end = isLast ? undefined : objects.at(-1)?.name;
    const shown = lines.filter(
      ({ name }) =>
        !real.has(name) &&
        name.startsWith(query.get('prefix') ?? '') &&
        bytewise(name, query.get('marker') ?? '') > 0 &&
        (end === undefined || bytewise(name, end) < 0) &&
        (query.get('end_marker') === null || bytewise(name, query.get('end_marker')!) < 0),
    );
    return [...objects, ...shown].sort((a, b) => bytewise(a.name, b.name));
  });
}

function bytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
