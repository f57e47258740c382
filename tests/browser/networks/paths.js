import { until } from '../support/caller.js';
import { call, HD, sleep, SMALL } from './call.js';
import { atMost, below, exactly } from './figures.js';
import { Observation } from './observation.js';

/** @typedef {import('./run.js').Run} Run */

/** N6: how soon after an outage of so many seconds the picture moves again, in ms. */
const BACK_WITHIN_MS = { 1: 1000, 5: 1000, 15: 3000, 35: 5000 };
/** Outages up to this one are no reason to join anew, in s. */
const SAME_CALL_UP_TO = 5;
const LOOK_MS = 50;

/** Looks at Bob from now on. */
const watch = (bob) => bob.page.evaluate((every) => window.measure.watch(every), LOOK_MS);
const seenBy = async (bob) => new Observation(await bob.page.evaluate(() => window.measure.stop()));

/** Who a page's room says it is, and whom it sees. */
const roster = (caller) =>
  caller.page.evaluate(() => ({
    own: window.call.room.localParticipant.id,
    others: [...window.call.room.participants.values()].map(({ id, displayName }) => `${displayName} ${id}`),
  }));

/** N4. @param {Run} run */
async function farAway({ stage, figures, matrix, short }) {
  const ann = await stage.caller('near', 'Ann');
  const bob = await stage.caller('far', 'Bob');
  try {
    await ann.join({ room: 'far-away', camera: HD, microphone: true });
    // An application has the token before it joins; the way to it is not ours.
    await bob.page.evaluate(async () => {
      const ask = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ room: 'far-away' }) };
      const token = await (await fetch('/v1/dev/token', ask)).text();
      window.fetch = async () => new Response(token);
    });
    await stage.wire.set(matrix.n4);
    await watch(bob);
    const begun = Date.now();
    await bob.join({ room: 'far-away' });
    figures.add('n4/joined-after', (Date.now() - begun) / 1000, 's');
    await until('a picture', () => bob.page.evaluate(() => window.measure.read()), (read) => read.video.framesDecoded > 0);
    // Longer than the 30 s after which consent is lost (RFC 7675), where there is time for it.
    await sleep(short ? 8000 : 40_000);
    const seen = await seenBy(bob);
    figures.add('n4/first-picture', seen.pictureAfterMs(begun) / 1000, 's', below(5));
    const lost = seen.samples.filter(({ media }, i) => media !== 'connected' && seen.samples[i - 1]?.media === 'connected');
    figures.add('n4/consent-lost', lost.length, 'times', exactly(0));
    const settled = new Observation(seen.samples.filter(({ at }) => at >= begun + 5000));
    figures.add('n4/freezes', settled.freezes, '');
    figures.add('n4/audio-concealed', settled.concealed, 'of samples');
  } finally {
    await Promise.all([ann.close(), bob.close()]);
  }
}

/** N6. @param {Run} run @param {number} seconds */
async function outage({ stage, figures, matrix }, seconds) {
  await stage.wire.set(matrix.near);
  const { ann, bob, close } = await call(stage, { camera: SMALL, answers: SMALL });
  try {
    const before = await roster(bob);
    await watch(bob);
    await sleep(1000);
    await stage.wire.set(matrix.n6);
    await sleep(seconds * 1000);
    await stage.wire.set(matrix.near);
    const restored = Date.now();
    // Twice what is hoped for, to learn what it is instead.
    await until('a picture', () => bob.page.evaluate((at) => window.measure.since(at).some((s, i, all) => i > 0 && s.video.framesDecoded > all[i - 1].video.framesDecoded), restored), Boolean, 40_000).catch(() => {});
    await until('Bob is back', () => bob.state(), (s) => s === 'connected', 20_000).catch(() => {});
    await sleep(3000);
    const seen = await seenBy(bob);
    const name = `n6/outage-${seconds}`;
    const limit = BACK_WITHIN_MS[seconds];
    figures.add(`${name}/picture-back-after`, seen.pictureAfterMs(restored), 'ms', below(limit));
    const back = seen.samples.find(({ at, state }) => at >= restored && state === 'connected');
    figures.add(`${name}/signalling-back-after`, back && back.at - restored, 'ms');
    const joins = seen.last.connection - seen.first.connection;
    figures.add(`${name}/rejoins`, joins, '', seconds <= SAME_CALL_UP_TO ? exactly(0) : atMost(1));
    const left = (await ann.events()).filter((event) => event.startsWith('participant-left'));
    figures.add(`${name}/seen-leaving`, left.length, 'times', seconds <= SAME_CALL_UP_TO ? exactly(0) : atMost(1));
    const [atAnn, atBob] = [await roster(ann), await roster(bob)];
    figures.add(`${name}/same-identity`, Number(atBob.own === before.own && atAnn.others.includes(`Bob ${before.own}`)), '', exactly(1));
    figures.add(`${name}/ghosts`, atAnn.others.length - 1 + (atBob.others.length - 1), '', exactly(0));
  } finally {
    await stage.wire.set(matrix.near);
    await close();
  }
}

