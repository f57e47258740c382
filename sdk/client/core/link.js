import { Emitter } from './emitter.js';
import { EnfiladeError, requireArgument } from './errors.js';

/** @typedef {import('./protocol.js').LinkChat} LinkChat */
/** @typedef {import('./protocol.js').LinkCloseReason} LinkCloseReason */
/** @typedef {import('./protocol.js').LinkRight} LinkRight */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */
/** @typedef {import('./protocol.js').SwitchRequest} SwitchRequest */
/** @typedef {import('./protocol.js').WireLink} WireLink */
/** @typedef {import('./protocol.js').WirePerson} WirePerson */

/**
 * Our room's link with another room: who is there, and what may be said and asked across. No media crosses it.
 *
 * Every method returns a Promise and rejects with an EnfiladeError: `link-closed` when the link is over, `link-right` when
 * the other room does not allow it, `forbidden` when our token does not.
 *
 * @extends {Emitter<{
 *   'participant-joined': [WirePerson],
 *   'participant-updated': [WirePerson],
 *   'participant-left': [string, {displayName: string, reason: string}],
 *   chat: [LinkChat],
 *   'chat-sent': [LinkChat],
 *   gap: [number],
 *   state: [boolean],
 *   closed: [LinkCloseReason],
 * }>}
 *   `participant-updated`: a new name. `chat-sent`: somebody of our room said that over there, and wanted us to know
 *   (`echo`). `gap`: so many chat messages were dropped, because the link was overloaded. `state`: stale or not.
 *   `closed`: once, after a `participant-left` for everybody who was there.
 */
export class RoomLink extends Emitter {
  #request;
  /** @type {Map<string, WirePerson>} */
  #participants = new Map();
  /** @type {ReadonlySet<LinkRight>} */
  #rights = new Set();
  #stale = false;
  #closed = false;

  /**
   * @param {WireLink} wire
   * @param {(type: string, fields: Record<string, unknown>) => Promise<ServerMessage>} request
   */
  constructor(wire, request) {
    super();
    this.#request = request;
    /** The other room's name. @readonly */
    this.id = wire.link;
    /** What was given to `openLink`; the same on both sides. @readonly @type {unknown} */
    this.payload = wire.payload ?? null;
    this.update(wire);
  }

  /** What we may do there. */
  get rights() {
    return this.#rights;
  }
  /** Nothing has been heard of that room for 5 s; who is there may be out of date. */
  get stale() {
    return this.#stale;
  }
  get closed() {
    return this.#closed;
  }
  /** Who is there, by id (unique in that room only). @returns {ReadonlyMap<string, WirePerson>} */
  get participants() {
    return this.#participants;
  }

  /**
   * Says something to everybody in the other room.
   * @param {string} text 1 byte to 8 KiB
   * @param {{echo?: boolean}} [options] echo: everybody else here sees it too; default false
   * @returns {Promise<{message: string, timestampMs: number}>} once the other room has it; rejects with `link-overflow`, `rate-limited`
   */
  async chat(text, { echo } = {}) {
    requireArgument(typeof text === 'string' && text.length > 0, 'link.chat: there is no text.');
    const answer = await this.#ask('link.chat', { link: this.id, text, echo });
    return { message: String(answer.message), timestampMs: answer.timestampMs };
  }

  /** Ends the other room for everybody in it. Needs the right `end`. @returns {Promise<void>} */
  async end() {
    await this.#ask('link.end', { link: this.id });
  }

  /** Ends the link; both rooms go on. @returns {Promise<void>} fine if it is closed already */
  async close() {
    if (this.#closed) return;
    await this.#ask('link.close', { link: this.id }).catch((error) => {
      if (error.code !== 'no-such-link' && error.code !== 'link-closed') throw error;
    });
  }

  /**
   * Asks somebody over there to go to another room. Nobody is moved: their client acts, or not. Needs the right `switch`.
   * @param {string} participantId an id of the other room
   * @param {SwitchRequest} where
   * @returns {Promise<void>} once it was delivered
   */
  async switchParticipant(participantId, { room, token, payload }) {
    await this.#ask('switch', { participant: participantId, link: this.id, room, token, payload });
  }

  /** For the links: a newer snapshot. @param {WireLink} wire */
  update(wire) {
    this.#rights = new Set(wire.rights ?? []);
    const there = wire.participants ?? [];
    const stay = new Set(there.map((p) => p.id));
    this.roster({ left: [...this.#participants.keys()].filter((id) => !stay.has(id)), joined: there });
    this.freshen(wire.stale === true);
  }

  /**
   * For the links: who came and went. Somebody in both has come back.
   * @param {{joined?: WirePerson[], left?: string[]}} delta
   * @param {string} [reason] why they left
   */
  roster({ joined = [], left = [] }, reason = 'left') {
    for (const id of left) {
      const gone = this.#participants.get(id);
      if (!gone) continue;
      this.#participants.delete(id);
      this.emit('participant-left', id, { displayName: gone.displayName, reason });
    }
    for (const { id, displayName } of joined) {
      const known = this.#participants.get(id);
      if (known?.displayName === displayName) continue;
      const person = Object.freeze({ id, displayName });
      this.#participants.set(id, person);
      this.emit(known ? 'participant-updated' : 'participant-joined', person);
    }
  }

  /** For the links. @param {boolean} stale */
  freshen(stale) {
    if (this.#stale === stale) return;
    this.#stale = stale;
    this.emit('state', stale);
  }

  /** For the links: the end. First everybody leaves, then it is closed. @param {LinkCloseReason} reason */
  finish(reason) {
    if (this.#closed) return;
    this.#closed = true;
    this.roster({ left: [...this.#participants.keys()] }, reason);
    this.emit('closed', reason);
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} fields
   */
  async #ask(type, fields) {
    if (this.#closed) throw new EnfiladeError('link-closed', `The link with ${this.id} is closed.`);
    return this.#request(type, fields);
  }
}
