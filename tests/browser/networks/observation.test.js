import assert from 'node:assert/strict';
import test from 'node:test';
import { below, Figures } from './figures.js';
import { Observation } from './observation.js';

/** Samples 50 ms apart; each says what differs from the one before. */
function samples(changes) {
  let last = { at: 0, connection: 1, audio: { packetsReceived: 0 }, video: { framesDecoded: 0, freezeCount: 0, totalFreezesDuration: 0, pliCount: 0, keyFramesDecoded: 0 } };
  return changes.map(({ audio, video, ...rest }, i) => (last = { ...last, ...rest, at: 1000 + 50 * i, audio: { ...last.audio, ...audio }, video: { ...last.video, ...video } }));
}

test('a gap is the longest time without a picture, up to the end', () => {
  const seen = new Observation(samples([{}, { video: { framesDecoded: 1 } }, {}, {}, {}, { video: { framesDecoded: 2 } }, {}]));
  assert.equal(seen.longestGapMs('video'), 200);
  assert.equal(seen.longestGapMs('video', 1200), 50, 'what was before a moment does not count');
  assert.equal(seen.longestGapMs('audio'), 300, 'nothing at all is a gap too');
});

test('a gap of the sender is the longest time in which it encoded nothing', () => {
  const sent = (framesEncoded) => ({ sent: { video: { framesEncoded } } });
  const seen = new Observation(samples([sent(3), sent(4), sent(4), sent(4), sent(6), sent(8)]));
  assert.equal(seen.longestGapSentMs(), 150);
  assert.equal(seen.longestGapSentMs({ before: 1100, ms: 100 }), 50);
});

test('a picture of a new connection counts, though its counters begin anew', () => {
  const seen = new Observation(samples([{ video: { framesDecoded: 90 } }, {}, { connection: 2, video: { framesDecoded: 0 } }, {}, { video: { framesDecoded: 1 } }]));
  assert.equal(seen.pictureAfterMs(1010), 190);
  assert.equal(seen.pictureAfterMs(1210), undefined);
});

test('the longest freeze is told apart from all of them', () => {
  const seen = new Observation(samples([{}, { video: { freezeCount: 1, totalFreezesDuration: 0.2 } }, {}, { video: { freezeCount: 2, totalFreezesDuration: 0.9 } }]));
  assert.equal(Math.round(seen.longestFreezeMs), 700);
  assert.equal(seen.freezes, 2);
  assert.deepEqual(seen.freezeMoments, [1050, 1150]);
});

test('another height is a change, and no height is none', () => {
  const seen = new Observation(samples([{ height: 360 }, { height: 0 }, { height: 360 }, { height: 180 }, { height: 180 }, { height: 360 }]));
  assert.equal(seen.heightChanges, 2);
  assert.equal(seen.heightAfterMs(1060, 180), 90);
  assert.equal(seen.heightAfterMs(1160, 360), 90);
  assert.equal(seen.heightAfterMs(1010, 720), undefined);
});

test('what a browser does not count is no number, and misses its goal', () => {
  const seen = new Observation(samples([{ video: { freezeCount: undefined } }, {}]));
  assert.ok(Number.isNaN(seen.freezes) && Number.isNaN(seen.longestFreezeMs));
  const figures = new Figures();
  figures.add('a', seen.freezes, '', below(1));
  figures.add('b', undefined, '');
  assert.equal(figures.missed, 2);
  figures.add('c', 0, '', below(1));
  assert.equal(figures.missed, 2);
});

test('a wait for a keyframe runs from the first request to the picture, and an unanswered one to the end', () => {
  const seen = new Observation(samples([{}, { video: { pliCount: 1 } }, { video: { pliCount: 2 } }, {}, { video: { keyFramesDecoded: 1 } }, { video: { pliCount: 3 } }, {}, {}]));
  assert.deepEqual(seen.keyframeWaitsMs, [150, 100]);
});
