import { EnfiladeError } from '../core/errors.js';

/** @typedef {import('../core/platform.js').Platform} Platform */
/** @typedef {import('./constants.js').StreamKind} StreamKind */
/** @typedef {import('./participant.js').Participant} Participant */
/** @typedef {import('./stream.js').Stream} Stream */

/**
 * The elements of the page that show a participant. They follow the streams; the adaptive ones also tell the server how large
 * they are, so that nothing larger is sent, and nothing at all while they are out of sight.
 */
export class Elements {
  #platform;
  #participant;
  /** @type {Map<HTMLMediaElement, {kind: StreamKind, adaptive: boolean | undefined, unwatch: (() => void) | null}>} */
  #all = new Map();
  #adaptive = false;

  /**
   * @param {Platform} platform
   * @param {Participant} participant
   */
  constructor(platform, participant) {
    this.#platform = platform;
    this.#participant = participant;
  }

  /** For the participant. @param {Stream} stream */
  appear(stream) {
    this.#each(stream.kind, (element) => this.#attach(element, stream));
  }

  /** For the participant. @param {Stream} stream */
  vanish(stream) {
    this.#each(stream.kind, (element) => (element.srcObject = null));
  }

  /**
   * @param {StreamKind} kind
   * @param {boolean | undefined} adaptive undefined: as the meeting says
   */
  make(kind, adaptive) {
    const create = this.#platform.createElement;
    if (!create) throw new EnfiladeError('not-supported', 'There is no page to make an element for.');
    const element = create(kind === 'video' || kind === 'share' ? 'video' : 'audio');
    if (this.#participant.local && (kind === 'audio' || kind === 'shareAudio')) element.muted = true; // nobody wants to hear oneself
    this.#all.set(element, { kind, adaptive, unwatch: null });
    for (const stream of this.#participant.streams.values()) if (stream.kind === kind) this.#attach(element, stream);
    this.#watch();
    return element;
  }

  /** @param {boolean} adaptive whether elements that say nothing themselves adapt */
  adapt(adaptive) {
    this.#adaptive = adaptive;
    this.#watch();
  }

  /** They have left. */
  release() {
    for (const [element, { unwatch }] of this.#all) {
      unwatch?.();
      element.srcObject = null;
    }
    this.#all.clear();
  }

  #watch() {
    for (const [element, entry] of this.#all) {
      const adaptive = (entry.adaptive ?? this.#adaptive) && !this.#participant.local && (entry.kind === 'video' || entry.kind === 'share');
      if (adaptive && !entry.unwatch) entry.unwatch = this.#platform.watchSize?.(element, (size) => this.#seen(entry.kind, size)) ?? null;
      else if (!adaptive && entry.unwatch) {
        entry.unwatch();
        entry.unwatch = null;
        void this.#limit(entry.kind, { maxWidth: undefined, maxHeight: undefined, paused: undefined });
      }
    }
  }

  /**
   * @param {StreamKind} kind
   * @param {{width: number, height: number} | null} size null: out of sight
   */
  #seen(kind, size) {
    void this.#limit(kind, size ? { maxWidth: size.width, maxHeight: size.height, paused: undefined } : { paused: true });
  }

  /**
   * @param {StreamKind} kind
   * @param {import('../core/protocol.js').Limits} change
   */
  async #limit(kind, change) {
    await this.#participant.viewing.limit(kind === 'share' ? 'screen' : 'camera', change).catch(() => {}); // said again at the next change, or after a fresh join
  }

  /**
   * @param {StreamKind} kind
   * @param {(element: HTMLMediaElement) => void} run
   */
  #each(kind, run) {
    for (const [element, entry] of this.#all) if (entry.kind === kind) run(element);
  }

  /** @param {HTMLMediaElement} element @param {Stream} stream */
  #attach(element, stream) {
    element.srcObject = this.#platform.createStream([stream.track]);
    element.play?.()?.catch?.(() => {}); // the page has to be touched first
  }
}
