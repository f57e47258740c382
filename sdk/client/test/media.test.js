import assert from 'node:assert/strict';
import test from 'node:test';
import { decodeData, encodeData } from '../core/data.js';
import { layersFor } from '../core/encodings.js';
import { FakeTrack, scene, settle } from './support.js';

test('the switches: publish once, then mute and unmute', async () => {
  const s = await scene().joined();
  const { devices } = s.room;
  await devices.setMicrophone(true);
  await devices.setMicrophone(false);
  assert.equal(devices.microphoneOn, false);
  await devices.setMicrophone(true);
  assert.equal(devices.microphoneOn, true);
  assert.equal(s.server.requests('offer').length, 2);
  assert.deepEqual(s.server.requests('mute').map((m) => m.muted), [true, false]);
});

test('a camera switched off is released, and comes back on its line', async () => {
  const s = await scene().joined();
  await s.room.devices.setCamera(true);
  const [cam] = s.room.publications;
  const { track } = cam;
  await s.room.devices.setCamera(false);
  assert.equal(track.readyState, 'ended');
  assert.equal(s.pc.transceivers[16].sender.track, null);
  await s.room.devices.setCamera(true);
  assert.notEqual(s.pc.transceivers[16].sender.track, track);
  assert.equal(s.server.requests('offer').length, 2);
});

test('quick clicks end in the state asked for last', async () => {
  const s = await scene().joined();
  const { devices } = s.room;
  await Promise.all([devices.setCamera(true), devices.setCamera(false), devices.setCamera(true), devices.setCamera(false)]);
  assert.equal(devices.cameraOn, false);
  assert.equal(s.room.publications.length, 1);
});

test('a screen comes with its sound in one offer, and goes when the person stops it in the browser', async () => {
  const s = await scene().joined();
  await s.room.devices.setScreen(true);
  assert.deepEqual(s.server.requests('offer').at(-1).publish.map((p) => p.source), ['screen', 'screenAudio']);
  assert.deepEqual(s.pc.transceivers[16].sender.parameters.encodings.map((e) => e.rid), ['q', 'h']);
  s.room.publications[0].track.end();
  await settle(60);
  assert.equal(s.room.devices.screenOn, false);
  assert.deepEqual(s.server.requests('unpublish').map((u) => u.publication).sort(), [1, 2]);
  await s.room.devices.setScreen(true);
  assert.equal(s.server.requests('offer').length, 2, 'on the lines of the first');
});

test('what the browser throws at capture becomes a code and a sentence', async () => {
  const s = await scene().joined();
  const refuse = (name) => async () => {
    throw Object.assign(new Error('x'), { name });
  };
  for (const [name, code] of [['NotAllowedError', 'permission-denied'], ['NotFoundError', 'device-not-found'], ['NotReadableError', 'device-in-use'], ['WhatError', 'device-failed']]) {
    s.platform.mediaDevices.getUserMedia = refuse(name);
    await assert.rejects(s.room.devices.setCamera(true), { name: 'EnfiladeError', code });
  }
  s.platform.mediaDevices = undefined;
  await assert.rejects(s.room.devices.setCamera(true), { code: 'insecure-context' });
  await assert.rejects(s.room.capture.devices(), { code: 'insecure-context' });
});

test('an unplugged microphone shows as muted', async () => {
  const s = await scene().joined();
  await s.room.devices.setMicrophone(true);
  s.room.publications[0].track.end();
  await settle();
  assert.equal(s.room.devices.microphoneOn, false);
  assert.equal(s.server.requests('mute').at(-1).muted, true);
});

test('layers by size, as Chromium sends them', () => {
  assert.deepEqual([[1920, 1080], [1280, 720], [960, 540], [640, 480], [640, 360], [480, 270], [320, 240], [160, 120]].map(([w, h]) => layersFor(w, h)), [3, 3, 3, 2, 2, 2, 1, 1]);
});

test('data messages: length, id, payload', () => {
  const bytes = encodeData('bób', new Uint8Array([1, 2, 3]));
  assert.deepEqual([...bytes], [4, 0x62, 0xc3, 0xb3, 0x62, 1, 2, 3]);
  assert.deepEqual(decodeData(bytes), { id: 'bób', payload: new Uint8Array([1, 2, 3]) });
  assert.equal(decodeData(new Uint8Array([])), null);
  assert.equal(decodeData(new Uint8Array([5, 1])), null);
});

test('a data channel is negotiated when first needed and survives a fresh join', async () => {
  const s = await scene().joined();
  const channel = s.room.openDataChannel('game', { ordered: false });
  await settle();
  assert.equal(s.server.requests('offer').length, 2);
  s.room.openDataChannel('other');
  await settle();
  assert.equal(s.server.requests('offer').length, 2);
  const [raw] = s.pc.channels;
  assert.deepEqual([raw.label, raw.options], ['game', { ordered: false, protocol: 'enfilade.data.v1' }]);
  await assert.rejects(channel.send('too early'), { code: 'channel-closed' });
  const got = [];
  channel.on('message', (m) => got.push(m));
  raw.readyState = 'open';
  raw.onopen();
  await channel.send('hi', { to: 'bob' });
  assert.deepEqual([...raw.sent[0]], [3, ...Buffer.from('bobhi')]);
  raw.onmessage({ data: encodeData('bob', Buffer.from('yo')).buffer });
  assert.deepEqual([got[0].participant, Buffer.from(got[0].payload).toString()], ['bob', 'yo']);
  await assert.rejects(channel.send(new Uint8Array(256 * 1024 + 1)), { code: 'message-too-large' });
  s.server.sessions.clear();
  s.socket.break();
  await s.platform.advance(0);
  assert.equal(s.pc.channels[0].label, 'game');
  assert.notEqual(s.pc.channels[0], raw);
  channel.close();
  assert.equal(channel.state, 'closed');
});

test('blocked sound is reported once and plays after a gesture', async () => {
  const s = await scene().joined();
  s.hear('autoplay-blocked', 'autoplay-resumed');
  let allowed = false;
  const element = () => ({
    tagName: 'AUDIO', srcObject: null,
    play: async () => {
      if (!allowed) throw Object.assign(new Error(), { name: 'NotAllowedError' });
    },
  });
  const stream = s.platform.createStream([new FakeTrack('audio')]);
  assert.equal(await s.room.playback.attach(element(), stream), false);
  assert.equal(await s.room.playback.attach(element(), stream), false);
  allowed = true;
  assert.equal(await s.room.playback.resume(), true);
  assert.deepEqual(s.heard, [['autoplay-blocked'], ['autoplay-resumed']]);
});
