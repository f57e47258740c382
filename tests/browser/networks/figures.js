import { appendFileSync } from 'node:fs';

/** What a figure should be. @typedef {{goal: string, met: (value: number) => boolean}} Goal */

/** @returns {Goal} */
export const atMost = (limit) => ({ goal: `<= ${limit}`, met: (value) => value <= limit });
/** @returns {Goal} */
export const atLeast = (limit) => ({ goal: `>= ${limit}`, met: (value) => value >= limit });
/** @returns {Goal} */
export const below = (limit) => ({ goal: `< ${limit}`, met: (value) => value < limit });
/** @returns {Goal} */
export const exactly = (wanted) => ({ goal: `= ${wanted}`, met: (value) => value === wanted });
/** Told for comparison; any number will do, but there must be one. @type {Goal} */
export const none = { goal: 'none', met: Number.isFinite };

/** What was measured: printed, and appended to the file that NETWORKS_FIGURES names, one JSON object per line. */
export class Figures {
  missed = 0;
  #before;

  /** @param {string} [before] put before every name */
  constructor(before = '') {
    this.#before = before;
  }

  /**
   * @param {string} figure case/what
   * @param {number | null | undefined} value a measurement that failed has none, and misses every goal
   * @param {string} unit
   * @param {Goal} [goal]
   */
  add(figure, value, unit, goal = none) {
    const number = Number.isFinite(value) ? Number(/** @type {number} */ (value).toPrecision(4)) : null;
    const ok = number !== null && goal.met(number);
    if (!ok) this.missed += 1;
    const line = JSON.stringify({ figure: `${this.#before}${figure}`, value: number, unit, goal: goal.goal, ok });
    console.log(line);
    if (process.env.NETWORKS_FIGURES) appendFileSync(process.env.NETWORKS_FIGURES, `${line}\n`);
  }
}
