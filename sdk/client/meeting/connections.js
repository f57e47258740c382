import { Emitter } from '../core/emitter.js';
import { requireArgument } from '../core/errors.js';
import { requireSwitch } from './participant.js';

/** @typedef {import('../core/link.js').RoomLink} RoomLink */
/** @typedef {import('../core/protocol.js').LinkChat} LinkChat */
/** @typedef {import('../core/protocol.js').LinkCloseReason} LinkCloseReason */
/** @typedef {import('../core/protocol.js').WirePerson} WirePerson */
/** @typedef {import('../core/room.js').Room} Room */
/** @typedef {import('./participant.js').Surroundings['guard']} Guard */

/**
 * @typedef {object} ConnectionMessage
 * @property {string} message the text
 * @property {string} participantId who wrote it; an id of the meeting it was written in
 * @property {string} id
 * @property {number} timestamp milliseconds since 1970
 * @property {string} senderName
 * @property {string} connectionId
 */

/** Somebody in a connected meeting. Only id and name cross; no audio, no video, no metadata. */
export class ConnectionParticipant {
  #link;
  #guard;

  /**
   * @param {RoomLink} link
   * @param {Guard} guard
   * @param {WirePerson} person
   */
  constructor(link, guard, { id, displayName }) {
    this.#link = link;
    this.#guard = guard;
    /** Unique in their meeting only. @readonly */
    this.id = id;
    this.displayName = displayName;
  }

  /**
   * Asks them to go to a meeting: they get `switch-meeting`, and go or not. Needs the permission `link` here and the right
   * `switch` there.
   * @param {{meetingId: string, token: string, payload?: unknown}} where one of the two connected meetings, and a token that
   *   is good for it; payload: up to 4 KiB
   * @returns {Promise<void>} once they were told; rejects with `link-closed`, `link-right`, `forbidden`, `switch-room`,
   *   `no-such-participant`, `rate-limited` or a `token-` code
   */
  switchTo({ meetingId, token, payload }) {
    return this.#guard('switchParticipant', () => {
      requireSwitch(meetingId, token);
      return this.#link.switchParticipant(this.id, { room: meetingId, token, payload });
    });
  }
}

/**
 * @typedef {{
 *   'participant-joined': [ConnectionParticipant],
 *   'participant-left': [string, {displayName: string, reason: string}],
 *   'chat-message': [ConnectionMessage],
 *   'chat-message-sent': [ConnectionMessage],
 *   'chat-meesage': [ConnectionMessage],
 *   'messages-lost': [number],
 *   'state-changed': [{stale: boolean}],
 * }} ConnectionEvents
 *   `chat-message`: somebody there says something to our meeting. `chat-message-sent`: somebody of ours said something to
 *   theirs, with `echo`. `messages-lost`: so many were dropped, because the connection was overloaded. `state-changed`:
 *   nothing was heard of that meeting for 5 s, or it is back. `chat-meesage` is another name for `chat-message`.
 */

/**
 * What can be seen of a connected meeting.
 * @extends {Emitter<ConnectionEvents>}
 */
export class ConnectionMeeting extends Emitter {
  #link;
  #guard;
  #warned = false;

