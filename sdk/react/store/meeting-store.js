import { Emitter, EnfiladeError } from '@enfilade/client';
import { sameFields, sameMap, sameOptions } from './compare.js';
import { MEETING_CHANGES } from './names.js';
import { ABSENT, participantView, viewOf } from './snapshot.js';
import { TopicFeeds } from './topics.js';
import { hear, Watch } from './watch.js';

/** @typedef {import('./types.js').InitMeeting} InitMeeting */
/** @typedef {import('./types.js').MeetingOptions} MeetingOptions */
/** @typedef {import('./types.js').MeetingView} MeetingView */
/** @typedef {import('./types.js').ParticipantView} ParticipantView */

/** States after which a meeting cannot be joined again. */
const ENDED = new Set(['CLOSING', 'CLOSED', 'FAILED']);

/**
 * A meeting and how far we are with it.
 * @typedef {object} Turn
 * @property {any} meeting
 * @property {MeetingOptions} options it was made with
 * @property {(() => void)[]} offs the store's own listeners
 * @property {Promise<void> | null} joining null until somebody asked to join
 * @property {boolean} wanted whether we want to be in it: asked to join, and neither left nor sent out since
 * @property {string | null} state
 * @property {boolean} joined
 * @property {boolean} over
 */

/**
 * What one MeetingProvider holds: a meeting, and after a change of its options or a second `join` another one in its
 * place. Components listen to the store, which stays the same throughout and sees every event before they do.
 *
 * Nothing here happens while React renders: the constructor and the getters have no effect, so that a render that is
 * thrown away leaves nothing behind. A meeting is made when it is first needed, in an effect or a handler.
 */
export class MeetingStore {
  #init;
  #wanted;
  /** @type {Turn | null} */
  #turn = null;
  /** Done when the meetings before have been left. @type {Promise<unknown>} */
  #left = Promise.resolve();
  #holders = 0;
  #refused = false;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** What components want to hear of whichever meeting it is. @type {Set<{event: string, listener: (...args: any[]) => void}>} */
  #wishes = new Set();
  /** @type {Map<string, Promise<void>>} */
  #toggles = new Map();
  /** @type {MeetingView} */
  #view;
  /** @type {ReadonlyMap<string, ParticipantView>} */
  #people = new Map();
  /** @type {Emitter<Record<string, any[]>>} */
  #participantEvents = new Emitter();
  /** @readonly */
  topics = new TopicFeeds();

  /**
   * @param {InitMeeting} init makes every meeting there will be
   * @param {MeetingOptions} options
   */
  constructor(init, options) {
    this.#init = init;
    this.#wanted = options;
    this.#view = Object.freeze(viewOf(null, options));
  }

  // -- what components read ------------------------------------------------------------------------------------------

  /** @param {() => void} listener called when a getter would answer differently @returns {() => void} stops */
  subscribe = (listener) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** The same object until something in it changes. */
  getView = () => this.#view;

  /** The same object until something in it changes. @param {string} id @returns {ParticipantView} */
  getParticipant(id) {
    return this.#people.get(id) ?? ABSENT;
  }

  /**
   * An event of the meeting, and of the one that may take its place.
   * @param {string} event
   * @param {(...args: any[]) => void} listener
   * @returns {() => void} stops
   */
  on(event, listener) {
    const wish = { event, listener };
    this.#wishes.add(wish);
    this.#turn?.meeting.on(event, listener);
    return () => {
      this.#wishes.delete(wish);
      this.#turn?.meeting.off(event, listener);
    };
  }

  /**
   * An event of whoever has this id.
   * @param {string} id
   * @param {string} event
   * @param {(...args: any[]) => void} listener
   * @returns {() => void} stops
   */
  onParticipant(id, event, listener) {
    return this.#participantEvents.on(`${event} ${id}`, listener);
  }

  // -- what the provider does ----------------------------------------------------------------------------------------

  /**
   * Keeps the store alive. The meeting is left in the microtask after the last holder let go: React's StrictMode (and a
   * hot reload) unmounts and mounts again without a pause, and that must not leave the meeting.
   * @returns {() => void} lets go
   */
  hold() {
    this.#holders += 1;
    this.#tryOpen();
    return () => {
      this.#holders -= 1;
      this.#closeUnlessHeld();
    };
  }

