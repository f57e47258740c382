/** @typedef {import('./protocol.js').TopicMessage} TopicMessage */

/** Message ids remembered per topic: twice what the server keeps. */
const SEEN_MAX = 400;

/** The topics we listen to, and which of their messages we had, so that none comes twice after a fresh join. */
export class Topics {
  /** @type {Map<string, Set<string>>} topic -> message ids, oldest first */
  #seen = new Map();
  #session = '';

  /** @returns {string[]} */
  get names() {
    return [...this.#seen.keys()];
  }

  /** @param {string} session another occurrence of the room counts its messages anew */
  enter(session) {
    if (session !== this.#session) for (const seen of this.#seen.values()) seen.clear();
    this.#session = session;
  }

  /** @param {string} topic */
  add(topic) {
    if (!this.#seen.has(topic)) this.#seen.set(topic, new Set());
  }

  /** @param {string} topic */
  remove(topic) {
    this.#seen.delete(topic);
  }

  /**
   * @param {TopicMessage} message
   * @returns {boolean} whether it is new
   */
  note(message) {
    const seen = this.#seen.get(message.topic);
    if (!seen) return false;
    if (seen.has(message.message)) return false;
    seen.add(message.message);
    if (seen.size > SEEN_MAX) seen.delete(/** @type {string} */ (seen.values().next().value));
    return true;
  }
}
