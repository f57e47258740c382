/** pubSub, the shared store, data messages, shared video, the lobby. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { meetingScene, person, settle } from './support.js';

const kept = (n) => ({ message: `m-${n}`, participant: 'bob', displayName: 'BOB', payload: { message: `old ${n}` }, timestampMs: n });
const say = (s, n) => s.server.event('topic.message', { message: `n-${n}`, topic: 'CHAT', participant: 'bob', displayName: 'BOB', payload: { message: `${n}` }, timestampMs: n });

test('publish: persist, sendOnly, payload; only strings', async () => {
  const s = await meetingScene().joined();
  await s.meeting.pubSub.publish('CHAT', 'hi', { persist: true });
  await s.meeting.pubSub.publish('CHAT', 'hi', { sendOnly: ['bob'], persist: true }, { a: 1 });
  await s.meeting.pubSub.publish('CHAT', 'hi', { sendOnly: [] });
  assert.deepEqual(s.asked('topic.publish'), [
    { topic: 'CHAT', message: { message: 'hi' }, persist: true },
    { topic: 'CHAT', message: { message: 'hi', payload: { a: 1 } }, to: ['bob'] },
    { topic: 'CHAT', message: { message: 'hi' } },
  ]);
  await assert.rejects(s.meeting.pubSub.publish('CHAT', { an: 'object' }), { number: 3073 });
  s.server.on['topic.publish'] = () => {
    throw { code: 'rate-limited' };
  };
  await assert.rejects(s.meeting.pubSub.publish('CHAT', 'hi'), { code: 'rate-limited', number: 4087 });
});

test('an object of listeners: old messages with a limit, new ones one by one', async () => {
  const s = await meetingScene().joined();
  s.server.kept = [kept(1), kept(2), kept(3)];
  const listeners = { onOldMessagesReceived: (list, info) => s.log.push([list.map((m) => m.message), info]), onMessageReceived: (m) => s.log.push(m.message) };
  await s.meeting.pubSub.subscribe('CHAT', listeners, { oldMessageLimit: 2 });
  say(s, 1);
  await s.meeting.pubSub.unsubscribe('CHAT', listeners);
  say(s, 2);
  assert.deepEqual(s.log, [[['old 2', 'old 3'], { isLast: true }], '1']);
});

test('more than is wanted waits for the next turn, or is dropped and counted', async () => {
  const s = await meetingScene().joined();
  const [queued, dropped] = [[], []];
  await s.meeting.pubSub.subscribe('CHAT', { onMessageReceived: (m) => queued.push(m.message), onMessageDrop: (d) => queued.push(d) }, { newMessageLimit: 2, maxQueue: 3 });
  await s.meeting.pubSub.subscribe('CHAT', { onMessageReceived: (m) => dropped.push(m.message), onMessageDrop: (d) => dropped.push(d) }, { newMessageLimit: 2, realtimeOverflow: 'drop' });
  for (let n = 1; n <= 6; n++) say(s, n);
  assert.deepEqual(queued, ['1', '2', { droppedCount: 1 }]);
  assert.deepEqual(dropped, ['1', '2', { droppedCount: 1 }, { droppedCount: 1 }, { droppedCount: 1 }, { droppedCount: 1 }]);
  await s.platform.advance(500);
  assert.deepEqual(queued.slice(3), ['4', '5']);
  await s.platform.advance(500);
  assert.deepEqual(queued.slice(5), ['6']);
  await s.platform.advance(500);
  say(s, 7);
  assert.deepEqual([queued.at(-1), dropped.at(-1)], ['7', '7']);
});

test('batches come once a turn', async () => {
  const s = await meetingScene().joined();
  const batches = [];
  await s.meeting.pubSub.subscribe('CHAT', { onBatchReceived: (list) => batches.push(list.map((m) => m.message)) });
  say(s, 1);
  say(s, 2);
  assert.deepEqual(batches, []);
  await s.platform.advance(500);
  say(s, 3);
  await s.platform.advance(500);
  assert.deepEqual(batches, [['1', '2'], ['3']]);
});

test('a listener that throws keeps the next from nothing', async (t) => {
  t.mock.method(console, 'error', () => {});
  const s = await meetingScene().joined();
  await s.meeting.pubSub.subscribe('CHAT', () => {
    throw new Error('mine');
  });
  await s.meeting.pubSub.subscribe('CHAT', (m) => s.log.push(m.message));
  say(s, 1);
  assert.deepEqual(s.log, ['1']);
});

test('the shared store: values, observers, who changed it', async () => {
  const s = await meetingScene().joined();
  s.server.on['store.get'] = () => ({ value: '7' });
  const id = s.meeting.realtimeStore.observe('k', (value, by) => s.log.push([value, by]));
  await s.meeting.realtimeStore.setValue('k', '1');
  s.server.event('store.changed', { key: 'k', value: '2', participant: 'bob' });
  s.server.event('store.changed', { key: 'other', value: '2', participant: 'bob' });
  s.server.event('store.changed', { key: 'k', value: null, participant: 'bob' });
  s.meeting.realtimeStore.stopObserving(id);
  await s.meeting.realtimeStore.setValue('k', null);
  assert.deepEqual(s.log, [['1', 'me'], ['2', 'bob'], [null, 'bob']]);
  assert.equal(await s.meeting.realtimeStore.getValue('k'), '7');
  await assert.rejects(s.meeting.realtimeStore.setValue('k', 7), { number: 3073 });
  s.server.on['store.set'] = () => {
    throw { code: 'store-full' };
  };
  await assert.rejects(s.meeting.realtimeStore.setValue('k', '7'), { code: 'store-full', number: 4085 });
});

test('send: text and bytes, reliable or not, 15 KiB at most; data tells the sender', async () => {
  const s = await meetingScene().joined();
  s.hear('data');
  const pc = s.platform.peers[0];
  const [reliable, unreliable] = pc.channels;
  assert.deepEqual([reliable.options.maxRetransmits, unreliable.options.maxRetransmits, unreliable.options.ordered], [undefined, 0, false]);
  const sent = s.meeting.send('hello');
  await settle();
  assert.equal(reliable.sent.length, 0, 'waits for the channel');
  for (const channel of pc.channels) {
    channel.readyState = 'open';
    channel.onopen();
  }
  await sent;
  await s.meeting.send(new Uint8Array([1, 2]).buffer, { reliability: 'UNRELIABLE' });
  assert.deepEqual([[...reliable.sent[0].slice(2)], [...unreliable.sent[0]]], [[...new TextEncoder().encode('hello')], [0, 1, 1, 2]]);
  unreliable.onmessage({ data: new Uint8Array([3, 98, 111, 98, 1, 9, 8]).buffer });
  reliable.onmessage({ data: new Uint8Array([3, 98, 111, 98, 0, 104, 105]).buffer });
  const [[, bytes], [, text]] = s.log;
  assert.deepEqual([[...new Uint8Array(bytes.payload)], bytes.from, bytes.reliability], [[9, 8], 'bob', 'UNRELIABLE']);
  assert.deepEqual([text.payload, text.from, text.reliability, text.timestamp], ['hi', 'bob', 'RELIABLE', s.platform.date()]);
  await assert.rejects(s.meeting.send('x'.repeat(15 * 1024 + 1)), { code: 'message-too-large', number: 3072 });
  await assert.rejects(s.meeting.send({ an: 'object' }), { number: 3073 });
  await assert.rejects(s.meeting.send('x', { reliability: 'MAYBE' }), { number: 3073 });
});

test('send gives up when the channel does not open', async () => {
  const s = await meetingScene().joined();
  const sent = s.meeting.send('hello');
  sent.catch(() => {});
  await s.platform.advance(11_000);
  await assert.rejects(sent, { code: 'timed-out', number: 3079 });
});

test('shared video: started, sought, paused, resumed, stopped; who comes late is told', async () => {
  const s = await meetingScene().joined();
  s.hear('video-state-changed', 'video-seeked');
  await s.meeting.startVideo({ link: 'https://example.org/v' });
  await s.meeting.seekVideo({ currentTime: 40 });
  await s.meeting.pauseVideo({ currentTime: 41 });
  await s.meeting.resumeVideo();
  await s.meeting.stopVideo();
  const link = 'https://example.org/v';
  assert.deepEqual(s.log, [
    ['video-state-changed', { link, status: 'started', currentTime: 0 }], ['video-seeked', { currentTime: 40 }],
    ['video-state-changed', { link, status: 'paused', currentTime: 41 }], ['video-state-changed', { link, status: 'resumed', currentTime: 41 }],
    ['video-state-changed', { link, status: 'stopped', currentTime: 41 }],
  ]);
  await assert.rejects(s.meeting.seekVideo({ currentTime: 1 }), { number: 3073 });
  await assert.rejects(s.meeting.startVideo(), { number: 3073 });

  const late = meetingScene();
  late.server.on['store.get'] = () => ({ value: JSON.stringify({ link, status: 'paused', currentTime: 9 }) });
  late.hear('video-state-changed');
  await late.joined();
  assert.deepEqual(late.log, [['video-state-changed', { link, status: 'paused', currentTime: 9 }]]);
});

test('the lobby: entry-waiting, then allowed, then meeting-joined', async () => {
  const s = meetingScene();
  s.hear('entry-waiting', 'entry-responded', 'meeting-joined');
  s.server.lobby = true;
  const join = s.meeting.join();
  await settle();
  assert.deepEqual(s.log, [['entry-waiting']]);
  s.server.decide(null);
  await join;
  assert.deepEqual(s.log.slice(1), [['entry-responded', 'me', 'allowed'], ['meeting-joined']]);
});

test('the lobby: denied', async () => {
  const s = meetingScene({ participantId: 'eve' });
  s.hear('entry-responded', 'meeting-left');
  s.server.lobby = true;
  const join = s.meeting.join();
  await settle();
  s.server.decide({ code: 'entry-denied' });
  await assert.rejects(join, { code: 'entry-denied', number: 3047 });
  assert.deepEqual(s.log.map(([event, first, second]) => [event, first.code ?? first, second]), [['entry-responded', 'eve', 'denied'], ['meeting-left', 1103, undefined]]);
});

test('who may let in is asked, and told how it was settled', async () => {
  const s = await meetingScene().joined(person('bob'));
  s.hear('entry-requested', 'entry-responded');
  s.server.event('entry.requested', { participant: 'eve', displayName: 'Eve', metadata: null });
  const [[, { allow, deny, ...request }]] = s.log;
  assert.deepEqual(request, { participantId: 'eve', name: 'Eve', metaData: null });
  await allow();
  await deny();
  await s.meeting.respondEntry('eve', 'allowed');
  await s.meeting.respondEntry('eve', false);
  assert.deepEqual(s.asked('entry.respond').map((m) => m.allow), [true, false, true, false]);
  s.server.event('entry.responded', { participant: 'eve', allow: false, by: 'bob' });
  assert.deepEqual(s.log[1], ['entry-responded', 'eve', 'denied']);
  await assert.rejects(s.meeting.respondEntry('eve', 'perhaps'), { number: 3073 });
  s.server.on['entry.respond'] = () => {
    throw { code: 'no-such-participant' };
  };
  await assert.rejects(allow(), { number: 4059 });
});
