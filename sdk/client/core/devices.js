/** @typedef {import('./capture.js').CameraOptions} CameraOptions */
/** @typedef {import('./capture.js').MicrophoneOptions} MicrophoneOptions */
/** @typedef {import('./capture.js').ScreenOptions} ScreenOptions */
/** @typedef {import('./publication.js').LocalPublication} LocalPublication */
/** @typedef {Partial<import('./publication.js').PublishOptions>} PublishWishes how it is published, when it is for the first time */
/** @typedef {import('./room.js').Room} Room */

/**
 * The three switches of a call: microphone, camera, screen. Each opens the device and publishes it the first time, and
 * mutes or unmutes afterwards; calls follow one another, so that a double click ends in the state asked for last.
 */
export class Devices {
  #room;
  /** @type {Map<string, Promise<unknown>>} each switch has a queue of its own */
  #tails = new Map();

  /** @param {Room} room */
  constructor(room) {
    this.#room = room;
  }

  /** Whether others can hear us. */
  get microphoneOn() {
    return this.#on('microphone');
  }
  /** Whether others can see us. */
  get cameraOn() {
    return this.#on('camera');
  }
  /** Whether we share a screen. */
  get screenOn() {
    return this.#on('screen');
  }

  /**
   * Off keeps the device open (so that on is at once) and sends nothing.
   * @param {boolean} on
   * @param {MicrophoneOptions & {track?: MediaStreamTrack, publish?: PublishWishes}} [options] `track`: use this instead of opening one
   * @returns {Promise<void>} rejects with the codes of capture and of publish
   */
  setMicrophone(on, { track, publish, ...options } = {}) {
    return this.#inTurn('microphone', async () => {
      const publication = this.#find('microphone');
      if (!on) return publication?.mute();
      const open = async () => track ?? (await this.#room.capture.microphone(options));
      if (!publication) return void (await this.#publish('microphone', await open(), publish));
      const ended = publication.track?.readyState === 'ended';
      await publication.unmute(track || options.deviceId || ended ? await open() : undefined);
    });
  }

  /**
   * Off stops the device (its light goes out); the publication stays, so that on needs no negotiation.
   * @param {boolean} on
   * @param {CameraOptions & {track?: MediaStreamTrack, publish?: PublishWishes}} [options] `track`: use this instead of opening one
   * @returns {Promise<void>} rejects with the codes of capture and of publish
   */
  setCamera(on, { track, publish, ...options } = {}) {
    return this.#inTurn('camera', async () => {
      const publication = this.#find('camera');
      if (!on) return publication?.mute({ release: true });
      const fresh = track ?? (await this.#room.capture.camera(options));
      if (publication) await publication.unmute(fresh);
      else await this.#publish('camera', fresh, publish);
    });
  }

  /**
   * Must be called from a click or key handler. The person may also stop it in the browser's own bar.
   * @param {boolean} on
   * @param {ScreenOptions & {track?: MediaStreamTrack, audioTrack?: MediaStreamTrack, publish?: PublishWishes}} [options] `track`
   *   and `audioTrack`: use these instead of asking
   * @returns {Promise<void>} rejects with `permission-denied` when the person chose nothing
   */
  setScreen(on, { track, audioTrack, publish, ...options } = {}) {
    // Asked before its turn: the browser wants the click to be fresh.
    const opened = on && !this.screenOn ? (track ? Promise.resolve({ video: track, audio: audioTrack ?? null }) : this.#room.capture.screen(options)) : null;
    opened?.catch(() => {});
    return this.#inTurn('screen', async () => {
      if (!on || this.screenOn) {
        if (!on) await Promise.all([this.#find('screen')?.unpublish(), this.#find('screenAudio')?.unpublish()]);
        return;
      }
      const { video, audio } = await /** @type {NonNullable<typeof opened>} */ (opened);
      const [screen] = await this.#room.publishAll([
        { track: video, options: { ...publish, source: /** @type {const} */ ('screen') } },
        ...(audio ? [{ track: audio, options: { source: /** @type {const} */ ('screenAudio') } }] : []),
      ]);
      screen?.once('ended', () => void this.setScreen(false).catch(() => {}));
    });
  }

  /** For the room: the server has muted it; our side follows. @param {'microphone' | 'camera' | 'screen'} source */
  obey(source) {
    const off = { microphone: () => this.setMicrophone(false), camera: () => this.setCamera(false), screen: () => this.setScreen(false) }[source];
    off?.().catch(() => {}); // the session ended meanwhile; nothing goes out any more
  }

  /**
   * @param {'microphone' | 'camera'} source
   * @param {MediaStreamTrack} track
   * @param {PublishWishes} [wishes]
   */
  async #publish(source, track, wishes) {
    try {
      const publication = await this.#room.publish(track, { ...wishes, source });
      publication.on('ended', () => void publication.mute({ release: true }).catch(() => {})); // unplugged
    } catch (thrown) {
      track.stop();
      throw thrown;
    }
  }

  /** @param {import('./protocol.js').Source} source @returns {LocalPublication | undefined} */
  #find(source) {
    return this.#room.publications.find((p) => p.source === source);
  }

  /** @param {import('./protocol.js').Source} source */
  #on(source) {
    const publication = this.#find(source);
    return publication !== undefined && !publication.muted && publication.track !== null;
  }

  /**
   * @param {import('./protocol.js').Source} source
   * @param {() => Promise<void> | undefined | void} job
   * @returns {Promise<void>}
   */
  #inTurn(source, job) {
    const turn = (this.#tails.get(source) ?? Promise.resolve()).then(job);
    this.#tails.set(source, turn.catch(() => {}));
    return turn;
  }
}
