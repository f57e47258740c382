import { Capture } from './capture.js';
import { Connection } from './connection.js';
import { DataChannel } from './data.js';
import { Devices } from './devices.js';
import { Emitter } from './emitter.js';
import { asEnfiladeError, EnfiladeError, requireArgument } from './errors.js';
import { Messages } from './messages.js';
import { LocalParticipant } from './participant.js';
import { browserPlatform } from './platform.js';
import { Playback } from './playback.js';
import { signalUrl } from './protocol.js';
import { Publisher } from './publisher.js';
import { Roster } from './roster.js';
import { SEATS_FIRST, SEATS_MAX } from './seats.js';

/** @typedef {import('./connection.js').ConnectionState} ConnectionState */
/** @typedef {import('./connection.js').Link} Link */
/** @typedef {import('./data.js').DataOptions} DataOptions */
/** @typedef {import('./media-path.js').MediaState} MediaState */
/** @typedef {import('./participant.js').RemoteParticipant} RemoteParticipant */
/** @typedef {import('./participant.js').RemotePublication} RemotePublication */
/** @typedef {import('./platform.js').Platform} Platform */
/** @typedef {import('./protocol.js').ChatMessage} ChatMessage */
/** @typedef {import('./protocol.js').Joined} Joined */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */
/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./protocol.js').TopicMessage} TopicMessage */
/** @typedef {import('./publication.js').LocalPublication} LocalPublication */
/** @typedef {import('./publication.js').PublishOptions} PublishOptions */

/**
 * @typedef {object} RoomOptions
 * @property {string | (() => string | Promise<string>)} token a function is asked again at every fresh join, so that a
 *   token may expire during a call
 * @property {string} [url] of the server; default: where the page came from
 * @property {string} [room] optional if the token names one
 * @property {string} [participant] our id; default: the token's, else the server makes one up
 * @property {string} [displayName] at most 256 bytes
 * @property {unknown} [metadata] any JSON, at most 16 KiB
 * @property {boolean} [autoSubscribe] default true: receive everything until told otherwise
 * @property {number} [seats] receive places offered at first; default 8, grows by itself up to 48
 * @property {number} [reconnectForMs] how long to try to come back; default 120 000
 * @property {Platform} [platform] default: the browser
 */

/**
 * A room and our place in it. Objects in it (participants, publications) keep their identity across reconnects.
 *
 * Every method that asks something of the server returns a Promise and rejects with an EnfiladeError.
 *
 * @extends {Emitter<{
 *   state: [ConnectionState, ConnectionState, EnfiladeError | null],
 *   'media-state': [MediaState],
 *   'participant-joined': [RemoteParticipant],
 *   'participant-left': [RemoteParticipant, string],
 *   'participant-updated': [RemoteParticipant | LocalParticipant],
 *   'publication-added': [RemotePublication, RemoteParticipant],
 *   'publication-updated': [RemotePublication, RemoteParticipant],
 *   'publication-removed': [RemotePublication, RemoteParticipant],
 *   'track-started': [RemotePublication, RemoteParticipant],
 *   'track-stopped': [RemotePublication, RemoteParticipant],
 *   subscription: [RemotePublication, RemoteParticipant],
 *   'local-changed': [],
 *   speakers: [(RemoteParticipant | LocalParticipant)[]],
 *   quality: [(RemoteParticipant | LocalParticipant)[]],
 *   chat: [ChatMessage],
 *   'topic-message': [TopicMessage],
 *   'autoplay-blocked': [],
 *   'autoplay-resumed': [],
 *   error: [EnfiladeError],
 *   closed: [EnfiladeError | null],
 * }>}
 *   `state`: new, previous, cause. `track-started` and `track-stopped`: show and hide, nothing else tells. `error`:
 *   something that went wrong without anybody having called. `closed`: the end; null when we left by ourselves.
 */
export class Room extends Emitter {
  #options;
  #connection;
  #roster;
  #publisher;
  #messages;
  /** @type {Set<DataChannel>} */
  #channels = new Set();
  /** @type {LocalParticipant | null} */
  #self = null;
  /** @type {Joined | null} */
  #joined = null;
  #seatsWanted;

