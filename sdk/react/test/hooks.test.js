import assert from 'node:assert/strict';
import test from 'node:test';
import { useEffect, useState } from 'react';
import { useConnection, useFile, useMeeting, useParticipant, usePubSub } from '../index.js';
import { h, scene, settle } from './scene.js';
import { ScriptedConnection, ScriptedParticipant } from './scripted-meeting.js';

/** Gives the test what a hook gave at the last render, in a meeting that was joined. */
async function inside(useHook, ...others) {
  const seen = { renders: 0 };
  const Probe = () => {
    const hook = useHook();
    useEffect(() => {
      Object.assign(seen, { hook, renders: seen.renders + 1 });
    });
    return null;
  };
  const s = await scene(Probe, { joinWithoutUserInteraction: true });
  await s.act(() => s.meeting.joined(...others));
  return Object.assign(s, { seen });
}

const person = (id) => ({ id, displayName: id.toUpperCase(), switchTo: async () => {} });

test('useParticipant shows the streams of one participant and renders for nobody else', async () => {
  const [bob, eve] = [new ScriptedParticipant('bob'), new ScriptedParticipant('eve')];
  const heard = [];
  const s = await inside(() => useParticipant('bob', { onStreamEnabled: (x) => heard.push(`+${x.kind}`), onStreamDisabled: (x) => heard.push(`-${x.kind}`) }), bob, eve);
  assert.deepEqual([s.seen.hook.displayName, s.seen.hook.webcamOn, s.seen.hook.webcamStream, s.seen.hook.isLocal], ['BOB', false, null, false]);
  const stream = await s.act(() => bob.show('video'));
  assert.deepEqual([s.seen.hook.webcamOn, s.seen.hook.webcamStream], [true, stream]);
  const { renders } = s.seen;
  await s.act(() => eve.show('video'));
  assert.equal(s.seen.renders, renders);
  await s.act(() => bob.hide('video'));
  assert.deepEqual([s.seen.hook.webcamStream, heard], [null, ['+video', '-video']]);
  await s.act(() => Object.assign(s.meeting, { activeSpeakerId: 'bob' }).emit('speaker-changed', 'bob'));
  assert.equal(s.seen.hook.isActiveSpeaker, true);
  await s.act(() => s.seen.hook.setQuality('low'));
  assert.deepEqual(bob.calls, [['setQuality', 'low']]);
});

test('useParticipant of somebody who is not there is empty, and comes to life with him', async () => {
  const s = await inside(() => useParticipant('bob'));
  assert.deepEqual([s.seen.hook.participant, s.seen.hook.displayName, s.seen.hook.micOn], [null, '', false]);
  await assert.rejects(s.seen.hook.setQuality('low'), { code: 'no-such-participant' });
  const bob = new ScriptedParticipant('bob');
  await s.act(() => s.meeting.enter(bob));
  assert.equal(s.seen.hook.participant, bob);
  await assert.rejects(s.seen.hook.captureImage(), { code: 'not-supported' });
  await s.act(() => s.meeting.depart(bob));
  assert.equal(s.seen.hook.participant, null);
});

test('useConnection can be read before the connection is open, in both call shapes', async () => {
  const s = await inside(() => [useConnection('garden'), useConnection({ connectionId: 'garden' })]);
  for (const { connection, isOpen, participants, id } of s.seen.hook) {
    assert.deepEqual([isOpen, participants.size, connection.meeting.participants.size, id], [false, 0, 0, 'garden']);
    assert.equal(connection.meeting.participants.get('bob'), undefined);
    await assert.rejects(connection.meeting.sendChatMessage('hello'), { code: 'link-closed' });
    await assert.rejects(connection.meeting.end(), { code: 'link-closed' });
    await assert.rejects(connection.close(), { code: 'link-closed' });
  }
});

