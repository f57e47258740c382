import assert from 'node:assert/strict';
import test from 'node:test';
import { signalUrl } from '../core/protocol.js';
import { camera, FakeTrack, microphone, person, scene, settle } from './support.js';

test('join sends the token in the message, never in the address', async () => {
  const s = await scene({ displayName: 'Ann', metadata: { a: 1 } }).joined();
  const [join] = s.server.requests('join');
  assert.deepEqual(join, {
    id: 1, type: 'join', versions: [1], client: 'enfilade-js/0.1.0', token: 't', room: 'r1', displayName: 'Ann', metadata: { a: 1 },
  });
  assert.equal(s.socket.url, 'ws://localhost:7880/v1/signal');
  assert.equal(s.room.state, 'connected');
  assert.equal(s.room.name, 'r1');
  assert.equal(s.room.localParticipant.id, 'me');
});

test('the first offer carries eight pairs, audio then video, on one bundle', async () => {
  const s = await scene().joined();
  assert.deepEqual(s.pc.transceivers.map((t) => t.kind), Array.from({ length: 16 }, (_, i) => (i % 2 ? 'video' : 'audio')));
  assert.ok(s.pc.transceivers.every((t) => t.direction === 'recvonly'));
  assert.equal(s.pc.config.bundlePolicy, 'max-bundle');
  assert.equal(s.room.seats, 8);
});

test('what is published before the join goes out with the first offer', async () => {
  const s = scene();
  const published = s.room.publishAll([
    { track: new FakeTrack('audio'), options: { source: 'microphone' } },
    { track: new FakeTrack('video'), options: { source: 'camera' } },
  ]);
  await s.joined();
  const [mic, cam] = await published;
  assert.equal(s.server.requests('offer').length, 1);
  assert.deepEqual(s.server.requests('offer')[0].publish, [
    { mid: '0', source: 'microphone', muted: false },
    { mid: '1', source: 'camera', muted: false, width: 1280, height: 720 },
  ]);
  assert.deepEqual([mic.id, cam.id], [1, 2]);
  assert.deepEqual(s.pc.transceivers[1].sender.parameters.encodings.map((e) => [e.rid, e.scaleResolutionDownBy]), [['q', 4], ['h', 2], ['f', 1]]);
  assert.deepEqual(s.pc.transceivers[0].codecs, ['audio/red', 'audio/opus']);
  assert.match(s.pc.applied[0], /a=mid:0\r\na=rtpmap:111 opus\/48000\/2\r\na=fmtp:111 minptime=10;usedtx=1/);
});

test('small captures get fewer encodings', async () => {
  const s = await scene().joined();
  await s.room.publish(new FakeTrack('video', { width: 320, height: 240 }), { source: 'camera' });
  assert.deepEqual(s.pc.transceivers.at(-1).sender.parameters.encodings.map((e) => [e.rid, e.scaleResolutionDownBy]), [[undefined, 1]]);
});

test('those who are here already are announced once', async () => {
  const s = scene();
  s.server.participants = [person('bob', [camera(3), microphone(4)])];
  s.hear('participant-joined', 'publication-added', 'state');
  await s.joined();
  assert.deepEqual(s.heard.map(([e, x]) => [e, x.id ?? x]), [
    ['state', 'connecting'], ['participant-joined', 'bob'], ['publication-added', 3], ['publication-added', 4], ['state', 'connected'],
  ]);
  assert.equal(s.room.participants.get('bob').publication('camera').width, 1280);
});

test('what the server says in the same breath as joined is not missed', async () => {
  const s = scene();
  after(s.server, 'joined', () => s.server.event('participant.joined', { participant: person('bob', [camera(3)]) }));
  s.hear('participant-joined', 'publication-added', 'state');
  await s.joined();
  assert.deepEqual(s.heard.map(([e, x]) => [e, x.id ?? x]), [
    ['state', 'connecting'], ['participant-joined', 'bob'], ['publication-added', 3], ['state', 'connected'],
  ]);
});

test('a goodbye in the same breath as joined ends the join with its code', async () => {
  const s = scene();
  after(s.server, 'joined', () => s.server.event('bye', { code: 'removed', message: 'Out.', reconnect: false }));
  await assert.rejects(s.room.join(), { code: 'removed' });
  assert.equal(s.room.state, 'closed');
});

/** Some sockets (`ws` in Node) deliver everything that came in one packet before any Promise is settled. */
function after(server, type, say) {
  const send = server.send.bind(server);
  server.send = (session, message) => {
    send(session, message);
    if (message.type === type) say();
  };
}

