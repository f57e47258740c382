import { EnfiladeError, requireArgument } from '../core/errors.js';

/** @typedef {import('../core/data.js').DataChannel} DataChannel */
/** @typedef {import('../core/room.js').Room} Room */
/** @typedef {'RELIABLE' | 'UNRELIABLE'} Reliability */
/** @typedef {{payload: string | ArrayBuffer, from: string, timestamp: number, reliability: Reliability}} DataMessage timestamp: ms since 1970, when it came */

/** Largest payload, in bytes. */
export const PAYLOAD_MAX = 15 * 1024;
/** How long to wait for a channel to open, in ms. */
const OPEN_MS = 10_000;
const LABELS = /** @type {const} */ ({ RELIABLE: 'meeting.reliable', UNRELIABLE: 'meeting.unreliable' });
/** First byte: what the payload was before it became bytes. */
const TEXT = 0;
const BINARY = 1;

/**
 * `send` and the event `data`: two data channels, opened when somebody sends or listens for the first time, because each
 * meeting that has them needs an m-line more.
 */
export class MeetingData {
  #room;
  #arrived;
  /** @type {Map<Reliability, DataChannel>} */
  #channels = new Map();

  /**
   * @param {() => Room} room
   * @param {(message: DataMessage) => void} arrived
   */
  constructor(room, arrived) {
    this.#room = room;
    this.#arrived = arrived;
  }

  /** Whether somebody has sent or listened. */
  get used() {
    return this.#channels.size > 0;
  }

  /** Another room: the channels of the old one go. */
  reopen() {
    for (const channel of this.#channels.values()) channel.close();
    this.open();
  }

  open() {
    const room = this.#room();
    for (const reliability of /** @type {const} */ (['RELIABLE', 'UNRELIABLE'])) {
      const known = this.#channels.get(reliability);
      if (known && known.state !== 'closed') continue;
      const channel = room.openDataChannel(LABELS[reliability], reliability === 'RELIABLE' ? {} : { ordered: false, maxRetransmits: 0 });
      this.#channels.set(reliability, channel);
      channel.on('message', ({ participant, payload }) => {
        const body = payload.slice(1);
        this.#arrived({
          payload: payload[0] === TEXT ? new TextDecoder().decode(body) : body.buffer,
          from: participant, timestamp: room.platform.date?.() ?? 0, reliability,
        });
      });
    }
  }

  /**
   * @param {string | Blob | ArrayBuffer | ArrayBufferView} payload
   * @param {Reliability} reliability
   */
  async send(payload, reliability) {
    requireArgument(reliability in LABELS, 'send: RELIABLE or UNRELIABLE.');
    const bytes = await toBytes(payload);
    if (bytes.length - 1 > PAYLOAD_MAX) throw new EnfiladeError('message-too-large', `send: a payload has at most ${PAYLOAD_MAX} bytes.`);
    this.open();
    const channel = /** @type {DataChannel} */ (this.#channels.get(reliability));
    await this.#opened(channel);
    await channel.send(bytes);
  }

  /** @param {DataChannel} channel @returns {Promise<void>} */
  #opened(channel) {
    if (channel.state === 'open') return Promise.resolve();
    const { platform } = this.#room();
    return new Promise((resolve, reject) => {
      const done = (/** @type {EnfiladeError | null} */ error) => {
        platform.clearTimeout(timer);
        offs.forEach((off) => off());
        if (error) reject(error);
        else resolve();
      };
      const timer = platform.setTimeout(() => done(new EnfiladeError('timed-out', 'send: the data channel does not open.')), OPEN_MS);
      const offs = [
        channel.on('open', () => done(null)),
        channel.on('closed', () => done(new EnfiladeError('channel-closed', 'send: the data channel closed.'))),
      ];
    });
  }
}

/** @param {unknown} payload @returns {Promise<Uint8Array>} with the byte before it that tells text from bytes */
async function toBytes(payload) {
  /** @type {Uint8Array} */
  let bytes;
  if (typeof payload === 'string') bytes = new TextEncoder().encode(payload);
  else if (payload instanceof Blob) bytes = new Uint8Array(await payload.arrayBuffer());
  else if (payload instanceof ArrayBuffer) bytes = new Uint8Array(payload);
  else if (ArrayBuffer.isView(payload)) bytes = new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  else throw new EnfiladeError('invalid-argument', 'send: a string, a Blob or an ArrayBuffer.');
  const framed = new Uint8Array(1 + bytes.length);
  framed[0] = typeof payload === 'string' ? TEXT : BINARY;
  framed.set(bytes, 1);
  return framed;
}
