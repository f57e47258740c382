/** @typedef {import('../core/participant.js').RemotePublication} RemotePublication */
/** @typedef {import('../core/protocol.js').Limits} Limits */
/** @typedef {import('../core/protocol.js').Source} Source */

/**
 * How much we want to see of one participant. The wishes are kept by source, so that they hold for the next screen they share
 * as well; several (a quality, a size, a pause) hold together.
 */
export class Viewing {
  #find;
  #byDefault;
  /** @type {Map<Source, {limits: Limits, wanted: boolean}>} */
  #wishes = new Map();

  /**
   * @param {(source: Source) => RemotePublication | null} find what they publish now
   * @param {boolean} byDefault whether everything is received until told otherwise
   */
  constructor(find, byDefault) {
    this.#find = find;
    this.#byDefault = byDefault;
  }

  /** @param {Source} source @returns {Readonly<Limits>} */
  limits(source) {
    return this.#wishes.get(source)?.limits ?? {};
  }

  /**
   * Changes some of the limits; undefined takes one away.
   * @param {Source} source
   * @param {Limits} change
   */
  async limit(source, change) {
    const { limits, wanted } = this.expect(source, change);
    if (wanted) await this.#find(source)?.subscribe(limits);
  }

  /**
   * The same for what is still to come; nothing is sent now.
   * @param {Source} source
   * @param {Limits} change
   */
  expect(source, change) {
    const limits = /** @type {Limits} */ (Object.fromEntries(Object.entries({ ...this.limits(source), ...change }).filter(([, v]) => v !== undefined)));
    const wish = { limits, wanted: this.#wishes.get(source)?.wanted ?? this.#byDefault };
    this.#wishes.set(source, wish);
    return wish;
  }

  /**
   * Receives it, or not at all.
   * @param {Source} source
   * @param {boolean} wanted
   */
  async want(source, wanted) {
    const limits = this.limits(source);
    this.#wishes.set(source, { limits, wanted });
    const publication = this.#find(source);
    await (wanted ? publication?.subscribe(limits) : publication?.unsubscribe());
  }

  /** Something new of them: what was wished holds for it too. @param {RemotePublication} publication */
  async apply(publication) {
    const wish = this.#wishes.get(publication.source);
    if (!wish || this.#find(publication.source) !== publication) return;
    if (!wish.wanted) await publication.unsubscribe();
    else await publication.subscribe(wish.limits);
  }
}
