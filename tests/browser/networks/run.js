// Browsers over a bad network: the fault matrix N1 to N10, each case with its figures and their goals.
// node tests/browser/networks/run.js [--short] [--only CASE]... [--far chromium|firefox] [--seed N] [--list]     (cargo xtask networks does it all)
//
// It fails when it cannot measure; whether the goals are met is told by the figures.
import { cases as bursts } from './bursts.js';
import { cases as capacity } from './capacity.js';
import { Figures, atMost } from './figures.js';
import { cases as layers } from './layers.js';
import { cases as loss } from './loss.js';
import { cases as paths } from './paths.js';
import { cases as rfc8867 } from './rfc8867.js';
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

const options = { short: false, seed: 1, far: /** @type {('chromium' | 'firefox')[]} */ ([]), only: /** @type {string[]} */ ([]) };
const words = process.argv.slice(2);
while (words.length > 0) {
  const word = words.shift();
  if (word === '--short') options.short = true;
  else if (word === '--only') options.only.push(words.shift());
  else if (word === '--far') options.far.push(/** @type {any} */ (words.shift()));
  else if (word === '--seed') options.seed = Number(words.shift());
  else if (word !== '--list') throw new Error(`${word} is not known`);
}
const all = [...loss, ...capacity, ...paths, ...rfc8867, ...bursts, ...layers];
if (process.argv.includes('--list')) {
  for (const { id, what, short } of all) console.log(`${id.padEnd(14)} ${what}${short ? ' (in the short form)' : ''}`);
  process.exit();
}
const why = lackingWire();
if (why) {
  console.log(`LACKING: ${why}`);
  process.exit(3);
}
const named = ({ id }) => options.only.length === 0 || options.only.some((only) => id === only || id.startsWith(`${only}-`));
// The short form is Chromium's; in the long one Firefox has its cases too.
const far = options.far.length ? options.far : options.short || options.only.length ? ['chromium'] : ['chromium', 'firefox'];
const chosen = (browser) => all.filter((one) => named(one) && (options.only.length || (browser === 'firefox' ? (one.firefox ?? one.short) : one.short || !options.short)));

const log = (words) => console.error(words);
const counts = { cases: 0, failed: 0, missed: 0 };
for (const browser of far) {
  const figures = new Figures(browser === 'firefox' ? 'firefox/' : '');
  const stage = await Stage.open({ seed: options.seed, far: browser });
  try {
    for (const one of chosen(browser)) await measure(stage, figures, one);
  } finally {
    await stage.close();
  }
  counts.missed += figures.missed;
}
log(`\n${counts.cases} cases, ${counts.failed} could not be measured, ${counts.missed} figures miss their goal`);
process.exit(counts.failed > 0 ? 1 : 0);

/** @param {Stage} stage @param {Figures} figures @param {typeof all[number]} one */
async function measure(stage, figures, { id, what, run }) {
  log(`\n--- ${id}: ${what}`);
  counts.cases += 1;
  try {
    await stage.wire.lagMs();
    await run({ stage, figures, matrix: matrix(), short: options.short, ms: options.short ? 10_000 : 45_000, log });
  } catch (error) {
    // What could not be measured misses its goal, and the next case is measured all the same.
    counts.failed += 1;
    log(`${error.stack ?? error}\n${stage.output()}`);
    figures.add(`${id}/measured`, null, '', atMost(0));
  }
  await stage.wire.say({ block: 'none' });
  figures.add(`${id}/lag`, await stage.wire.lagMs(), 'ms', atMost(LAG_MAX_MS));
}
