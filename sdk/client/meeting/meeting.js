import { Emitter } from '../core/emitter.js';
import { EnfiladeError, requireArgument } from '../core/errors.js';
import { Room } from '../core/room.js';
import { MeetingParticipant, STREAM_KIND } from './participant.js';
import { PubSub } from './pub-sub.js';

/** @typedef {import('../core/connection.js').ConnectionState} ConnectionState */
/** @typedef {import('../core/platform.js').Platform} Platform */
/** @typedef {import('./participant.js').Stream} Stream */
/** @typedef {'CONNECTING' | 'CONNECTED' | 'FAILED' | 'DISCONNECTED' | 'CLOSING' | 'CLOSED'} MeetingState */

/**
 * @typedef {object} MeetingOptions
 * @property {string} meetingId the room
 * @property {string} [token] default: that of VideoSDK.config
 * @property {string} [name] shown to others
 * @property {string} [participantId] default: the token's, else made up by the server; no white space
 * @property {boolean} [micEnabled] default true
 * @property {boolean} [webcamEnabled] default true
 * @property {unknown} [metaData] any JSON
 * @property {MediaStream} [customCameraVideoTrack] use this instead of opening the camera
 * @property {MediaStream} [customMicrophoneAudioTrack] use this instead of opening the microphone
 * @property {string} [signalingBaseUrl] of the server; default: where the page came from
 * @property {Platform} [platform] default: the browser
 */

/**
 * A meeting: the Meeting API's view of a Room. This is the part of it that exists today; docs say what is to come.
 * @extends {Emitter<{
 *   'meeting-joined': [],
 *   'meeting-left': [],
 *   'meeting-state-changed': [{state: MeetingState}],
 *   'participant-joined': [MeetingParticipant],
 *   'participant-left': [MeetingParticipant, string],
 *   'speaker-changed': [string | null],
 *   'presenter-changed': [string | null],
 *   'error': [EnfiladeError],
 * }>}
 */
export class Meeting extends Emitter {
  #options;
  #room;
  /** @type {MeetingParticipant | null} */
  #self = null;
  /** @type {MeetingState | null} */
  #state = null;
  #entered = false;
  /** The others, by id. @type {Map<string, MeetingParticipant>} */
  participants = new Map();
  /** Who speaks; null when nobody does. @type {string | null} */
  activeSpeakerId = null;
  /** Who shares a screen; null when nobody does. @type {string | null} */
  activePresenterId = null;

