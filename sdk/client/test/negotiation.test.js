import assert from 'node:assert/strict';
import test from 'node:test';
import { EnfiladeError } from '../core/errors.js';
import { NegotiationQueue } from '../core/negotiation.js';
import { tuneAnswer } from '../core/sdp.js';
import { FakeTrack, scene, settle } from './support.js';

test('jobs run one at a time in the order they were asked for, and a failing one stops nobody', async () => {
  const queue = new NegotiationQueue();
  const log = [];
  const job = (name, fail) => queue.run(async () => {
    log.push(`${name} begins`);
    await settle(5);
    log.push(`${name} ends`);
    if (fail) throw new Error(name);
  });
  const [a, b, c] = [job('a'), job('b', true), job('c')];
  await a;
  await assert.rejects(b);
  await c;
  assert.deepEqual(log, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
});

test('closing the queue rejects the job under way and those that wait', async () => {
  const queue = new NegotiationQueue();
  const stuck = queue.run(() => new Promise(() => {}));
  const waiting = queue.run(async () => assert.fail('must not run'));
  await settle();
  queue.close(new EnfiladeError('left', 'over'));
  await assert.rejects(stuck, { code: 'left' });
  await assert.rejects(waiting, { code: 'left' });
  await assert.rejects(queue.run(async () => {}), { code: 'left' });
});

test('publishing twice at once makes two offers, never two at a time', async () => {
  const s = await scene().joined();
  // The fake peer connection throws when an offer is made while another is under way.
  const [mic, cam] = await Promise.all([
    s.room.publish(new FakeTrack('audio'), { source: 'microphone' }),
    s.room.publish(new FakeTrack('video'), { source: 'camera' }),
  ]);
  assert.deepEqual([mic.id, cam.id], [1, 2]);
  assert.deepEqual(s.server.requests('offer').map((o) => o.publish.map((p) => p.source)), [[], ['microphone'], ['camera']]);
});

test('a refused offer is taken back, the publication rejects, what comes after works', async () => {
  const s = await scene().joined();
  s.server.on.offer = () => {
    throw { code: 'forbidden' };
  };
  const track = new FakeTrack('video');
  await assert.rejects(s.room.publish(track, { source: 'camera' }), { code: 'forbidden' });
  assert.equal(s.pc.signalingState, 'stable');
  assert.equal(track.readyState, 'ended');
  assert.equal(s.room.publications.length, 0);
  delete s.server.on.offer;
  assert.equal((await s.room.publish(new FakeTrack('audio'), { source: 'microphone' })).id, 1);
});

test('one refused publication of a first offer does not cost the others', async () => {
  const s = scene();
  s.server.on.offer = function (message) {
    if (message.publish.some((p) => p.source === 'camera')) throw { code: 'forbidden' };
    return this.answer_offer(message);
  };
  const mic = s.room.publish(new FakeTrack('audio'), { source: 'microphone' });
  const cam = assert.rejects(s.room.publish(new FakeTrack('video'), { source: 'camera' }), { code: 'forbidden' });
  await s.joined();
  await cam;
  assert.equal((await mic).id, 1);
});

test('a line that was freed is used again without an offer', async () => {
  const s = await scene().joined();
  const cam = await s.room.publish(new FakeTrack('video'), { source: 'camera' });
  await cam.unpublish();
  assert.deepEqual(s.server.requests('unpublish').map((r) => r.publication), [1]);
  const small = new FakeTrack('video', { width: 320, height: 240 });
  const again = await s.room.publish(small, { source: 'camera' });
  assert.equal(s.server.requests('offer').length, 2);
  assert.deepEqual(s.server.requests('publish').map(({ mid, source, width }) => ({ mid, source, width })), [{ mid: '16', source: 'camera', width: 320 }]);
  assert.equal(again.id, 2);
  const { sender } = s.pc.transceivers[16];
  assert.equal(sender.track, small);
  assert.deepEqual(sender.parameters.encodings.map((e) => [e.active, e.scaleResolutionDownBy]), [[true, 1], [false, 2], [false, 1]]);
});

test('another device takes the place of the first without an offer', async () => {
  const s = await scene().joined();
  const [first, second] = [new FakeTrack('video'), new FakeTrack('video', { width: 640, height: 480 })];
  const cam = await s.room.publish(first, { source: 'camera' });
  await cam.replaceTrack(second);
  assert.equal(s.server.requests('offer').length, 2);
  assert.equal(s.pc.transceivers[16].sender.track, second);
  assert.equal(first.readyState, 'ended');
});

test('muted while the offer is under way: the server is told afterwards', async () => {
  const s = await scene().joined();
  s.server.on.offer = () => null;
  const publishing = s.room.publish(new FakeTrack('audio'), { source: 'microphone' });
  await settle();
  await s.room.publications[0].mute();
  const offer = s.server.requests('offer').at(-1);
  s.server.send(s.server.session, { re: offer.id, type: 'answer', ...s.server.answer_offer(offer) });
  await publishing;
  await settle();
  assert.equal(offer.publish[0].muted, false);
  assert.deepEqual(s.server.requests('mute').map(({ publication, muted }) => ({ publication, muted })), [{ publication: 1, muted: true }]);
});

const restarts = (s) => s.pc.offers.filter((o) => o.iceRestart).length;

test('ICE that failed is restarted, and again until it is back, ever more seldom', async () => {
  const s = await scene().joined();
  s.hear('media-state');
  s.pc.ice('failed');
  await settle();
  assert.deepEqual(s.pc.offers.at(-1), { iceRestart: true });
  await s.platform.advance(1400);
  assert.equal(restarts(s), 1);
  await s.platform.advance(200);
  assert.equal(restarts(s), 2);
  await s.platform.advance(3000);
  assert.equal(restarts(s), 3);
  s.pc.ice('connected');
  await s.platform.advance(10_000);
  assert.equal(restarts(s), 3);
  assert.deepEqual(s.heard.map(([, state]) => state), ['lost', 'connected']);
});

test('a short disconnection mends itself; a longer one is restarted well within three seconds of the silence', async () => {
  const s = await scene().joined();
  s.pc.ice('disconnected');
  await s.platform.advance(200);
  s.pc.ice('connected');
  await s.platform.advance(5000);
  assert.equal(restarts(s), 0);
  s.pc.ice('disconnected');
  await s.platform.advance(300); // a browser says so after two and a half seconds
  assert.equal(restarts(s), 1);
});

test('what the server does not hear is restarted, unless the browser mends it at once', async () => {
  const s = await scene().joined();
  s.server.event('transport', { state: 'lost' });
  await s.platform.advance(200);
  s.server.event('transport', { state: 'connected' });
  await s.platform.advance(5000);
  assert.equal(restarts(s), 0, 'another TCP connection was made');
  s.server.event('transport', { state: 'lost' });
  await s.platform.advance(300);
  assert.equal(restarts(s), 1);
  assert.equal(s.room.mediaState, 'lost', 'whatever the browser says');
  s.server.event('transport', { state: 'connected' });
  assert.equal(s.room.mediaState, 'connected');
  await s.platform.advance(10_000);
  assert.equal(restarts(s), 1);
});

/** What a browser tells of the pair in use. */
const pair = (received, sent = received) => [{ id: 'p', type: 'candidate-pair', selected: true, bytesReceived: received, bytesSent: sent }];

test('another network: restarted if nothing comes in any more, else left alone', async () => {
  const s = await scene().joined();
  s.pc.stats = pair(1000);
  s.platform.page('network');
  await settle();
  s.pc.stats = pair(2000);
  await s.platform.advance(1000);
  assert.equal(restarts(s), 0);
  s.platform.page('network');
  await s.platform.advance(800);
  assert.equal(restarts(s), 1);
  assert.ok(s.server.requests('ping').length >= 2, 'and the socket was asked whether it lives');
});

test('no restart is offered while the signalling is away; the one after the resume has the addresses of that moment', async () => {
  const s = await scene().joined();
  s.server.reachable = false;
  s.socket.break();
  s.pc.ice('failed');
  await s.platform.advance(6000);
  assert.equal(restarts(s), 0);
  s.server.reachable = true;
  s.platform.page('network');
  await settle();
  assert.equal(s.room.state, 'connected');
  assert.equal(restarts(s), 1);
});

test('signalling that came back while the media flowed all along restarts nothing', async () => {
  const s = await scene().joined();
  s.pc.getStats = async () => new Map([['p', pair(s.platform.now())[0]]]);
  s.socket.break();
  await s.platform.advance(5000);
  assert.equal(s.room.state, 'connected');
  assert.equal(restarts(s), 0);
});

test('a network that changes during a restart asks for another one right after it', async () => {
  const s = await scene().joined();
  s.pc.stats = pair(1000);
  s.server.on.offer = () => null;
  s.pc.ice('failed');
  await settle();
  s.platform.page('network');
  await s.platform.advance(800);
  assert.equal(restarts(s), 1, 'never two at a time');
  delete s.server.on.offer;
  const offer = s.server.requests('offer').at(-1);
  s.server.send(s.server.session, { re: offer.id, type: 'answer', ...s.server.answer_offer(offer) });
  await s.platform.advance(1000);
  assert.equal(restarts(s), 2);
});

test('when nothing at all comes in for two seconds ICE is restarted once, whatever the browser says', async () => {
  const s = await scene().joined();
  for (let bytes = 1; bytes <= 10; bytes++) {
    s.pc.stats = pair(bytes * 100);
    await s.platform.advance(500);
  }
  assert.equal(restarts(s), 0);
  await s.platform.advance(1500);
  assert.equal(restarts(s), 0);
  await s.platform.advance(1000);
  assert.equal(restarts(s), 1);
  await s.platform.advance(20_000);
  assert.equal(restarts(s), 1, 'nothing has come since, so silence says nothing');
  s.pc.stats = pair(5000);
  await s.platform.advance(1000);
  await s.platform.advance(2500);
  assert.equal(restarts(s), 2);
});

test('media that plays is enough; nobody asks for statistics then', async () => {
  const s = await scene().joined();
  let asked = 0;
  s.pc.getStats = async () => ((asked += 1), new Map());
  s.pc.getTransceivers = () => [{ receiver: { getSynchronizationSources: () => [{ timestamp: s.platform.now() }] } }];
  await s.platform.advance(5000);
  assert.deepEqual([asked, restarts(s)], [0, 0]);
});

test('a path that takes but does not give after a restart costs the transport', async () => {
  const s = await scene().joined();
  const { pc } = s;
  pc.ice('failed');
  await settle();
  pc.getStats = async () => new Map([['p', pair(40_000 + s.platform.now(), 0)[0]]]);
  pc.ice('connected');
  await s.platform.advance(5000);
  assert.ok(pc.closed && s.pc !== pc);
  assert.equal(s.room.state, 'connected');
});

test('credentials of relays are renewed before they end, and before a restart if they have', async () => {
  const s = scene();
  const server = (n) => ({ iceServers: [{ urls: ['turn:t'], username: `${n}`, credential: 'c' }], iceServersTtlMs: 60_000 });
  s.server.about = server(1);
  let asked = 1;
  s.server.on['ice.servers'] = () => server(++asked);
  await s.joined();
  assert.equal(s.pc.config.iceServers[0].username, '1');
  await s.platform.advance(44_000);
  assert.equal(asked, 1);
  await s.platform.advance(2000);
  assert.deepEqual([asked, s.pc.config.iceServers[0].username, s.pc.config.bundlePolicy], [2, '2', 'max-bundle']);
  s.server.on['ice.servers'] = () => null; // no answer in time
  await s.platform.advance(50_000);
  s.server.on['ice.servers'] = () => server(++asked);
  s.pc.ice('failed');
  await settle();
  assert.deepEqual([s.pc.config.iceServers[0].username, restarts(s)], ['3', 1]);
});

test('media that never comes back costs the transport: a fresh join', async () => {
  const s = await scene().joined();
  s.pc.ice('failed');
  await s.platform.advance(30_000);
  assert.ok(s.platform.peers.length >= 2);
  assert.ok(s.server.requests('join').length >= 2);
});

test('tuning leaves other sections and other parameters alone', () => {
  const sdp = 'v=0\r\nm=audio 9 X\r\na=mid:0\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\nm=audio 9 X\r\na=mid:1\r\na=rtpmap:111 opus/48000/2\r\n';
  const tuned = tuneAnswer(sdp, [{ mid: '0', source: 'microphone', muted: false }]);
  assert.equal(tuned, sdp.replace('minptime=10;useinbandfec=1', 'minptime=10;useinbandfec=1;usedtx=1'));
  assert.match(tuneAnswer(sdp, [{ mid: '1', source: 'screenAudio', muted: false }]), /a=mid:1\r\na=rtpmap:111 opus\/48000\/2\r\na=fmtp:111 stereo=1;sprop-stereo=1;maxaveragebitrate=128000\r\n/);
  assert.equal(tuneAnswer(sdp, []), sdp);
});
