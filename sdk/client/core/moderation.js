import { Emitter } from './emitter.js';
import { requireArgument } from './errors.js';

/** @typedef {import('./protocol.js').Pin} Pin */
/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */
/** @typedef {{camera: boolean, screen: boolean, by: string}} Pinned */
/** @typedef {{participant: string, displayName: string, metadata: unknown, allow: () => Promise<void>, deny: () => Promise<void>}} EntryRequested */
/** @typedef {'microphone' | 'camera' | 'screen'} Switchable */

/**
 * What some may ask of others: to be let in, to mute or unmute, to be pinned; and the small values all share.
 * @extends {Emitter<{
 *   'entry-requested': [EntryRequested],
 *   'entry-responded': [{participant: string, allow: boolean, by: string | null}],
 *   'media-requested': [{participant: string, source: Switchable, on: boolean}],
 *   pin: [Pin],
 *   'store-changed': [{key: string, value: string | null, participant: string}],
 * }>}
 */
export class Moderation extends Emitter {
  #request;
  /** @type {Map<string, Pinned>} */
  #pins = new Map();

  /** @param {(type: string, fields: Record<string, unknown>) => Promise<ServerMessage>} request */
  constructor(request) {
    super();
    this.#request = request;
  }

  /** @returns {ReadonlyMap<string, Pinned>} */
  get pins() {
    return this.#pins;
  }

  /** @param {string} participant @param {boolean} allow */
  async respondEntry(participant, allow) {
    await this.#request('entry.respond', { participant, allow });
  }

  /** @param {string} participant @param {Switchable} source @param {boolean} on */
  async requestMedia(participant, source, on) {
    requireArgument(['microphone', 'camera', 'screen'].includes(source), 'requestMedia: microphone, camera or screen.');
    await this.#request('media.request', { participant, source, on });
  }

  /** @param {string} participant @param {{camera?: boolean, screen?: boolean}} what */
  async pin(participant, { camera = false, screen = false }) {
    await this.#request('pin', { participant, camera, screen });
  }

  /** @param {string} key @param {string | null} value */
  async setStore(key, value) {
    requireArgument(value === null || typeof value === 'string', 'setStore: a string, or null to take the key out.');
    await this.#request('store.set', { key, value });
  }

  /** @param {string} key @returns {Promise<string | null>} */
  async getStore(key) {
    return (await this.#request('store.get', { key })).value ?? null;
  }

  /** @param {Pin[]} pins as the join tells them */
  reset(pins) {
    const now = new Map(pins.map((pin) => [pin.participant, pin]));
    for (const participant of [...this.#pins.keys()]) {
      if (!now.has(participant)) this.#pin({ participant, camera: false, screen: false, by: this.#pins.get(participant)?.by ?? '' });
    }
    for (const pin of now.values()) {
      const known = this.#pins.get(pin.participant);
      if (known?.camera !== pin.camera || known?.screen !== pin.screen) this.#pin(pin);
    }
  }

  /** Pins go with whom they show. @param {string} participant */
  forget(participant) {
    this.#pins.delete(participant);
  }

  /**
   * @param {ServerMessage} message an event
   * @returns {boolean} whether it was one of ours
   */
  apply(message) {
    switch (message.type) {
      case 'entry.requested': {
        const { participant, displayName, metadata } = message;
        const respond = (/** @type {boolean} */ allow) => this.respondEntry(participant, allow);
        this.emit('entry-requested', { participant, displayName, metadata, allow: () => respond(true), deny: () => respond(false) });
        return true;
      }
      case 'entry.responded':
        this.emit('entry-responded', { participant: message.participant, allow: message.allow === true, by: message.by ?? null });
        return true;
      case 'media.requested':
        this.emit('media-requested', { participant: message.participant, source: message.source, on: message.on === true });
        return true;
      case 'pin':
        this.#pin(/** @type {Pin} */ (/** @type {unknown} */ (message)));
        return true;
      case 'store.changed':
        this.emit('store-changed', { key: message.key, value: message.value ?? null, participant: message.participant });
        return true;
      default:
        return false;
    }
  }

  /** @param {Pin} pin */
  #pin({ participant, camera, screen, by }) {
    if (camera || screen) this.#pins.set(participant, Object.freeze({ camera, screen, by }));
    else this.#pins.delete(participant);
    this.emit('pin', { participant, camera, screen, by });
  }
}
