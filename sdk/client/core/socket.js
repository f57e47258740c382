import { EnfiladeError } from './errors.js';

/** @typedef {import('./platform.js').Platform} Platform */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */

/** A socket that does not open within this is given up, in ms. */
const OPEN_MS = 8000;
/** An answer to a question whether the socket still lives takes no longer, in ms. */
const PROBE_MS = 1500;
/** A socket that has not opened by then may wait for packets that were lost, in ms. */
const STUCK_MS = 300;
/** A ping goes out this often, in ms; no sign of life until the next one means that the socket is dead. */
const PING_MS = 4000;

/**
 * One WebSocket from opening to closing: JSON in, JSON out, and a pulse. It ends exactly once, whatever ends it.
 *
 * @typedef {object} SocketHandlers
 * @property {() => void} opened
 * @property {(message: ServerMessage) => void} received
 * @property {(error: EnfiladeError) => void} closed exactly once, and never after `close()`
 * @property {() => object} ping the message to send as a sign of life
 */
export class SignalSocket {
  #platform;
  #handlers;
  #socket;
  #ended = false;
  #heard = true;
  #begunAt;
  /** @type {unknown} */
  #timer;

  /**
   * @param {Platform} platform
   * @param {string} url
   * @param {SocketHandlers} handlers
   * @param {number} [openMs] how long it may take to open
   */
  constructor(platform, url, handlers, openMs = OPEN_MS) {
    this.#platform = platform;
    this.#handlers = handlers;
    this.#begunAt = platform.now();
    const socket = (this.#socket = platform.createSocket(url));
    this.#timer = platform.setTimeout(() => this.#end('The server does not answer.'), openMs);
    socket.onopen = () => {
      if (this.#ended) return;
      platform.clearTimeout(this.#timer);
      this.#pulse();
      handlers.opened();
    };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onerror = () => {}; // close follows and says it all
    socket.onclose = (event) => this.#end(event.reason || `The connection to the server closed (${event.code ?? 1006}).`);
  }

  get open() {
    return !this.#ended && this.#socket.readyState === 1;
  }

  /** @param {object} message dropped when the socket is not open: the session sends it again after a resume */
  send(message) {
    if (this.open) this.#socket.send(JSON.stringify(message));
  }

  /** Asks whether it still lives, and gives it up if there is no answer soon. @param {number} [ms] */
  probe(ms = PROBE_MS) {
    if (!this.open) return;
    this.#platform.clearTimeout(this.#timer);
    this.#heard = false;
    this.send(this.#handlers.ping());
    this.#pulse(ms);
  }

  /** The network is back: a socket that began to open before, and has not, waits for nothing. */
  hurry() {
    if (this.#socket.readyState === 0 && this.#platform.now() - this.#begunAt >= STUCK_MS) this.#end('The server did not answer.');
  }

  /** Gives the socket up as broken, as if the network had. @param {string} why */
  fail(why) {
    this.#end(why);
  }

  /** Closes in peace; `closed` is not called. */
  close() {
    if (this.#ended) return;
    this.#ended = true;
    this.#release();
  }

  /** @param {unknown} data */
  #receive(data) {
    if (this.#ended) return;
    this.#heard = true;
    let message;
    try {
      message = JSON.parse(String(data));
    } catch {
      message = null;
    }
    if (message === null || typeof message !== 'object' || typeof message.type !== 'string') {
      this.#end('The server sent something that is not a message.');
      return;
    }
    this.#handlers.received(message);
  }

  /** @param {number} [ms] */
  #pulse(ms = PING_MS) {
    this.#timer = this.#platform.setTimeout(() => {
      if (this.#ended) return;
      if (!this.#heard) {
        this.#end('The connection to the server went silent.');
        return;
      }
      this.#heard = false;
      this.send(this.#handlers.ping());
      this.#pulse();
    }, ms);
  }

  /** @param {string} why */
  #end(why) {
    if (this.#ended) return;
    this.#ended = true;
    this.#release();
    this.#handlers.closed(new EnfiladeError('connect-failed', why));
  }

  #release() {
    this.#platform.clearTimeout(this.#timer);
    const socket = this.#socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    try {
      if (socket.readyState < 2) socket.close(1000);
    } catch {
      // a socket that cannot be closed is closed
    }
  }
}
