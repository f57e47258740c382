import assert from 'node:assert/strict';
import test from 'node:test';
import { verdict } from './verdict.js';

const SENT = { picture: { width: 640, height: 360, colour: [180, 40, 40] }, toneHz: 500, codec: 'vp8', pictures: 30, seconds: 1, messages: 2 };
const GOT = {
  video: { width: 640, height: 360, pictures: 30, places: 20, colour: [175, 12, 31] },
  audio: { seconds: 1, level: 0.22, toneHz: 498 },
  data: { echoed: 2 },
};
const of = (part, change) => verdict(SENT, { ...GOT, [part]: change && { ...GOT[part], ...change } })[part];

test('what arrives as sent is well', () => {
  assert.deepEqual(verdict(SENT, GOT), { video: null, audio: null, data: null });
  assert.equal(of('video', { width: 320, height: 180 }), null, 'a smaller encoding');
});

test('a picture that is missing, frozen, of another size or colour, too short or full of holes is not', () => {
  assert.match(of('video', null), /no picture/);
  assert.match(of('video', { pictures: 0 }), /no picture/);
  assert.match(of('video', { places: 1 }), /frozen/);
  assert.match(of('video', { width: 480 }), /480x360 instead/);
  assert.match(of('video', { colour: [40, 60, 190] }), /colour/);
  assert.match(of('video', { pictures: 12 }), /only 12/);
  assert.match(of('video', { codec: 'vp9' }), /vp9 instead of vp8/);
  assert.match(of('video', { lost: 3 }), /3 packets lost/);
});

test('sound that is missing, silent, short or of another pitch is not', () => {
  assert.match(of('audio', null), /no sound/);
  assert.match(of('audio', { level: 0.001 }), /quiet/);
  assert.match(of('audio', { seconds: 0.2 }), /only 0.2 s/);
  assert.match(of('audio', { toneHz: 600 }), /600 Hz/);
  assert.match(of('audio', { lost: 1 }), /1 packets lost/);
});

test('messages that did not come back are not', () => {
  assert.match(of('data', null), /no channel/);
  assert.match(of('data', { echoed: 1 }), /1 of 2/);
});
