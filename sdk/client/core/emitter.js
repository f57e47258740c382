/**
 * Events with types. A listener that throws is reported and harms nobody: neither the SDK nor the listeners after it.
 * @template {Record<string, unknown[]>} Events name of the event -> its arguments
 */
export class Emitter {
  /** @type {Map<keyof Events, Set<(...args: any[]) => void>>} */
  #listeners = new Map();

  /**
   * @template {keyof Events} K
   * @param {K} event
   * @param {(...args: Events[K]) => void} listener added once, however often it is given
   * @returns {() => void} takes the listener off again
   */
  on(event, listener) {
    let set = this.#listeners.get(event);
    if (!set) this.#listeners.set(event, (set = new Set()));
    set.add(listener);
    return () => this.off(event, listener);
  }

  /**
   * @template {keyof Events} K
   * @param {K} event
   * @param {(...args: Events[K]) => void} listener
   * @returns {() => void} takes the listener off again
   */
  once(event, listener) {
    const off = this.on(event, (...args) => {
      off();
      listener(...args);
    });
    return off;
  }

  /**
   * @template {keyof Events} K
   * @param {K} event
   * @param {(...args: Events[K]) => void} listener
   * @returns {void}
   */
  off(event, listener) {
    this.#listeners.get(event)?.delete(listener);
  }

  /**
   * @template {keyof Events} K
   * @param {K} event
   * @returns {((...args: Events[K]) => void)[]} who listens now
   */
  listeners(event) {
    return [...(this.#listeners.get(event) ?? [])];
  }

  /**
   * @template {keyof Events} K
   * @param {K} event
   * @param {Events[K]} args
   * @returns {boolean} whether anybody listened
   */
  emit(event, ...args) {
    const set = this.#listeners.get(event);
    if (!set || set.size === 0) return false;
    for (const listener of [...set]) {
      try {
        listener(...args);
      } catch (error) {
        console.error(`enfilade: a listener of "${String(event)}" threw`, error);
      }
    }
    return true;
  }

  /** Takes every listener off. @returns {void} */
  removeAllListeners() {
    this.#listeners.clear();
  }
}
