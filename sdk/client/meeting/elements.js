import { EnfiladeError } from '../core/errors.js';
import { Viewport } from '../core/viewport.js';

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
  /** @type {Map<HTMLMediaElement, {kind: StreamKind, adaptive: boolean | undefined}>} */
  #all = new Map();
  #adaptive = true;
  #viewports;

  /**
   * @param {Platform} platform
   * @param {Participant} participant
   */
  constructor(platform, participant) {
    this.#platform = platform;
    this.#participant = participant;
    this.#viewports = { video: this.#viewport('camera'), share: this.#viewport('screen') };
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
    this.#all.set(element, { kind, adaptive });
    for (const stream of this.#participant.streams.values()) if (stream.kind === kind) this.#attach(element, stream);
    this.#watch();
    return element;
  }

  /**
   * Something for which their picture is needed whether an element shows it or not.
   * @template T
   * @param {'video' | 'share'} kind
   * @param {() => Promise<T>} run
   * @returns {Promise<T>}
   */
  whole(kind, run) {
    return this.#viewports[kind].whole(run);
  }

  /** @param {boolean} adaptive whether elements that say nothing themselves adapt */
  adapt(adaptive) {
    this.#adaptive = adaptive;
    this.#watch();
  }

  /** They have left. */
  release() {
    for (const viewport of Object.values(this.#viewports)) viewport.close();
    for (const element of this.#all.keys()) element.srcObject = null;
    this.#all.clear();
  }

  #watch() {
    for (const [element, { kind, adaptive }] of this.#all) {
      if (this.#participant.local || (kind !== 'video' && kind !== 'share')) continue;
      if (adaptive ?? this.#adaptive) this.#viewports[kind].watch(element);
      else this.#viewports[kind].unwatch(element);
    }
  }

  /** @param {'camera' | 'screen'} source */
  #viewport(source) {
    return new Viewport(this.#platform, (fit) => {
      this.#participant.viewing.adapt(source, fit).catch(() => {}); // said again at the next change, or after a fresh join
    });
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
