import { Backoff } from './backoff.js';
import { Emitter } from './emitter.js';
import { asEnfiladeError, EnfiladeError } from './errors.js';
import { Session } from './session.js';
import { Transport } from './transport.js';

/** @typedef {import('./platform.js').Platform} Platform */
/** @typedef {import('./protocol.js').Joined} Joined */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */
/** @typedef {import('./session.js').Ending} Ending */
/** @typedef {'new' | 'connecting' | 'connected' | 'reconnecting' | 'leaving' | 'closed'} ConnectionState */

/** Which state may follow which. */
export const TRANSITIONS = Object.freeze(
  /** @type {Record<ConnectionState, readonly ConnectionState[]>} */ ({
    new: ['connecting', 'closed'],
    connecting: ['connected', 'leaving', 'closed'],
    connected: ['reconnecting', 'leaving', 'closed'],
    reconnecting: ['connected', 'leaving', 'closed'],
    leaving: ['closed'],
    closed: [],
  }),
);

/** Refusals of a join that may be gone a moment later. */
const PASSING = new Set(['connect-failed', 'session-lost', 'node-draining', 'overloaded', 'cluster-unreachable', 'negotiation-failed']);
/** Tries of the first join. */
const FIRST_TRIES = 3;
/** Where the network is known to be another one, an answer on the old socket takes no longer, in ms. */
const CHANGED_MS = 800;

/**
 * @typedef {object} ConnectionHooks what the room does at each turn
 * @property {() => Promise<Record<string, unknown>>} joinFields with a fresh token
 * @property {(joined: Joined, link: Link) => Promise<void>} begin a new session: tell everybody, open the transport
 * @property {() => void} waiting we are in the lobby
 * @property {() => void} lost the session and its transport are gone
 * @property {(message: ServerMessage) => void} event
 * @property {() => void} seated seats got their lines
 * @property {(joined: Joined) => import('./e2ee.js').E2ee | null} [e2ee] what encrypts, if anything
 *
 * @typedef {{session: Session, transport: Transport}} Link
 */

/**
 * Keeps us in the room: joins, notices loss, resumes, restarts ICE, joins afresh, gives up. It knows nobody and nothing
 * that is published.
 * @extends {Emitter<{state: [ConnectionState, ConnectionState, EnfiladeError | null]}>} state, previous one, cause
 */
export class Connection extends Emitter {
  #platform;
  #servers;
  #giveUpMs;
  #hooks;
  #backoff;
  /** @type {ConnectionState} */
  #state = 'new';
  /** @type {Link | null} */
  #link = null;
  /** @type {Session | null} the one that is joining or joined */
  #session = null;
  /** @type {(() => void)[]} */
  #offPage = [];

  /**
   * @param {Platform} platform
   * @param {import('./servers.js').Servers} servers
   * @param {{giveUpMs: number}} options
   * @param {ConnectionHooks} hooks
   */
  constructor(platform, servers, { giveUpMs }, hooks) {
    super();
    this.#platform = platform;
    this.#servers = servers;
    this.#giveUpMs = giveUpMs;
    this.#hooks = hooks;
    this.#backoff = new Backoff(platform);
  }

  get state() {
    return this.#state;
  }

  get link() {
    return this.#link;
  }

