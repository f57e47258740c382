import { EnfiladeError, requireArgument } from '../core/errors.js';
import { Connections } from './connections.js';
import { ROOM_MODE } from './constants.js';
import { MeetingControls } from './controls.js';
import { MeetingData } from './data.js';
import { errorEvent, isReported, meetingError } from './errors.js';
import { leaveReason, reasonOfOurs } from './leave-reasons.js';
import { makeRoom, requireKind, requireOptions } from './options.js';
import { requireSwitch } from './participant.js';
import { People } from './people.js';
import { PubSub } from './pub-sub.js';
import { tellRecording } from './recording.js';
import { RealtimeStore } from './realtime-store.js';
import { SharedVideo } from './shared-video.js';
import { MeetingStates } from './state.js';
import { Stats } from '../core/stats.js';
import { UploadWatch } from './upload-watch.js';

/** @typedef {import('../core/connection.js').ConnectionState} ConnectionState */
/** @typedef {import('../core/room.js').Room} Room */
/** @typedef {import('./connections.js').Connection} Connection */
/** @typedef {import('./constants.js').MeetingMode} MeetingMode */
/** @typedef {import('./constants.js').StreamKind} StreamKind */
/** @typedef {import('./meeting-types.js').MeetingEvents} MeetingEvents */
/** @typedef {import('./meeting-types.js').MeetingOptions} MeetingOptions */
/** @typedef {import('./participant.js').Participant} Participant */

/** Ends that are no errors: `meeting-left` says all there is to say. */
const ORDERLY = new Set(['room-closed', 'removed']);

/**
 * One room with what we see of it. After `switchTo` there is another.
 * @typedef {{room: Room, people: People, connections: Connections}} Stage
 */

/**
 * A meeting: the Meeting API's view of a Room. Every method returns a Promise (unless it says otherwise) and rejects with a
 * MeetingError, whose `code` is a stable string and whose `number` is the Meeting API's.
 */
export class Meeting extends MeetingControls {
  #options;
  /** @type {Stage} */
  #stage;
  #id;
  #entered = false;
  #waiting = false;
  #switching = false;
  #states;
  #stats = new Stats();
  #data;
  #video;
  #upload;
  /** @type {WeakSet<EnfiladeError>} */
  #told = new WeakSet();

