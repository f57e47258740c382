import { fitted } from '../core/viewport.js';

/** @typedef {import('../core/participant.js').RemotePublication} RemotePublication */
/** @typedef {import('../core/protocol.js').Limits} Limits */
/** @typedef {import('../core/protocol.js').Source} Source */

/**
 * @typedef {object} Wish
 * @property {Limits} limits what the app asked for
 * @property {Limits} fit what fits the elements that show it; a size of the app's goes before theirs
 * @property {boolean} wanted
 */

/**
 * How much we want to see of one participant. The wishes are kept by source, so that they hold for the next screen they share
 * as well; several (a quality, a size, a pause) hold together.
 */
export class Viewing {
  #find;
  #byDefault;
  /** @type {Map<Source, Wish>} */
  #wishes = new Map();

  /**
   * @param {(source: Source) => RemotePublication | null} find what they publish now
   * @param {boolean} byDefault whether everything is received until told otherwise
   */
  constructor(find, byDefault) {
    this.#find = find;
    this.#byDefault = byDefault;
  }

  /** What the app asked for. @param {Source} source @returns {Readonly<Limits>} */
  limits(source) {
    return this.#wish(source).limits;
  }

  /**
   * Changes some of the limits; undefined takes one away.
   * @param {Source} source
   * @param {Limits} change
   */
  async limit(source, change) {
    this.expect(source, change);
    await this.#say(source);
  }

  /**
   * The same for what is still to come; nothing is sent now.
   * @param {Source} source
   * @param {Limits} change
   */
  expect(source, change) {
    const wish = this.#wish(source);
    const limits = /** @type {Limits} */ (Object.fromEntries(Object.entries({ ...wish.limits, ...change }).filter(([, v]) => v !== undefined)));
    this.#wishes.set(source, { ...wish, limits });
  }

  /**
   * What fits the page; nothing: no matter.
   * @param {Source} source
   * @param {Limits} fit
   */
  async adapt(source, fit) {
    this.#wishes.set(source, { ...this.#wish(source), fit });
    await this.#say(source);
  }

  /**
   * Receives it, or not at all.
   * @param {Source} source
   * @param {boolean} wanted
   */
  async want(source, wanted) {
    this.#wishes.set(source, { ...this.#wish(source), wanted });
    if (wanted) await this.#say(source);
    else await this.#find(source)?.unsubscribe();
  }

  /** Something new of them: what was wished holds for it too. @param {RemotePublication} publication */
  async apply(publication) {
    const { source } = publication;
    if (!this.#wishes.has(source) || this.#find(source) !== publication) return;
    if (this.#wish(source).wanted) await this.#say(source);
    else await publication.unsubscribe();
  }

  /** @param {Source} source @returns {Wish} */
  #wish(source) {
    return this.#wishes.get(source) ?? { limits: {}, fit: {}, wanted: this.#byDefault };
  }

  /** @param {Source} source */
  async #say(source) {
    const { limits, fit, wanted } = this.#wish(source);
    if (wanted) await this.#find(source)?.subscribe(fitted(limits, fit));
  }
}
