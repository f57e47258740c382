import { Emitter } from './emitter.js';
import { requireArgument } from './errors.js';

/** @typedef {import('./e2ee-cipher.js').KeyEntry} KeyEntry */

/**
 * The keys of end-to-end encryption, as the app gives them. Where the app has them from is its own affair, but for one thing:
 * not over the server that is not to know them. Give it to a Room (`e2ee`), before or after the keys.
 *
 * A key is for everybody, or for one participant. Its index (0 to 255) goes along with every frame, so that a new key can be
 * given everywhere before anybody uses it, and frames of the old one still play.
 * @extends {Emitter<{key: [KeyEntry], 'remove-key': [{participant: string | null, index: number}]}>}
 */
export class KeyProvider extends Emitter {
  /** @type {Map<string, KeyEntry>} */
  #keys = new Map();

  /** @param {{switchAfterMs?: number}} [options] how long after `setKey` of a further key we encrypt with it; default 2000 */
  constructor({ switchAfterMs = 2000 } = {}) {
    super();
    /** @readonly */
    this.switchAfterMs = switchAfterMs;
  }

  /** @returns {KeyEntry[]} in the order they were given */
  get keys() {
    return [...this.#keys.values()];
  }

  /**
   * Gives a key. Frames of it are decrypted from now on; we encrypt with it at once if it is our first, and otherwise
   * `switchAfterMs` later, so that the others have it by then. To change the key in a call, give each a new index.
   * @param {string | ArrayBuffer | ArrayBufferView} key a pass phrase of at least 8 characters, or at least 16 unguessable bytes
   * @param {{participant?: string | null, index?: number}} [of] participant: whose; default everybody's. index: default 0
   */
  setKey(key, { participant = null, index = 0 } = {}) {
    requireArgument(Number.isInteger(index) && index >= 0 && index <= 255, 'setKey: `index` is a number from 0 to 255.');
    const long = typeof key === 'string' ? key.length >= 8 : (key?.byteLength ?? 0) >= 16;
    requireArgument(long, 'setKey: a key is a pass phrase of at least 8 characters, or at least 16 bytes.');
    const entry = { participant, index, key: typeof key === 'string' ? key : copy(key) };
    const name = `${index}\n${participant ?? ''}`;
    this.#keys.delete(name);
    this.#keys.set(name, entry);
    this.emit('key', entry);
  }

  /**
   * Forgets a key: frames of it play no more.
   * @param {{participant?: string | null, index?: number}} [of] as for `setKey`
   */
  removeKey({ participant = null, index = 0 } = {}) {
    if (this.#keys.delete(`${index}\n${participant ?? ''}`)) this.emit('remove-key', { participant, index });
  }
}

/** @param {ArrayBuffer | ArrayBufferView} key */
function copy(key) {
  const bytes = ArrayBuffer.isView(key) ? new Uint8Array(key.buffer, key.byteOffset, key.byteLength) : new Uint8Array(key);
  return /** @type {ArrayBuffer} */ (bytes.slice().buffer);
}
