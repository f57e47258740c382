import { requireArgument } from './errors.js';

/** @typedef {import('./protocol.js').ServerMessage} ServerMessage */
/** @typedef {import('./protocol.js').TopicMessage} TopicMessage */
/** @typedef {import('./session.js').Session} Session */

/** Message ids remembered per topic: twice what the server keeps. */
const SEEN_MAX = 400;

/**
 * Chat and topics: what is said rather than shown. It remembers which topics we listen to and which of their messages we
 * had, so that after a fresh join we listen again and none comes twice.
 */
export class Messages {
  #request;
  #arrived;
  /** @type {Map<string, Set<string>>} topic -> ids of messages we had, oldest first */
  #seen = new Map();
  #occurrence = '';

  /**
   * @param {(type: string, fields: Record<string, unknown>) => Promise<ServerMessage>} request
   * @param {(message: TopicMessage) => void} arrived a message of a topic, for the first time
   */
  constructor(request, arrived) {
    this.#request = request;
    this.#arrived = arrived;
  }

  /**
   * @param {string} text
   * @param {string[] | undefined} to
   */
  async chat(text, to) {
    requireArgument(typeof text === 'string' && text.length > 0, 'chat: there is no text.');
    return receipt(await this.#request('chat', { text, to }));
  }

  /**
   * @param {string} topic
   * @param {unknown} message
   * @param {{to?: string[], persist?: boolean}} options
   */
  async publish(topic, message, { to, persist }) {
    requireTopic(topic);
    return receipt(await this.#request('topic.publish', { topic, message, to, persist }));
  }

  /**
   * @param {string} topic
   * @returns {Promise<TopicMessage[]>} what was kept and we had not yet
   */
  async subscribe(topic) {
    requireTopic(topic);
    if (!this.#seen.has(topic)) this.#seen.set(topic, new Set());
    const { messages = [] } = await this.#request('topic.subscribe', { topic });
    return messages.filter((/** @type {TopicMessage} */ message) => this.#note({ ...message, topic }));
  }

  /** @param {string} topic */
  async unsubscribe(topic) {
    requireTopic(topic);
    this.#seen.delete(topic);
    await this.#request('topic.unsubscribe', { topic });
  }

  /** An event of the server. @param {TopicMessage} message */
  receive(message) {
    if (this.#note(message)) this.#arrived(message);
  }

  /**
   * A new session begins: we listen to the same topics as before.
   * @param {Session} session
   * @param {string} occurrence of the room; another one counts its messages anew
   */
  begin(session, occurrence) {
    if (occurrence !== this.#occurrence) for (const seen of this.#seen.values()) seen.clear();
    this.#occurrence = occurrence;
    for (const topic of this.#seen.keys()) {
      session.request('topic.subscribe', { topic }).then(
        ({ messages = [] }) => messages.forEach((/** @type {TopicMessage} */ message) => this.receive({ ...message, topic })),
        () => {}, // the session ended meanwhile; the next one asks again
      );
    }
  }

  /** @param {TopicMessage} message @returns {boolean} whether it is new and wanted */
  #note({ topic, message: id }) {
    const seen = this.#seen.get(topic);
    if (!seen || seen.has(id)) return false;
    seen.add(id);
    if (seen.size > SEEN_MAX) seen.delete(/** @type {string} */ (seen.values().next().value));
    return true;
  }
}

/** @param {string} topic */
function requireTopic(topic) {
  requireArgument(typeof topic === 'string' && topic !== '', 'A topic is a string of at least one character.');
}

/**
 * @param {ServerMessage} answer
 * @returns {{message: string, timestampMs: number}}
 */
function receipt({ message, timestampMs }) {
  return { message: String(message), timestampMs };
}
