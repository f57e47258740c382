/** The Meeting API in browsers: what is seen and heard, what is asked of others, what is shared. */
import assert from 'node:assert/strict';
import { until } from './support/caller.js';
import { Member } from './support/member.js';
import { scene } from './support/scene.js';

const BOTH = { browsers: /** @type {('chromium' | 'firefox')[]} */ (['chromium', 'firefox']) };
const CAMERA = { webcamEnabled: true, maxResolution: 'hd' };

async function member(stage, name, browser, options = {}) {
  const opened = await Member.open(stage.browsers[browser] ?? stage.browsers.chromium, stage.server.url, name);
  await opened.ask('join', { room: 'r', name, ...options });
  return opened;
}
const ok = async (promise) => {
  const result = await promise;
  assert.ok('ok' in result, JSON.stringify(result));
  return result.ok;
};

for (const [from, to] of [['chromium', 'firefox'], ['firefox', 'chromium']]) {
  scene(`camera, microphone and screen of ${from} in ${to}: shown, measured, captured, paused, switched off`, BOTH, async (stage) => {
    const bob = await member(stage, 'bob', to);
    const ann = await member(stage, 'ann', from, { ...CAMERA, micEnabled: true });
    await bob.sees('ann', ({ people }) => people.includes('ann'));
    await bob.ask('watch', 'ann');
    await bob.ask('show', 'ann', 'video');
    const first = await until('bob sees frames', () => bob.ask('shown', 'ann'), ({ frames, width }) => frames > 10 && width > 0);
    await bob.ask('call', 'participants.ann.getVideoStats');
    const [stats] = await until('a rate', async () => ok(bob.ask('call', 'participants.ann.getVideoStats')), (list) => list[0]?.bitrate > 0);
    assert.match(stats.codec, /video\//);
    assert.ok(stats.size.width > 0 && stats.totalPackets > 0);
    const [sound] = await until('sound', async () => ok(bob.ask('call', 'participants.ann.getAudioStats')), (list) => list[0]?.totalPackets > 0);
    assert.match(sound.codec, /audio\//);
    assert.ok((await ok(bob.ask('call', 'participants.ann.getTransportStats'))).bytesReceived > 0);
    const image = await ok(bob.ask('call', 'participants.ann.captureImage', { width: 160 }));
    assert.ok(Buffer.from(image, 'base64').length > 500 && Buffer.from(image, 'base64')[0] === 0xff, 'a JPEG');

    await ok(bob.ask('call', 'pauseAllStreams', 'video'));
    const still = await until('no more frames', async () => {
      const before = await bob.ask('shown', 'ann');
      await new Promise((resolve) => setTimeout(resolve, 700));
      return [before, await bob.ask('shown', 'ann')];
    }, ([before, after]) => before.frames === after.frames);
    await ok(bob.ask('call', 'resumeAllStreams', 'video'));
    await until('frames again', () => bob.ask('shown', 'ann'), ({ frames }) => frames > still[1].frames + 10 || frames < still[1].frames);

    await ann.ask('shareCanvas');
    assert.equal((await bob.told('presenter-changed'))[0][0], 'ann');
    await bob.ask('show', 'ann', 'share');
    await until('bob sees the screen', () => bob.ask('shown', 'ann', 'share'), ({ frames, width }) => frames > 5 && width > 0);
    await ok(ann.ask('call', 'disableScreenShare'));
    await ok(ann.ask('call', 'disableWebcam'));
    await until('all of it is gone', () => bob.events('ann stream-disabled'), (list) => list.some(([, kind]) => kind === 'video') && list.some(([, kind]) => kind === 'share'));
    assert.equal((await bob.ask('shown', 'ann')).playing, false);
    assert.ok(first.width > 0);
  });
}

scene('setQuality and setViewPort choose the encoding', {}, async (stage) => {
  const bob = await member(stage, 'bob', 'chromium');
  await member(stage, 'ann', 'chromium', CAMERA);
  await bob.sees('ann', ({ people }) => people.includes('ann'));
  await bob.ask('show', 'ann', 'video');
  await until('the best encoding', () => bob.ask('shown', 'ann'), ({ width }) => width === 1280, 40_000);
  await ok(bob.ask('call', 'participants.ann.setQuality', 'low'));
  await until('the lowest', () => bob.ask('shown', 'ann'), ({ width }) => width === 320);
  await ok(bob.ask('call', 'participants.ann.setQuality', 'high'));
  await ok(bob.ask('call', 'participants.ann.setViewPort', 640, 360));
  await until('what fits', () => bob.ask('shown', 'ann'), ({ width }) => width === 640);
});

scene('data, topics, the shared store and the shared video', BOTH, async (stage) => {
  const ann = await member(stage, 'ann', 'chromium');
  const bob = await member(stage, 'bob', 'firefox');
  await ann.sees('bob', ({ people }) => people.includes('bob'));
  await ann.ask('listenData');
  await bob.ask('listenData');
  await ok(ann.ask('call', 'send', 'hello'));
  await until('bytes arrive', async () => {
    await ok(bob.ask('sendBytes', [1, 2, 3], { reliability: 'UNRELIABLE' }));
    return ann.events('data');
  }, (list) => list.length > 0);
  assert.deepEqual((await ann.events('data'))[0], ['data', [1, 2, 3], 'bob', 'UNRELIABLE']);
  await until('text arrives', async () => {
    await ok(ann.ask('call', 'send', 'hello'));
    return bob.events('data');
  }, (list) => list.length > 0);
  assert.deepEqual((await bob.events('data'))[0], ['data', 'hello', 'ann', 'RELIABLE']);
  assert.equal((await ann.ask('call', 'send', 'x'.repeat(15_361))).number, 3072);

  await ok(ann.ask('call', 'pubSub.publish', 'CHAT', 'kept', { persist: true }));
  assert.deepEqual(await ok(bob.ask('listenTopic', 'CHAT')), ['kept']);
  await ok(ann.ask('call', 'pubSub.publish', 'CHAT', 'new', {}, { colour: 'red' }));
  assert.deepEqual(await bob.told('topic'), [['new', 'ANN', { colour: 'red' }]]);

  await bob.ask('observe', 'agenda');
  await ok(ann.ask('call', 'realtimeStore.setValue', 'agenda', 'Budget'));
  assert.deepEqual(await bob.told('store'), [['Budget', 'ann']]);
  assert.equal(await ok(bob.ask('call', 'realtimeStore.getValue', 'agenda')), 'Budget');
  await ok(ann.ask('call', 'startVideo', { link: 'https://example.org/v' }));
  assert.deepEqual(await bob.told('video-state-changed'), [[{ link: 'https://example.org/v', status: 'started', currentTime: 0 }]]);
});

scene('moderators: muting is at once, switching on is asked for, pins are for all, removal has a reason', {}, async (stage) => {
  const ann = await member(stage, 'ann', 'chromium');
  const bob = await member(stage, 'bob', 'chromium', { micEnabled: true });
  await ann.sees('bob', ({ people }) => people.includes('bob'));
  await ann.ask('watch', 'bob');
  await until('bob is heard', () => ann.page.evaluate(() => window.meet.meeting.participants.get('bob').micOn), (on) => on);
  await ok(ann.ask('call', 'participants.bob.disableMic'));
  await until('bob is muted', () => bob.page.evaluate(() => window.meet.meeting.localParticipant.micOn), (on) => !on);
  assert.deepEqual((await ann.told('bob stream-disabled'))[0], ['audio']);
  await ok(ann.ask('call', 'participants.bob.enableMic'));
  assert.equal((await bob.told('mic-requested'))[0][0].participantId, 'ann');
  assert.equal(await bob.page.evaluate(() => window.meet.meeting.localParticipant.micOn), false);
  await ok(ann.ask('call', 'participants.bob.pin', 'CAM'));
  assert.deepEqual((await bob.told('pin-state-changed'))[0][0], { participantId: 'bob', peerId: 'bob', state: { cam: true, share: false }, pinnedBy: 'ann' });
  await ok(ann.ask('call', 'participants.bob.remove'));
  assert.equal((await bob.told('meeting-left'))[0][0].code, 1002);
  const [[, reason]] = await ann.told('participant-left');
  assert.equal(reason.code, 1002);
});

scene('the lobby: waiting, asked, let in; and turned away', {}, async (stage) => {
  const ann = await member(stage, 'ann', 'chromium', { settings: { lobby: true } });
  const bob = await Member.open(stage.browsers.chromium, stage.server.url, 'bob');
  const entering = bob.ask('join', { room: 'r', name: 'bob', permissions: ['ask_join'] });
  await bob.told('entry-waiting');
  const [[request]] = await ann.told('entry-requested');
  assert.deepEqual([request.participantId, request.name], ['bob', 'BOB']);
  await ok(ann.ask('call', 'respondEntry', 'bob', 'allowed'));
  await entering;
  assert.deepEqual(await bob.told('entry-responded'), [['bob', 'allowed']]);
  const eve = await Member.open(stage.browsers.chromium, stage.server.url, 'eve');
  const refused = eve.page.evaluate(() => window.meet.try(() => window.meet.join({ room: 'r', name: 'eve', permissions: ['ask_join'] })));
  await ann.told('entry-requested', 2);
  await ok(ann.ask('call', 'respondEntry', 'eve', 'denied'));
  assert.equal((await refused).code, 'entry-denied');
});

scene('switchTo takes camera and microphone along', {}, async (stage) => {
  const ann = await member(stage, 'ann', 'chromium', { ...CAMERA, micEnabled: true });
  const bob = await Member.open(stage.browsers.chromium, stage.server.url, 'bob');
  await bob.ask('join', { room: 'q', name: 'bob' });
  await until('ann is on', () => ann.page.evaluate(() => window.meet.meeting.localParticipant.webcamOn && window.meet.meeting.localParticipant.micOn), (on) => on);
  const token = await ann.ask('token', 'q', 'ann');
  assert.equal((await ann.ask('call', 'switchTo', { meetingId: 'nowhere', token: await ann.ask('token', 'nowhere', 'ann') })).number, 4076);
  assert.equal((await ann.ask('view')).state, 'CONNECTED');
  await ok(ann.ask('call', 'switchTo', { meetingId: 'q', token }));
  await bob.sees('ann', ({ people }) => people.includes('ann'));
  await bob.ask('show', 'ann', 'video');
  await until('bob sees frames', () => bob.ask('shown', 'ann'), ({ frames }) => frames > 10);
  assert.deepEqual([(await ann.ask('view')).id, (await ann.ask('view')).people], ['q', ['bob']]);
});

scene('end closes the meeting for all, whatever they are asking for just then', {}, async (stage) => {
  const ann = await member(stage, 'ann', 'chromium');
  const bob = await member(stage, 'bob', 'chromium');
  await bob.page.evaluate(() => setInterval(() => Array.from({ length: 40 }, () => window.meet.meeting.room.getStore('x').catch(() => {})), 1));
  await until('bob asks and asks', () => bob.page.evaluate(() => window.meet.meeting.room.getStore('x').then(() => false, () => true)), (limited) => limited);
  await ok(ann.ask('call', 'end'));
  for (const somebody of [ann, bob]) assert.equal((await somebody.told('meeting-left'))[0][0].code, 1006);
});