  /**
   * @param {RoomLink} link
   * @param {Guard} guard
   */
  constructor(link, guard) {
    super();
    this.#link = link;
    this.#guard = guard;
    /** @readonly */
    this.id = link.id;
    /** Who is there, by id. @type {Map<string, ConnectionParticipant>} */
    this.participants = new Map();
    for (const person of link.participants.values()) this.#join(person);
    link.on('participant-joined', (person) => this.emit('participant-joined', this.#join(person)));
    link.on('participant-updated', ({ id, displayName }) => {
      const participant = this.participants.get(id);
      if (participant) participant.displayName = displayName;
    });
    link.on('participant-left', (id, how) => {
      this.participants.delete(id);
      this.emit('participant-left', id, how);
    });
    link.on('chat', (chat) => this.emit('chat-message', this.#read(chat)));
    link.on('chat-sent', (chat) => this.emit('chat-message-sent', this.#read(chat)));
    link.on('gap', (lost) => this.emit('messages-lost', lost));
    link.on('state', (stale) => this.emit('state-changed', { stale }));
  }

  /** Nothing has been heard of that meeting for 5 s; who is there may be out of date. */
  get stale() {
    return this.#link.stale;
  }

  /**
   * Says something to everybody in that meeting. Nobody here sees it, unless `echo`.
   * @param {string} message 1 byte to 8 KiB
   * @param {{echo?: boolean}} [options] echo: the others here get `chat-message-sent`; default false
   * @returns {Promise<{id: string, timestamp: number}>} once the other meeting has it (timestamp in ms since 1970); rejects
   *   with `link-closed`, `link-right`, `link-overflow`, `rate-limited`
   */
  sendChatMessage(message, options = {}) {
    return this.#guard('connect', async () => {
      requireArgument(typeof message === 'string' && message !== '', 'sendChatMessage: the message must be a string of at least one character.');
      const { message: id, timestampMs } = await this.#link.chat(message, options);
      return { id, timestamp: timestampMs };
    });
  }

  /** Ends that meeting for everybody in it. Needs the right `end` there. @returns {Promise<void>} rejects with `link-right`, `forbidden` */
  end() {
    return this.#guard('connect', () => this.#link.end());
  }

  /**
   * @override
   * @template {keyof ConnectionEvents} K
   * @param {K} event
   * @param {(...args: ConnectionEvents[K]) => void} listener
   */
  on(event, listener) {
    return super.on(this.#name(event), listener);
  }

  /**
   * @override
   * @template {keyof ConnectionEvents} K
   * @param {K} event
   * @param {(...args: ConnectionEvents[K]) => void} listener
   */
  off(event, listener) {
    super.off(this.#name(event), listener);
  }

  /** @template {keyof ConnectionEvents} K @param {K} event @returns {K} */
  #name(event) {
    if (event !== 'chat-meesage') return event;
    if (!this.#warned) console.warn('enfilade: the event is called "chat-message"; "chat-meesage" is a slip of the documentation.');
    this.#warned = true;
    return /** @type {K} */ ('chat-message');
  }

  /** @param {WirePerson} person */
  #join(person) {
    const participant = new ConnectionParticipant(this.#link, this.#guard, person);
    this.participants.set(person.id, participant);
    return participant;
  }

  /** @param {LinkChat} chat @returns {ConnectionMessage} */
  #read({ message: id, participant, displayName, text, timestampMs }) {
    return { message: text, participantId: participant, id, timestamp: timestampMs, senderName: displayName, connectionId: this.id };
  }
}

/** Our meeting's connection with another one. */
export class Connection {
  #link;
  #guard;

  /**
   * @param {RoomLink} link
   * @param {Guard} guard
   * @param {boolean} replayed
   */
  constructor(link, guard, replayed) {
    this.#link = link;
    this.#guard = guard;
    /** The other meeting's id. @readonly */
    this.id = link.id;
    /** The same as `id`. @readonly */
    this.roomId = link.id;
    /** What was given to `connectTo`: a string or any JSON; the same on both sides. @readonly */
    this.payload = link.payload;
    /** Whether it was open before we joined. @readonly */
    this.replayed = replayed;
    /** @readonly */
    this.meeting = new ConnectionMeeting(link, guard);
  }

  /** What our meeting may do there. */
  get rights() {
    return this.#link.rights;
  }
  get closed() {
    return this.#link.closed;
  }

  /**
   * Ends the connection for everybody in both meetings; neither meeting ends. Needs the permission `link`.
   * @returns {Promise<void>} fine if it is closed already; rejects with `forbidden`
   */
  close() {
    return this.#guard('connect', () => this.#link.close());
  }
}

/**
 * The connections of a meeting. What is open before we enter is told once we have entered (`replayed`), and to listeners that
 * come later still, so that an app that only listens misses none.
 */
export class Connections {
  #guard;
  #meeting;
  /** @type {Map<string, Connection>} */
  #all = new Map();
  #entered = false;
  /** Which listener was told of which connection. @type {WeakMap<Function, WeakSet<Connection>>} */
  #told = new WeakMap();

  /**
   * @param {import('./meeting-types.js').MeetingEmitter} meeting
   * @param {Guard} guard
   */
  constructor(meeting, guard) {
    this.#meeting = meeting;
    this.#guard = guard;
  }

  /** @returns {Map<string, Connection>} */
  get all() {
    return this.#all;
  }

  /** @param {Room} room */
  attach(room) {
    room.on('link-opened', (link, { replayed }) => {
      const connection = new Connection(link, this.#guard, replayed || !this.#entered);
      this.#all.set(link.id, connection);
      if (this.#entered) this.#announce(connection);
    });
    room.on('link-closed', (link, reason) => this.#drop(link.id, reason));
    room.on('link-requested', ({ room: meetingId, participant, displayName, payload, expiresMs, accept, reject }) =>
      this.#meeting.emit('connection-requested', {
        connectionId: meetingId, meetingId, participantId: participant, displayName, payload, expiresMs,
        accept: () => this.#guard('connect', accept),
        reject: () => this.#guard('connect', reject),
      }),
    );
  }

  /**
   * @param {Room} room
   * @param {{meetingId: string, payload?: unknown, wait?: number}} where
   * @returns {Promise<Connection>}
   */
  async open(room, { meetingId, payload, wait }) {
    requireArgument(typeof meetingId === 'string' && meetingId !== '', 'connectTo: `meetingId` is missing.');
    const link = await room.openLink(meetingId, { payload, waitMs: wait });
    return /** @type {Connection} */ (this.#all.get(link.id));
  }

  /** We are in. */
  enter() {
    this.#entered = true;
    for (const connection of [...this.#all.values()]) this.#announce(connection);
  }

  /** We are out; with `tell`, of each connection. @param {LinkCloseReason} [tell] */
  leave(tell) {
    if (tell) for (const id of [...this.#all.keys()]) this.#drop(id, tell);
    this.#all.clear();
    this.#entered = false;
  }

  /**
   * A listener of `connection-open` that came after we entered gets what is open, once and not before it returns.
   * @param {Function} listener
   */
  replay(listener) {
    if (!this.#entered) return;
    const open = [...this.#all.values()];
    queueMicrotask(() => {
      for (const connection of open) {
        if (connection.closed || !this.#meeting.listeners('connection-open').includes(/** @type {any} */ (listener))) continue;
        if (!this.#tell(listener, connection)) continue;
        try {
          listener(connection, { replayed: true });
        } catch (error) {
          console.error('enfilade: a listener of "connection-open" threw', error);
        }
      }
    });
  }

  /** @param {Connection} connection */
  #announce(connection) {
    for (const listener of this.#meeting.listeners('connection-open')) this.#tell(listener, connection);
    this.#meeting.emit('connection-open', connection, { replayed: connection.replayed });
  }

  /** @param {Function} listener @param {Connection} connection @returns {boolean} whether that is news */
  #tell(listener, connection) {
    const told = this.#told.get(listener) ?? new WeakSet();
    this.#told.set(listener, told);
    if (told.has(connection)) return false;
    told.add(connection);
    return true;
  }

  /** @param {string} id @param {LinkCloseReason} reason */
  #drop(id, reason) {
    if (!this.#all.delete(id) || !this.#entered) return;
    this.#meeting.emit('connection-close', id, reason);
  }
}