  /** @param {MeetingOptions & {token: NonNullable<MeetingOptions['token']>}} options */
  constructor(options) {
    requireOptions(options);
    const room = makeRoom(options, options.meetingId, options.token);
    super(options, room);
    this.#options = options;
    this.#id = options.meetingId;
    const current = () => this.room;
    const guard = /** @type {import('./participant.js').Surroundings['guard']} */ ((action, run) => this.guard(action, run));
    this.#states = new MeetingStates(options.stateModel ?? 'six', (change) => this.emit('meeting-state-changed', change));
    /** Messages by topic. @readonly */
    this.pubSub = new PubSub(current, guard);
    /** Small values shared by all. @readonly */
    this.realtimeStore = new RealtimeStore(current, guard);
    this.#data = new MeetingData(current, (message) => this.emit('data', message));
    this.#video = new SharedVideo(this.realtimeStore, (state) => this.emit('video-state-changed', state), (at) => this.emit('video-seeked', at));
    this.#upload = new UploadWatch(current, {
      limitation: (limitation) => this.emit('quality-limitation', limitation),
      silence: (silence) => this.emit('audio-input-silence', silence),
    });
    this.#stage = this.#set(room);
    this.pubSub.attach(room, false);
    this.realtimeStore.attach(room);
  }

  /** The room's id. */
  get id() {
    return this.#id;
  }
  /** As `meeting-state-changed` told it last; null before the join. */
  get state() {
    return this.#states.state;
  }
  /** Ourselves; null before `meeting-joined`. @returns {Participant | null} */
  get localParticipant() {
    return this.#stage.people.self;
  }
  /** The others, by id. */
  get participants() {
    return this.#stage.people.others;
  }
  /** Connections with other meetings, by their id. @returns {Map<string, Connection>} */
  get connections() {
    return this.#stage.connections.all;
  }
  /** Who speaks; null when nobody does. */
  get activeSpeakerId() {
    return this.#stage.people.speakerId;
  }
  /** Who shares a screen; null when nobody does. */
  get activePresenterId() {
    return this.#stage.people.presenterId;
  }
  /** Who deserves the largest tile: somebody pinned, who presents, who speaks or spoke last, anybody; null before the join. */
  get mainParticipantId() {
    return this.#stage.people.mainId;
  }
  /** Whether what we send is encrypted end to end; then only what is encrypted is shown. */
  get isE2EEEnabled() {
    return this.room.encrypted;
  }
  /** What is pinned for everybody, by participant id. */
  get pinnedParticipants() {
    return this.#stage.people.pinned;
  }

  // -- in and out -----------------------------------------------------------------------------------------------------

  /**
   * Enters the meeting, with microphone and camera as the options say. In a meeting with a lobby it waits for somebody inside.
   * A device that fails is told by `error` and keeps nobody out.
   * @returns {Promise<void>} rejects with `already-joined` (3054), `join-in-progress` (3055), a `token-` code, `room-full`,
   *   `entry-denied`, `entry-timeout`, `password-required`, `password-wrong`, `connect-failed`, …
   */
  join() {
    return this.guard('join', async () => {
      const { state } = this.room;
      if (state === 'connecting') throw new EnfiladeError('join-in-progress', 'join: it is under way already.');
      if (state === 'closed' || state === 'leaving') throw new EnfiladeError('invalid-state', 'join: this meeting was left; make a new one.');
      if (state !== 'new') throw new EnfiladeError('already-joined', 'join: the meeting was joined already.');
      await this.room.join();
      const { micEnabled = true, webcamEnabled = true, mode = 'SEND_AND_RECV', customCameraVideoTrack, customMicrophoneAudioTrack } = this.#options;
      if (ROOM_MODE[mode] !== 'sendAndReceive') return;
      if (micEnabled) void this.guard('microphone', () => this.openMicrophone(customMicrophoneAudioTrack)).catch(() => {});
      if (webcamEnabled) void this.guard('camera', () => this.openCamera(customCameraVideoTrack)).catch(() => {});
    });
  }

  /** @returns {Promise<void>} rejects with `invalid-state` (3035) when the meeting was never joined */
  leave() {
    return this.guard('leave', async () => {
      if (this.room.state === 'new') throw new EnfiladeError('invalid-state', 'leave: the meeting was not joined.');
      await this.room.leave();
    });
  }

  /** Ends the meeting for everybody, ourselves included. Needs to be the owner, or `allow_mod`. @returns {Promise<void>} */
  end() {
    return this.guard('end', () => this.room.closeRoom());
  }

  /**
   * Moves ourselves to another meeting, with the same microphone, camera and screen. That meeting must be live. Afterwards
   * everybody here has left (1005), the connections are closed, and `meeting-joined` comes again.
   * @param {{meetingId: string, token?: MeetingOptions['token'], password?: string}} where token: default the present one
   * @returns {Promise<void>} rejects (4076) when that fails; then we stay where we are
   */
  switchTo({ meetingId, token = this.#options.token, password }) {
    return this.guard('switchMeeting', async () => {
      requireSwitch(meetingId, typeof token === 'function' ? 'asked' : token);
      requireArgument(meetingId !== this.#id, 'switchTo: that is the meeting we are in.');
      if (this.#switching) throw new EnfiladeError('join-in-progress', 'switchTo: another one is under way.');
      if (!this.#entered) throw new EnfiladeError('invalid-state', 'switchTo: the meeting was not joined.');
      this.#switching = true;
      const from = this.#stage;
      const room = makeRoom({ ...this.#options, intent: 'join', password, settings: undefined }, meetingId, token);
      const to = this.#set(room);
      try {
        await room.join();
      } finally {
        this.#switching = false;
      }
      if (!this.#entered) {
        await room.leave();
        throw new EnfiladeError('left', 'The meeting was left meanwhile.');
      }
      const carried = from.room.publications.flatMap((p) => (p.track && !p.muted ? [{ track: p.track.clone(), options: { ...p.options, source: p.source, muted: false } }] : []));
      this.#move(from, to, meetingId, token);
      await from.room.leave();
      // We are there; what may not be published there is told, and no reason to say that the move failed.
      if (carried.length > 0) await room.publishAll(carried).catch((thrown) => void this.#report(thrown, 'other'));
    });
  }

  /**
   * Lets somebody in who waits, or not. The first answer counts. Needs `allow_join` or `allow_mod`.
   * @param {string} participantId
   * @param {boolean | 'allowed' | 'denied'} decision
   * @returns {Promise<void>}
   */
  respondEntry(participantId, decision) {
    return this.guard('respondEntry', () => {
      requireArgument(['allowed', 'denied', true, false].includes(decision), 'respondEntry: allowed or denied.');
      return this.room.respondEntry(participantId, decision === true || decision === 'allowed');
    });
  }

  /**
   * Takes part in more or less of the media. Without sending, microphone, camera and screen are switched off.
   * @param {MeetingMode} mode
   * @returns {Promise<void>}
   */
  changeMode(mode) {
    return this.guard('changeMode', () => {
      const name = ROOM_MODE[mode];
      requireArgument(!!name, 'changeMode: SEND_AND_RECV, RECV_ONLY or SIGNALLING_ONLY.');
      return this.room.setMode(name);
    });
  }

  // -- other meetings -------------------------------------------------------------------------------------------------

  /**
   * Connects this meeting with another one, for everybody in both: they see who is there and may write across. No audio or
   * video crosses. Connected already: that connection comes back, and no event. Needs the permission `link`.
   * @param {{meetingId: string, payload?: unknown, wait?: number}} where payload: a string or any JSON up to 4 KiB, shown to
   *   both; wait: how long to wait for a meeting that is not live yet, in ms, 0 (default) to 60 000
   * @returns {Promise<Connection>} rejects with `same-room`, `room-not-found`, `room-not-live`, `link-denied`, `link-timeout`,
   *   `link-limit`, `forbidden` (4025), `rate-limited`
   */
  connectTo(where) {
    return this.guard('connect', () => this.#stage.connections.open(this.room, where ?? /** @type {any} */ ({})));
  }

  // -- what we receive ------------------------------------------------------------------------------------------------

  /** @param {StreamKind} [kind] default: all @returns {Promise<void>} receives nothing of that kind, of who comes later too */
  pauseAllStreams(kind) {
    return this.guard('pauseAll', async () => {
      requireKind(kind);
      await this.#stage.people.pauseAll(kind, true);
      this.emit('paused-all-streams', { kind: kind ?? null });
    });
  }

  /** @param {StreamKind} [kind] default: all @returns {Promise<void>} */
  resumeAllStreams(kind) {
    return this.guard('resumeAll', async () => {
      requireKind(kind);
      await this.#stage.people.pauseAll(kind, false);
      this.emit('resumed-all-streams', { kind: kind ?? null });
    });
  }

  /** Elements of `participant.renderVideo()` get what fits them, and nothing while out of sight. It is so from the start. @returns {void} */
  enableAdaptiveSubscription() {
    this.#stage.people.adapt(true);
  }
  /** They get everything, in sight or not. @returns {void} */
  disableAdaptiveSubscription() {
    this.#stage.people.adapt(false);
  }

  // -- data and shared video ------------------------------------------------------------------------------------------

  /**
   * Sends to everybody else who listens to `data`, past the server's logs and history.
   * @param {string | Blob | ArrayBuffer | ArrayBufferView} payload at most 15 KiB
   * @param {{reliability?: 'RELIABLE' | 'UNRELIABLE'}} [options] default RELIABLE
   * @returns {Promise<void>} when handed to the network; rejects with `message-too-large` (3072), `channel-closed` (3070), `timed-out` (3079)
   */
  send(payload, { reliability = 'RELIABLE' } = {}) {
    return this.guard('send', () => {
      if (!this.#entered) throw new EnfiladeError('invalid-state', 'send: the meeting was not joined.');
      return this.#data.send(payload, reliability);
    });
  }

  /** Everybody watches a video from elsewhere: each gets `video-state-changed` and plays it. @param {{link: string}} options @returns {Promise<void>} */
  startVideo(options) {
    return this.guard('setValue', () => this.#video.start(options ?? /** @type {any} */ ({})));
  }
  /** @returns {Promise<void>} */
  stopVideo() {
    return this.guard('setValue', () => this.#video.stop());
  }
  /** @param {{currentTime?: number}} [options] seconds @returns {Promise<void>} */
  pauseVideo({ currentTime } = {}) {
    return this.guard('setValue', () => this.#video.set('paused', currentTime));
  }
  /** @param {{currentTime?: number}} [options] seconds @returns {Promise<void>} */
  resumeVideo({ currentTime } = {}) {
    return this.guard('setValue', () => this.#video.set('resumed', currentTime));
  }
  /** @param {{currentTime: number}} options seconds @returns {Promise<void>} */
  seekVideo({ currentTime }) {
    return this.guard('setValue', () => this.#video.seek(currentTime));
  }

  /**
   * A listener of `connection-open` that comes after `meeting-joined` gets what is open already, once and later in the same
   * turn. Some events cost something, which begins with their first listener: `data`, `quality-limitation`,
   * `audio-input-silence`, `video-…`.
   * @override
   * @template {keyof MeetingEvents} K
   * @param {K} event
   * @param {(...args: MeetingEvents[K]) => void} listener
   */
  on(event, listener) {
    const known = this.listeners(event).includes(listener);
    const off = super.on(event, listener);
    if (event === 'connection-open' && !known) this.#stage.connections.replay(listener);
    if (this.room.state === 'closed' || this.room.state === 'leaving') return off;
    if (event === 'data') this.#data.open();
    if (event === 'quality-limitation' || event === 'audio-input-silence') this.#upload.start();
    if ((event === 'video-state-changed' || event === 'video-seeked') && this.#entered) void this.#video.catchUp();
    return off;
  }

  // -- turns ----------------------------------------------------------------------------------------------------------

  /**
   * @protected
   * @override
   * @template T
   * @param {import('./errors.js').Action} action
   * @param {() => T | Promise<T>} run
   * @returns {Promise<T>}
   */
  async guard(action, run) {
    try {
      return await run();
    } catch (thrown) {
      throw this.#report(thrown, action);
    }
  }

  /** Tells of an error, once. @param {unknown} thrown @param {import('./errors.js').Action} action */
  #report(thrown, action) {
    const error = meetingError(thrown, action);
    const origin = /** @type {EnfiladeError} */ (error.cause);
    if (isReported(error) && !this.#told.has(origin)) {
      this.#told.add(origin);
      this.emit('error', errorEvent(error));
    }
    return error;
  }

  /** Listens to a room. @param {Room} room @returns {Stage} */
  #set(room) {
    const { autoConsume = true, mode } = this.#options;
    const guard = /** @type {import('./participant.js').Surroundings['guard']} */ ((action, run) => this.guard(action, run));
    const surroundings = {
      room, guard, autoConsume, platform: room.platform, stats: this.#stats, olderModes: mode === 'CONFERENCE' || mode === 'VIEWER',
    };
    const people = new People(this, surroundings, new Map(), (error, action) => void this.#report(error, action));
    const connections = new Connections(this, guard);
    connections.attach(room);
    const stage = { room, people, connections };
    room.on('state', (state, _previous, error) => stage === this.#stage && this.#follow(state, error));
    room.on('waiting', () => {
      if (stage !== this.#stage) return;
      this.#waiting = true;
      this.emit('entry-waiting');
    });
    room.on('entry-requested', ({ participant, displayName, metadata, allow, deny }) =>
      this.emit('entry-requested', {
        participantId: participant, name: displayName, metaData: metadata,
        allow: () => guard('respondEntry', allow), deny: () => guard('respondEntry', deny),
      }),
    );
    room.on('entry-responded', ({ participant, allow }) => this.emit('entry-responded', participant, allow ? 'allowed' : 'denied'));
    room.on('media-requested', ({ participant, source, on }) => on && this.#mediaRequested(participant, source));
    room.on('switch', ({ room: meetingId, token, payload, participant, link }) => {
      const who = link === null ? { participantId: participant } : { connectionParticipantId: participant, connectionMeetingId: link };
      this.emit('switch-meeting', { meetingId, token, payload, ...who, accept: () => this.switchTo({ meetingId, token }) });
    });
    room.on('room-updated', () => this.emit('settings-changed'));
    room.on('recording', (info) => stage === this.#stage && tellRecording(info, this, (error) => void this.#report(error, 'recording')));
    room.on('autoplay-blocked', () => this.emit('autoplay-blocked'));
    room.on('error', (error) => void this.#report(error, 'other'));
    return stage;
  }

  /** @param {string} participantId @param {import('../core/moderation.js').Switchable} source */
  #mediaRequested(participantId, source) {
    const reject = async () => {};
    if (source === 'microphone') this.emit('mic-requested', { participantId, accept: () => this.unmuteMic(), reject });
    else if (source === 'camera') this.emit('webcam-requested', { participantId, accept: () => this.enableWebcam(), reject });
    else this.emit('screen-share-requested', { participantId, accept: () => this.enableScreenShare(), reject });
  }

  /**
   * @param {ConnectionState} state
   * @param {EnfiladeError | null} error
   */
  #follow(state, error) {
    if (state === 'closed') return this.#close(error);
    this.#states.follow(state, error);
    if (state !== 'connected' || this.#entered) return;
    this.#entered = true;
    if (this.#waiting) this.emit('entry-responded', this.room.localParticipant?.id ?? '', 'allowed');
    this.#stage.people.enter();
    this.#stage.connections.enter();
    if (this.listeners('video-state-changed').length + this.listeners('video-seeked').length > 0) void this.#video.catchUp();
  }

  /** @param {EnfiladeError | null} error */
  #close(error) {
    const began = this.#states.state !== null;
    const entered = this.#entered;
    this.#entered = false;
    if (error?.code === 'entry-denied') this.emit('entry-responded', this.#options.participantId ?? '', 'denied');
    if (error && !ORDERLY.has(error.code)) this.#report(error, entered ? 'other' : 'join');
    this.#states.follow('closed', error);
    this.#stage.people.end(null);
    this.#stage.connections.leave();
    if (began) this.emit('meeting-left', reasonOfOurs(error, entered));
  }

  /**
   * From one room to the next, which we are in already.
   * @param {Stage} from
   * @param {Stage} to
   * @param {string} meetingId
   * @param {NonNullable<MeetingOptions['token']>} token
   */
  #move(from, to, meetingId, token) {
    this.#stage = to;
    this.#id = meetingId;
    this.#options = { ...this.#options, token };
    this.moveTo(to.room);
    from.people.end(leaveReason('SWITCH_ROOM'));
    from.connections.leave('left');
    this.pubSub.attach(to.room, true);
    this.realtimeStore.attach(to.room);
    this.#states.follow('connected', null); // had it been broken, it is no more
    to.people.enter();
    to.connections.enter();
    if (this.#data.used) this.#data.reopen();
  }
}
