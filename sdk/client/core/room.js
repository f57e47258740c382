import { Assembly, forward } from './assembly.js';
import { Capture } from './capture.js';
import { CallStatsReader } from './call-stats.js';
import { Connection } from './connection.js';
import { DataChannel } from './data.js';
import { Devices } from './devices.js';
import { E2ee } from './e2ee.js';
import { asEnfiladeError, EnfiladeError, requireArgument } from './errors.js';
import { LocalParticipant } from './participant.js';
import { browserPlatform } from './platform.js';
import { Playback } from './playback.js';
import { Publisher } from './publisher.js';
import { Roster } from './roster.js';
import { followEncryption, leaveSealed } from './sealing.js';
import { SEATS_FIRST, SEATS_MAX } from './seats.js';
import { Servers } from './servers.js';

/** @typedef {import('./connection.js').ConnectionState} ConnectionState */
/** @typedef {import('./connection.js').Link} Link */
/** @typedef {import('./data.js').DataOptions} DataOptions */
/** @typedef {import('./e2ee-cipher.js').Outcome} Outcome */
/** @typedef {import('./media-path.js').MediaState} MediaState */
/** @typedef {import('./participant.js').RemoteParticipant} RemoteParticipant */
/** @typedef {import('./participant.js').RemotePublication} RemotePublication */
/** @typedef {import('./protocol.js').Joined} Joined */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */
/** @typedef {import('./protocol.js').Source} Source */
/** @typedef {import('./publication.js').LocalPublication} LocalPublication */
/** @typedef {import('./publication.js').PublishOptions} PublishOptions */
/** @typedef {import('./room-types.js').RoomEvents} RoomEvents */
/** @typedef {import('./room-types.js').RoomOptions} RoomOptions */

/**
 * A room and our place in it. Objects in it (participants, publications) keep their identity across reconnects.
 *
 * Every method that asks something of the server returns a Promise and rejects with an EnfiladeError.
 */
export class Room extends Assembly {
  #options;
  #connection;
  #roster;
  #publisher;
  #stats = new CallStatsReader(this);
  /** @type {Set<DataChannel>} */
  #channels = new Set();
  #e2ee;
  /** @type {LocalParticipant | null} */
  #self = null;
  /** @type {Joined | null} */
  #joined = null;
  #seatsWanted;
  /** @type {number | null} */
  #lastN;

