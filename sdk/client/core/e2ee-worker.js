/**
 * The worker that encrypts what goes out and decrypts what comes in, frame by frame. The page never sees a frame; this never
 * sees the network. What it is told and tells: `ToWorker` and `FromWorker` below.
 *
 * @typedef {import('./e2ee-cipher.js').Outcome} Outcome
 *
 * @typedef {{id: number, side: 'send' | 'receive', kind: 'audio' | 'video'}} Way one sender or receiver
 *
 * @typedef {{type: 'room', room: string, self: string}
 *   | {type: 'codecs', codecs: Record<number, string>}
 *   | ({type: 'key'} & import('./e2ee-cipher.js').KeyEntry)
 *   | {type: 'remove-key', participant: string | null, index: number}
 *   | {type: 'use', index: number}
 *   | {type: 'here', participant: string}
 *   | {type: 'gone', participant: string}
 *   | {type: 'streams', way: Way, readable: ReadableStream, writable: WritableStream}
 *   | {type: 'count', ask: number}} ToWorker
 *   room: comes first. codecs: payload type -> codec, in lower case. use: the key to
 *   encrypt with. streams: where the browser has no script transforms
 *
 * @typedef {{type: 'state', id: number, side: 'send' | 'receive', outcome: Outcome, participant: string | null}
 *   | {type: 'counts', ask: number, counts: Counts}} FromWorker
 *
 * @typedef {{encrypted: number, decrypted: number, dropped: Record<string, number>}} Counts frames so far. `dropped`: by outcome
 */
import { FrameDecryptor, FrameEncryptor, KeyRing } from './e2ee-cipher.js';

/** @typedef {{data: ArrayBuffer, type?: string, getMetadata: () => {payloadType?: number, mimeType?: string}}} EncodedFrame */

const scope = /** @type {any} */ (globalThis);
const tell = (/** @type {FromWorker} */ message) => scope.postMessage(message);

const ring = new KeyRing();
let self = '';
let index = 0;
/** @type {Record<number, string>} */
let codecs = {};
/** @type {Counts} */
const counts = { encrypted: 0, decrypted: 0, dropped: {} };

/**
 * One sender or receiver at work. Frames that cannot be encrypted or decrypted end here: nothing leaves us readable, and
 * no decoder is fed what it cannot read.
 * @param {Way} way
 * @param {ReadableStream} readable
 * @param {WritableStream} writable
 * @param {(() => unknown) | null} wantKeyframe
 */
function carry({ id, side }, readable, writable, wantKeyframe) {
  const [encryptor, decryptor] = [new FrameEncryptor(ring), new FrameDecryptor(ring)];
  let told = '';
  let broken = false;

  const transform = async (/** @type {EncodedFrame} */ frame, /** @type {TransformStreamDefaultController} */ controller) => {
    if (frame.data.byteLength === 0) return controller.enqueue(frame);
    const [codec, bytes] = [codecOf(frame), new Uint8Array(frame.data)];
    const result = side === 'send' ? encryptor.encrypt(codec, bytes, self, index) : decryptor.decrypt(codec, bytes);
    const { data, outcome, participant } = await result;
    const state = `${outcome} ${participant}`;
    if (state !== told) {
      told = state;
      tell({ type: 'state', id, side, outcome, participant });
    }
    if (!data) {
      counts.dropped[outcome] = (counts.dropped[outcome] ?? 0) + 1;
      broken = true;
      return;
    }
    counts[side === 'send' ? 'encrypted' : 'decrypted'] += 1;
    // Pictures were dropped before this one: nobody can begin with a picture that refers to them.
    if (broken && frame.type === 'delta') void Promise.resolve(wantKeyframe?.()).catch(() => {});
    broken = false;
    frame.data = /** @type {ArrayBuffer} */ (data.buffer.byteLength === data.byteLength ? data.buffer : data.slice().buffer);
    controller.enqueue(frame);
  };
  // Ends with its sender or receiver.
  readable.pipeThrough(new TransformStream({ transform })).pipeTo(writable).catch(() => {});
}

/** @param {EncodedFrame} frame */
function codecOf(frame) {
  const { mimeType, payloadType } = frame.getMetadata();
  return mimeType?.split('/')[1]?.toLowerCase() ?? codecs[payloadType ?? -1] ?? '';
}

scope.onrtctransform = (/** @type {{transformer: any}} */ { transformer }) => {
  const { options, readable, writable } = transformer;
  const ask = options.side === 'send' ? () => transformer.generateKeyFrame?.() : () => transformer.sendKeyFrameRequest?.();
  carry(options, readable, writable, options.kind === 'video' ? ask : null);
};

scope.onmessage = (/** @type {{data: ToWorker}} */ { data: message }) => {
  switch (message.type) {
    case 'room':
      ring.enter(message.room);
      self = message.self;
      void ring.welcome(self);
      break;
    case 'codecs':
      codecs = message.codecs;
      break;
    case 'key':
      ring.set(message);
      break;
    case 'remove-key':
      ring.remove(message.participant, message.index);
      break;
    case 'use':
      index = message.index;
      break;
    case 'here':
      void ring.welcome(message.participant);
      break;
    case 'gone':
      void ring.forget(message.participant);
      break;
    case 'streams':
      carry(message.way, message.readable, message.writable, null);
      break;
    case 'count':
      tell({ type: 'counts', ask: message.ask, counts });
      break;
    default: // of a newer page
  }
};
