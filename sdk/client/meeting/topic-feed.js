/** @typedef {import('../core/platform.js').Platform} Platform */
/** @typedef {import('./pub-sub.js').PubSubMessage} PubSubMessage */

/**
 * @typedef {object} FeedListeners
 * @property {(message: PubSubMessage) => void} [onMessageReceived]
 * @property {(messages: PubSubMessage[]) => void} [onBatchReceived] instead of one by one: what came in a turn of 500 ms
 * @property {(messages: PubSubMessage[], info: {isLast: boolean}) => void} [onOldMessagesReceived] what was kept, oldest first
 * @property {(info: {droppedCount: number}) => void} [onMessageDrop] more came than was wanted
 *
 * @typedef {object} FeedOptions
 * @property {number} [oldMessageLimit] how many of the kept messages at most, the newest; default all (200)
 * @property {number} [newMessageLimit] messages in 500 ms at most; default no limit
 * @property {'queue' | 'drop'} [realtimeOverflow] what becomes of more: they wait for the next turn (default), or are dropped
 * @property {number} [maxQueue] how many wait at most, the oldest are dropped; default 70, at most 200
 */

/** A turn, in ms. */
const TURN_MS = 500;

/** What one subscriber gets of a topic, and how fast. */
export class TopicFeed {
  #platform;
  #listeners;
  #limit;
  #drop;
  #maxQueue;
  #oldLimit;
  /** @type {PubSubMessage[]} */
  #waiting = [];
  #taken = 0;
  /** @type {unknown} */
  #timer = null;

  /**
   * @param {Platform} platform
   * @param {FeedListeners} listeners
   * @param {FeedOptions} options
   */
  constructor(platform, listeners, { oldMessageLimit = Infinity, newMessageLimit = Infinity, realtimeOverflow = 'queue', maxQueue = 70 }) {
    this.#platform = platform;
    this.#listeners = listeners;
    this.#limit = Math.max(1, newMessageLimit);
    this.#drop = realtimeOverflow === 'drop';
    this.#maxQueue = Math.max(1, Math.min(maxQueue, 200));
    this.#oldLimit = oldMessageLimit;
  }

  /** @param {PubSubMessage[]} messages what was kept @returns {PubSubMessage[]} as many of them as are wanted */
  old(messages) {
    const wanted = messages.slice(Math.max(0, messages.length - this.#oldLimit));
    this.#call(() => this.#listeners.onOldMessagesReceived?.(wanted, { isLast: true }));
    return wanted;
  }

  /** @param {PubSubMessage} message */
  receive(message) {
    const atOnce = !this.#listeners.onBatchReceived;
    if (atOnce && this.#waiting.length === 0 && this.#taken < this.#limit) {
      this.#taken += 1;
      if (this.#limit !== Infinity) this.#arm();
      this.#call(() => this.#listeners.onMessageReceived?.(message));
      return;
    }
    if (!atOnce || !this.#drop) this.#waiting.push(message);
    const most = atOnce || this.#limit !== Infinity ? this.#maxQueue : Infinity;
    const over = atOnce && this.#drop ? 1 : Math.max(0, this.#waiting.length - most);
    if (over > 0) {
      this.#waiting.splice(0, this.#drop ? 0 : over);
      this.#call(() => this.#listeners.onMessageDrop?.({ droppedCount: over }));
    }
    this.#arm();
  }

  close() {
    this.#platform.clearTimeout(this.#timer);
    this.#timer = null;
    this.#waiting = [];
  }

  #arm() {
    if (this.#timer !== null) return;
    this.#timer = this.#platform.setTimeout(() => this.#turn(), TURN_MS);
  }

  #turn() {
    this.#timer = null;
    const batch = this.#waiting.splice(0, this.#limit);
    this.#taken = batch.length;
    if (batch.length === 0) return;
    if (this.#listeners.onBatchReceived) this.#call(() => this.#listeners.onBatchReceived?.(batch));
    else for (const message of batch) this.#call(() => this.#listeners.onMessageReceived?.(message));
    this.#arm();
  }

  /** @param {() => void} run */
  #call(run) {
    try {
      run();
    } catch (error) {
      console.error('enfilade: a listener of pubSub threw', error);
    }
  }
}
