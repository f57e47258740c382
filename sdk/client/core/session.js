import { Backoff } from './backoff.js';
import { Emitter } from './emitter.js';
import { EnfiladeError } from './errors.js';
import { CLIENT, VERSIONS } from './protocol.js';
import { SignalSocket } from './socket.js';

/** @typedef {import('./platform.js').Platform} Platform */
/** @typedef {import('./protocol.js').Joined} Joined */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */

/**
 * @typedef {object} Pending
 * @property {{id: number, type: string}} message
 * @property {(answer: ServerMessage) => void} resolve
 * @property {(error: EnfiladeError) => void} reject
 *
 * @typedef {object} Ending why a session is over
 * @property {EnfiladeError} error
 * @property {boolean} rejoin whether joining afresh makes sense
 * @property {number} [afterMs] not before
 */

/**
 * How long a socket may take to open when we come back, in ms, by the number of the try. Where every packet is lost for a while, the
 * browser repeats its first one ever more seldom; a fresh try begins often again.
 */
const REOPEN_MS = [3500, 3500, 5000];

/** Errors after which the server knows us no more, and only a fresh `join` helps. */
const FORGOTTEN = new Set(['resume-unknown', 'resume-gap', 'unsupported-version', 'join-first', 'already-joined']);

/**
 * One session with the server, over as many sockets as it takes: it numbers requests, matches answers, and after a lost
 * socket resumes by itself, so that every event arrives once and in order and every request is done once. It ends
 * (`ended`) when it can no longer be resumed; the room then joins afresh with a new Session.
 *
 * @extends {Emitter<{
 *   event: [ServerMessage],
 *   waiting: [],
 *   suspended: [EnfiladeError],
 *   resumed: [],
 *   ended: [Ending],
 * }>}
 */
export class Session extends Emitter {
  #platform;
  #servers;
  #giveUpMs;
  /** @type {SignalSocket | null} */
  #socket = null;
  /** @type {'new' | 'joining' | 'open' | 'suspended' | 'ended'} */
  #state = 'new';
  #nextId = 1;
  #lastSeq = 0;
  #resumeKey = '';
  #backoff;
  /** Of the join under way. @type {(error: EnfiladeError) => void} */
  #refuse = () => {};
  /** @type {Map<number, Pending>} in the order of their ids */
  #pending = new Map();
  /** What is to be told once somebody is ready for it; null: somebody is. @type {(() => void)[] | null} */
  #held = [];
  /** Who waits for the server to be there. @type {{resolve: () => void, reject: (error: EnfiladeError) => void}[]} */
  #waiters = [];

  /**
   * @param {Platform} platform
   * @param {import('./servers.js').Servers} servers
   * @param {{giveUpMs: number}} options how long to try to resume, in ms
   */
  constructor(platform, servers, { giveUpMs }) {
    super();
    this.#platform = platform;
    this.#servers = servers;
    this.#giveUpMs = giveUpMs;
    this.#backoff = new Backoff(platform);
  }

  get state() {
    return this.#state;
  }

