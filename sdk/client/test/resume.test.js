import assert from 'node:assert/strict';
import test from 'node:test';
import { FakeTrack, person, scene, settle } from './support.js';

test('after a cut the session resumes; each missed event arrives once and in order', async () => {
  const s = await scene().joined();
  s.hear('chat', 'state');
  const chat = (n) => s.server.event('chat', { message: `m-${n}`, participant: 'bob', displayName: 'BOB', text: `${n}`, timestampMs: n });
  chat(1);
  s.socket.break();
  chat(2); // nobody hears it now
  chat(3);
  await s.platform.advance(0);
  chat(4);
  assert.deepEqual(s.heard.filter(([e]) => e === 'chat').map(([, m]) => m.text), ['1', '2', '3', '4']);
  assert.deepEqual(s.heard.filter(([e]) => e === 'state').map(([, to]) => to), ['reconnecting', 'connected']);
  const [resume] = s.server.requests('resume');
  assert.equal(resume.key, 'key-1');
  assert.equal(s.platform.peers.length, 1, 'media never stopped');
});

test('what the server repeats is not heard twice, a gap makes us resume', async () => {
  const s = await scene().joined();
  s.hear('chat');
  const { seq } = s.server.session;
  const message = (n) => ({ seq: n, type: 'chat', message: `m-${n}`, text: `${n}` });
  s.socket.deliver(message(seq + 1));
  s.socket.deliver(message(seq + 1));
  s.socket.deliver(message(seq + 3));
  assert.equal(s.heard.length, 1);
  s.server.session.sent.push(message(seq + 1), message(seq + 2), message(seq + 3));
  await s.platform.advance(0);
  assert.deepEqual(s.heard.map(([, m]) => m.text), [`${seq + 1}`, `${seq + 2}`, `${seq + 3}`]);
});

test('requests are done once: those the server never had go again with their old ids, the others are not repeated', async () => {
  const s = await scene().joined();
  const before = s.server.session.done.length;
  const real = s.socket.send;
  const first = s.room.chat('answer lost');
  // The server has this one; its answer goes down with the socket.
  s.socket.send = () => {}; // and these never leave
  const second = s.room.chat('never arrived');
  s.socket.break();
  const third = s.room.chat('asked while away');
  s.socket.send = real;
  await s.platform.advance(0);
  await Promise.all([first, second, third]);
  const done = s.server.session.done.slice(before);
  assert.deepEqual(done.map((m) => m.text), ['answer lost', 'never arrived', 'asked while away']);
  const ids = s.server.session.done.map((m) => m.id);
  assert.deepEqual(ids, [...ids].sort((a, b) => a - b));
  assert.equal(new Set(ids).size, ids.length);
});

test('an answer on its way when the socket broke comes by the replay', async () => {
  const s = await scene().joined();
  const { session } = s.server;
  s.server.on.chat = () => {
    s.socket.readyState = 3; // the answer cannot get through
    return { message: 'm-9', timestampMs: 9 };
  };
  const chat = s.room.chat('hello');
  await settle();
  s.socket.readyState = 1;
  s.socket.break();
  delete s.server.on.chat;
  await s.platform.advance(0);
  assert.deepEqual(await chat, { message: 'm-9', timestampMs: 9 });
  assert.equal(session.done.filter((m) => m.type === 'chat').length, 1);
});

test('an offer under way survives the cut', async () => {
  const s = await scene().joined();
  const real = s.socket.send;
  s.socket.send = () => {};
  const published = s.room.publish(new FakeTrack('video'), { source: 'camera' });
  await settle();
  s.socket.send = real;
  s.socket.break();
  await s.platform.advance(0);
  assert.equal((await published).id, 1);
  assert.equal(s.pc.offers.length, 2);
});

test('tries come after 0, 0.3, 1.2, 2.7, 4.8 s; the network coming back hurries them', async () => {
  const s = await scene().joined();
  s.server.reachable = false;
  const at = [];
  const create = s.platform.createSocket;
  s.platform.createSocket = (url) => (at.push(s.platform.now()), create(url));
  const start = s.platform.now();
  s.socket.break();
  await s.platform.advance(9500);
  assert.deepEqual(at.map((t) => t - start), [0, 300, 1500, 4200, 9000]);
  s.server.reachable = true;
  s.platform.page('network');
  await settle();
  assert.equal(at.length, 6);
  assert.equal(s.room.state, 'connected');
});

