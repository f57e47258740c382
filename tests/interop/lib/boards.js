import { ENGINES } from './engines.js';
import { allWrong } from './stage.js';
import { MEDIA } from './verdict.js';

/** How long is looked and listened where nothing else is said. */
const SECONDS = 2;
/** Subscribers at once: more, and two cores cannot keep up with the codecs. */
const SUBSCRIBERS_AT_ONCE = 3;
/** Calls of two at once. */
const CALLS_AT_ONCE = 2;

/**
 * A table to fill: who sent what to whom.
 * @typedef {{title: string, name: string, engines: string[], media: readonly string[], run: (stage: import('./stage.js').Stage, told: Told) => Promise<void>}} Board
 * @typedef {(from: string, to: string, result: any, ms: number) => void} Told
 */

/**
 * Each engine publishes in a room of its own, in its own way, and others subscribe.
 * @param {string[]} engines
 * @param {(from: string) => string[]} to who subscribes to whom
 * @param {number} seconds that a subscriber looks and listens
 * @returns {Board}
 */
export function publications(engines, to, seconds) {
  return {
    title: 'Publisher to subscriber, each engine in its own way',
    name: 'publication',
    engines,
    media: MEDIA,
    run: async (stage, told) => {
      for (const from of engines) await round(stage, from, to(from), { data: true, seconds }, told);
    },
  };
}

/** The same by WHIP and WHEP, which carry no data. @param {string[]} engines @returns {Board} */
export function overHttp(engines) {
  const able = engines.filter((name) => ENGINES[name].http);
  return {
    title: 'WHIP publisher to WHEP viewer',
    name: 'whip-whep',
    engines: able,
    media: ['audio', 'video'],
    run: async (stage, told) => {
      for (const from of able) await round(stage, from, able, { data: false, way: 'http', seconds: SECONDS }, told);
    },
  };
}

/** Two at a time, each sending and receiving on one connection. @param {string[]} engines @returns {Board} */
export function calls(engines) {
  const pairs = engines.flatMap((a, i) => engines.slice(i).map((b) => [a, b]));
  return {
    title: 'Calls of two, both ways on one connection',
    name: 'call',
    engines,
    media: MEDIA,
    run: (stage, told) => several(pairs.map(([a, b]) => () => call(stage, a, b, told)), CALLS_AT_ONCE),
  };
}

/**
 * Each engine that has a codec to each that has it too. Where an engine lacks one there is nothing to show.
 * @param {string} codec
 * @param {string[]} engines
 * @returns {Board}
 */
export function inCodec(codec, engines) {
  const able = engines.filter((name) => ENGINES[name].codecs.includes(codec));
  return {
    title: `Publisher to subscriber in ${codec.toUpperCase()}, between the engines that have it`,
    name: codec,
    engines: able,
    media: ['audio', 'video'],
    run: async (stage, told) => {
      for (const from of able) await round(stage, from, able, { data: false, codec, seconds: SECONDS }, told);
    },
  };
}

async function round(stage, from, to, how, told) {
  const room = stage.room();
  let session;
  try {
    session = await stage.enter(from, 'publish', { room, participant: from, ...how });
  } catch (error) {
    for (const name of to) told(from, name, allWrong(error), 0);
    return;
  }
  const publisher = { engine: from, id: from, dataId: session.dataId, ...how };
  const jobs = to.map((name) => async () => {
    const begun = Date.now();
    const result = await subscriber(stage, name, { room, participant: `${name}-sub`, from, ...how }, publisher);
    told(from, name, result, Date.now() - begun);
  });
  await several(jobs, SUBSCRIBERS_AT_ONCE);
  await session.end();
}

async function subscriber(stage, name, where, publisher) {
  let session = null;
  try {
    session = await stage.enter(name, 'subscribe', where);
    return await stage.compare(session, name, publisher);
  } catch (error) {
    return allWrong(error);
  } finally {
    await session?.end().catch(() => {});
  }
}

async function call(stage, a, b, told) {
  const room = stage.room();
  const begun = Date.now();
  const people = [a, b].map((engine, i) => ({ engine, id: `${engine}-${i + 1}` }));
  const entered = await Promise.allSettled(people.map(({ engine, id }) => stage.enter(engine, 'call', { room, participant: id })));
  const looks = people.map(async ({ engine }, i) => {
    const [mine, theirs] = [entered[i], entered[1 - i]];
    const failed = [mine, theirs].find((one) => one.status === 'rejected');
    if (failed) return allWrong(failed.reason);
    return stage.compare(mine.value, engine, { ...people[1 - i], dataId: theirs.value.dataId, seconds: SECONDS }).catch(allWrong);
  });
  const results = await Promise.all(looks);
  await Promise.allSettled(entered.map((one) => one.value?.end()));
  const ms = Date.now() - begun;
  told(b, a, results[0], ms);
  if (a !== b) told(a, b, results[1], ms);
  else if (MEDIA.some((what) => results[1][what] !== null)) told(a, b, results[1], ms);
}

/** Runs jobs, so many at once. @param {(() => Promise<void>)[]} jobs @param {number} atOnce */
async function several(jobs, atOnce) {
  const left = [...jobs];
  const worker = async () => {
    for (let job = left.shift(); job; job = left.shift()) await job();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
