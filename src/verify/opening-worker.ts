/** The thread behind opening.ts: decrypts and decompresses volumes, a few pieces ahead of whoever takes them. */
import { parentPort } from 'node:worker_threads';
import { FRAME_CONTENT } from '../volume/compress.ts';
import { contentOf } from '../volume/content.ts';
import { ONE_CALL, VolumeMemory } from '../volume/memory.ts';
import { packError } from '../worker/start.ts';
import type { FromOpener, ToOpener } from './opening.ts';

/** Pieces, of 8 MiB at most, that were posted and not taken yet. */
const AHEAD = 2;
/** Memory for what is ahead, and for what is being decompressed: it is shared, so that pieces need not be copied, nor new memory be found for each. */
const PLACES = AHEAD + 1;

const port = parentPort;
if (port === null) throw new Error('opening-worker is started as a worker only');

const places: SharedArrayBuffer[] = [];
let nextPlace = 0;

/** Memory that nobody looks at any more: pieces are taken in the order in which they are posted. */
function place(bytes: number): Buffer {
  nextPlace = (nextPlace + 1) % PLACES;
  let memory = places[nextPlace];
  if (memory === undefined || memory.byteLength < bytes) {
    // Longer frames than the program makes are rare, and come together.
    memory = new SharedArrayBuffer(bytes > FRAME_CONTENT ? ONE_CALL : FRAME_CONTENT);
    places[nextPlace] = memory;
  }
  return Buffer.from(memory, 0, bytes);
}

const memory = new VolumeMemory(place);

let ahead = 0;
let isDropped = false;
let onTaken: (() => void) | undefined;

async function open({ ciphertext, sessionKey, object }: Extract<ToOpener, { kind: 'open' }>): Promise<void> {
  ahead = 0;
  isDropped = false;
  for await (const piece of contentOf(ciphertext, sessionKey, { object }, memory)) {
    while (ahead >= AHEAD && !isDropped) {
      await new Promise<void>((resolve) => {
        onTaken = resolve;
      });
    }
    if (isDropped) return;
    ahead++;
    if (piece.buffer instanceof SharedArrayBuffer) {
      post({ kind: 'piece', bytes: piece });
      continue;
    }
    // Pieces that lie in one buffer cannot be moved one by one.
    const bytes = piece.length === piece.buffer.byteLength ? piece : Uint8Array.from(piece);
    post({ kind: 'piece', bytes }, [bytes.buffer as ArrayBuffer]);
  }
}

function post(message: FromOpener, moved: ArrayBuffer[] = []): void {
  port?.postMessage(message, moved);
}

port.on('message', (message: ToOpener) => {
  switch (message.kind) {
    case 'open':
      open(message).then(
        () => post({ kind: 'end' }),
        (error: unknown) => post({ kind: 'failed', error: packError(error) }),
      );
      break;
    case 'taken':
      ahead--;
      onTaken?.();
      break;
    case 'drop':
      isDropped = true;
      onTaken?.();
      break;
    default:
      isDropped = true;
      onTaken?.();
      port.close();
  }
});
