/** People whose browsers do not decode the same. Firefox as Debian has it knows no H264. */
import assert from 'node:assert/strict';
import { until } from './support/caller.js';
import { HD, scene, SMALL } from './support/scene.js';

const codecOf = async (viewer, name) => (await viewer.ask('stats', name, 'camera'))?.codec;
const shows = (viewer, name, codec) => until(`${viewer.name} gets ${codec}`, () => codecOf(viewer, name), (c) => c === codec);

scene('who cannot decode the picture gets another version of it, and who can is not disturbed', { browsers: ['chromium', 'firefox'], timeout: 180_000 }, async ({ caller }) => {
  const [ann, bob] = [await caller('Ann'), await caller('Bob')];
  await ann.join({ room: 'r', camera: { ...HD, publish: { codec: 'h264' } } });
  await bob.join({ room: 'r' });
  await bob.sees('Ann');
  await shows(bob, 'Ann', 'video/H264');
  assert.deepEqual(await ann.media(), [], 'nobody needs a backup yet');
  const before = await bob.ask('stats', 'Ann', 'camera');

  const fox = await (await caller('Fox', { browser: 'firefox' })).join({ room: 'r' });
  await fox.sees('Ann');
  await shows(fox, 'Ann', 'video/VP8');
  assert.deepEqual(await fox.media(), ['subscription camera codec-not-supported', 'subscription camera active']);
  assert.deepEqual(await ann.media(), ['backup camera vp8']);
  assert.equal(await fox.page.evaluate(() => [...window.call.room.participants.values()].find((p) => p.displayName === 'Ann').publications.size), 1);
  const height = (want) => until(`a backup ${want} high`, () => fox.ask('stats', 'Ann', 'camera'), (s) => s?.frameHeight === want, 40_000);
  await fox.subscribe('Ann', 'camera', { quality: 'low' });
  await height(180);
  await fox.subscribe('Ann', 'camera', {});
  await height(720);

  await bob.sees('Ann');
  const after = await bob.ask('stats', 'Ann', 'camera');
  assert.deepEqual([after.codec, after.freezeCount, after.track], ['video/H264', before.freezeCount, before.track]);
  await ann.page.evaluate(() => window.call.room.devices.setCamera(false));
  await ann.page.evaluate(() => window.call.room.devices.setCamera(true, { width: 1280, height: 720 }));
  await Promise.all([bob.sees('Ann'), fox.sees('Ann')]);

  await fox.leave();
  await until('the backup is let go', () => ann.media(), (log) => log.at(-1) === 'backup camera null', 30_000);
  await bob.sees('Ann');
});

scene('a publisher changes codecs in the middle of a call, and no viewer negotiates', { browsers: ['chromium', 'firefox'], timeout: 180_000 }, async ({ caller }) => {
  const [ann, bob, fox] = [await caller('Ann'), await caller('Bob'), await caller('Fox', { browser: 'firefox' })];
  await ann.join({ room: 'r', camera: { ...SMALL, publish: { codec: 'vp8', simulcast: false } } });
  await Promise.all([bob.join({ room: 'r' }), fox.join({ room: 'r' })]);
  await Promise.all([bob.sees('Ann'), fox.sees('Ann')]);
  const offers = [await bob.offers(), await fox.offers()];
  for (const [codec, forFox] of [['VP9', 'VP9'], ['H264', 'VP8'], ['AV1', 'AV1'], ['VP8', 'VP8']]) {
    await ann.page.evaluate(async (name) => {
      const pc = window.call.room.peerConnection;
      const { sender } = pc.getTransceivers().find((t) => t.sender.track && t.sender.track.kind === 'video');
      const parameters = sender.getParameters();
      const codec = parameters.codecs.find((c) => c.mimeType === `video/${name}`);
      for (const encoding of parameters.encodings) encoding.codec = codec;
      await sender.setParameters(parameters);
    }, codec);
    await shows(bob, 'Ann', `video/${codec}`);
    await shows(fox, 'Ann', `video/${forFox}`);
    await Promise.all([bob.sees('Ann'), fox.sees('Ann')]);
  }
  assert.deepEqual([await bob.offers(), await fox.offers()], offers);
});

scene('the server’s policy names the codec that browsers send, and a room narrows it', { browsers: ['chromium', 'firefox'], env: { ENFILADE_MEDIA__CODECS: '["vp9","vp8","h264"]', ENFILADE_MEDIA__AUDIO_CODECS: '["opus"]' } }, async ({ caller }) => {
  const [ann, fox] = [await caller('Ann'), await caller('Fox', { browser: 'firefox' })];
  await ann.join({ room: 'r', camera: SMALL, microphone: true });
  await fox.join({ room: 'r', camera: SMALL });
  await Promise.all([fox.sees('Ann'), ann.sees('Fox')]);
  await shows(fox, 'Ann', 'video/VP9');
  await shows(ann, 'Fox', 'video/VP9');
  const sent = await ann.page.evaluate(() => window.call.room.peerConnection.getSenders().filter((s) => s.track?.kind === 'audio').map((s) => s.getParameters().codecs.map((c) => c.mimeType)));
  assert.ok(!sent.flat().includes('audio/red'), sent.flat().join());

  // Ann began the room: it is hers to narrow. Who sends already goes on as before; who comes obeys.
  await ann.page.evaluate(() => window.call.room.updateSettings({ codecs: ['h264'] }));
  const bob = await (await caller('Bob')).join({ room: 'r', camera: SMALL });
  await shows(ann, 'Bob', 'video/H264');
  await ann.sees('Bob');
  await shows(fox, 'Ann', 'video/VP9');
  await fox.sees('Ann');
  const late = await caller('Late', { browser: 'firefox' });
  await late.join({ room: 'r' });
  const refused = await late.page.evaluate(() => window.call.room.devices.setCamera(true, { width: 640, height: 360 }).then(() => null, (error) => error.code));
  assert.equal(refused, 'sdp-unsupported');
  await late.sees('Ann');
  await until('Bob cannot be seen by who has no H264, and nothing else may be sent', () => late.media(), (log) => log.includes('subscription camera codec-not-supported'));
  void bob;
});
