import { requireArgument } from '../core/errors.js';

/** @typedef {import('../core/room.js').Room} Room */
/** @typedef {import('./participant.js').Surroundings['guard']} Guard */
/** @typedef {(value: string | null, updatedBy: string) => void} StoreObserver */

/** Small values that everybody in the meeting shares, for as long as it lives. */
export class RealtimeStore {
  #room;
  #guard;
  /** @type {Map<string, {key: string, observer: StoreObserver}>} */
  #observers = new Map();
  #next = 1;

  /**
   * @param {() => Room} room
   * @param {Guard} guard
   */
  constructor(room, guard) {
    this.#room = room;
    this.#guard = guard;
  }

  /**
   * @param {string} key at most 128 bytes
   * @param {string | null} value at most 1 KiB; null takes the key out
   * @returns {Promise<void>} rejects with `invalid-argument`, `invalid-field`, `store-full`, `rate-limited`
   */
  setValue(key, value) {
    return this.#guard('setValue', async () => {
      requireKey(key);
      const room = this.#room();
      await room.setStore(key, value);
      this.#tell(key, value, room.localParticipant?.id ?? '');
    });
  }

  /** @param {string} key @returns {Promise<string | null>} null: no such key */
  getValue(key) {
    return this.#guard('getValue', () => {
      requireKey(key);
      return this.#room().getStore(key);
    });
  }

  /**
   * Calls at every change, by ourselves too.
   * @param {string} key
   * @param {StoreObserver} observer gets the value (null: taken out) and the id of who changed it
   * @returns {string} for `stopObserving`
   */
  observe(key, observer) {
    requireKey(key);
    requireArgument(typeof observer === 'function', 'realtimeStore.observe: a function is missing.');
    const id = `observer-${this.#next++}`;
    this.#observers.set(id, { key, observer });
    return id;
  }

  /** @param {string} observerId @returns {void} */
  stopObserving(observerId) {
    this.#observers.delete(observerId);
  }

  /** For the meeting: a look that complains to nobody. @param {string} key @returns {Promise<string | null>} */
  async peek(key) {
    return this.#room().getStore(key).catch(() => null);
  }

  /** For the meeting. @param {Room} room */
  attach(room) {
    room.on('store-changed', ({ key, value, participant }) => this.#tell(key, value, participant));
  }

  /** @param {string} changed @param {string | null} value @param {string} by */
  #tell(changed, value, by) {
    for (const { key, observer } of [...this.#observers.values()]) {
      if (key !== changed) continue;
      try {
        observer(value, by);
      } catch (error) {
        console.error('enfilade: an observer of the store threw', error);
      }
    }
  }
}

/** @param {unknown} key */
function requireKey(key) {
  requireArgument(typeof key === 'string' && key !== '', 'realtimeStore: a key is a string of at least one character.');
}