  /** @param {RoomOptions} options */
  constructor(options) {
    super(
      (type, fields) => this.#request(type, fields),
      (source) => this.devices.obey(source),
    );
    requireArgument(!!options?.token, 'Room: `token` is missing.');
    const platform = options.platform ?? browserPlatform();
    /** Everything foreign, as it was injected. @readonly */
    this.platform = platform;
    this.#options = { ...options, mode: options.mode ?? 'sendAndReceive' };
    this.#seatsWanted = Math.min(options.seats ?? SEATS_FIRST, SEATS_MAX);
    this.#lastN = options.lastN ?? null;
    /** Opens devices. @readonly */
    this.capture = new Capture(platform);
    /** The switches for microphone, camera and screen. @readonly */
    this.devices = new Devices(this);
    /** Plays streams. @readonly */
    this.playback = new Playback();
    this.playback.on('autoplay-blocked', () => this.emit('autoplay-blocked'));
    this.playback.on('autoplay-resumed', () => this.emit('autoplay-resumed'));
    this.#publisher = new Publisher(
      () => this.emit('local-changed'),
      (publication, backup) => this.emit('backup', publication, backup),
    );
    this.#roster = new Roster({
      subscribe: async (p) => void (await this.#request('subscribe', { ...p.wish, publication: p.id })),
      unsubscribe: async (p) => void (await this.#request('unsubscribe', { publication: p.id })),
      platform,
      playback: this.playback,
    });
    this.#roster.on('participant-left', ({ id }) => this.forget(id));
    forward(this.#roster, this, ROSTER_EVENTS);
    this.#e2ee = options.e2ee ? new E2ee(platform, options.e2ee.keys) : null;
    this.#e2ee?.on('broken', (error) => this.#report(error));
    const tell = (/** @type {RemotePublication | LocalPublication} */ publication, /** @type {Outcome} */ outcome) => void this.emit('encryption', publication, outcome);
    if (this.#e2ee) followEncryption(this.#e2ee, this.#roster, () => this.#connection.link?.transport.lines, tell);
    else leaveSealed(this.#roster, () => this.state === 'connected', tell);
    this.#connection = new Connection(
      platform,
      new Servers(options.url ?? platform.defaultUrl()),
      { giveUpMs: options.reconnectForMs ?? 120_000 },
      {
        joinFields: () => this.#joinFields(),
        begin: (joined, link) => this.#begin(joined, link),
        waiting: () => this.emit('waiting'),
        lost: () => this.#lost(),
        event: (message) => this.#event(message),
        seated: () => this.#seat(),
        e2ee: (joined) => {
          this.#e2ee?.enter(joined.room, joined.participant.id);
          return this.#e2ee;
        },
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
  /** Who speaks, the dominant one first. */
  get speakers() {
    return this.#roster.speakers;
  }
  /** What of media we take part in. */
  get mode() {
    return this.#options.mode;
  }
  /** Whether what we send is encrypted end to end, and what is not is not shown. */
  get encrypted() {
    return this.#e2ee !== null;
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

  /**
   * How our connection is doing, as browser and server see it: what we send and get, and why not more. Rates need a call before.
   * @returns {Promise<import('./call-stats.js').CallStats>}
   */
  stats() {
    return this.#stats.read(() => this.#request('stats', {}));
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
   * @override
   * @param {import('./protocol.js').Settings} settings
   */
  async updateSettings(settings) {
    await super.updateSettings(settings);
    if (settings.password !== undefined) this.#options.password = settings.password ?? undefined; // for a fresh join
  }

  /**
   * Takes part in more or less of the media. What we publish and the new mode forbids is unpublished.
   * @param {import('./protocol.js').Mode} mode
   */
  async setMode(mode) {
    await this.#request('update', { mode });
    this.#options.mode = mode;
    this.#self?.update({ mode });
    if (this.#self) this.emit('participant-updated', this.#self);
    if (mode !== 'sendAndReceive') await Promise.all(this.publications.map((p) => p.unpublish()));
    if (mode !== 'signallingOnly') await this.#connection.link?.transport.growSeats(this.#seatsWanted);
  }

  /** Most pictures sent to us at a time; null: as the room's settings or the server's configuration say. */
  get lastN() {
    return this.#lastN;
  }

  /**
   * Receives so many pictures at most: pinned ones, then screens, then of those who spoke last. Everybody is heard.
   * @param {number | null} lastN 0 to 50; null: as the room's settings or the server's configuration say
   */
  async setLastN(lastN) {
    requireArgument(lastN === null || (Number.isInteger(lastN) && lastN >= 0), 'setLastN: a number, or null.');
    await this.#request('view', { lastN });
    this.#lastN = lastN;
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

  /**
   * Of end-to-end encryption: frames since the room was made, and why frames were dropped.
   * @returns {Promise<import('./e2ee-worker.js').Counts | null>} null without it
   */
  async encryptionCounts() {
    return this.#e2ee?.counts() ?? null;
  }

  // -- turns of the connection ---------------------------------------------------------------------------------------

  async #joinFields() {
    const { token, room, participant, displayName, metadata, autoSubscribe, intent, password, settings, mode } = this.#options;
    const fresh = typeof token === 'function' ? await token() : token;
    // Once named, by us or by the server, we come back under that name, and whether the room is still there or not.
    return {
      token: fresh, room, participant: this.#self?.id ?? participant, displayName: displayName || undefined, metadata, autoSubscribe,
      intent: this.#self || intent === 'any' ? undefined : intent, password, settings, mode: mode === 'sendAndReceive' ? undefined : mode,
    };
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
      const { id, wish, wanted } = publication;
      if (!wanted) session.request('unsubscribe', { publication: id }).catch(() => {});
      else if (wish) session.request('subscribe', { ...wish, publication: id }).catch(() => {});
    }
    if (this.#lastN !== null) session.request('view', { lastN: this.#lastN }).catch(() => {});
    this.assemble(joined, session);
    const most = Math.min(SEATS_MAX, joined.limits?.seats ?? SEATS_MAX);
    await this.#publisher.attach(transport, session, this.mode === 'signallingOnly' ? 0 : Math.min(this.#seatsWanted, most));
    if (this.#channels.size > 0) await transport.ensureData();
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
    if (this.heed(message)) return;
    switch (message.type) {
      case 'seats':
        this.#connection.link?.transport.seats.setOccupants(message.seats);
        this.#seat();
        break;
      case 'seats.wanted':
        this.#growSeats(message.count);
        break;
      case 'publication.wanted':
        this.#publisher.want(message.publication, message.encodings);
        break;
      case 'publication.backup':
        if (this.#options.backupCodecs === false) break;
        this.#publisher.backUp(message.publication, /** @type {import('./backups.js').BackupAsked} */ (/** @type {unknown} */ (message))).catch((thrown) => this.#report(thrown));
        break;
      case 'transport':
        this.#connection.mediaHeard(message.state === 'connected');
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
    if (!transport || this.mode === 'signallingOnly') return;
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
    if (!session && this.state === 'reconnecting') throw new EnfiladeError('session-lost', `${type}: the way to the server is just being mended.`);
    if (!session) throw new EnfiladeError('invalid-state', `${type}: the room was not joined.`);
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
    this.#e2ee?.close();
    this.disperse();
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

const ROSTER_EVENTS = /** @type {const} */ ([
  'participant-joined', 'participant-left', 'participant-updated', 'publication-added', 'publication-updated',
  'publication-removed', 'track-started', 'track-stopped', 'subscription', 'speakers', 'quality',
]);
