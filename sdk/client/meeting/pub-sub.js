import { requireArgument } from '../core/errors.js';
import { TopicFeed } from './topic-feed.js';

/** @typedef {import('../core/protocol.js').TopicMessage} TopicMessage */
/** @typedef {import('../core/room.js').Room} Room */
/** @typedef {import('./participant.js').Surroundings['guard']} Guard */
/** @typedef {import('./topic-feed.js').FeedListeners} FeedListeners */
/** @typedef {import('./topic-feed.js').FeedOptions} FeedOptions */

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

/** Messages by topic, kept or not. Who publishes gets the message too, if subscribed. */
export class PubSub {
  #room;
  #guard;
  /** @type {Map<string, Map<PubSubListener | FeedListeners, TopicFeed>>} */
  #feeds = new Map();

  /**
   * @param {() => Room} room
   * @param {Guard} guard
   */
  constructor(room, guard) {
    this.#room = room;
    this.#guard = guard;
  }

  /**
   * @param {string} topic
   * @param {string} message at most 32 KiB together with the payload
   * @param {{persist?: boolean, sendOnly?: string[]}} [options] persist: kept for the session (the last 200 of a topic) and
   *   given to who subscribes later; sendOnly: participant ids, none or empty: everybody
   * @param {unknown} [payload] any JSON that travels with it
   * @returns {Promise<void>} rejects with `invalid-argument`, `message-too-large`, `rate-limited`, `no-such-participant`, `too-many-topics`
   */
  publish(topic, message, { persist, sendOnly } = {}, payload) {
    return this.#guard('publish', async () => {
      requireArgument(typeof message === 'string', 'pubSub.publish: the message must be a string.');
      const to = sendOnly?.length ? sendOnly : undefined;
      await this.#room().publishTopic(topic, payload === undefined ? { message } : { message, payload }, { persist: to ? undefined : persist, to });
    });
  }

  /**
   * @param {string} topic
   * @param {PubSubListener | FeedListeners} listener a function, or an object of listeners
   * @param {FeedOptions} [options] with an object of listeners
   * @returns {Promise<PubSubMessage[]>} what was kept, oldest first; empty for all but the first listener of a topic. With an
   *   object of listeners that goes to `onOldMessagesReceived` too
   */
  subscribe(topic, listener, options = {}) {
    return this.#guard('subscribe', async () => {
      const functions = typeof listener === 'function' ? { onMessageReceived: listener } : listener;
      requireArgument(!!functions && typeof functions === 'object', 'pubSub.subscribe: a listener is missing.');
      const known = this.#feeds.get(topic);
      const feeds = known ?? new Map();
      if (feeds.has(listener)) return [];
      const room = this.#room();
      feeds.set(listener, new TopicFeed(room.platform, functions, options));
      this.#feeds.set(topic, feeds);
      if (known) return [];
      try {
        const kept = (await room.subscribeTopic(topic)).map((m) => read({ ...m, topic }));
        return feeds.get(listener)?.old(kept) ?? kept;
      } catch (thrown) {
        if (this.#feeds.get(topic) === feeds) this.#feeds.delete(topic);
        throw thrown;
      }
    });
  }

  /**
   * @param {string} topic
   * @param {PubSubListener | FeedListeners} listener the one that was subscribed
   * @returns {Promise<void>} fine if it was not
   */
  unsubscribe(topic, listener) {
    return this.#guard('unsubscribe', async () => {
      const feeds = this.#feeds.get(topic);
      feeds?.get(listener)?.close();
      if (!feeds?.delete(listener) || feeds.size > 0) return;
      this.#feeds.delete(topic);
      await this.#room().unsubscribeTopic(topic);
    });
  }

  /** For the meeting: another room; the topics stay the same. @param {Room} room @param {boolean} again whether to subscribe in it */
  attach(room, again) {
    room.on('topic-message', (message) => {
      for (const feed of [...(this.#feeds.get(message.topic)?.values() ?? [])]) feed.receive(read(message));
    });
    if (!again) return;
    for (const [topic, feeds] of this.#feeds) {
      room.subscribeTopic(topic).then(
        (kept) => feeds.forEach((feed) => feed.old(kept.map((m) => read({ ...m, topic })))),
        () => {}, // the room ended meanwhile
      );
    }
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
