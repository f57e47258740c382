import { ENGINES } from './engines.js';
import { allWrong } from './stage.js';
import { MEDIA } from './verdict.js';

/** How long is looked and listened where nothing else is said. */
const SECONDS = 2;
/** By then jitter buffers hold nothing of the publisher before, in ms. */
const SETTLE_MS = 700;
/** Looks at one publisher on a seat. */
const LOOKS_MAX = 3;
/** Longer than consent lasts (RFC 7675: 30 s), in ms. */
const STAY_MS = 35_000;
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
 * Everybody sits in one room while the engines publish one after the other: what a subscriber shows on one seat is now of this
 * engine and now of that one, on the same m-lines and the same SSRC.
 * @param {string[]} engines
 * @returns {Board}
 */
export function oneSeat(engines) {
  return {
    title: 'One after the other on the same seat',
    name: 'seat',
    engines,
    media: ['audio', 'video'],
    run: async (stage, told) => {
      const room = stage.room();
      // A viewer by WHEP stays with one publisher.
      const way = (name) => (ENGINES[name].http ? { way: 'signal' } : {});
      const sitting = await Promise.allSettled(
        engines.map((name) => stage.enter(name, 'subscribe', { room, participant: `${name}-sub`, data: false, ...way(name) })),
      );
      for (const from of engines) {
        const publisher = await stage.enter(from, 'publish', { room, participant: from, data: false }).catch((error) => ({ error }));
        await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
        const jobs = engines.map((to, i) => async () => {
          const begun = Date.now();
          const failed = publisher.error ?? sitting[i].reason;
          const sent = { engine: from, id: from, dataId: from, data: false, seconds: SECONDS };
          const result = failed ? allWrong(failed) : await insist(() => stage.compare(sitting[i].value, to, sent).catch(allWrong));
          told(from, to, result, Date.now() - begun);
        });
        await several(jobs, SUBSCRIBERS_AT_ONCE);
        await publisher.end?.();
      }
      await Promise.allSettled(sitting.map((one) => one.value?.end()));
    },
  };
}

/** A busy browser plays late what it was sent before: what is not as it should be is looked at again. */
async function insist(look) {
  let result = await look();
  for (let again = 1; again < LOOKS_MAX && result.audio !== null; again++) result = await look();
  return result;
}

/**
 * All at once and for long: each engine publishes to the next one, and is looked at when keepalives, consent and timers of every
 * kind had their turn.
 * @param {string[]} engines
 * @returns {Board}
 */
export function longStay(engines) {
  const pairs = engines.map((from, i) => [from, engines[(i + 1) % engines.length]]);
  return {
    title: 'Each to the next one, after more than half a minute',
    name: 'stay',
    engines,
    media: MEDIA,
    run: async (stage, told) => {
      const entered = await Promise.all(
        pairs.map(async ([from, to]) => {
          const room = stage.room();
          const enter = (name, role, who) => stage.enter(name, role, { room, participant: who, from }).catch((error) => ({ error }));
          return { from, to, publisher: await enter(from, 'publish', from), viewer: await enter(to, 'subscribe', `${to}-sub`) };
        }),
      );
      const begun = Date.now();
      await new Promise((resolve) => setTimeout(resolve, STAY_MS));
      const jobs = entered.map(({ from, to, publisher, viewer }) => async () => {
        const failed = publisher.error ?? viewer.error;
        const sent = { engine: from, id: from, dataId: publisher.dataId, seconds: SECONDS };
        told(from, to, failed ? allWrong(failed) : await stage.compare(viewer, to, sent).catch(allWrong), Date.now() - begun);
      });
      await several(jobs, SUBSCRIBERS_AT_ONCE);
      await Promise.allSettled(entered.flatMap(({ publisher, viewer }) => [publisher.end?.(), viewer.end?.()]));
    },
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
