/** A second version of a picture, for those who cannot decode the first. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { FakeTrack, scene, settle } from './support.js';

async function withCamera(options = {}) {
  const s = scene(options);
  s.hear('backup', 'error');
  await s.joined();
  s.camera = await s.room.publish(new FakeTrack('video'), { source: 'camera', codec: 'vp9' });
  s.ask = async (fields) => {
    s.server.event('publication.backup', { publication: s.camera.id, codec: 'vp9', wanted: true, codecs: ['vp8'], for: ['bob'], ...fields });
    await settle(60);
  };
  return s;
}

test('a backup is the same track on a line of its own, in one codec, and named as what it is', async () => {
  const s = await withCamera();
  await s.ask();
  const [main, backup] = s.pc.transceivers.slice(-2);
  assert.equal(backup.sender.track, s.camera.track);
  assert.deepEqual([main.codecs, backup.codecs], [['video/VP9', 'video/VP8'], ['video/VP8']]);
  assert.deepEqual(backup.sender.parameters.encodings.map((e) => e.rid), ['q', 'h', 'f']);
  assert.deepEqual(s.server.requests('offer').at(-1).publish, [{ mid: backup.mid, source: 'camera', muted: false, width: 1280, height: 720, backupOf: s.camera.id }]);
  assert.deepEqual(s.heard, [['backup', s.camera, { codec: 'vp8', previous: 'vp9', for: ['bob'] }]]);
  await s.ask();
  assert.equal(s.server.requests('offer').length, 3, 'asked again for what is there');
  assert.deepEqual(s.room.publications, [s.camera], 'it is no publication of its own');
});

test('a backup is taken back, and comes again on its line without an offer', async () => {
  const s = await withCamera();
  await s.ask();
  const line = s.pc.transceivers.at(-1);
  await s.ask({ wanted: false, codecs: [], for: [] });
  assert.equal(line.sender.track, null);
  assert.equal(s.server.requests('unpublish').length, 1);
  assert.deepEqual(s.heard.at(-1), ['backup', s.camera, { codec: null, previous: 'vp9', for: [] }]);
  const offers = s.server.requests('offer').length;
  await s.ask();
  assert.equal(s.server.requests('offer').length, offers);
  assert.equal(s.server.requests('publish').at(-1).backupOf, s.camera.id);
  assert.equal(line.sender.track, s.camera.track);
});

test('a backup follows its publication: another device, and the end', async () => {
  const s = await withCamera();
  await s.ask();
  const line = s.pc.transceivers.at(-1);
  const other = new FakeTrack('video');
  await s.camera.replaceTrack(other);
  assert.equal(line.sender.track, other);
  await s.camera.unpublish();
  assert.equal(line.sender.track, null);
  assert.equal(s.server.requests('unpublish').length, 1, 'the server ends the backup itself');
});

test('a camera does not take the line of a backup, which is bound to one codec', async () => {
  const s = await withCamera();
  await s.ask();
  await s.ask({ wanted: false, codecs: [] });
  await s.camera.unpublish();
  await s.room.publish(new FakeTrack('video'), { source: 'camera' });
  const [main, backup] = s.pc.transceivers.slice(-2);
  assert.ok(main.sender.track && !backup.sender.track);
});

test('a backup in another codec replaces the one before it', async () => {
  const s = await withCamera();
  await s.ask();
  await s.ask({ codecs: ['h264'] });
  assert.equal(s.server.requests('unpublish').length, 1);
  assert.equal(s.heard.at(-1)[2].codec, 'h264');
});

test('a refused backup is an error that stops nothing, and the option switches them off', async () => {
  const s = await withCamera();
  s.server.on.offer = () => {
    throw { code: 'sdp-unsupported' };
  };
  await s.ask();
  assert.equal(s.heard.at(-1)[1].code, 'sdp-unsupported');
  assert.equal(s.camera.closed, false);
  const off = await withCamera({ backupCodecs: false });
  await off.ask();
  assert.equal(off.server.requests('offer').length, 2);
});