  /**
   * Opens a socket and joins.
   * @param {Record<string, unknown>} fields of `join`
   * @returns {Promise<Joined>}
   */
  join(fields) {
    this.#state = 'joining';
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#refuse = reject;
      const socket = (this.#socket = new SignalSocket(this.#platform, this.#servers.url, {
        opened: () => socket.send({ id, type: 'join', versions: VERSIONS, client: CLIENT, ...fields }),
        received: (message) => {
          if (this.#state !== 'joining') {
            this.#receive(message);
          } else if (message.type === 'joined') {
            this.#state = 'open';
            this.#lastSeq = message.seq ?? 0;
            this.#resumeKey = message.resume?.key ?? '';
            resolve(/** @type {Joined} */ (/** @type {unknown} */ (message)));
          } else if (message.type === 'waiting') {
            this.emit('waiting'); // in the lobby: `joined` or an error follows, whenever somebody inside decides
          } else if (message.type === 'error' || message.type === 'bye') {
            const error = errorOf(message);
            this.end(error);
            reject(error);
          }
        },
        closed: (error) => {
          if (this.#state === 'joining') {
            this.#servers.next();
            this.end(error);
          } else this.#lost(error);
          reject(error);
        },
        ping: () => this.#ping(),
      }));
    });
  }

  /**
   * Asks the server. While the socket is away the request waits and is sent after the resume.
   * @param {string} type
   * @param {Record<string, unknown>} [fields] absent (undefined) ones are not sent
   * @returns {Promise<ServerMessage>} rejects with the server's error, or `session-lost`
   */
  request(type, fields = {}) {
    if (this.#state !== 'open' && this.#state !== 'suspended') {
      return Promise.reject(new EnfiladeError('invalid-state', 'There is no session with the server.'));
    }
    return new Promise((resolve, reject) => {
      const message = { ...fields, id: this.#nextId++, type };
      this.#pending.set(message.id, { message, resolve, reject });
      if (this.#state === 'open') this.#socket?.send(message);
    });
  }

  /**
   * Whoever joined is ready: what came since `joined` is told now, and the rest as it comes. A socket may deliver both in one
   * breath, before the one who waits for `joined` gets to know of it.
   */
  begin() {
    const held = this.#held ?? [];
    this.#held = null;
    for (const tell of held) tell();
  }

  /** The network seems to be back: try now. */
  hurry() {
    this.#backoff.hurry();
    this.#socket?.hurry();
  }

  /**
   * Something is wrong with the network: looks whether the server still answers, rather than wait for the next ping.
   * @param {number} [ms] an answer takes no longer
   */
  probe(ms) {
    this.#socket?.probe(ms);
  }

  /** @returns {Promise<void>} done when requests go out at once; rejects when the session is over */
  ready() {
    if (this.#state === 'open') return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (this.#state === 'ended') reject(new EnfiladeError('session-lost', 'The session is over.'));
      else this.#waiters.push({ resolve, reject });
    });
  }

  /**
   * Ends the session on our side. Everything still unanswered is rejected.
   * @param {EnfiladeError} error
   */
  end(error) {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#backoff.cancel();
    this.#socket?.close();
    this.#socket = null;
    this.#refuse(error);
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of [...pending, ...this.#waiters.splice(0)]) reject(error);
  }

  /** @param {() => void} tell */
  #tell(tell) {
    if (this.#held) this.#held.push(tell);
    else tell();
  }

  #ping() {
    return { id: 0, type: 'ping', lastSeq: this.#lastSeq };
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    if (this.#state === 'ended' || message.type === 'pong') return;
    if (typeof message.seq === 'number') {
      if (message.seq <= this.#lastSeq) return; // seen before the socket broke
      if (message.seq !== this.#lastSeq + 1) {
        this.#socket?.fail('The server skipped a message.'); // the resume brings it again
        return;
      }
      this.#lastSeq = message.seq;
    }
    const pending = message.re === undefined ? undefined : this.#pending.get(message.re);
    if (pending) {
      this.#pending.delete(pending.message.id);
      if (message.type === 'error') pending.reject(errorOf(message));
      else pending.resolve(message);
    } else if (message.type === 'bye') {
      this.#finish({ error: errorOf(message), rejoin: message.reconnect === true, afterMs: message.afterMs });
    } else if (message.re === undefined) {
      this.#tell(() => this.emit('event', message));
    }
  }

  /** @param {Ending} ending */
  #finish(ending) {
    if (this.#state === 'ended') return;
    this.end(ending.rejoin ? new EnfiladeError('session-lost', ending.error.message, { cause: ending.error }) : ending.error);
    this.#tell(() => this.emit('ended', ending));
  }

  /** @param {EnfiladeError} error */
  #lost(error) {
    if (this.#state === 'ended') return;
    const first = this.#state === 'open';
    this.#state = 'suspended';
    if (first) {
      this.#tell(() => this.emit('suspended', error));
      void this.#resume(error);
    }
  }

  /** @param {EnfiladeError} cause */
  async #resume(cause) {
    const deadline = this.#platform.now() + this.#giveUpMs;
    this.#backoff.reset();
    let hungMs = 0;
    while (await this.#backoff.turn(0, hungMs)) {
      if (this.#platform.now() > deadline) {
        const error = new EnfiladeError('reconnect-failed', 'The server could not be reached again.', { cause });
        this.#finish({ error, rejoin: false });
        return;
      }
      const begunAt = this.#platform.now();
      const refusal = await this.#resumeOnce();
      if (refusal === null) return;
      hungMs = this.#platform.now() - begunAt;
      if (refusal.code !== 'connect-failed') {
        // A server that forgot us takes us anew; one that refuses us for another reason will say so again at the join.
        this.#finish({ error: refusal, rejoin: FORGOTTEN.has(refusal.code) || !refusal.code.startsWith('token-') });
        return;
      }
    }
  }

  /** @returns {Promise<EnfiladeError | null>} null: we are back */
  #resumeOnce() {
    return new Promise((resolve) => {
      let back = false;
      const id = this.#nextId++;
      const socket = (this.#socket = new SignalSocket(this.#platform, this.#servers.url, {
        opened: () =>
          socket.send({ id, type: 'resume', versions: VERSIONS, key: this.#resumeKey, lastSeq: this.#lastSeq }),
        received: (message) => {
          if (back) {
            this.#receive(message);
          } else if (message.type === 'resumed') {
            back = true;
            this.#state = 'open';
            this.#sendAgain(message.lastRequest ?? 0);
            for (const waiter of this.#waiters.splice(0)) waiter.resolve();
            this.#tell(() => this.emit('resumed'));
            resolve(null);
          } else if (message.type === 'error' || message.type === 'bye') {
            socket.close();
            resolve(errorOf(message));
          }
        },
        closed: (error) => {
          if (back) this.#lost(error);
          else this.#servers.next();
          resolve(error);
        },
        ping: () => this.#ping(),
      }, REOPEN_MS[this.#backoff.attempts - 1]));
    });
  }

  /** @param {number} lastRequest the server has everything up to this one; its answers come by the replay */
  #sendAgain(lastRequest) {
    for (const [id, { message }] of this.#pending) {
      if (id > lastRequest) this.#socket?.send(message);
    }
  }
}

/** @param {ServerMessage} message `error` or `bye` */
function errorOf(message) {
  const code = typeof message.code === 'string' ? message.code : 'unknown';
  return new EnfiladeError(code, message.message ?? `The server said "${code}".`, { field: message.field });
}