test('a refused join rejects with the code of the server and closes the room', async () => {
  const s = scene();
  s.server.on.join = () => {
    throw { code: 'token-expired' };
  };
  await assert.rejects(s.room.join(), { name: 'EnfiladeError', code: 'token-expired' });
  assert.equal(s.room.state, 'closed');
  await assert.rejects(s.room.join(), { code: 'invalid-state' });
  await assert.rejects(s.room.publish(new FakeTrack('audio'), { source: 'microphone' }), { code: 'invalid-state' });
});

test('an unreachable server is tried three times, then connect-failed', async () => {
  const s = scene();
  s.server.reachable = false;
  const join = s.room.join();
  const refused = assert.rejects(join, { code: 'connect-failed' });
  await s.platform.advance(5000);
  await refused;
  assert.equal(s.platform.sockets.length, 3);
});

test('leave says so, closes everything and settles what was under way', async () => {
  const s = await scene().joined();
  const track = new FakeTrack('audio');
  const mic = await s.room.publish(track, { source: 'microphone' });
  s.server.on.chat = () => null;
  const chat = assert.rejects(s.room.chat('hello'), { code: 'left' });
  s.hear('closed');
  await s.room.leave();
  await chat;
  assert.equal(s.server.requests('leave').length, 1);
  assert.deepEqual(s.heard, [['closed', null]]);
  assert.ok(s.pc.closed && mic.closed && track.readyState === 'ended');
  await s.room.leave(); // again: nothing
});

test('closing the page leaves at once', async () => {
  const s = await scene().joined();
  s.platform.page('pagehide');
  await settle();
  assert.equal(s.server.requests('leave').length, 1);
});

test('misuse is told by code', async () => {
  const s = await scene().joined();
  assert.throws(() => scene({ token: '' }), { code: 'invalid-argument' });
  await assert.rejects(s.room.publish(new FakeTrack('audio'), { source: 'camera' }), { code: 'invalid-argument' });
  await assert.rejects(s.room.publish(new FakeTrack('audio'), {}), { code: 'invalid-argument' });
  await assert.rejects(s.room.chat(''), { code: 'invalid-argument' });
  await s.room.publish(new FakeTrack('audio'), { source: 'microphone' });
  await assert.rejects(s.room.publish(new FakeTrack('audio'), { source: 'microphone' }), { code: 'invalid-argument' });
});

test('a listener that throws harms nobody', async (t) => {
  t.mock.method(console, 'error', () => {});
  const s = scene();
  s.server.participants = [person('bob')];
  s.room.on('participant-joined', () => {
    throw new Error('a bug of the page');
  });
  s.hear('participant-joined');
  await s.joined();
  assert.equal(s.heard.length, 1);
  assert.equal(console.error.mock.callCount(), 1);
});

test('the address of a server: http or ws, with or without a path, and refused with a code otherwise', () => {
  assert.equal(signalUrl('http://localhost:7880'), 'ws://localhost:7880/v1/signal');
  assert.equal(signalUrl('https://sfu.example/'), 'wss://sfu.example/v1/signal');
  assert.equal(signalUrl('wss://[::1]:7880/room/signal?x=1#there'), 'wss://[::1]:7880/room/signal?x=1');
  assert.equal(signalUrl('https://sfu.example?x=1'), 'wss://sfu.example/v1/signal?x=1');
  for (const wrong of ['', 'sfu.example', 'ftp://sfu.example', 'https://']) assert.throws(() => signalUrl(wrong), { code: 'invalid-argument' });
});

test('of several servers the next is asked when one does not answer, at the first join and later', async () => {
  const asked = [];
  let alive = 'two';
  const s = scene({
    url: ['http://one', 'https://two/'],
    withPlatform: (platform) => {
      const create = platform.createSocket.bind(platform);
      platform.createSocket = (url) => {
        asked.push(new URL(url).host);
        s.server.reachable = asked.at(-1) === alive;
        return create(url);
      };
      return platform;
    },
  });
  const join = s.room.join();
  await s.platform.advance(1000);
  await join;
  assert.deepEqual(asked, ['one', 'two']);
  alive = 'one';
  s.socket.break();
  await s.platform.advance(2000);
  assert.deepEqual(asked, ['one', 'two', 'two', 'one']);
  assert.equal(s.room.state, 'connected');
});
