/**
 * Every engine publishes, every engine subscribes, and what comes out is compared with what went in.
 *
 *   node matrix.js                  everything
 *   node matrix.js --short          every engine once as publisher and once as subscriber
 *   node matrix.js --only a,b       these engines
 *   node matrix.js --board call     this table
 *
 * Ends with the counts in the words of Node's test runner, and with 1 when anything did not arrive as sent.
 */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { calls, inCodec, longStay, oneSeat, overHttp, publications } from './lib/boards.js';
import { ENGINES } from './lib/engines.js';
import { Stage } from './lib/stage.js';
import { table } from './lib/table.js';

const { values: options } = parseArgs({
  options: { short: { type: 'boolean', default: false }, only: { type: 'string' }, board: { type: 'string' } },
});
const names = options.only?.split(',') ?? Object.keys(ENGINES);
for (const name of names) if (!ENGINES[name]) throw new Error(`there is no engine ${name}, but ${Object.keys(ENGINES)}`);

const next = (name) => names[(names.indexOf(name) + 1) % names.length];
const all = options.short
  ? [publications(names, (from) => [next(from)], 2)]
  : [publications(names, () => names, 3), overHttp(names), calls(names), oneSeat(names), longStay(names), ...['vp9', 'h264', 'av1'].map((codec) => inCodec(codec, names))];
const boards = all.filter((board) => !options.board || board.name === options.board);
if (boards.length === 0) throw new Error(`there is no board ${options.board}, but ${all.map((board) => board.name)}`);

const begun = Date.now();
const stage = await Stage.set(names);
const filled = [];
try {
  for (const board of boards) {
    const cells = new Map();
    filled.push({ board, cells });
    await board.run(stage, (from, to, result, ms) => {
      cells.set(`${from} ${to}`, result);
      const wrong = board.media.filter((what) => result[what] !== null);
      const why = wrong.map((what) => `${what}: ${result[what]}`).join('; ');
      console.log(`${wrong.length ? 'not ok' : 'ok'} - ${board.name}: ${from} to ${to} (${ms} ms) ${why}`.trimEnd());
      if (process.env.INTEROP_VERBOSE) console.log(`  ${JSON.stringify(result.got)}`);
    });
  }
} finally {
  await stage.strike();
}

const counts = { pass: 0, fail: 0 };
for (const { board, cells } of filled) {
  console.log(`\n${table(board, cells)}\n`);
  let arrived = 0;
  for (const cell of cells.values()) {
    const whole = board.media.every((what) => cell[what] === null);
    counts[whole ? 'pass' : 'fail'] += 1;
    arrived += Number(whole);
  }
  figure({ figure: `interop/${board.name}`, value: arrived, unit: `of ${cells.size} pairs of engines`, goal: `= ${cells.size}`, ok: arrived === cells.size });
}
if (counts.fail) console.log(stage.lastWords());
console.log(`A sound, V picture, D data as sent\n# pass ${counts.pass}\n# fail ${counts.fail}\n# duration_ms ${Date.now() - begun}`);
process.exitCode = counts.fail ? 1 : 0;

/** @param {{figure: string, value: number, unit: string, goal: string, ok: boolean}} one */
function figure(one) {
  const line = JSON.stringify(one);
  if (process.env.NETWORKS_FIGURES) appendFileSync(process.env.NETWORKS_FIGURES, `${line}\n`);
  console.log(line);
}