test('useConnection follows the connection: opened, roster, chat, closed, opened anew', async () => {
  const heard = [];
  const onMeeting = {
    onParticipantJoined: (p) => heard.push(['+', p.id]),
    onParticipantLeft: (id, { reason }) => heard.push(['-', id, reason]),
    onChatMessage: (m) => heard.push(['chat', m.message]),
  };
  const s = await inside(() => useConnection('garden', { onMeeting }));
  const alone = s.listening;
  const garden = new ScriptedConnection('garden', 'Hello', [person('bob')]);
  await s.act(() => s.meeting.open(garden));
  assert.deepEqual([s.seen.hook.connection, s.seen.hook.isOpen, s.seen.hook.payload], [garden, true, 'Hello']);
  const { participants } = s.seen.hook;
  await s.act(() => garden.enter(person('eve')));
  assert.deepEqual([[...s.seen.hook.participants.keys()], participants.size], [['bob', 'eve'], 1]);
  await s.act(() => garden.meeting.emit('chat-message', { message: 'hi', participantId: 'bob' }));
  await s.act(() => s.seen.hook.meeting.sendChatMessage('from MARS'));
  await s.act(() => s.seen.hook.close());
  assert.deepEqual(garden.calls, [['sendChatMessage', 'from MARS'], ['close']]);
  await s.act(() => s.meeting.shut(garden));
  assert.deepEqual([s.seen.hook.isOpen, s.seen.hook.participants.size, s.listening], [false, 0, alone]);
  const again = new ScriptedConnection('garden', 'Again', []);
  await s.act(() => s.meeting.open(again));
  await s.act(() => again.enter(person('ann')));
  assert.deepEqual(heard, [['+', 'eve'], ['chat', 'hi'], ['-', 'bob', 'left'], ['-', 'eve', 'left'], ['+', 'ann']]);
  await s.unmount();
  assert.equal(s.listening, 0);
});

test('who listens to the stand-in of a connection hears the connection when it opens, once', async () => {
  const heard = [];
  const s = await inside(() => {
    const { connection } = useConnection('garden');
    useEffect(() => {
      const listener = (p) => heard.push(p.id);
      connection.meeting.on('participant-joined', listener);
      return () => connection.meeting.off('participant-joined', listener);
    }, []); // on purpose without `connection`
    return connection;
  });
  const garden = new ScriptedConnection('garden', null);
  await s.act(() => s.meeting.open(garden));
  await s.act(() => garden.enter(person('bob')));
  assert.deepEqual(heard, ['bob']);
});

test('useConnection of another id shows the other connection', async () => {
  let id = 'garden';
  const s = await inside(() => useConnection(id));
  await s.act(() => [new ScriptedConnection('garden', 1), new ScriptedConnection('attic', 2)].forEach((c) => s.meeting.open(c)));
  assert.equal(s.seen.hook.payload, 1);
  id = 'attic';
  await s.render();
  assert.equal(s.seen.hook.payload, 2);
});

test('usePubSub shows old messages and new ones, each once, in StrictMode', async () => {
  const heard = [];
  const s = await scene(null, { joinWithoutUserInteraction: true });
  await s.unmount();
  const t = await inside(() => usePubSub('CHAT', { onMessageReceived: (m) => heard.push(m.message), onOldMessagesReceived: (ms) => heard.push(ms.map((m) => m.message)) }));
  assert.deepEqual([t.meeting.count('subscribe'), t.meeting.count('unsubscribe'), heard], [1, 0, [[]]]);
  await t.act(() => t.meeting.say('CHAT', 'hello'));
  assert.deepEqual([heard, t.seen.hook.messages.map((m) => m.message)], [[[], 'hello'], ['hello']]);
  await t.act(() => t.seen.hook.publish('mine', { persist: true }, null, null));
  assert.deepEqual(t.meeting.calls.at(-1), ['publish', 'CHAT', 'mine', { persist: true }, undefined]);
  await t.unmount();
  assert.equal(t.meeting.count('unsubscribe'), 1);
});

test('two readers of a topic share one subscription; the one who comes later hears of what was before', async () => {
  let both = false;
  const old = [];
  const Reader = ({ name }) => {
    const { messages } = usePubSub('CHAT', { onOldMessagesReceived: (ms) => old.push([name, ms.map((m) => m.message)]) });
    return `${name}:${messages.map((m) => m.message)} `;
  };
  const s = await scene(() => [h(Reader, { key: 'a', name: 'a' }), both && h(Reader, { key: 'b', name: 'b' })], { joinWithoutUserInteraction: true });
  s.meeting.kept = [{ id: 'm-0', message: 'kept' }];
  await s.act(() => s.meeting.joined());
  await s.act(() => s.meeting.say('CHAT', 'hello'));
  both = true;
  await s.render();
  await settle();
  assert.equal(s.text, 'a:kept,hello b:kept,hello ');
  assert.deepEqual(old, [['a', ['kept']], ['b', ['kept', 'hello']]]);
  assert.equal(s.meeting.count('subscribe'), 1);
  both = false;
  await s.render();
  await settle();
  assert.equal(s.meeting.count('unsubscribe'), 0);
});

