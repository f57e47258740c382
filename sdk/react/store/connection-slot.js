import { Emitter, EnfiladeError } from '@enfilade/client';
import { sameMap } from './compare.js';
import { CONNECTION_EVENTS } from './names.js';
import { hear } from './watch.js';

/** @typedef {import('./meeting-store.js').MeetingStore} MeetingStore */

/**
 * @typedef {object} ConnectionParticipant somebody in the other meeting
 * @property {string} id
 * @property {string} displayName
 * @property {(to: {meetingId: string, token?: string, payload?: unknown}) => Promise<void>} switchTo
 *
 * @typedef {object} ConnectionMeeting the other meeting, as far as it can be seen from here
 * @property {string} id
 * @property {ReadonlyMap<string, ConnectionParticipant>} participants
 * @property {(message: string, options?: object) => Promise<unknown>} sendChatMessage
 * @property {() => Promise<void>} end
 * @property {(event: string, listener: (...args: any[]) => void) => unknown} on
 * @property {(event: string, listener: (...args: any[]) => void) => unknown} off
 *
 * @typedef {object} Connection
 * @property {string} id of the other meeting
 * @property {unknown} payload what came with `connectTo`
 * @property {ConnectionMeeting} meeting
 * @property {() => Promise<void>} close
 *
 * @typedef {object} ConnectionView
 * @property {Connection} connection
 * @property {boolean} isOpen
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
    const { participants } = connection.meeting;
    if (this.#view?.connection !== connection || !sameMap(this.#view.participants, participants)) {
      this.#view = Object.freeze({ connection, isOpen: open !== null, participants: new Map(participants) });
    }
    return this.#view;
  };

  /**
   * @param {string} event of the connected meeting
   * @param {(...args: any[]) => void} listener
   */
  on = (event, listener) => this.#events.on(event, listener);

  #open() {
    return this.#store.getView().connections.get(this.#id) ?? null;
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
    payload: undefined,
    close: refuse,
    meeting: Object.freeze({
      id,
      participants: new Map(),
      sendChatMessage: refuse,
      end: refuse,
      on: (/** @type {string} */ event, /** @type {(...args: any[]) => void} */ listener) => events.on(event, listener),
      off: (/** @type {string} */ event, /** @type {(...args: any[]) => void} */ listener) => events.off(event, listener),
    }),
  });
}