  /** What the provider's props ask for now; `reconsider` acts on it. @param {MeetingOptions} options */
  want(options) {
    this.#wanted = options;
  }

  /**
   * Puts another meeting in place if the options ask for another. One that nobody joined yet is replaced in any case.
   * @param {boolean} reinitialise also one that was joined; the new one is then joined too
   * @param {boolean} autoJoin
   */
  reconsider(reinitialise, autoJoin) {
    const turn = this.#turn;
    if (!turn || sameOptions({ ...turn.options }, { ...this.#wanted })) return;
    if (turn.joining && !reinitialise) return;
    const rejoin = autoJoin || turn.wanted;
    this.#drop();
    if (rejoin) this.join().catch(() => {}); // `error` tells
    else this.#tryOpen();
    this.#refresh();
  }

  // -- what components do --------------------------------------------------------------------------------------------

  /**
   * Joins. While that is under way or we are inside it is the same join; after the end of a meeting a new one begins.
   * @returns {Promise<void>}
   */
  async join() {
    if (this.#turn?.over) this.#drop();
    /** @type {Turn} */
    let turn;
    try {
      turn = this.#open();
    } catch (thrown) {
      this.#tellOnce(thrown);
      throw thrown;
    }
    turn.wanted = true;
    return (turn.joining ??= this.#enter(turn));
  }

  /** @returns {Promise<void>} rejects with `invalid-state` when the meeting was not joined */
  async leave() {
    if (!this.#turn?.joining) throw new EnfiladeError('invalid-state', 'leave: the meeting was not joined.');
    this.#turn.wanted = false;
    await this.call('leave');
  }

  /**
   * A method of the meeting, by name.
   * @param {string} name
   * @param {unknown[]} args
   * @returns {Promise<any>} rejects with what the method rejects with, or `not-supported` if there is none
   */
  call(name, ...args) {
    return this.#invoke(() => this.#open().meeting, name, args);
  }

  /**
   * @param {string} topic
   * @param {string} message
   * @param {object} options
   * @param {unknown} payload
   * @returns {Promise<void>}
   */
  async publish(topic, message, options, payload) {
    await this.#open().meeting.pubSub.publish(topic, message, options, payload);
  }

  /**
   * A method of a participant, by name.
   * @param {string} id
   * @param {string} name
   * @param {unknown[]} args
   * @returns {Promise<any>} rejects with what the method rejects with, `no-such-participant` or `not-supported`
   */
  callParticipant(id, name, ...args) {
    const find = () => {
      const { participant } = this.getParticipant(id);
      if (!participant) throw new EnfiladeError('no-such-participant', `${name}: "${id}" is not in the meeting.`);
      return participant;
    };
    return this.#invoke(find, name, args);
  }

  /**
   * Turns a device the other way. Toggles of one device follow one another; the first begins at once, because a browser
   * shows its screen chooser only in the click itself.
   * @param {'localMicOn' | 'localWebcamOn' | 'localScreenShareOn'} state
   * @param {string} on the method that turns it on
   * @param {string} off
   * @param {unknown} [customTrack]
   * @returns {Promise<void>}
   */
  toggle(state, on, off, customTrack) {
    const act = () => (this.#view[state] ? this.call(off) : this.call(on, customTrack));
    const before = this.#toggles.get(state);
    const turn = before ? before.then(act, act) : act();
    this.#toggles.set(state, turn);
    const done = () => {
      if (this.#toggles.get(state) === turn) this.#toggles.delete(state);
    };
    turn.then(done, done);
    return turn;
  }

  // -- inside --------------------------------------------------------------------------------------------------------

  /** The meeting, made if there is none. @returns {Turn} */
  #open() {
    if (this.#turn) return this.#turn;
    const options = this.#wanted;
    /** @type {Turn} */
    const turn = { meeting: this.#init(options), options, offs: [], joining: null, wanted: false, state: null, joined: false, over: false };
    this.#turn = turn;
    this.#listen(turn);
    for (const { event, listener } of this.#wishes) turn.meeting.on(event, listener);
    this.#refresh();
    this.#closeUnlessHeld(); // a call from a component that is gone already
    return turn;
  }

  #tryOpen() {
    try {
      this.#open();
    } catch {
      // Options that make no meeting: `join` says so.
    }
  }

  /** @param {Turn} turn */
  #listen(turn) {
    const { meeting, offs } = turn;
    const watch = new Watch(meeting, (id, event, args) => {
      this.#refresh();
      this.#participantEvents.emit(`${event} ${id}`, ...args);
    });
    offs.push(() => watch.stop());
    // Names and metadata change without an event of the Meeting. A switch to another meeting brings another room.
    let offRoom = () => {};
    const followRoom = () => {
      offRoom();
      offRoom = hear(meeting.room, 'participant-updated', () => this.#refresh());
    };
    followRoom();
    offs.push(() => offRoom());
    offs.push(hear(meeting, 'meeting-state-changed', ({ state }) => Object.assign(turn, { state, over: turn.over || ENDED.has(state) })));
    offs.push(hear(meeting, 'meeting-joined', () => Object.assign(turn, { joined: true })));
    offs.push(hear(meeting, 'meeting-joined', followRoom));
    offs.push(hear(meeting, 'meeting-left', () => Object.assign(turn, { joined: false, wanted: false, over: true })));
    for (const event of MEETING_CHANGES) {
      offs.push(
        hear(meeting, event, () => {
          watch.look();
          this.#refresh();
        }),
      );
    }
    offs.push(hear(meeting, 'meeting-joined', () => this.topics.begin(meeting)));
    offs.push(hear(meeting, 'meeting-left', () => this.topics.end()));
  }

  /** @param {Turn} turn @returns {Promise<void>} */
  async #enter(turn) {
    try {
      await this.#left; // the camera may be the same, and the name
      if (this.#turn !== turn) throw new EnfiladeError('left', 'join: another meeting took the place of this one.');
      await turn.meeting.join();
    } catch (thrown) {
      if (!turn.joined) turn.over = true; // the next `join` begins anew
      throw thrown;
    } finally {
      this.#refresh();
    }
  }

  /** Leaves the meeting and hears no more of it. */
  #drop() {
    const turn = this.#turn;
    if (!turn) return;
    this.#turn = null;
    for (const off of turn.offs) off();
    for (const { event, listener } of this.#wishes) turn.meeting.off(event, listener);
    if (turn.joined) this.topics.end();
    if (turn.over || (!turn.joining && turn.state === null)) return; // left already, or never joined
    // Before the join has begun there is nothing to leave: it sees that its turn is over.
    const left = Promise.resolve(turn.meeting.leave()).catch(() => {});
    this.#left = Promise.all([this.#left, left]);
  }

  #closeUnlessHeld() {
    if (this.#holders > 0) return;
    queueMicrotask(() => {
      if (this.#holders > 0) return;
      this.#drop();
      this.#refresh();
    });
  }

  /** Looks at the meeting again, and tells the components if they would see a difference. */
  #refresh() {
    const { meeting = null, state = null, joined = false, over = false } = this.#turn ?? {};
    const next = viewOf(meeting, this.#turn?.options ?? this.#wanted, { state, joined, over });
    const people = new Map();
    for (const [id, participant] of next.participants) {
      people.set(id, participantView(participant, next.activeSpeakerId, this.#people.get(id)));
    }
    const samePeople = sameMap(this.#people, people);
    this.#people = people;
    // A participant is the same object all along: the map that holds it is new when something in it is.
    if (samePeople) next.participants = this.#view.participants;
    if (samePeople && sameFields(this.#view, next)) return;
    this.#view = Object.freeze(next);
    for (const listener of [...this.#listeners]) listener();
  }

  /**
   * @param {() => any} find the object
   * @param {string} name of its method
   * @param {unknown[]} args
   */
  async #invoke(find, name, args) {
    const on = find();
    if (typeof on[name] !== 'function') throw new EnfiladeError('not-supported', `${name}: this SDK does not offer it.`);
    try {
      return await on[name](...args);
    } finally {
      this.#refresh();
    }
  }

  /** An error of `join` while there is no meeting that could tell it. StrictMode asks twice. @param {any} thrown */
  #tellOnce(thrown) {
    if (this.#refused) return;
    this.#refused = true;
    queueMicrotask(() => {
      this.#refused = false;
      const told = new Emitter();
      for (const { event, listener } of this.#wishes) if (event === 'error') told.on('error', listener);
      told.emit('error', { code: 0, name: thrown.code ?? 'unknown', message: thrown.message, cause: thrown }); // as a Meeting does
    });
  }
}
