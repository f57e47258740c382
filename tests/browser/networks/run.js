// Browsers over a bad network: the fault matrix N1 to N10, each case with its figures and their goals.
// node tests/browser/networks/run.js [--short] [--only CASE]... [--seed N] [--list]     (cargo xtask networks does it all)
//
// It fails when it cannot measure; whether the goals are met is told by the figures.
import { cases as capacity } from './capacity.js';
import { Figures, atMost } from './figures.js';
import { cases as loss } from './loss.js';
import { cases as paths } from './paths.js';
import { Stage } from './stage.js';
import { lackingWire, matrix } from './wire.js';

/**
 * @typedef {object} Run what a case works with
 * @property {Stage} stage
 * @property {Figures} figures
 * @property {any} matrix the paths by name
 * @property {boolean} short
 * @property {number} ms how long a steady case is observed
 * @property {(words: string) => void} log
 */

/** How late packets may be before a run shows the machine, in ms. */
const LAG_MAX_MS = 10;

const options = { short: false, seed: 1, only: /** @type {string[]} */ ([]) };
const words = process.argv.slice(2);
while (words.length > 0) {
  const word = words.shift();
  if (word === '--short') options.short = true;
  else if (word === '--only') options.only.push(words.shift());
  else if (word === '--seed') options.seed = Number(words.shift());
  else if (word !== '--list') throw new Error(`${word} is not known`);
}
const all = [...loss, ...capacity, ...paths];
const chosen = all.filter(({ id, short }) => (options.only.length ? options.only.some((only) => id === only || id.startsWith(`${only}-`)) : short || !options.short));
if (process.argv.includes('--list')) {
  for (const { id, what, short } of all) console.log(`${id.padEnd(14)} ${what}${short ? ' (in the short form)' : ''}`);
  process.exit();
}
const why = lackingWire();
if (why) {
  console.log(`LACKING: ${why}`);
  process.exit(3);
}

const log = (words) => console.error(words);
const figures = new Figures();
let failed = 0;
const stage = await Stage.open({ seed: options.seed });
try {
  for (const { id, what, run } of chosen) {
    log(`\n--- ${id}: ${what}`);
    try {
      await stage.wire.lagMs();
      await run({ stage, figures, matrix: matrix(), short: options.short, ms: options.short ? 15_000 : 45_000, log });
    } catch (error) {
      // What could not be measured misses its goal, and the next case is measured all the same.
      failed += 1;
      log(`${error.stack ?? error}\n${stage.output()}`);
      figures.add(`${id}/measured`, null, '', atMost(0));
    }
    await stage.wire.say({ block: 'none' });
    figures.add(`${id}/lag`, await stage.wire.lagMs(), 'ms', atMost(LAG_MAX_MS));
  }
} finally {
  await stage.close();
}
log(`\n${chosen.length} cases, ${failed} failed, ${figures.missed} figures without their goal`);
process.exit(failed > 0 ? 1 : 0);
