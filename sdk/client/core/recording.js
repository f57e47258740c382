import { Emitter } from './emitter.js';

/** @typedef {import('./protocol.js').RecordingInfo} RecordingInfo */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */

/**
 * Whether the server records the room.
 * @extends {Emitter<{recording: [RecordingInfo]}>}
 */
export class Recording extends Emitter {
  #request;
  /** @type {RecordingInfo | null} */
  #now = null;

  /** @param {(type: string, fields: Record<string, unknown>) => Promise<ServerMessage>} request */
  constructor(request) {
    super();
    this.#request = request;
  }

  /** The one that is being made; null: none. */
  get now() {
    return this.#now;
  }

  /** @returns {Promise<string>} its name */
  async start() {
    return /** @type {string} */ ((await this.#request('recording.start', {})).recording);
  }

  async stop() {
    await this.#request('recording.stop', {});
  }

  /** @param {RecordingInfo | null} info as the join tells it */
  reset(info) {
    const before = this.#now;
    if (before && before.recording !== info?.recording) this.#set({ ...before, state: 'stopped' }); // while we were away
    if (info && info.state !== this.#now?.state) this.#set(info);
  }

  /**
   * @param {ServerMessage} message an event
   * @returns {boolean} whether it was ours
   */
  apply(message) {
    if (message.type !== 'recording') return false;
    const { seq: _, type: __, ...info } = message;
    this.#set(/** @type {RecordingInfo} */ (/** @type {unknown} */ (info)));
    return true;
  }

  /** @param {RecordingInfo} info */
  #set(info) {
    this.#now = info.state === 'stopped' || info.state === 'failed' ? null : info;
    this.emit('recording', info);
  }
}
