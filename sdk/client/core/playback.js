import { Emitter } from './emitter.js';

/**
 * Puts streams into media elements and deals with browsers that play no sound before the person has touched the page.
 * @extends {Emitter<{'autoplay-blocked': [], 'autoplay-resumed': []}>}
 */
export class Playback extends Emitter {
  /** @type {Set<HTMLMediaElement>} */
  #blocked = new Set();

  /** Whether something waits for a gesture; call `resume` from its handler. */
  get blocked() {
    return this.#blocked.size > 0;
  }

  /**
   * Plays the track in the element. A video element is best muted and the sound played by an audio element of its own.
   * @param {HTMLMediaElement} element
   * @param {MediaStream} stream
   * @returns {Promise<boolean>} whether it plays
   */
  async attach(element, stream) {
    if (element.srcObject !== stream) element.srcObject = stream;
    if (element.tagName === 'VIDEO') element.setAttribute('playsinline', '');
    return this.#play(element);
  }

  /** @param {HTMLMediaElement} element */
  detach(element) {
    element.srcObject = null;
    this.#unblock(element);
  }

  /**
   * Plays what was blocked. To be called from a click or key handler.
   * @returns {Promise<boolean>} whether everything plays now
   */
  async resume() {
    await Promise.all([...this.#blocked].map((element) => this.#play(element)));
    return this.#blocked.size === 0;
  }

  /** @param {HTMLMediaElement} element */
  async #play(element) {
    try {
      await element.play();
      this.#unblock(element);
      return true;
    } catch (thrown) {
      if (/** @type {{name?: string}} */ (thrown ?? {}).name !== 'NotAllowedError') return false; // replaced meanwhile
      const first = this.#blocked.size === 0;
      this.#blocked.add(element);
      if (first) this.emit('autoplay-blocked');
      return false;
    }
  }

  /** @param {HTMLMediaElement} element */
  #unblock(element) {
    if (this.#blocked.delete(element) && this.#blocked.size === 0) this.emit('autoplay-resumed');
  }
}
