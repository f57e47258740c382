/** @typedef {import('./platform.js').Platform} Platform */
/** @typedef {import('./protocol.js').Limits} Limits */
/** @typedef {{width: number, height: number}} Size of an element, in pixels of the screen */

/** What came into sight or grew is asked for as soon as the page has settled, in ms. */
const GROW_MS = 50;
/** What shrank may grow again: a window is being dragged, in ms. */
const SHRINK_MS = 500;
/** What went out of sight may come back: somebody scrolls, or looks at another tab for a moment, in ms. */
const HIDE_MS = 1000;
/** Sizes are asked for in steps of so many pixels, so that not every pixel is a wish. */
const STEP = 32;

/**
 * The elements in which one picture is shown, and how much of it they need: no more than the largest of them shows, nothing
 * while none is in sight. An element that is on no page yet says nothing.
 */
export class Viewport {
  #platform;
  #fit;
  /** `undefined`: nothing is known of it yet; null: out of sight. @type {Map<HTMLMediaElement, {size: Size | null | undefined, unwatch: () => void}>} */
  #elements = new Map();
  /** What was told last. @type {Limits} */
  #told = {};
  /** @type {unknown} */
  #timer = null;
  #due = Infinity;
  /** Elements whose picture is used elsewhere, drawn or recorded, whatever can be seen of it. @type {Set<HTMLMediaElement>} */
  #whole = new Set();
  /** How many need the whole picture, shown or not. */
  #needed = 0;

  /**
   * @param {Platform} platform
   * @param {(fit: Limits) => void} fit called when it has changed; no limits: no matter
   */
  constructor(platform, fit) {
    this.#platform = platform;
    this.#fit = fit;
  }

  /** @param {HTMLMediaElement} element */
  watch(element) {
    const watch = this.#platform.watchSize;
    this.#whole.delete(element);
    if (!watch || this.#elements.has(element)) return this.#look();
    /** @type {{size: Size | null | undefined, unwatch: () => void}} */
    const entry = { size: undefined, unwatch: () => {} };
    this.#elements.set(element, entry);
    entry.unwatch = watch(element, (size) => {
      entry.size = size;
      if (this.#elements.get(element) === entry) this.#look();
    });
    this.#look();
  }

  /** The whole picture is needed there, shown or not, until `unwatch`. @param {HTMLMediaElement} element */
  need(element) {
    this.unwatch(element);
    this.#whole.add(element);
    this.#look();
  }

  /** @param {HTMLMediaElement} element */
  unwatch(element) {
    if (this.#whole.delete(element)) this.#look();
    const entry = this.#elements.get(element);
    if (!entry) return;
    this.#elements.delete(element);
    entry.unwatch();
    this.#look();
  }

  /**
   * While something is done for which the whole picture is needed, be it in sight or not, nothing is limited.
   * @template T
   * @param {() => Promise<T>} run
   * @returns {Promise<T>}
   */
  async whole(run) {
    this.#needed += 1;
    this.#look();
    try {
      return await run();
    } finally {
      this.#needed -= 1;
      this.#look();
    }
  }

  /** No element shows it any more. */
  close() {
    for (const { unwatch } of this.#elements.values()) unwatch();
    this.#elements.clear();
    this.#whole.clear();
    this.#platform.clearTimeout(this.#timer);
    this.#timer = null;
    this.#due = Infinity;
    this.#told = {};
  }

  /** What fits the elements as they are. @returns {Limits} */
  #now() {
    if (this.#needed > 0 || this.#whole.size > 0) return {};
    const sizes = [...this.#elements.values()].map((entry) => entry.size);
    const seen = sizes.filter((size) => size !== undefined && size !== null);
    if (seen.length > 0) {
      const step = (/** @type {number[]} */ pixels) => Math.ceil(Math.max(...pixels) / STEP) * STEP;
      return { maxWidth: step(seen.map((s) => s.width)), maxHeight: step(seen.map((s) => s.height)) };
    }
    return sizes.length > 0 && sizes.every((size) => size === null) ? { paused: true } : {};
  }

  #look() {
    const wanted = this.#now();
    if (same(wanted, this.#told)) {
      this.#platform.clearTimeout(this.#timer);
      this.#timer = null;
      this.#due = Infinity;
      return;
    }
    const patience = wanted.paused ? HIDE_MS : isUrgent(wanted, this.#told) ? GROW_MS : SHRINK_MS;
    const due = this.#platform.now() + patience;
    // A wish that is not urgent does not put off one that is.
    if (this.#timer !== null && this.#due <= due) return;
    this.#platform.clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = this.#platform.setTimeout(() => {
      this.#timer = null;
      this.#due = Infinity;
      const fit = this.#now();
      if (same(fit, this.#told)) return;
      // It may have changed meanwhile into something that has more time.
      if (fit.paused && !wanted.paused) return this.#look();
      this.#told = fit;
      this.#fit(fit);
    }, patience);
  }
}

/**
 * What an app asked for and what fits its elements, in one: a size that the app named goes before that of the elements, and
 * what either of them pauses is paused.
 * @param {Limits} limits what the app asked for
 * @param {Limits} fit
 * @returns {Limits}
 */
export function fitted(limits, fit) {
  const { maxWidth, maxHeight, paused } = fit;
  const named = limits.maxWidth !== undefined || limits.maxHeight !== undefined;
  return {
    ...(named || maxWidth === undefined ? {} : { maxWidth, maxHeight }),
    ...limits,
    ...(paused ? { paused } : {}),
  };
}

/** @param {Limits} a @param {Limits} b */
function same(a, b) {
  return a.maxWidth === b.maxWidth && a.maxHeight === b.maxHeight && a.paused === b.paused;
}

/** @param {Limits} wanted @param {Limits} told */
function isUrgent(wanted, told) {
  const { maxWidth = 0, maxHeight = 0 } = told; // so that the first wish is soon said, whatever it is
  return told.paused || (wanted.maxWidth ?? Infinity) > maxWidth || (wanted.maxHeight ?? Infinity) > maxHeight;
}
