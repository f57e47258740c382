import { Emitter, EnfiladeError } from '@enfilade/client';

/** An Emitter that knows how many listen to it. */
export class Counted extends Emitter {
  static listening = 0;
  #on = new Set();
  on(event, listener) {
    const key = this.#key(event, listener);
    if (!this.#on.has(key)) Counted.listening += 1;
    this.#on.add(key);
    return super.on(event, listener);
  }
  off(event, listener) {
    if (this.#on.delete(this.#key(event, listener))) Counted.listening -= 1;
    super.off(event, listener);
  }
  static #ids = new WeakMap();
  #key(event, listener) {
    if (!Counted.#ids.has(listener)) Counted.#ids.set(listener, Math.random());
    return `${event} ${Counted.#ids.get(listener)}`;
  }
}

export class ScriptedParticipant extends Counted {
  streams = new Map();
  mode = 'SEND_AND_RECV';
  metaData = null;
  calls = [];
  constructor(id, { local = false, displayName = id.toUpperCase() } = {}) {
    super();
    Object.assign(this, { id, displayName, local, isLocal: local });
  }
  #has(kind) {
    return [...this.streams.values()].some((s) => s.kind === kind);
  }
  get webcamOn() {
    return this.#has('video');
  }
  get micOn() {
    return this.#has('audio');
  }
  get screenShareOn() {
    return this.#has('share');
  }
  show(kind) {
    const stream = { id: `${this.id}-${kind}`, kind, track: {} };
    this.streams.set(stream.id, stream);
    this.emit('stream-enabled', stream);
    return stream;
  }
  hide(kind) {
    const stream = this.streams.get(`${this.id}-${kind}`);
    this.streams.delete(stream.id);
    this.emit('stream-disabled', stream);
  }
  async setQuality(quality) {
    this.calls.push(['setQuality', quality]);
  }
}

export class ScriptedConnection {
  payload;
  calls = [];
  constructor(id, payload, people = []) {
    this.id = id;
    this.payload = payload;
    const calls = this.calls;
    this.meeting = Object.assign(new Counted(), {
      id,
      participants: new Map(people.map((p) => [p.id, p])),
      stale: false,
      async sendChatMessage(text) {
        calls.push(['sendChatMessage', text]);
      },
      async end() {
        calls.push(['end']);
      },
    });
  }
  async close() {
    this.calls.push(['close']);
  }
  enter(person) {
    this.meeting.participants.set(person.id, person);
    this.meeting.emit('participant-joined', person);
  }
  depart(id) {
    const { displayName } = this.meeting.participants.get(id);
    this.meeting.participants.delete(id);
    this.meeting.emit('participant-left', id, { displayName, reason: 'left' });
  }
}

/** A Meeting that does what a test tells it. */
export class ScriptedMeeting extends Counted {
  localParticipant = null;
  participants = new Map();
  connections = new Map();
  pinnedParticipants = new Map();
  activeSpeakerId = null;
  activePresenterId = null;
  mainParticipantId = null;
  recordingState = null;
  calls = [];
  topics = new Map();
  kept = [];
  #state = 'new';
  constructor(options) {
    super();
    if (!options.meetingId) throw new EnfiladeError('invalid-argument', 'no meetingId');
    this.options = options;
    this.id = options.meetingId;
    this.room = new Counted();
    this.pubSub = {
      publish: async (...args) => void this.calls.push(['publish', ...args]),
      subscribe: async (topic, listener) => {
        this.calls.push(['subscribe', topic]);
        this.topics.set(topic, listener);
        return this.kept;
      },
      unsubscribe: async (topic, listener) => {
        this.calls.push(['unsubscribe', topic]);
        if (this.topics.get(topic) === listener) this.topics.delete(topic);
      },
    };
  }
  count(name) {
    return this.calls.filter(([called]) => called === name).length;
  }
  state(state) {
    this.#state = state;
    this.emit('meeting-state-changed', { state });
  }
  /** Stays under way until the test says `joined`, or `refuse`. */
  join() {
    this.calls.push(['join']);
    if (this.#state !== 'new') return Promise.reject(new EnfiladeError('invalid-state', 'joined before'));
    this.state('CONNECTING');
    return new Promise((resolve, reject) => Object.assign(this, { resolveJoin: resolve, rejectJoin: reject }));
  }
  joined(...others) {
    this.localParticipant = new ScriptedParticipant(this.options.participantId ?? 'me', { local: true, displayName: this.options.name });
    for (const other of others) this.participants.set(other.id, other);
    this.state('CONNECTED');
    this.emit('meeting-joined');
    for (const other of others) this.emit('participant-joined', other);
    this.resolveJoin();
  }
  refuse(code) {
    const error = new EnfiladeError(code, code);
    this.emit('error', error);
    this.state('FAILED');
    this.rejectJoin(error);
  }
  async leave() {
    this.calls.push(['leave']);
    if (this.#state === 'CONNECTING') this.rejectJoin(new EnfiladeError('left', 'left'));
    this.state('CLOSING');
    await this.departed;
    this.state('CLOSED');
    this.emit('meeting-left');
  }
  enter(person) {
    this.participants.set(person.id, person);
    this.emit('participant-joined', person);
  }
  depart(person) {
    this.participants.delete(person.id);
    this.emit('participant-left', person, 'left');
  }
  open(connection) {
    this.connections.set(connection.id, connection);
    this.emit('connection-open', connection);
  }
  shut(connection) {
    for (const id of [...connection.meeting.participants.keys()]) connection.depart(id);
    this.connections.delete(connection.id);
    this.emit('connection-close', connection.id);
  }
  say(topic, message) {
    this.topics.get(topic)?.({ id: `m-${message}`, topic, message, senderId: 'bob', senderName: 'BOB', timestamp: 1 });
  }
  async connectTo(to) {
    this.calls.push(['connectTo', to]);
  }
  async muteMic() {
    this.calls.push(['muteMic']);
    this.localParticipant.hide('audio');
  }
  async unmuteMic(track) {
    this.calls.push(['unmuteMic', track]);
    await null;
    this.localParticipant.show('audio');
  }
}
