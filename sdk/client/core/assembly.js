import { Emitter } from './emitter.js';
import { Links } from './links.js';
import { Messages } from './messages.js';
import { Moderation } from './moderation.js';
import { Recording } from './recording.js';
import { RoomState } from './settings.js';

/** @typedef {import('./protocol.js').Joined} Joined */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */
/** @typedef {import('./protocol.js').TopicMessage} TopicMessage */
/** @typedef {import('./room-types.js').RoomEvents} RoomEvents */
/** @typedef {import('./session.js').Session} Session */

const LINK_EVENTS = /** @type {const} */ (['link-opened', 'link-closed', 'link-requested', 'link-request-ended', 'switch']);
const MODERATION_EVENTS = /** @type {const} */ (['entry-requested', 'entry-responded', 'media-requested', 'pin', 'store-changed']);

/**
 * Everything of a room but its people and media: who runs it, what is said in it, which rooms it is linked with.
 * @extends {Emitter<RoomEvents>}
 */
export class Assembly extends Emitter {
  #request;
  #messages;
  #links;
  #moderation;
  #recording;
  #about = new RoomState();

  #selfId = '';

  /**
   * @param {(type: string, fields: Record<string, unknown>) => Promise<ServerMessage>} request asks the server
   * @param {(source: import('./moderation.js').Switchable) => void} muted a moderator has muted us
   */
  constructor(request, muted) {
    super();
    this.#request = request;
    this.#messages = new Messages(request, (message) => this.emit('topic-message', message));
    this.#links = new Links(request);
    this.#moderation = new Moderation(request);
    this.#moderation.on('media-requested', ({ source, on }) => !on && muted(source));
    this.#recording = new Recording(request);
    forward(this.#recording, this, /** @type {const} */ (['recording']));
    forward(this.#links, this, LINK_EVENTS);
    forward(this.#moderation, this, MODERATION_EVENTS);
  }

  /** Whether our (latest) join began the room. */
  get created() {
    return this.#about.created;
  }
  /** Id of the participant who owns the room, or null. */
  get owner() {
    return this.#about.owner;
  }
  /** Whether that is us. */
  get isOwner() {
    return this.owner !== null && this.owner === this.#selfId;
  }
  /** Null before the join. */
  get settings() {
    return this.#about.settings;
  }
  /** What our token allows here. */
  get permissions() {
    return this.#about.permissions;
  }
  /** Links with other rooms, by the other room's name. */
  get links() {
    return this.#links.all;
  }
  /** Who is pinned for the whole room, by participant id. */
  get pins() {
    return this.#moderation.pins;
  }
  /** The recording that the server is making of the room; null: none. */
  get recording() {
    return this.#recording.now;
  }

  /**
   * @param {string} text at most 8 KiB
   * @param {{to?: string[]}} [options] `to`: participant ids; absent: everybody else
   * @returns {Promise<{message: string, timestampMs: number}>}
   */
  chat(text, { to } = {}) {
    return this.#messages.chat(text, to);
  }

  /**
   * @param {string} topic
   * @param {unknown} message any JSON
   * @param {{to?: string[], persist?: boolean}} [options] persist: kept for those who come later
   * @returns {Promise<{message: string, timestampMs: number}>}
   */
  publishTopic(topic, message, options = {}) {
    return this.#messages.publish(topic, message, options);
  }

  /**
   * From now on `topic-message` tells what is published there.
   * @param {string} topic
   * @returns {Promise<TopicMessage[]>} what was kept, oldest first
   */
  subscribeTopic(topic) {
    return this.#messages.subscribe(topic);
  }

  /** @param {string} topic */
  unsubscribeTopic(topic) {
    return this.#messages.unsubscribe(topic);
  }

  /**
   * Links our room with another one, for everybody in both. If they are linked already, that link comes back.
   * Needs the permission `link`.
   * @param {string} room the other room's name
   * @param {{payload?: unknown, waitMs?: number}} [options] payload: any JSON up to 4 KiB, shown to both rooms; waitMs: how
   *   long to wait for a room that is not there yet, 0 (default) to 60 000
   * @returns {Promise<import('./link.js').RoomLink>} rejects with `same-room`, `room-not-found`, `room-not-live`, `link-denied`,
   *   `link-timeout`, `link-limit`, `forbidden`, `rate-limited`
   */
  openLink(room, options = {}) {
    return this.#links.open(room, options);
  }

  /**
   * Asks somebody of this room to go to another one. Nobody is moved: their client acts, or not. Needs `allow_mod`.
   * @param {string} participant id
   * @param {import('./protocol.js').SwitchRequest} where with a token that is good for that room
   */
  async switchParticipant(participant, { room, token, payload }) {
    await this.#request('switch', { participant, room, token, payload });
  }

  /**
   * Needs to be the owner, or `allow_mod`.
   * @param {import('./protocol.js').Settings} settings absent fields stay
   */
  async updateSettings(settings) {
    await this.#request('room.update', { settings });
  }

  /** Ends the room for everybody, ourselves included; its name is free at once. Needs to be the owner, or `allow_mod`. */
  async closeRoom() {
    await this.#request('room.close', {}).catch((error) => {
      if (error.code !== 'room-closed') throw error; // the farewell may overtake the answer
    });
  }

  /**
   * Lets somebody in who waits in the lobby, or not. The first answer counts. Needs `allow_join` or `allow_mod`.
   * @param {string} participant id
   * @param {boolean} allow
   */
  respondEntry(participant, allow) {
    return this.#moderation.respondEntry(participant, allow);
  }

  /**
   * Off: mutes somebody at once. On: asks them to switch on themselves. Needs `allow_mod`.
   * @param {string} participant id
   * @param {import('./moderation.js').Switchable} source
   * @param {boolean} on
   */
  requestMedia(participant, source, on) {
    return this.#moderation.requestMedia(participant, source, on);
  }

  /**
   * Pins somebody for the whole room; with neither, takes the pin off.
   * @param {string} participant id
   * @param {{camera?: boolean, screen?: boolean}} what absent: false
   */
  pin(participant, what) {
    return this.#moderation.pin(participant, what);
  }

  /**
   * Has the server record everybody in the room; `recording` tells everybody how that goes. Needs `allow_mod`.
   * @returns {Promise<string>} its name; rejects with `recording-off`, `recording-runs`, `forbidden`
   */
  startRecording() {
    return this.#recording.start();
  }

  /** Needs `allow_mod`. @returns {Promise<void>} rejects with `no-such-recording`, `forbidden` */
  stopRecording() {
    return this.#recording.stop();
  }

  /**
   * Sends somebody out. Needs the permission `allow_mod`.
   * @param {string} participant id
   * @param {{blockMs?: number}} [options] for how long they are let in no more; without it they may come back at once
   */
  async remove(participant, { blockMs } = {}) {
    await this.#request('remove', { participant, ...(blockMs === undefined ? {} : { blockMs }) });
  }

  /**
   * Sets a small value that everybody in the room can read while the room lives.
   * @param {string} key at most 128 bytes
   * @param {string | null} value at most 1 KiB; null takes the key out
   */
  setStore(key, value) {
    return this.#moderation.setStore(key, value);
  }

  /** @param {string} key @returns {Promise<string | null>} null: no such key */
  getStore(key) {
    return this.#moderation.getStore(key);
  }

  /** For the room: a new session begins. @protected @param {Joined} joined @param {Session} session */
  assemble(joined, session) {
    this.#selfId = joined.participant.id;
    this.#about.reset(joined);
    this.#moderation.reset(joined.pins ?? []);
    this.#recording.reset(joined.recording ?? null);
    this.#links.reset(joined.links ?? [], joined.session);
    this.#messages.begin(session, joined.session);
  }

  /** For the room: somebody has left. @protected @param {string} id */
  forget(id) {
    this.#moderation.forget(id);
  }

  /** For the room: it is over. @protected */
  disperse() {
    this.#links.leave();
  }

  /**
   * For the room.
   * @protected
   * @param {ServerMessage} message an event
   * @returns {boolean} whether it was one of ours
   */
  heed(message) {
    if (this.#links.apply(message) || this.#moderation.apply(message) || this.#recording.apply(message)) return true;
    const { seq: _, type, ...fields } = message;
    switch (type) {
      case 'room.updated':
        this.#about.update(message);
        this.emit('room-updated');
        return true;
      case 'chat':
        this.emit('chat', /** @type {import('./protocol.js').ChatMessage} */ (/** @type {unknown} */ (fields)));
        return true;
      case 'topic.message':
        this.#messages.receive(/** @type {TopicMessage} */ (/** @type {unknown} */ (fields)));
        return true;
      default:
        return false;
    }
  }
}

/**
 * @template {keyof RoomEvents} K
 * @param {Emitter<any>} part
 * @param {Emitter<RoomEvents>} room
 * @param {readonly K[]} events which the part tells and the room passes on
 */
export function forward(part, room, events) {
  for (const event of events) part.on(event, (...args) => void room.emit(event, .../** @type {any} */ (args)));
}
