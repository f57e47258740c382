/**
 * Every engine publishes, every engine subscribes, and what comes out is compared with what went in.
 *
 *   node matrix.js             the whole matrix
 *   node matrix.js --short     every engine once as publisher and once as subscriber
 *   node matrix.js --only a,b  these engines
 */
import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startServer } from '../browser/support/server.js';
import { Driver } from './lib/driver.js';
import { ENGINES, RECORDER } from './lib/engines.js';
import { table } from './lib/table.js';
import { verdict } from './lib/verdict.js';

/** Longest way to a connection, and longest look at what comes over it, in ms. */
const LIMIT_MS = 10_000;
/** Subscribers at once: more, and two cores cannot keep up with the codecs. */
const AT_ONCE = 3;
/** Pictures a subscriber looks at: two seconds of them. */
const PICTURES = 30;
/** Messages that go to the publisher and come back: scene.py. */
const MESSAGES = 2;
const SCRATCH = fileURLToPath(new URL('../../target/interop', import.meta.url));

const { values: options } = parseArgs({ options: { short: { type: 'boolean', default: false }, only: { type: 'string' } } });
const names = options.only?.split(',') ?? Object.keys(ENGINES);
for (const name of names) if (!ENGINES[name]) throw new Error(`there is no engine ${name}: ${Object.keys(ENGINES)}`);

/** aiortc and libnice gather no loopback candidates, so the server is reached at an address of this machine as well. */
function addresses() {
  const ours = Object.values(networkInterfaces()).flat();
  const outer = ours.filter((one) => one && one.family === 'IPv4' && !one.internal).map((one) => one.address);
  return [...outer.slice(0, 1), '127.0.0.1'];
}

/** Publisher and the subscribers it shall have. In the short form each engine sends once, to the one behind it. */
function rounds() {
  if (!options.short) return names.map((from) => ({ from, to: names }));
  return names.map((from, i) => ({ from, to: [names[(i + 1) % names.length]] }));
}

/** What an engine without an encoder sends. */
async function recording(recorder, name) {
  const { encodes, picture, toneHz } = ENGINES[name];
  if (encodes) return undefined;
  const files = { video: `${SCRATCH}/${name}-video.ivf`, audio: `${SCRATCH}/${name}-audio.ivf` };
  await recorder.order('record', { picture, toneHz, seconds: 6, keyframeEvery: 15, ...files });
  return files;
}

/** Runs jobs, so many at once. */
async function several(jobs, atOnce) {
  const left = [...jobs];
  const worker = async () => {
    for (let job = left.shift(); job; job = left.shift()) await job();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

function everythingWrong(error) {
  const why = String(error.message ?? error).split('\n')[0];
  return { video: why, audio: why, data: why };
}

async function cell({ server, running, recorder, publisher, from, to, room }) {
  const sent = { ...ENGINES[from], messages: MESSAGES, pictures: PICTURES };
  const place = { url: server.url, room, participant: `${to}-sub`, from, picture: sent.picture, toneHz: sent.toneHz, limitMs: LIMIT_MS };
  let session = null;
  try {
    session = await running[to].subscribe(place);
    const dump = `${SCRATCH}/${from}-to-${to}`;
    const got = await session.watch({ from: { media: from, data: publisher.dataId }, pictures: PICTURES, limitMs: LIMIT_MS, dump });
    if (!ENGINES[to].decodes) {
      // What it took apart is put together by a decoder.
      const decoded = await recorder.order('decode', { video: got.video.file, audio: got.audio.file });
      for (const kind of ['video', 'audio']) got[kind] = decoded[kind] && { ...got[kind], ...decoded[kind] };
    }
    if (got.audio?.recorded) got.audio = (await recorder.order('decode', { recorded: got.audio.recorded })).audio;
    return { ...verdict(sent, got), got };
  } catch (error) {
    return everythingWrong(error);
  } finally {
    await session?.end().catch(() => {});
  }
}

const began = Date.now();
mkdirSync(SCRATCH, { recursive: true });
const server = await startServer({ env: { ENFILADE_MEDIA__SHARDS: '1', ENFILADE_MEDIA__ADVERTISED: JSON.stringify(addresses()) } });
const recorder = new Driver('recorder', RECORDER.program, RECORDER.args);
const running = Object.fromEntries(names.map((name) => [name, ENGINES[name].make()]));
const cells = new Map();
try {
  const started = await Promise.allSettled(Object.values(running).map((engine) => engine.start()));
  for (const one of started) if (one.status === 'rejected') console.error(String(one.reason));
  for (const { from, to } of rounds()) {
    const room = `interop-${from}`;
    const { picture, toneHz } = ENGINES[from];
    let publisher = null;
    try {
      publisher = await running[from].publish({
        url: server.url, room, participant: from, picture, toneHz, limitMs: LIMIT_MS, recording: await recording(recorder, from),
      });
    } catch (error) {
      for (const name of to) cells.set(`${from} ${name}`, everythingWrong(error));
      console.error(`${from} cannot publish: ${error.message}`);
      continue;
    }
    const jobs = to.map((name) => async () => {
      const begun = Date.now();
      const result = await cell({ server, running, recorder, publisher, from, to: name, room });
      cells.set(`${from} ${name}`, result);
      const wrong = ['audio', 'video', 'data'].filter((what) => result[what] !== null);
      console.log(`${wrong.length ? 'not ok' : 'ok'} ${from} to ${name} (${Date.now() - begun} ms) ${wrong.map((what) => `${what}: ${result[what]}`).join('; ')}`);
      if (process.env.INTEROP_VERBOSE) console.log(JSON.stringify(result.got));
    });
    await several(jobs, AT_ONCE);
    await publisher.end();
  }
} finally {
  await Promise.allSettled(Object.values(running).map((engine) => engine.stop()));
  await recorder.close();
  await server.stop('SIGTERM');
}
report();

function report() {
  const good = (result) => ['audio', 'video', 'data'].every((what) => result[what] === null);
  console.log(`\n${table(names, cells)}\n`);
  const failed = [...cells.values()].filter((result) => !good(result)).length;
  for (const [key, result] of cells) {
    const [from, to] = key.split(' ');
    const arrived = ['audio', 'video', 'data'].filter((what) => result[what] === null).length;
    figure({ figure: `interop/${from} to ${to}`, value: arrived, unit: 'of sound, picture and data', goal: '= 3', ok: arrived === 3 });
  }
  figure({ figure: 'interop/cells as sent', value: cells.size - failed, unit: `of ${cells.size}`, goal: `= ${cells.size}`, ok: failed === 0 });
  // The words of Node's test runner, for whoever counts.
  console.log(`# pass ${cells.size - failed}\n# fail ${failed}\n# duration_ms ${Date.now() - began}`);
  if (failed) {
    console.log(server.output());
    for (const engine of Object.values(running)) if (engine.errors) console.log(`--- ${engine.name}\n${engine.errors}`);
    process.exitCode = 1;
  }
  rmSync(SCRATCH, { recursive: true, force: true });
}

function figure(one) {
  const line = JSON.stringify(one);
  if (process.env.NETWORKS_FIGURES) appendFileSync(process.env.NETWORKS_FIGURES, `${line}\n`);
  console.log(line);
}
