import { KeyProvider } from '../core/key-provider.js';

/** The Meeting API's name for it: one key for everybody. */
export class ExternalE2EEKeyProvider extends KeyProvider {
  /**
   * @param {string | ArrayBuffer} key a pass phrase of at least 8 characters, or at least 16 unguessable bytes
   * @returns {Promise<void>}
   */
  async setSharedKey(key) {
    this.setKey(key);
  }
}
