import { Emitter } from './emitter.js';
import { EnfiladeError, requireArgument } from './errors.js';
import { DATA_BYTES_MAX, DATA_PROTOCOL } from './protocol.js';

/** A sender waits while more than this is still to go out, in bytes. */
const BUFFER_BYTES = 1024 * 1024;

/**
 * `length (1 byte) | participant id | payload`
 * @param {string} id addressee or sender; empty: everybody else
 * @param {Uint8Array} payload
 */
export function encodeData(id, payload) {
  const name = new TextEncoder().encode(id);
  requireArgument(name.length <= 255, 'A participant id has at most 255 bytes.');
  const bytes = new Uint8Array(1 + name.length + payload.length);
  bytes[0] = name.length;
  bytes.set(name, 1);
  bytes.set(payload, 1 + name.length);
  return bytes;
}

/**
 * @param {Uint8Array} bytes
 * @returns {{id: string, payload: Uint8Array} | null} null when it is not one of ours
 */
export function decodeData(bytes) {
  const length = bytes[0];
  if (length === undefined || bytes.length < 1 + length) return null;
  return { id: new TextDecoder().decode(bytes.subarray(1, 1 + length)), payload: bytes.subarray(1 + length) };
}

/**
 * @typedef {object} DataOptions as of RTCDataChannel
 * @property {boolean} [ordered] default true
 * @property {number} [maxRetransmits] absent: reliable
 * @property {number} [maxPacketLifeTime] ms; absent: reliable
 */

/**
 * Application data between those in the room who opened a channel of the same label. It survives reconnects: after a fresh
 * join the same object carries a new channel.
 * @extends {Emitter<{
 *   open: [],
 *   message: [{participant: string, payload: Uint8Array}],
 *   interrupted: [],
 *   closed: [],
 * }>}
 */
export class DataChannel extends Emitter {
  /** @type {RTCDataChannel | null} */
  #channel = null;
  #closed = false;
  #release;

  /**
   * @param {string} label
   * @param {DataOptions} options
   * @param {(channel: DataChannel) => void} release called at `close`
   */
  constructor(label, options, release) {
    super();
    /** @readonly */
    this.label = label;
    /** @readonly */
    this.options = options;
    this.#release = release;
  }

  /** @returns {'connecting' | 'open' | 'closed'} */
  get state() {
    if (this.#closed) return 'closed';
    return this.#channel?.readyState === 'open' ? 'open' : 'connecting';
  }

  /**
   * @param {string | ArrayBuffer | Uint8Array} payload at most 256 KiB; text goes out as UTF-8
   * @param {{to?: string}} [options] `to`: a participant id; absent: everybody else
   * @returns {Promise<void>} done when handed to the network stack; rejects with `channel-closed`, `message-too-large`
   */
  async send(payload, { to = '' } = {}) {
    const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : new Uint8Array(payload);
    if (bytes.length > DATA_BYTES_MAX) {
      throw new EnfiladeError('message-too-large', `A message has at most ${DATA_BYTES_MAX} bytes.`);
    }
    const channel = this.#channel;
    if (!channel || channel.readyState !== 'open') throw new EnfiladeError('channel-closed', 'The data channel is not open.');
    if (channel.bufferedAmount > BUFFER_BYTES) {
      await new Promise((resolve, reject) => {
        channel.addEventListener('bufferedamountlow', resolve, { once: true });
        channel.addEventListener('close', () => reject(new EnfiladeError('channel-closed', 'The data channel closed.')), { once: true });
      });
    }
    channel.send(encodeData(to, bytes));
  }

  /** @returns {void} */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#channel?.close();
    this.#channel = null;
    this.#release(this);
    this.emit('closed');
  }

  /** For the room: a new transport begins. @param {RTCPeerConnection} pc */
  attach(pc) {
    const channel = pc.createDataChannel(this.label, { ...this.options, protocol: DATA_PROTOCOL });
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = BUFFER_BYTES / 2;
    channel.onopen = () => this.emit('open');
    channel.onclose = () => {
      if (this.#channel !== channel) return;
      this.#channel = null;
      if (!this.#closed) this.emit('interrupted');
    };
    channel.onmessage = (event) => {
      const message = decodeData(new Uint8Array(event.data));
      if (message) this.emit('message', { participant: message.id, payload: message.payload });
    };
    this.#channel = channel;
  }
}
