import { Emitter } from './emitter.js';
import { EnfiladeError, requireArgument } from './errors.js';

/** @typedef {import('./e2ee-cipher.js').KeyEntry} KeyEntry */
/** @typedef {import('./e2ee-cipher.js').Outcome} Outcome */
/** @typedef {import('./e2ee-worker.js').Counts} Counts */
/** @typedef {import('./e2ee-worker.js').FromWorker} FromWorker */
/** @typedef {import('./e2ee-worker.js').ToWorker} ToWorker */
/** @typedef {import('./key-provider.js').KeyProvider} KeyProvider */
/** @typedef {import('./platform.js').Encryption} Encryption */
/** @typedef {import('./platform.js').Platform} Platform */

/**
 * End-to-end encryption of one room: the worker, its keys, and which sender or receiver is which.
 * @extends {Emitter<{state: [RTCRtpSender | RTCRtpReceiver, Outcome, string | null], broken: [EnfiladeError]}>}
 *   `state`: what becomes of the frames of this sender or receiver now, and who sends them, where that is known
 */
export class E2ee extends Emitter {
  #platform;
  #keys;
  /** @type {Encryption | null} */
  #encryption;
  /** @type {Map<number, RTCRtpSender | RTCRtpReceiver>} */
  #ways = new Map();
  /** What the worker told last. @type {Map<RTCRtpSender | RTCRtpReceiver, {outcome: Outcome, participant: string | null}>} */
  #states = new Map();
  #lastWay = 0;
  #self = '';
  #using = -1;
  /** @type {unknown} */
  #switching = null;
  /** @type {Map<number, {resolve: (counts: Counts) => void, reject: (error: EnfiladeError) => void}>} */
  #asked = new Map();
  #lastAsk = 0;
  /** @type {(() => void)[]} */
  #off;

  /**
   * @param {Platform} platform
   * @param {KeyProvider} keys
   */
  constructor(platform, keys) {
    super();
    requireArgument(typeof keys?.setKey === 'function', 'Room: `e2ee.keys` is a KeyProvider.');
    this.#platform = platform;
    this.#keys = keys;
    this.#encryption = platform.encryption?.() ?? null;
    if (!this.#encryption) throw new EnfiladeError('not-supported', 'End-to-end encryption: this browser gives no access to encoded frames.');
    const { worker } = this.#encryption;
    worker.onmessage = ({ data }) => this.#hear(data);
    worker.onerror = () => this.emit('broken', new EnfiladeError('e2ee-failed', 'End-to-end encryption: its worker has failed; nothing is sent or shown.'));
    this.#off = [
      keys.on('key', (entry) => this.#self && this.#give(entry)),
      keys.on('remove-key', (of) => this.#tell({ type: 'remove-key', ...of })),
    ];
  }

  /** What a peer connection has to be made with. */
  get config() {
    return this.#encryption?.config ?? {};
  }

  /** We are in. @param {string} room @param {string} self our participant id */
  enter(room, self) {
    const first = this.#self === '';
    this.#self = self;
    this.#tell({ type: 'room', room, self });
    if (first) for (const entry of this.#keys.keys) this.#give(entry);
  }

  /** @param {string} participant @param {boolean} here came, or went */
  know(participant, here) {
    this.#tell({ type: here ? 'here' : 'gone', participant });
  }

  /** Before anything flows: encrypts all that this sends, or decrypts all that this receives. @param {RTCRtpSender | RTCRtpReceiver} way @param {'audio' | 'video'} kind */
  attach(way, kind) {
    const id = ++this.#lastWay;
    this.#ways.set(id, way);
    this.#encryption?.attach(way, { id, side: 'replaceTrack' in way ? 'send' : 'receive', kind });
  }

  /** What payload types mean now. @param {string} sdp */
  learn(sdp) {
    const maps = [...sdp.matchAll(/^a=rtpmap:(\d+) ([^/\s]+)\//gm)];
    this.#tell({ type: 'codecs', codecs: Object.fromEntries(maps.map(([, type, name]) => [Number(type), String(name).toLowerCase()])) });
  }

  /** A peer connection is gone, and its senders and receivers. */
  detach() {
    this.#ways.clear();
    this.#states.clear();
  }

  /** What becomes of what comes on a track. @param {MediaStreamTrack} track */
  stateOf(track) {
    for (const [way, state] of this.#states) if (!('replaceTrack' in way) && way.track === track) return state;
    return null;
  }

  /** Frames so far, since the room was joined. @returns {Promise<Counts>} */
  counts() {
    return new Promise((resolve, reject) => {
      if (!this.#encryption) return reject(new EnfiladeError('left', 'The room was left.'));
      const ask = ++this.#lastAsk;
      this.#asked.set(ask, { resolve, reject });
      this.#tell({ type: 'count', ask });
    });
  }

  close() {
    this.#platform.clearTimeout(this.#switching);
    for (const off of this.#off) off();
    this.#encryption?.worker.terminate();
    this.#encryption = null;
    for (const { reject } of this.#asked.values()) reject(new EnfiladeError('left', 'The room was left.'));
    this.#asked.clear();
    this.removeAllListeners();
  }

  /** @param {KeyEntry} entry */
  #give(entry) {
    this.#tell({ type: 'key', ...entry });
    if (entry.participant !== null && entry.participant !== this.#self) return;
    const use = () => {
      this.#using = entry.index;
      this.#tell({ type: 'use', index: entry.index });
    };
    // The key in use, given again, does not put off the switch to a newer one.
    if (this.#using < 0 || this.#using === entry.index) return use();
    this.#platform.clearTimeout(this.#switching);
    this.#switching = this.#platform.setTimeout(use, this.#keys.switchAfterMs);
  }

  /** @param {FromWorker} message */
  #hear(message) {
    if (message.type === 'counts') {
      this.#asked.get(message.ask)?.resolve(message.counts);
      this.#asked.delete(message.ask);
      return;
    }
    const way = this.#ways.get(message.id);
    if (!way) return;
    this.#states.set(way, { outcome: message.outcome, participant: message.participant });
    this.emit('state', way, message.outcome, message.participant);
  }

  /** @param {ToWorker} message */
  #tell(message) {
    this.#encryption?.worker.postMessage(message);
  }
}

/** The shapes in which a browser sends H264 that can be encrypted: not one unit per packet. @param {RTCRtpCapabilities | null} capabilities */
export function encryptable(capabilities) {
  const can = (/** @type {RTCRtpCodec} */ { mimeType, sdpFmtpLine = '' }) => !/\/h264$/i.test(mimeType) || /packetization-mode=1/.test(sdpFmtpLine);
  return capabilities && { ...capabilities, codecs: capabilities.codecs.filter(can) };
}