  /** @param {MeetingOptions & {token: string}} options */
  constructor(options) {
    super();
    requireArgument(/^\S+$/.test(options.meetingId ?? ''), 'initMeeting: `meetingId` is missing or holds white space.');
    requireArgument(/^\S*$/.test(options.participantId ?? ''), 'initMeeting: `participantId` must not hold white space.');
    this.#options = options;
    /** @readonly */
    this.id = options.meetingId;
    const room = (this.#room = new Room({
      token: options.token,
      url: options.signalingBaseUrl,
      room: options.meetingId,
      participant: options.participantId,
      displayName: options.name,
      metadata: options.metaData,
      platform: options.platform,
    }));
    /** @readonly */
    this.pubSub = new PubSub(room);
    this.#listen(room);
  }

  /** Ourselves; null before `meeting-joined`. */
  get localParticipant() {
    return this.#self;
  }

  /** Enters the meeting, with microphone and camera as the options say. @returns {Promise<void>} */
  async join() {
    await this.#room.join();
    const { micEnabled = true, webcamEnabled = true, customCameraVideoTrack, customMicrophoneAudioTrack } = this.#options;
    // A device that fails is told by `error` and does not keep anybody out of the meeting.
    if (micEnabled) void this.unmuteMic(customMicrophoneAudioTrack).catch((e) => this.emit('error', e));
    if (webcamEnabled) void this.enableWebcam(customCameraVideoTrack).catch((e) => this.emit('error', e));
  }

  /** @returns {Promise<void>} */
  async leave() {
    if (this.#room.state === 'new') throw new EnfiladeError('invalid-state', 'leave: the meeting was not joined.');
    await this.#room.leave();
  }

  /** @returns {Promise<void>} */
  async muteMic() {
    await this.#room.devices.setMicrophone(false);
  }
  /** @param {MediaStream} [customTrack] @returns {Promise<void>} */
  async unmuteMic(customTrack) {
    await this.#room.devices.setMicrophone(true, { track: customTrack?.getAudioTracks()[0] });
  }
  /** @param {MediaStream} [customTrack] @returns {Promise<void>} */
  async enableWebcam(customTrack) {
    await this.#room.devices.setCamera(true, { track: customTrack?.getVideoTracks()[0] });
  }
  /** @returns {Promise<void>} */
  async disableWebcam() {
    await this.#room.devices.setCamera(false);
  }
  /** @param {MediaStream} [customTrack] @returns {Promise<void>} */
  async enableScreenShare(customTrack) {
    await this.#room.devices.setScreen(true, { track: customTrack?.getVideoTracks()[0] });
  }
  /** @returns {Promise<void>} */
  async disableScreenShare() {
    await this.#room.devices.setScreen(false);
  }
  /** @param {string | MediaStream} device a device id or a stream @returns {Promise<void>} */
  async changeWebcam(device) {
    if (typeof device === 'string') await this.#room.devices.setCamera(true, { deviceId: device });
    else await this.enableWebcam(device);
  }
  /** @param {string | MediaStream} device a device id or a stream @returns {Promise<void>} */
  async changeMic(device) {
    if (typeof device === 'string') await this.#room.devices.setMicrophone(true, { deviceId: device });
    else await this.unmuteMic(device);
  }
  /** @returns {Promise<MediaDeviceInfo[]>} */
  async getWebcams() {
    return this.#room.capture.devices('videoinput');
  }
  /** @returns {Promise<MediaDeviceInfo[]>} */
  async getMics() {
    return this.#room.capture.devices('audioinput');
  }

  /** @param {Room} room */
  #listen(room) {
    room.on('state', (state, _previous, error) => this.#onState(state, error));
    room.on('participant-joined', (who) => {
      const participant = new MeetingParticipant(room, who, false);
      this.participants.set(who.id, participant);
      if (this.#entered) this.emit('participant-joined', participant);
    });
    room.on('participant-left', (who, reason) => {
      const participant = this.participants.get(who.id);
      if (!participant) return;
      participant.show([]);
      this.participants.delete(who.id);
      this.emit('participant-left', participant, reason);
      this.#findPresenter();
    });
    room.on('participant-updated', (who) => {
      const participant = this.#self?.id === who.id ? this.#self : this.participants.get(who.id);
      if (participant) Object.assign(participant, { displayName: who.displayName, metaData: who.metadata });
    });
    for (const event of /** @type {const} */ (['publication-added', 'publication-updated', 'publication-removed', 'track-started', 'track-stopped'])) {
      room.on(event, (_publication, who) => this.#showRemote(who.id));
    }
    room.on('local-changed', () => this.#showLocal());
    room.on('speakers', ([loudest]) => {
      const id = loudest?.id ?? null;
      if (id === this.activeSpeakerId) return;
      this.activeSpeakerId = id;
      this.emit('speaker-changed', id);
    });
    room.on('error', (error) => this.emit('error', error));
  }

  /**
   * @param {ConnectionState} state
   * @param {EnfiladeError | null} error
   */
  #onState(state, error) {
    switch (state) {
      case 'connecting':
        return this.#set('CONNECTING');
      case 'connected':
        this.#set('CONNECTED');
        if (this.#entered) return;
        this.#entered = true;
        this.#self = new MeetingParticipant(this.#room, /** @type {any} */ (this.#room.localParticipant), true);
        this.#showLocal();
        this.emit('meeting-joined');
        for (const participant of this.participants.values()) this.emit('participant-joined', participant);
        return;
      case 'reconnecting':
        this.#set('DISCONNECTED');
        return this.#set('CONNECTING');
      case 'leaving':
        return this.#set('CLOSING');
      case 'closed':
        if (error) this.emit('error', error);
        this.#set(error ? 'FAILED' : 'CLOSED');
        if (this.#entered) this.emit('meeting-left');
    }
  }

  /** @param {MeetingState} state */
  #set(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.emit('meeting-state-changed', { state });
  }

  /** @param {string} id */
  #showRemote(id) {
    const publications = [...(this.#room.participants.get(id)?.publications.values() ?? [])];
    this.participants.get(id)?.show(
      publications.flatMap((p) => (p.track && !p.muted ? [{ id: String(p.id), kind: STREAM_KIND[p.source], track: p.track }] : [])),
    );
    this.#findPresenter();
  }

  #showLocal() {
    this.#self?.show(
      this.#room.publications.flatMap((p) => (p.track && !p.muted ? [{ id: p.source, kind: STREAM_KIND[p.source], track: p.track }] : [])),
    );
    this.#findPresenter();
  }

  #findPresenter() {
    const all = [...(this.#self ? [this.#self] : []), ...this.participants.values()];
    const still = all.find((p) => p.id === this.activePresenterId && p.screenShareOn);
    const id = (still ?? all.find((p) => p.screenShareOn))?.id ?? null;
    if (id === this.activePresenterId) return;
    this.activePresenterId = id;
    this.emit('presenter-changed', id);
  }
}
