import assert from 'node:assert/strict';
import test from 'node:test';
import { fitted } from '../core/viewport.js';
import { camera, FakeTrack, person, scene, settle } from './support.js';

/** Bob's camera is publication 3 and has a seat. */
async function withBob() {
  const s = scene();
  s.server.participants = [person('bob', [camera(3)])];
  await s.joined();
  s.server.event('seats', { seats: [{ seat: 0, participant: 'bob', audio: null, video: 3 }] });
  await settle();
  const bob = s.room.participants.get('bob').publication('camera');
  const asked = () => s.server.requests('subscribe').map(({ id, type, ...fields }) => fields);
  return Object.assign(s, { bob, asked });
}

const element = () => ({ tagName: 'VIDEO', srcObject: null, setAttribute() {}, play: async () => {} });

test('an element that shows a picture asks for what fits it, and for nothing while it is out of sight', async () => {
  const s = await withBob();
  const video = element();
  s.bob.attach(video);
  assert.equal(video.srcObject.getTracks()[0], s.bob.track);
  await s.platform.advance(5000);
  assert.deepEqual(s.asked(), [], 'not on the page yet: nothing is known of it');
  video.seen({ width: 640, height: 350 });
  await s.platform.advance(100);
  video.seen({ width: 160, height: 90 });
  await s.platform.advance(400);
  assert.equal(s.asked().length, 1, 'what shrank may grow again');
  await s.platform.advance(200);
  video.seen(null);
  await s.platform.advance(900);
  assert.equal(s.asked().length, 2, 'somebody scrolls by');
  await s.platform.advance(200);
  video.seen({ width: 160, height: 90 });
  await s.platform.advance(60);
  s.bob.detach(video);
  await s.platform.advance(1000);
  const [large, small, none] = [{ maxWidth: 640, maxHeight: 352 }, { maxWidth: 160, maxHeight: 96 }, { paused: true }];
  assert.deepEqual(s.asked(), [large, small, none, small, {}].map((limits) => ({ ...limits, publication: 3 })));
  assert.equal(video.srcObject, null);
  assert.equal(video.seen, undefined);
});

test('of several elements the largest in sight counts', async () => {
  const s = await withBob();
  const [tile, stage] = [element(), element()];
  for (const one of [tile, stage]) s.bob.attach(one);
  tile.seen({ width: 160, height: 96 });
  stage.seen({ width: 1280, height: 704 });
  await s.platform.advance(100);
  stage.seen(null);
  await s.platform.advance(1000);
  tile.seen(null);
  await s.platform.advance(1000);
  assert.deepEqual(s.asked().map(({ maxWidth, paused }) => maxWidth ?? paused), [1280, 160, true]);
});

test('an element whose picture is used elsewhere needs all of it, until it is detached', async () => {
  const s = await withBob();
  const [tile, drawn] = [element(), element()];
  s.bob.attach(tile);
  tile.seen({ width: 160, height: 96 });
  await s.platform.advance(1000);
  s.bob.attach(drawn, { adaptive: false });
  assert.equal(drawn.seen, undefined);
  await s.platform.advance(1000);
  tile.seen(null);
  await s.platform.advance(2000);
  s.bob.detach(drawn);
  await s.platform.advance(2000);
  assert.deepEqual(s.asked().map(({ maxWidth, paused }) => maxWidth ?? paused), [160, undefined, true]);
});

test('a wobble of the window is one wish, and one that ends where it began is none', async () => {
  const s = await withBob();
  const video = element();
  s.bob.attach(video);
  video.seen({ width: 640, height: 352 });
  await s.platform.advance(1000);
  for (let width = 630; width > 300; width -= 10) {
    video.seen({ width, height: 200 });
    await s.platform.advance(10);
  }
  video.seen({ width: 640, height: 352 });
  await s.platform.advance(2000);
  video.seen(null);
  await s.platform.advance(500);
  video.seen({ width: 640, height: 352 });
  await s.platform.advance(2000);
  assert.equal(s.asked().length, 1);
});

test('what the app asks for itself goes before what fits its elements', async () => {
  const s = await withBob();
  const video = element();
  s.bob.attach(video);
  video.seen({ width: 320, height: 192 });
  await s.platform.advance(100);
  await s.bob.subscribe({ quality: 'low' });
  await s.bob.subscribe({ maxWidth: 1280, priority: 'pinned' });
  await s.bob.subscribe({ paused: true });
  video.seen(null);
  await s.bob.unsubscribe();
  await s.platform.advance(2000);
  const fit = { maxWidth: 320, maxHeight: 192 };
  assert.deepEqual(s.asked(), [fit, { ...fit, quality: 'low' }, { maxWidth: 1280, priority: 'pinned' }, { ...fit, paused: true }].map((limits) => ({ ...limits, publication: 3 })));
  assert.deepEqual(fitted({}, {}), {});
});