/** N7: the far end is re-addressed, as a phone that goes from one network to the next. @param {Run} run */
async function readdressed({ stage, figures, matrix, short }) {
  await stage.wire.set(matrix.near);
  const { bob, close } = await call(stage, { camera: SMALL });
  try {
    await watch(bob);
    await sleep(1000);
    const moved = Date.now();
    await stage.wire.say({ readdress: stage.nextAddress() });
    await sleep(short ? 8000 : 12_000);
    const seen = await seenBy(bob);
    figures.add('n7/media-gap', seen.longestGapMs('video', moved), 'ms', below(2000));
    figures.add('n7/audio-gap', seen.longestGapMs('audio', moved), 'ms');
    const anew = seen.samples.some(({ connection, dtls }) => connection !== seen.first.connection || dtls !== 'connected');
    figures.add('n7/dtls-anew', Number(anew), '', exactly(0));
  } finally {
    await close();
  }
}

/** N8: media over TCP where UDP is blocked. @param {Run} run */
async function withoutUdp({ stage, figures, matrix, log }) {
  await stage.wire.set(matrix.near);
  const ann = await stage.caller('near', 'Ann');
  const bob = await stage.caller('far', 'Bob');
  try {
    await ann.join({ room: 'without-udp', camera: SMALL, microphone: true });
    await stage.wire.say({ block: 'udp' });
    await watch(bob);
    const begun = Date.now();
    await bob.join({ room: 'without-udp' });
    const offered = await bob.page.evaluate(() => / tcp \d+ .* tcptype passive/i.test(window.call.room.peerConnection.remoteDescription.sdp));
    if (!offered) {
      log('n8: not measured, the server offers no candidate over TCP (media.tcp)');
      figures.add('n8/first-picture', null, 's', below(8));
      return;
    }
    await sleep(10_000);
    const seen = await seenBy(bob);
    const first = seen.pictureAfterMs(begun);
    figures.add('n8/first-picture', first && first / 1000, 's', below(8));
    figures.add('n8/over-tcp', Number(seen.last.protocol === 'tcp'), '', exactly(1));
  } finally {
    await stage.wire.say({ block: 'none' });
    await Promise.all([ann.close(), bob.close()]);
  }
}

/** N9. @param {Run} run */
async function socketKilled({ stage, figures, matrix }) {
  await stage.wire.set(matrix.near);
  const { ann, bob, close } = await call(stage, { camera: SMALL });
  try {
    await watch(bob);
    await sleep(1000);
    const said = [];
    const killed = Date.now();
    // As fast as one may chat for a while, so that some fall into the time without a socket.
    for (let i = 0; i < 15; i++) {
      if (i === 5) await stage.killSockets();
      said.push(`chat ${i}`);
      await ann.chat(String(i));
      await sleep(50);
    }
    await until('Bob has heard the last', () => bob.events(), (events) => events.includes(said.at(-1)), 10_000).catch(() => {});
    await sleep(1000);
    const seen = await seenBy(bob);
    const away = seen.samples.filter(({ at, state }) => at >= killed && state !== 'connected');
    figures.add('n9/noticed', Number((await bob.events()).includes('state reconnecting')), '', exactly(1));
    figures.add('n9/signalling-away', away.length ? away.at(-1).at - away[0].at : 0, 'ms', below(2000));
    const heard = (await bob.events()).filter((event) => event.startsWith('chat '));
    figures.add('n9/events-lost-doubled-or-disordered', said.reduce((wrong, text, i) => wrong + Number(heard[i] !== text), Math.max(0, heard.length - said.length)), '', exactly(0));
    // As long as frames and looks are apart, a gap cannot be told from none.
    figures.add('n9/media-gap', seen.longestGapMs('video', killed), 'ms', below(200));
    figures.add('n9/freezes', seen.freezes, '', exactly(0));
  } finally {
    await close();
  }
}

/** N10: the flows of media pass no more, as when a NAT has forgotten them; new ones would. @param {Run} run */
async function mediaKilled({ stage, figures, matrix }) {
  await stage.wire.set(matrix.near);
  const { bob, close } = await call(stage, { camera: SMALL });
  try {
    await watch(bob);
    await sleep(1000);
    const offers = await bob.offers();
    const killed = Date.now();
    await stage.wire.say({ block: 'udp_flows' });
    const restarted = await until('an offer', async () => [await bob.offers(), Date.now()], ([count]) => count > offers, 12_000).catch(() => null);
    await sleep(6000);
    const seen = await seenBy(bob);
    const gap = seen.longestGapMs('video', killed);
    // A restart, or another way that the browser had ready (TCP): whichever came first.
    figures.add('n10/remedy-after', Math.min(gap, restarted ? restarted[1] - killed : Infinity), 'ms', below(3000));
    figures.add('n10/media-gap', gap, 'ms');
    figures.add('n10/rejoins', seen.last.connection - seen.first.connection, '', exactly(0));
  } finally {
    await stage.wire.say({ block: 'none' });
    await close();
  }
}

export const cases = [
  { id: 'n4', what: '300 ms each way', run: farAway },
  ...[1, 5, 15, 35].map((seconds) => ({ id: `n6-${seconds}`, what: `nothing passes for ${seconds} s`, short: seconds === 5, run: (run) => outage(run, seconds) })),
  { id: 'n7', what: 'the client gets another address', short: true, run: readdressed },
  { id: 'n8', what: 'UDP is blocked', run: withoutUdp },
  { id: 'n9', what: 'the WebSocket is killed, media is alive', short: true, run: socketKilled },
  { id: 'n10', what: 'media is killed, the WebSocket is alive', short: true, run: mediaKilled },
];