  /** @returns {Promise<void>} */
  async join() {
    if (this.#state !== 'new') throw new EnfiladeError('invalid-state', 'This room was joined already; make a new one.');
    this.#set('connecting', null);
    this.#offPage = [
      this.#platform.onPage('network', () => this.#networkChanged()),
      this.#platform.onPage('pagehide', () => void this.leave()),
    ];
    for (;;) {
      try {
        await this.#backoff.turn();
        await this.#establish();
        return;
      } catch (thrown) {
        const error = asEnfiladeError(thrown, 'connect-failed', 'Joining failed.');
        if (this.#over()) throw new EnfiladeError('left', 'The room was left while it was being joined.');
        if (!PASSING.has(error.code) || this.#backoff.attempts >= FIRST_TRIES) {
          this.close(error);
          throw error;
        }
      }
    }
  }

  /** @returns {Promise<void>} */
  async leave() {
    if (this.#over()) return;
    const session = this.#state === 'connected' || this.#state === 'connecting' ? this.#session : null;
    this.#set('leaving', null);
    if (session?.state === 'open') {
      const patience = new Promise((resolve) => this.#platform.setTimeout(() => resolve(undefined), 1000));
      await Promise.race([session.request('leave').catch(() => {}), patience]);
    }
    this.close(null);
  }

  /** @param {EnfiladeError | null} error why; null: we wanted to */
  close(error) {
    if (this.#state === 'closed') return;
    this.#backoff.cancel();
    for (const off of this.#offPage) off();
    this.#drop(error ?? new EnfiladeError('left', 'The room was left.'));
    this.#set('closed', error);
  }

  /** What the server sees of the media path. @param {boolean} connected */
  mediaHeard(connected) {
    this.#link?.transport.path.heard(connected);
  }

  #over() {
    return this.#state === 'leaving' || this.#state === 'closed';
  }

  #networkChanged() {
    this.#backoff.hurry();
    this.#session?.hurry();
    this.#session?.probe(CHANGED_MS);
    void this.#link?.transport.path.suspect(true);
  }

  async #establish() {
    const fields = await this.#hooks.joinFields();
    if (this.#over()) throw new EnfiladeError('left', 'The room was left.');
    const session = (this.#session = new Session(this.#platform, this.#servers, { giveUpMs: this.#giveUpMs }));
    session.on('waiting', () => {
      this.#backoff.hurry(); // the server answers: tries that failed before count no more
      this.#hooks.waiting();
    });
    const joined = await session.join(fields);
    const transport = new Transport(this.#platform, session, joined, this.#hooks.seated, this.#hooks.e2ee?.(joined) ?? null);
    const link = (this.#link = { session, transport });
    /** @type {Ending | null} an end that came before we were ready to deal with it */
    let early = null;
    session.on('event', (message) => this.#hooks.event(message));
    session.on('suspended', (error) => this.#state === 'connected' && this.#set('reconnecting', error));
    session.on('resumed', () => {
      if (this.#state === 'reconnecting' && this.#link === link) this.#set('connected', null);
      void transport.path.suspect(false); // what cut the signalling may have cut the media
    });
    const over = (/** @type {Ending} */ ending) => {
      if (this.#link !== link) return;
      if (this.#state === 'connecting' || starting) early = ending;
      else this.#ended(ending);
    };
    session.on('ended', over);
    transport.path.on('state', (state) => state === 'lost' && session.probe());
    transport.path.on('alive', () => session.hurry());
    transport.path.on('dead', () => {
      const error = new EnfiladeError('session-lost', 'No media gets through any more.');
      session.end(error);
      over({ error, rejoin: true });
    });
    let starting = true;
    try {
      const begun = this.#hooks.begin(joined, link);
      session.begin();
      await begun;
    } catch (thrown) {
      const error = asEnfiladeError(thrown, 'negotiation-failed', 'Starting the media failed.');
      this.#drop(error);
      const ending = /** @type {Ending | null} */ (early);
      throw ending && !ending.rejoin ? ending.error : error;
    }
    starting = false;
    if (this.#over()) throw new EnfiladeError('left', 'The room was left.');
    this.#backoff.reset();
    if (session.state === 'open') this.#set('connected', null);
    else this.#set('connected', null), this.#set('reconnecting', null);
    if (early) this.#ended(early);
  }

  /** @param {Ending} ending */
  #ended({ error, rejoin, afterMs }) {
    if (this.#over()) return;
    if (!rejoin) {
      this.close(error);
      return;
    }
    this.#set('reconnecting', error);
    this.#drop(new EnfiladeError('session-lost', 'The session was lost.', { cause: error }));
    void this.#rejoin(error, afterMs);
  }

  /**
   * @param {EnfiladeError} cause
   * @param {number} [afterMs]
   */
  async #rejoin(cause, afterMs = 0) {
    const deadline = this.#platform.now() + this.#giveUpMs + afterMs;
    while (await this.#backoff.turn(afterMs)) {
      afterMs = 0;
      try {
        await this.#establish();
        return;
      } catch (thrown) {
        const error = asEnfiladeError(thrown, 'connect-failed', 'Joining again failed.');
        if (this.#over()) return;
        if (!PASSING.has(error.code)) return this.close(error);
        if (this.#platform.now() > deadline) {
          return this.close(new EnfiladeError('reconnect-failed', 'The room could not be reached again.', { cause }));
        }
      }
    }
  }

  /** @param {EnfiladeError} error what everything under way rejects with */
  #drop(error) {
    const link = this.#link;
    this.#link = null;
    this.#session?.end(error);
    this.#session = null;
    link?.transport.close(error);
    if (link) this.#hooks.lost();
  }

  /**
   * @param {ConnectionState} state
   * @param {EnfiladeError | null} error
   */
  #set(state, error) {
    const previous = this.#state;
    if (state === previous || !TRANSITIONS[previous].includes(state)) return;
    this.#state = state;
    this.emit('state', state, previous, error);
  }
}