  /** @param {RoomOptions} options */
  constructor(options) {
    super();
    requireArgument(!!options?.token, 'Room: `token` is missing.');
    const platform = options.platform ?? browserPlatform();
    this.#options = { displayName: undefined, metadata: undefined, ...options };
    this.#seatsWanted = Math.min(options.seats ?? SEATS_FIRST, SEATS_MAX);
    /** Opens devices. @readonly */
    this.capture = new Capture(platform);
    /** The switches for microphone, camera and screen. @readonly */
    this.devices = new Devices(this);
    /** Plays streams. @readonly */
    this.playback = new Playback();
    this.playback.on('autoplay-blocked', () => this.emit('autoplay-blocked'));
    this.playback.on('autoplay-resumed', () => this.emit('autoplay-resumed'));
    this.#messages = new Messages(
      (type, fields) => this.#request(type, fields),
      (message) => this.emit('topic-message', message),
    );
    this.#publisher = new Publisher(() => this.emit('local-changed'));
    this.#roster = new Roster({
      subscribe: async (p) => void (await this.#request('subscribe', { ...p.limits, publication: p.id })),
      unsubscribe: async (p) => void (await this.#request('unsubscribe', { publication: p.id })),
    });
    forward(this.#roster, this);
    this.#connection = new Connection(
      platform,
      signalUrl(options.url ?? platform.defaultUrl()),
      { giveUpMs: options.reconnectForMs ?? 120_000 },
      {
        joinFields: () => this.#joinFields(),
        begin: (joined, link) => this.#begin(joined, link),
        lost: () => this.#lost(),
        event: (message) => this.#event(message),
        seated: () => this.#seat(),
      },
    );
    this.#connection.on('state', (state, previous, error) => {
      this.emit('state', state, previous, error);
      if (state === 'closed') this.#close(error);
    });
  }

  /** @returns {ConnectionState} */
  get state() {
    return this.#connection.state;
  }
  /** Of the media path alone; it may be lost while the server still hears us. @returns {MediaState} */
  get mediaState() {
    return this.#connection.link?.transport.path.state ?? 'new';
  }
  /** The room's name; empty before the join. */
  get name() {
    return this.#joined?.room ?? '';
  }
  /** Id of this live occurrence of the room. */
  get sessionId() {
    return this.#joined?.session ?? '';
  }
  /** Ourselves; null before the join. */
  get localParticipant() {
    return this.#self;
  }
  /** The others, by id. @returns {ReadonlyMap<string, RemoteParticipant>} */
  get participants() {
    return this.#roster.remotes;
  }
  /** Who speaks, loudest first. */
  get speakers() {
    return this.#roster.speakers;
  }
  /** Receive places offered now. */
  get seats() {
    return this.#connection.link?.transport.seats.count ?? 0;
  }
  /** What the server allows: bytes of messages, metadata and chat, number of seats. */
  get limits() {
    return this.#joined?.limits ?? null;
  }
  /** For statistics; null while there is none. Whoever negotiates on it breaks it. @returns {RTCPeerConnection | null} */
  get peerConnection() {
    return this.#connection.link?.transport.pc ?? null;
  }

  /** Done when the server has taken us in and the media was agreed. Rejects with the server's code or `connect-failed`. */
  join() {
    return this.#connection.join();
  }

  /** Others see us leave at once. Never rejects. */
  leave() {
    return this.#connection.leave();
  }

  /**
   * Publishes a track. May be called before `join`: then it goes out with the first offer.
   * @param {MediaStreamTrack} track
   * @param {PublishOptions} options
   * @returns {Promise<LocalPublication>}
   */
  async publish(track, options) {
    return /** @type {LocalPublication} */ ((await this.publishAll([{ track, options }]))[0]);
  }

  /**
   * Publishes several tracks with one offer: a screen and its sound, a camera and a microphone.
   * @param {{track: MediaStreamTrack, options: PublishOptions}[]} parts
   */
  async publishAll(parts) {
    this.#assertAlive();
    return this.#publisher.publish(parts);
  }

  /** What we publish, or are about to. */
  get publications() {
    return this.#publisher.publications;
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
   * Changes how others see us. Absent fields stay.
   * @param {{displayName?: string, metadata?: unknown}} change
   */
  async update(change) {
    const { displayName, metadata } = change;
    await this.#request('update', { displayName, metadata });
    if (displayName !== undefined) this.#options.displayName = displayName;
    if (metadata !== undefined) this.#options.metadata = metadata;
    this.#self?.update(change);
    if (this.#self) this.emit('participant-updated', this.#self);
  }

  /**
   * Sends somebody out. Needs the permission `allow_mod`.
   * @param {string} participant id
   */
  async remove(participant) {
    await this.#request('remove', { participant });
  }

  /**
   * A channel for application data to those who open one of the same label.
   * @param {string} label
   * @param {DataOptions} [options]
   * @returns {DataChannel} opens by itself, and again after a reconnect
   */
  openDataChannel(label, options = {}) {
    this.#assertAlive();
    const channel = new DataChannel(label, options, (c) => this.#channels.delete(c));
    this.#channels.add(channel);
    const transport = this.#connection.link?.transport;
    if (transport) {
      channel.attach(transport.pc);
      transport.ensureData().catch((thrown) => this.#report(thrown));
    }
    return channel;
  }

  // -- turns of the connection ---------------------------------------------------------------------------------------

  async #joinFields() {
    const { token, room, participant, displayName, metadata, autoSubscribe } = this.#options;
    const fresh = typeof token === 'function' ? await token() : token;
    // Once named, by us or by the server, we come back under that name.
    return { token: fresh, room, participant: this.#self?.id ?? participant, displayName: displayName || undefined, metadata, autoSubscribe };
  }

  /**
   * @param {Joined} joined
   * @param {Link} link
   */
  async #begin(joined, { session, transport }) {
    this.#joined = joined;
    if (this.#self) this.#self.update(joined.participant);
    else this.#self = new LocalParticipant(joined.participant, () => this.#publisher.publications);
    this.#roster.reset(this.#self, joined.participants);
    transport.path.on('state', (state) => this.emit('media-state', state));
    for (const channel of this.#channels) channel.attach(transport.pc);
    for (const publication of this.#roster.publications) {
      const { id, limits, wanted } = publication;
      if (!wanted) session.request('unsubscribe', { publication: id }).catch(() => {});
      else if (limits) session.request('subscribe', { ...limits, publication: id }).catch(() => {});
    }
    this.#messages.begin(session, joined.session);
    const most = Math.min(SEATS_MAX, joined.limits?.seats ?? SEATS_MAX);
    await this.#publisher.attach(transport, session, Math.min(this.#seatsWanted, most));
  }

  #lost() {
    this.#publisher.detach();
    this.#roster.seat(new Map());
  }

  /** @param {ServerMessage} message */
  #event(message) {
    if (this.#roster.apply(message)) {
      if (message.type.startsWith('publication.') || message.type === 'participant.joined') this.#seat();
      return;
    }
    const { seq: _, type, ...fields } = message;
    switch (type) {
      case 'seats':
        this.#connection.link?.transport.seats.setOccupants(message.seats);
        this.#seat();
        break;
      case 'seats.wanted':
        this.#growSeats(message.count);
        break;
      case 'transport':
        if (message.state === 'lost') this.#connection.restartMedia();
        break;
      case 'chat':
        this.emit('chat', /** @type {ChatMessage} */ (/** @type {unknown} */ (fields)));
        break;
      case 'topic.message':
        this.#messages.receive(/** @type {TopicMessage} */ (/** @type {unknown} */ (fields)));
        break;
      case 'error':
        this.#report(new EnfiladeError(message.code, message.message, { field: message.field }));
        break;
      default: // from a newer server; nothing we could do with it
    }
  }

  #seat() {
    this.#roster.seat(this.#connection.link?.transport.seats.placed() ?? new Map());
  }

  /** @param {number} wanted */
  #growSeats(wanted) {
    const transport = this.#connection.link?.transport;
    if (!transport) return;
    const target = transport.seats.target(wanted, this.#joined?.limits?.seats ?? SEATS_MAX);
    if (target <= this.#seatsWanted && target <= transport.seats.count) return;
    this.#seatsWanted = Math.max(target, this.#seatsWanted);
    transport.growSeats(target).catch((thrown) => this.#report(thrown));
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} fields
   * @returns {Promise<ServerMessage>}
   */
  async #request(type, fields) {
    this.#assertAlive();
    const session = this.#connection.link?.session;
    if (!session) throw new EnfiladeError('invalid-state', `${type}: not in the room at the moment.`);
    return session.request(type, fields);
  }

  #assertAlive() {
    if (this.state === 'leaving' || this.state === 'closed') throw new EnfiladeError('invalid-state', 'The room was left.');
  }

  /** @param {unknown} thrown */
  #report(thrown) {
    const error = asEnfiladeError(thrown, 'negotiation-failed', 'Something failed.');
    if (error.code !== 'session-lost' && error.code !== 'left') this.emit('error', error);
  }

  /** @param {EnfiladeError | null} error */
  #close(error) {
    this.#publisher.close(error ?? new EnfiladeError('left', 'The room was left.'));
    for (const channel of [...this.#channels]) channel.close();
    this.emit('closed', error);
  }
}

/**
 * Makes a room and joins it.
 * @param {RoomOptions} options
 * @returns {Promise<Room>}
 */
export async function connect(options) {
  const room = new Room(options);
  await room.join();
  return room;
}

const FORWARDED = /** @type {const} */ ([
  'participant-joined', 'participant-left', 'participant-updated', 'publication-added', 'publication-updated',
  'publication-removed', 'track-started', 'track-stopped', 'subscription', 'speakers', 'quality',
]);

/**
 * @param {Roster} roster
 * @param {Room} room
 */
function forward(roster, room) {
  for (const event of FORWARDED) roster.on(event, (...args) => void room.emit(event, .../** @type {any} */ (args)));
}
