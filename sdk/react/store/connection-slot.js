import { Emitter, EnfiladeError } from '@enfilade/client';
import { sameMap } from './compare.js';
import { CONNECTION_EVENTS } from './names.js';
import { hear } from './watch.js';

/** @typedef {import('./meeting-store.js').MeetingStore} MeetingStore */

/** @typedef {import('@enfilade/client').ConnectionParticipant} ConnectionParticipant */
/**
 * What a Connection of the client and its stand-in have in common.
 * @typedef {Pick<import('@enfilade/client').ConnectionMeeting, 'id' | 'participants' | 'stale' | 'sendChatMessage' | 'end'>
 *   & Record<'on' | 'off', (event: string, listener: (...args: any[]) => void) => unknown>} ConnectionMeeting
 * @typedef {Pick<import('@enfilade/client').Connection, 'id' | 'roomId' | 'payload' | 'rights' | 'replayed' | 'closed' | 'close'>
 *   & {meeting: ConnectionMeeting}} Connection
 *
 * @typedef {object} ConnectionView
 * @property {Connection} connection
 * @property {boolean} isOpen
 * @property {boolean} stale nothing has been heard of that meeting for 5 s
 * @property {ReadonlyMap<string, ConnectionParticipant>} participants a map of its own for every change in the roster
 */

const EVENTS = Object.values(CONNECTION_EVENTS);

/**
 * The place of one connection in one component, whether it is open or not. While it is not, a stand-in takes its place
 * that can be read like any connection: nobody is there, and everything one may ask of it rejects with `link-closed`.
 * Who listens to the stand-in hears the connection as soon as it is open, and again when it is opened anew.
 */
export class ConnectionSlot {
  #store;
  #id;
  #standIn;
  /** @type {Emitter<Record<string, any[]>>} */
  #events = new Emitter();
  /** @type {ConnectionView | null} */
  #view = null;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  #offStore = () => {};
  #offMeeting = () => {};
  /** The one we listen to. @type {Connection | null} */
  #heard = null;

  /** @param {MeetingStore} store @param {string} id */
  constructor(store, id) {
    this.#store = store;
    this.#id = id;
    this.#standIn = standIn(id, this.#events);
  }

  /** @param {() => void} listener @returns {() => void} stops */
  subscribe = (listener) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) {
      this.#offStore = this.#store.subscribe(() => this.#look());
      this.#look();
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#offStore();
      this.#hear(null);
    };
  };

  /** The same object until something in it changes. @returns {ConnectionView} */
  getView = () => {
    const open = this.#open();
    const connection = open ?? this.#standIn;
    const { participants, stale } = connection.meeting;
    const before = this.#view;
    if (before?.connection === connection && before.stale === stale && sameMap(before.participants, participants)) return before;
    return (this.#view = Object.freeze({ connection, isOpen: open !== null, stale, participants: new Map(participants) }));
  };

  /**
   * @param {string} event of the connected meeting
   * @param {(...args: any[]) => void} listener
   */
  on = (event, listener) => this.#events.on(event, listener);

  #open() {
    return /** @type {Connection | undefined} */ (this.#store.getView().connections.get(this.#id)) ?? null;
  }

  #look() {
    const before = this.#view;
    this.#hear(this.#open());
    if (this.getView() !== before) this.#tell();
  }

  /** @param {Connection | null} connection */
  #hear(connection) {
    if (connection === this.#heard) return;
    this.#offMeeting();
    this.#heard = connection;
    const offs = connection
      ? EVENTS.map((event) =>
          hear(connection.meeting, event, (...args) => {
            this.#tell();
            this.#events.emit(event, ...args);
          }),
        )
      : [];
    this.#offMeeting = () => offs.forEach((off) => off());
  }

  #tell() {
    for (const listener of [...this.#listeners]) listener();
  }
}

/**
 * @param {string} id
 * @param {Emitter<Record<string, any[]>>} events
 * @returns {Connection}
 */
function standIn(id, events) {
  const refuse = async () => {
    throw new EnfiladeError('link-closed', `There is no open connection with "${id}".`);
  };
  return Object.freeze({
    id,
    roomId: id,
    payload: null,
    rights: new Set(),
    replayed: false,
    closed: true,
    close: refuse,
    meeting: Object.freeze({
      id,
      participants: new Map(),
      stale: false,
      sendChatMessage: refuse,
      end: refuse,
      on: (/** @type {string} */ event, /** @type {(...args: any[]) => void} */ listener) => events.on(event, listener),
      off: (/** @type {string} */ event, /** @type {(...args: any[]) => void} */ listener) => events.off(event, listener),
    }),
  });
}
