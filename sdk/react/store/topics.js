/** @typedef {import('./types.js').Message} Message */

/** Messages a topic shows at most; the oldest go first. */
const SHOWN_MAX = 1000;
/** @type {readonly Message[]} */
const NONE = Object.freeze([]);

/**
 * A component that reads a topic.
 * @typedef {object} Reader
 * @property {() => void} changed there are other messages to show
 * @property {(message: Message) => void} received
 * @property {(messages: readonly Message[]) => void} old once: what was there before
 */

/** The topics that components read. Several readers of one topic share one subscription. */
export class TopicFeeds {
  /** @type {Map<string, TopicFeed>} */
  #feeds = new Map();
  /** The meeting we are inside of. @type {any} */
  #meeting = null;

  /** @param {string} topic @returns {readonly Message[]} oldest first */
  messages(topic) {
    return this.#feeds.get(topic)?.messages ?? NONE;
  }

  /**
   * @param {string} topic
   * @param {Reader} reader
   * @returns {() => void} stops
   */
  read(topic, reader) {
    let feed = this.#feeds.get(topic);
    if (!feed) {
      this.#feeds.set(topic, (feed = new TopicFeed(topic)));
      if (this.#meeting) feed.open(this.#meeting);
    }
    const of = feed;
    of.add(reader);
    return () => {
      of.remove(reader);
      // Not at once: StrictMode takes every reader off and puts it back.
      queueMicrotask(() => {
        if (of.inUse || this.#feeds.get(topic) !== of) return;
        this.#feeds.delete(topic);
        of.close();
      });
    };
  }

  /** We are inside a meeting. @param {any} meeting */
  begin(meeting) {
    this.#meeting = meeting;
    for (const feed of this.#feeds.values()) feed.open(meeting);
  }

  /** We are not inside any more. What was said stays on the screen until the next meeting begins. */
  end() {
    this.#meeting = null;
    for (const feed of this.#feeds.values()) feed.close();
  }
}

class TopicFeed {
  #topic;
  /** @type {Set<Reader>} */
  #readers = new Set();
  /** @type {WeakSet<Reader>} who heard of the old messages */
  #told = new WeakSet();
  #loaded = false;
  /** @type {(() => void) | null} */
  #off = null;
  /** Never changed, only replaced. @type {readonly Message[]} */
  messages = NONE;

  /** @param {string} topic */
  constructor(topic) {
    this.#topic = topic;
  }

  get inUse() {
    return this.#readers.size > 0;
  }

  /** @param {Reader} reader */
  add(reader) {
    this.#readers.add(reader);
    if (this.#loaded) queueMicrotask(() => this.#tellOld(reader, this.messages));
  }

  /** @param {Reader} reader */
  remove(reader) {
    this.#readers.delete(reader);
  }

  /** @param {any} meeting that we are inside of */
  open(meeting) {
    this.close();
    this.#show(NONE);
    const listener = (/** @type {Message} */ message) => {
      this.#show([...this.messages, message]);
      for (const reader of [...this.#readers]) guarded(() => reader.received(message));
    };
    const off = (this.#off = () => void Promise.resolve(meeting.pubSub.unsubscribe(this.#topic, listener)).catch(() => {}));
    Promise.resolve(meeting.pubSub.subscribe(this.#topic, listener)).then(
      (/** @type {Message[]} */ old) => {
        if (this.#off !== off) return;
        this.#show([...(old ?? []), ...this.messages]);
        this.#loaded = true;
        for (const reader of [...this.#readers]) this.#tellOld(reader, old ?? []);
      },
      () => {}, // the meeting's `error` tells
    );
  }

  close() {
    this.#off?.();
    this.#off = null;
    this.#loaded = false;
    this.#told = new WeakSet();
  }

  /** @param {Reader} reader @param {readonly Message[]} messages */
  #tellOld(reader, messages) {
    if (!this.#readers.has(reader) || this.#told.has(reader)) return;
    this.#told.add(reader);
    guarded(() => reader.old(messages));
  }

  /** @param {readonly Message[]} messages */
  #show(messages) {
    if (messages.length === 0 && this.messages.length === 0) return;
    this.messages = Object.freeze(messages.slice(-SHOWN_MAX));
    for (const reader of [...this.#readers]) reader.changed();
  }
}

/** A callback that throws harms nobody else. @param {() => void} run */
function guarded(run) {
  try {
    run();
  } catch (error) {
    console.error('enfilade: a callback of usePubSub threw', error);
  }
}
