/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('./types.js').StreamEvent} StreamEvent */
/** @typedef {import('./types.js').RMCStream} RMCStream */
/** @typedef {'audio' | 'video'} Kind */

/**
 * What is shown: gives a stream the properties the original gives it, makes its element, and keeps `connection.streamEvents`.
 */
export class Shown {
  #engine;
  #playback;

  /** @param {Engine} engine */
  constructor(engine) {
    this.#engine = engine;
    const playback = (this.#playback = new engine.client.Playback());
    engine.platform.onGesture(() => {
      if (playback.blocked) void playback.resume();
    });
  }

  /**
   * @param {MediaStream} stream
   * @param {Pick<StreamEvent, 'streamid' | 'type' | 'userid' | 'extra'>} of
   * @param {Pick<RMCStream, 'isAudio' | 'isVideo' | 'isScreen' | 'mute' | 'unmute' | 'stop'>} parts
   * @returns {StreamEvent} entered into `streamEvents`, told to nobody yet
   */
  prepare(stream, of, parts) {
    const { platform, connection } = this.#engine;
    const rmc = /** @type {RMCStream} */ (Object.assign(stream, parts, { streamid: of.streamid, type: of.type }));
    const element = platform.createElement(parts.isAudio ? 'audio' : 'video');
    element.id = of.streamid;
    element.autoplay = true;
    element.controls = true;
    element.setAttribute('playsinline', '');
    if (of.type === 'local') {
      element.muted = true;
      element.volume = 0;
    }
    const event = { ...of, stream: rmc, mediaElement: element, ...(of.type === 'local' ? { isAudioMuted: true } : {}) };
    connection.streamEvents[of.streamid] = event;
    void this.#playback.attach(element, stream);
    return event;
  }

  /** @param {StreamEvent} event */
  begin(event) {
    this.#engine.tell('onstream', event);
  }

  /** @param {StreamEvent} event @param {boolean} [silently] */
  end(event, silently = false) {
    const { connection } = this.#engine;
    if (connection.streamEvents[event.streamid] === event) delete connection.streamEvents[event.streamid];
    if (!silently) this.#engine.tell('onstreamended', event);
    this.#playback.detach(event.mediaElement);
  }

  /**
   * @param {StreamEvent} event
   * @param {boolean} muted
   * @param {Kind | 'both'} what
   */
  muted(event, muted, what) {
    this.#engine.tell(muted ? 'onmute' : 'onunmute', { ...event, [muted ? 'muteType' : 'unmuteType']: what });
  }
}

/** @param {Kind | 'both' | undefined} type @param {string} kind */
export const includes = (type, kind) => type === undefined || type === 'both' || type === kind;