test('media that comes in again is a sign of life: a socket that hangs is not waited for', async () => {
  const s = await scene().joined();
  const bytes = (n) => [{ id: 'p', type: 'candidate-pair', selected: true, bytesReceived: n, bytesSent: n }];
  s.pc.stats = bytes(100);
  const create = s.platform.createSocket;
  let hanging = 0;
  s.platform.createSocket = (url) => {
    const socket = create(url);
    socket.onopen = null;
    hanging += 1;
    return Object.assign(Object.create(socket), { readyState: 0, close() {} });
  };
  s.pc.ice('failed');
  s.socket.break();
  await s.platform.advance(1000);
  assert.deepEqual([hanging, s.room.state], [1, 'reconnecting']);
  s.platform.createSocket = create;
  s.pc.stats = bytes(200);
  await s.platform.advance(400);
  assert.equal(s.room.state, 'connected');
});

test('a socket that went silent is given up within two pings', async () => {
  const s = await scene().joined();
  s.server.mute = true;
  const silent = s.socket;
  await s.platform.advance(8001);
  assert.equal(silent.readyState, 3);
  assert.equal(s.server.requests('resume').length, 1);
  assert.ok(s.server.requests('ping').every((p) => p.id === 0 && typeof p.lastSeq === 'number'));
});

test('a server that forgot us takes us afresh: new transport, everything published again, same objects', async () => {
  const s = scene();
  s.server.participants = [person('bob', [{ id: 3, source: 'camera', kind: 'video', muted: false }]), person('cid')];
  await s.joined();
  const track = new FakeTrack('audio');
  const mic = await s.room.publish(track, { source: 'microphone' });
  await mic.mute();
  const bob = s.room.participants.get('bob');
  const camera = bob.publication('camera');
  await camera.subscribe({ quality: 'low' });
  await s.room.subscribeTopic('POLL');
  s.hear('participant-joined', 'participant-left', 'publication-added', 'publication-removed', 'topic-message');
  s.server.sessions.clear();
  s.server.occurrence = 's2';
  s.server.participants = [person('bob', [{ id: 1, source: 'camera', kind: 'video', muted: false }]), person('dan')];
  s.server.kept = [{ message: 'm-1', participant: 'bob', displayName: 'BOB', payload: 1, timestampMs: 1 }];
  const old = s.pc;
  s.socket.break();
  await s.platform.advance(0);

  assert.equal(s.room.state, 'connected');
  assert.ok(old.closed && s.pc !== old);
  const [, again] = s.server.requests('join');
  assert.equal(again.participant, 'me');
  assert.deepEqual(s.server.requests('offer').at(-1).publish, [{ mid: '0', source: 'microphone', muted: true }]);
  assert.equal(s.room.publications[0], mic);
  assert.equal(mic.id, 2);
  assert.equal(s.room.participants.get('bob'), bob);
  assert.equal(bob.publication('camera'), camera);
  assert.equal(camera.id, 1);
  assert.deepEqual(s.heard.map(([e, x]) => [e, x.id ?? x.message]), [
    ['participant-left', 'cid'], ['participant-joined', 'dan'], ['topic-message', 'm-1'],
  ]);
  assert.deepEqual(s.server.requests('subscribe').at(-1).publication, 1);
  assert.equal(s.server.requests('subscribe').at(-1).quality, 'low');
});

test('requests of a lost session reject with session-lost; publishing goes through all the same', async () => {
  const s = await scene().joined();
  s.server.on.chat = s.server.on.offer = () => null;
  const chat = assert.rejects(s.room.chat('hello'), { code: 'session-lost' });
  const published = s.room.publish(new FakeTrack('audio'), { source: 'microphone' });
  await settle();
  delete s.server.on.offer;
  s.server.sessions.clear();
  s.socket.break();
  await s.platform.advance(0);
  await chat;
  assert.equal((await published).id, 1);
});

test('bye with reconnect joins again, not before it may; bye without is the end', async () => {
  const s = await scene().joined();
  s.hear('closed');
  s.server.event('bye', { code: 'node-draining', message: 'Restarting.', reconnect: true, afterMs: 500 });
  await s.platform.advance(499);
  assert.equal(s.server.requests('join').length, 1);
  await s.platform.advance(1);
  assert.equal(s.server.requests('join').length, 2);
  assert.equal(s.room.state, 'connected');
  s.server.event('bye', { code: 'removed', message: 'You were removed.', reconnect: false });
  await settle();
  assert.equal(s.room.state, 'closed');
  assert.equal(s.heard[0][1].code, 'removed');
  await s.platform.advance(60_000);
  assert.equal(s.server.requests('join').length, 2);
});

test('a token function is asked again at a fresh join', async () => {
  let n = 0;
  const s = await scene({ token: async () => `t${++n}` }).joined();
  s.server.sessions.clear();
  s.socket.break();
  await s.platform.advance(0);
  assert.deepEqual(s.server.requests('join').map((j) => j.token), ['t1', 't2']);
});

test('gives up after the time it was given', async () => {
  const s = await scene({ reconnectForMs: 20_000 }).joined();
  s.hear('closed');
  s.server.reachable = false;
  s.socket.break();
  await s.platform.advance(60_000);
  assert.equal(s.heard[0][1].code, 'reconnect-failed');
});