test('the element follows the picture from seat to seat, and the wish goes into the next session', async () => {
  const s = await withBob();
  const video = element();
  s.bob.attach(video);
  video.seen({ width: 320, height: 192 });
  await s.platform.advance(100);
  s.server.event('seats', { seats: [{ seat: 0, participant: null, audio: null, video: null }] });
  await settle();
  assert.equal(video.srcObject, null);
  s.server.event('seats', { seats: [{ seat: 1, participant: 'bob', audio: null, video: 3 }] });
  await settle();
  assert.equal(video.srcObject.getTracks()[0], s.bob.track);
  s.server.sessions.clear();
  s.server.participants = [person('bob', [camera(9)])];
  s.socket.break();
  await s.platform.advance(0);
  assert.deepEqual(s.asked().at(-1), { maxWidth: 320, maxHeight: 192, publication: 9 });
  s.server.event('publication.removed', { participant: 'bob', publication: 9 });
  await settle();
  assert.equal(video.seen, undefined);
});

test('so many pictures at most, also after a fresh join', async () => {
  const s = await scene().joined();
  await s.room.setLastN(4);
  await assert.rejects(s.room.setLastN(-1), { code: 'invalid-argument' });
  s.server.sessions.clear();
  s.socket.break();
  await s.platform.advance(0);
  assert.deepEqual(s.server.requests('view').map((m) => m.lastN), [4, 4]);
});

test('encodings that nobody receives are not sent, and others are again at once', async () => {
  const s = await scene().joined();
  const cam = await s.room.publish(new FakeTrack('video'), { source: 'camera' });
  const mic = await s.room.publish(new FakeTrack('audio'), { source: 'microphone' });
  const active = (publication) => {
    const { sender } = s.pc.transceivers.find((t) => t.sender.track === publication.track);
    return sender.parameters.encodings.map((e) => e.active);
  };
  const told = [];
  cam.on('wanted', (wanted) => told.push([...wanted]));
  const want = async (publication, encodings) => {
    s.server.event('publication.wanted', { publication: publication.id, encodings });
    await settle();
  };
  assert.equal(cam.wanted, null);
  await want(cam, [true, true, false]);
  assert.deepEqual(active(cam), [true, true, false]);
  await want(cam, [false, false, false]);
  await want(mic, [false]);
  assert.deepEqual([active(cam), active(mic)], [[false, false, false], [false]]);
  // Another device, or the same after a pause, changes nothing of that.
  await cam.replaceTrack(new FakeTrack('video', { width: 640, height: 360 }));
  await want(cam, [true, true, true]);
  assert.deepEqual(active(cam), [true, true, false], 'too small for three');
  await want(mic, [true]);
  assert.deepEqual(active(mic), [true]);
  await want({ id: 99 }, [false]);
  assert.deepEqual(told.length, 3);
  assert.equal(mic.muted || cam.muted, false);
});

test('a sound that nobody receives is taken off its sender where the browser would send it all the same', async () => {
  const s = scene();
  s.platform.inactiveSoundFlows = true;
  await s.joined();
  const mic = await s.room.publish(new FakeTrack('audio'), { source: 'microphone' });
  const { sender } = s.pc.transceivers.find((t) => t.sender.track === mic.track);
  const want = async (wanted) => {
    s.server.event('publication.wanted', { publication: mic.id, encodings: [wanted] });
    await settle();
  };
  await want(false);
  assert.equal(sender.track, null);
  await mic.mute();
  await mic.replaceTrack(new FakeTrack('audio'));
  assert.equal(sender.track, null, 'another device is not sent either');
  await mic.unmute();
  await want(true);
  assert.equal(sender.track, mic.track);
});

test('a camera that was switched off meanwhile comes back as it is wanted', async () => {
  const s = await scene().joined();
  await s.room.devices.setCamera(true);
  const [cam] = s.room.publications;
  const { sender } = s.pc.transceivers.find((t) => t.sender.track === cam.track);
  await s.room.devices.setCamera(false);
  s.server.event('publication.wanted', { publication: cam.id, encodings: [true, false, true] });
  await settle();
  await s.room.devices.setCamera(true);
  assert.deepEqual(sender.parameters.encodings.map((e) => e.active), [true, false, true]);
  // In a new session nothing has been said yet.
  s.server.sessions.clear();
  s.socket.break();
  await s.platform.advance(0);
  assert.equal(cam.wanted, null);
});
