import { Emitter } from './emitter.js';
import { EnfiladeError, requireArgument } from './errors.js';
import { RoomLink } from './link.js';

/** @typedef {import('./protocol.js').LinkCloseReason} LinkCloseReason */
/** @typedef {import('./protocol.js').LinkRequest} LinkRequest */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */
/** @typedef {import('./protocol.js').SwitchAsked} SwitchAsked */
/** @typedef {import('./protocol.js').WireLink} WireLink */
/** @typedef {import('./protocol.js').WirePerson} WirePerson */
/** @typedef {LinkRequest & {accept: () => Promise<void>, reject: () => Promise<void>}} LinkRequested */

/**
 * The links of our room, as the server tells them. After a fresh join the new list is compared with the old one: a link that
 * stayed keeps its object.
 * @extends {Emitter<{
 *   'link-opened': [RoomLink, {replayed: boolean}],
 *   'link-closed': [RoomLink, LinkCloseReason],
 *   'link-requested': [LinkRequested],
 *   'link-request-ended': [{request: number, accepted: boolean, by: string | null}],
 *   switch: [SwitchAsked],
 * }>}
 */
export class Links extends Emitter {
  #request;
  /** @type {Map<string, RoomLink>} the other room -> the link */
  #links = new Map();
  #occurrence = '';

  /** @param {(type: string, fields: Record<string, unknown>) => Promise<ServerMessage>} request */
  constructor(request) {
    super();
    this.#request = request;
  }

  /** @returns {ReadonlyMap<string, RoomLink>} */
  get all() {
    return this.#links;
  }

  /**
   * @param {string} room
   * @param {{payload?: unknown, waitMs?: number}} options
   * @returns {Promise<RoomLink>}
   */
  async open(room, { payload, waitMs }) {
    requireArgument(typeof room === 'string' && room !== '', "openLink: the other room's name is missing.");
    await this.#request('link.open', { room, payload, waitMs });
    const link = this.#links.get(room); // `link.opened` came before the answer
    if (!link) throw new EnfiladeError('link-closed', `The link with ${room} closed as soon as it was open.`);
    return link;
  }

  /**
   * The list as it is now.
   * @param {WireLink[]} wires
   * @param {string} occurrence of our room; the links of another one ended with it
   */
  reset(wires, occurrence) {
    const stay = new Set(wires.map((w) => w.link));
    const reason = this.#occurrence === occurrence ? 'unknown' : 'local-ended';
    this.#occurrence = occurrence;
    for (const link of [...this.#links.values()]) if (!stay.has(link.id)) this.#drop(link, reason);
    for (const wire of wires) this.#open(wire, true);
  }

  /** We have left. What is open closes without a word of ours: the room's own end says it. */
  leave() {
    for (const link of this.#links.values()) link.finish('left');
    this.#links.clear();
  }

  /**
   * @param {ServerMessage} message an event
   * @returns {boolean} whether it was one of ours
   */
  apply(message) {
    const { seq: _, type, ...fields } = message;
    const link = this.#links.get(message.link);
    switch (type) {
      case 'link.opened':
        this.#open(/** @type {WireLink} */ (fields), false);
        return true;
      case 'link.closed':
        if (link) this.#drop(link, message.reason);
        return true;
      case 'link.roster':
        link?.roster(/** @type {{joined?: WirePerson[], left?: string[]}} */ (fields));
        return true;
      case 'link.chat':
      case 'link.chat.sent': {
        const { link: __, ...chat } = fields;
        link?.emit(type === 'link.chat' ? 'chat' : 'chat-sent', /** @type {import('./protocol.js').LinkChat} */ (chat));
        return true;
      }
      case 'link.gap':
        link?.emit('gap', message.lost);
        return true;
      case 'link.state':
        link?.freshen(message.stale === true);
        return true;
      case 'link.requested': {
        const asked = /** @type {LinkRequest} */ (fields);
        const respond = async (/** @type {boolean} */ accept) => void (await this.#request('link.respond', { request: asked.request, accept }));
        this.emit('link-requested', { ...asked, accept: () => respond(true), reject: () => respond(false) });
        return true;
      }
      case 'link.request.ended':
        this.emit('link-request-ended', { request: message.request, accepted: message.accepted === true, by: message.by ?? null });
        return true;
      case 'switch':
        this.emit('switch', {
          room: message.room, token: message.token, payload: message.payload ?? null, participant: message.participant, link: message.link ?? null,
        });
        return true;
      default:
        return false;
    }
  }

  /**
   * @param {WireLink} wire
   * @param {boolean} replayed whether it was there before we came
   */
  #open(wire, replayed) {
    const known = this.#links.get(wire.link);
    if (known) {
      known.update(wire);
      return;
    }
    const link = new RoomLink(wire, this.#request);
    this.#links.set(link.id, link);
    this.emit('link-opened', link, { replayed });
  }

  /**
   * @param {RoomLink} link
   * @param {LinkCloseReason} reason
   */
  #drop(link, reason) {
    this.#links.delete(link.id);
    link.finish(reason);
    this.emit('link-closed', link, reason);
  }
}