test('a topic begins anew with another meeting', async () => {
  const s = await scene(() => usePubSub('CHAT').messages.map((m) => m.message).join(), { joinWithoutUserInteraction: true, reInitialiseMeetingOnConfigChange: true });
  await s.act(() => s.meeting.joined());
  await s.act(() => s.meeting.say('CHAT', 'hello'));
  assert.equal(s.text, 'hello');
  await s.render({ config: { meetingId: 'garden' } });
  await s.act(() => s.meeting.joined());
  assert.deepEqual([s.text, s.meetings[0].count('unsubscribe'), s.meetings[1].count('subscribe')], ['', 1, 1]);
  await s.act(() => s.meetings[0].say('CHAT', 'late'));
  assert.equal(s.text, '');
});

test('a topic is let go when the meeting is left, and what comes of it later is not shown', async () => {
  const s = await scene(() => usePubSub('CHAT').messages.map((m) => m.message).join(), { joinWithoutUserInteraction: true, reInitialiseMeetingOnConfigChange: true });
  let answer;
  s.meeting.kept = new Promise((resolve) => (answer = resolve));
  await s.act(() => s.meeting.joined());
  await s.act(() => s.meeting.leave());
  assert.equal(s.meeting.count('unsubscribe'), 1);
  await s.act(() => answer([{ id: 'm-0', message: 'of before' }]));
  assert.equal(s.text, '');
});

test('a topic keeps the newest 1000 messages', async () => {
  const s = await inside(() => usePubSub('CHAT'));
  await s.act(() => {
    for (let i = 0; i < 1003; i++) s.meeting.say('CHAT', i);
  });
  assert.deepEqual([s.seen.hook.messages.length, s.seen.hook.messages[0].message], [1000, 3]);
});

test('a callback that throws harms neither the hook nor the others', async (t) => {
  const told = t.mock.method(console, 'error', () => {});
  const heard = [];
  const s = await inside(() => {
    useMeeting({ onSpeakerChanged: () => { throw new Error('mine'); } });
    useMeeting({ onSpeakerChanged: (id) => heard.push(id) });
    return usePubSub('CHAT', { onMessageReceived: () => { throw new Error('mine'); } });
  });
  await s.act(() => s.meeting.emit('speaker-changed', 'bob'));
  await s.act(() => s.meeting.say('CHAT', 'hello'));
  assert.deepEqual([heard, s.seen.hook.messages.length, told.mock.callCount()], [['bob'], 1, 2]);
});

test('components come and go without a trace', async () => {
  let shown;
  const Some = () => {
    const { participants } = useMeeting({ onParticipantJoined() {}, onConnectionOpen() {} });
    useParticipant('bob', { onStreamEnabled() {} });
    useConnection('garden', { onMeeting: { onChatMessage() {} } });
    usePubSub('CHAT');
    return participants.size;
  };
  const Page = () => {
    const [show, setShow] = useState(false);
    shown = setShow;
    return show && h(Some);
  };
  const s = await scene(Page, { joinWithoutUserInteraction: true });
  await s.act(() => s.meeting.joined(new ScriptedParticipant('bob')));
  await s.act(() => s.meeting.open(new ScriptedConnection('garden')));
  const before = s.listening;
  for (let i = 0; i < 3; i++) {
    await s.act(() => shown(true));
    assert.equal(s.text, '2');
    assert.ok(s.listening > before);
    await s.act(() => shown(false));
    await settle();
    assert.equal(s.listening, before);
  }
  assert.equal(s.meeting.topics.size, 0);
});

test('useFile rejects with not-supported', async () => {
  await assert.rejects(useFile().uploadBase64File(), { code: 'not-supported' });
  await assert.rejects(useFile().fetchBase64File(), { code: 'not-supported' });
});
