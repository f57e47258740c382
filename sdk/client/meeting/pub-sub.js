import { requireArgument } from '../core/errors.js';

/** @typedef {import('../core/protocol.js').TopicMessage} TopicMessage */
/** @typedef {import('../core/room.js').Room} Room */

/**
 * @typedef {object} PubSubMessage
 * @property {string} id
 * @property {string} message
 * @property {string} senderId
 * @property {string} senderName
 * @property {number} timestamp milliseconds since 1970
 * @property {string} topic
 * @property {unknown} [payload]
 *
 * @typedef {(message: PubSubMessage) => void} PubSubListener
 */

/** Messages by topic, kept or not. */
export class PubSub {
  #room;
  /** @type {Map<string, Set<PubSubListener>>} */
  #listeners = new Map();

  /** @param {Room} room */
  constructor(room) {
    this.#room = room;
    room.on('topic-message', (message) => {
      for (const listener of this.#listeners.get(message.topic) ?? []) listener(read(message));
    });
  }

  /**
   * @param {string} topic
   * @param {string} message
   * @param {{persist?: boolean, sendOnly?: string[]}} [options] persist: kept for the session; sendOnly: participant ids
   * @param {unknown} [payload] any JSON that travels with it
   * @returns {Promise<void>}
   */
  async publish(topic, message, { persist, sendOnly } = {}, payload) {
    requireArgument(typeof message === 'string', 'pubSub.publish: the message must be a string.');
    const to = sendOnly?.length ? sendOnly : undefined;
    await this.#room.publishTopic(topic, payload === undefined ? { message } : { message, payload }, { persist, to });
  }

  /**
   * @param {string} topic
   * @param {PubSubListener} listener
   * @returns {Promise<PubSubMessage[]>} what was kept, oldest first; empty for all but the first listener of a topic
   */
  async subscribe(topic, listener) {
    const set = this.#listeners.get(topic);
    if (set) {
      set.add(listener);
      return [];
    }
    this.#listeners.set(topic, new Set([listener]));
    return (await this.#room.subscribeTopic(topic)).map((m) => read({ ...m, topic }));
  }

  /**
   * @param {string} topic
   * @param {PubSubListener} listener the one that was subscribed
   * @returns {Promise<void>}
   */
  async unsubscribe(topic, listener) {
    const set = this.#listeners.get(topic);
    if (!set?.delete(listener) || set.size > 0) return;
    this.#listeners.delete(topic);
    await this.#room.unsubscribeTopic(topic);
  }
}

/**
 * @param {TopicMessage} wire
 * @returns {PubSubMessage}
 */
function read({ message: id, topic, participant, displayName, payload, timestampMs }) {
  const body = /** @type {{message?: unknown, payload?: unknown}} */ (payload !== null && typeof payload === 'object' ? payload : { message: payload });
  return {
    id,
    topic,
    message: String(body.message ?? ''),
    senderId: participant,
    senderName: displayName,
    timestamp: timestampMs,
    ...(body.payload === undefined ? {} : { payload: body.payload }),
  };
}
