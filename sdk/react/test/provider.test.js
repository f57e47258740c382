import assert from 'node:assert/strict';
import test from 'node:test';
import { useEffect } from 'react';
import { MeetingConsumer, useMeeting } from '../index.js';
import { h, scene, settle } from './scene.js';
import { ScriptedParticipant } from './scripted-meeting.js';

/** Gives the test what `useMeeting` gave at the last render. */
function probe(callbacks) {
  const seen = { renders: 0 };
  const Probe = () => {
    const meeting = useMeeting(typeof callbacks === 'function' ? callbacks(seen) : callbacks);
    useEffect(() => {
      Object.assign(seen, { hook: meeting, renders: seen.renders + 1 });
    });
    return null;
  };
  return [Probe, seen];
}

test('StrictMode mounts twice and joins once', async () => {
  const heard = [];
  const [Probe] = probe({ onMeetingJoined: () => heard.push('joined'), onParticipantJoined: (p) => heard.push(p.id) });
  const s = await scene(Probe, { joinWithoutUserInteraction: true });
  await settle();
  assert.equal(s.meetings.length, 1);
  assert.equal(s.meeting.count('join'), 1);
  assert.equal(s.meeting.count('leave'), 0);
  await s.act(() => s.meeting.joined(new ScriptedParticipant('bob')));
  assert.deepEqual(heard, ['joined', 'bob']);
});

test('a join in an effect of a component joins once, though its effect runs before the provider\'s and twice', async () => {
  const Joiner = () => {
    const { join } = useMeeting();
    useEffect(() => void join(), [join]);
    return null;
  };
  const s = await scene(Joiner);
  await settle();
  assert.deepEqual([s.meetings.length, s.meeting.count('join'), s.meeting.count('leave')], [1, 1, 0]);
  await s.act(() => s.meeting.joined());
});

test('without being asked nobody joins; both spellings of the prop ask', async () => {
  assert.equal((await scene(null)).meeting.count('join'), 0);
  assert.equal((await scene(null, { joinWithoutInteraction: true })).meeting.count('join'), 1);
});

test('unmounting leaves the meeting and takes every listener off', async () => {
  const [Probe] = probe({ onMeetingJoined() {}, onParticipantLeft() {}, onError() {} });
  const s = await scene(Probe, { joinWithoutUserInteraction: true });
  await s.act(() => s.meeting.joined(new ScriptedParticipant('bob'), new ScriptedParticipant('eve')));
  assert.ok(s.listening > 0);
  await s.unmount();
  assert.equal(s.meeting.count('leave'), 1);
  assert.equal(s.listening, 0);
});

test('a provider that goes away while it joins leaves; one that never joined has nothing to leave', async () => {
  const joining = await scene(null, { joinWithoutUserInteraction: true });
  await joining.unmount();
  assert.deepEqual([joining.meeting.count('leave'), joining.listening], [1, 0]);
  const idle = await scene(null);
  await idle.unmount();
  assert.deepEqual([idle.meeting.count('leave'), idle.listening], [0, 0]);
});

test('who left the meeting is not listened to any more', async () => {
  const s = await scene(null, { joinWithoutUserInteraction: true });
  await s.act(() => s.meeting.joined());
  const alone = s.listening;
  const bob = new ScriptedParticipant('bob');
  await s.act(() => s.meeting.enter(bob));
  assert.ok(s.listening > alone);
  await s.act(() => s.meeting.depart(bob));
  assert.equal(s.listening, alone);
});

test('a callback is the one of the last render, and hears each event once', async () => {
  const heard = [];
  const [Probe, seen] = probe((s) => ({ onSpeakerChanged: (id) => heard.push([id, s.renders]) }));
  const s = await scene(Probe, { joinWithoutUserInteraction: true });
  await s.act(() => s.meeting.joined(new ScriptedParticipant('bob')));
  const renders = seen.renders;
  await s.act(() => Object.assign(s.meeting, { activeSpeakerId: 'bob' }).emit('speaker-changed', 'bob'));
  assert.deepEqual(heard, [['bob', renders]]);
  assert.equal(seen.hook.activeSpeakerId, 'bob');
  await s.act(() => s.meeting.emit('speaker-changed', null));
  assert.equal(heard.length, 2);
  assert.equal(heard[1][1], renders + 1);
});

test('a listener that the meeting tells what it missed is the same one all along', async () => {
  const added = [];
  let more = false;
  const Late = () => {
    useMeeting({ onConnectionOpen() {}, ...(more ? { onData() {} } : {}) });
    return null;
  };
  const s = await scene(null);
  const { on } = s.meeting;
  s.meeting.on = (event, listener) => (added.push([event, listener]), on.call(s.meeting, event, listener));
  await s.render({ children: h(Late) });
  const [[, first]] = added;
  assert.deepEqual([...new Set(added.map(([, listener]) => listener))], [first], 'StrictMode adds it twice, and it is one');
  added.length = 0;
  more = true;
  await s.render({ children: h(Late) });
  assert.deepEqual(added.map(([event]) => event), ['data']);
});

test('a callback that appears later is heard from then on', async () => {
  const heard = [];
  let on = false;
  const Late = () => {
    useMeeting(on ? { onData: (data) => heard.push(data) } : {});
    return null;
  };
  const s = await scene(Late);
  await s.act(() => s.meeting.emit('data', 1));
  on = true;
  await s.render();
  await s.act(() => s.meeting.emit('data', 2));
  assert.deepEqual(heard, [2]);
});

test('the state follows the meeting, ourselves first among the participants', async () => {
  const [Probe, seen] = probe();
  const s = await scene(Probe);
  assert.deepEqual([seen.hook.meetingId, seen.hook.participants.size, seen.hook.isMeetingJoined], ['library', 0, false]);
  assert.equal(seen.hook.meeting, s.meeting);
  await s.act(() => void seen.hook.join());
  assert.equal(seen.hook.meetingState, 'CONNECTING');
  await s.act(() => s.meeting.joined(new ScriptedParticipant('bob')));
  assert.deepEqual([...seen.hook.participants.keys()], ['me', 'bob']);
  assert.equal(seen.hook.localParticipant.id, 'me');
  await s.act(() => {
    Object.assign(s.meeting, { recordingState: 'RECORDING_STARTED', activePresenterId: 'bob', mainParticipantId: 'bob' });
    s.meeting.pinnedParticipants.set('bob', { cam: true, share: false });
    s.meeting.emit('recording-state-changed', { status: 'RECORDING_STARTED' });
  });
  const { isRecording, presenterId, pinnedParticipants, mainParticipant } = seen.hook;
  assert.deepEqual([isRecording, presenterId, [...pinnedParticipants], mainParticipant.id], [true, 'bob', [['bob', { cam: true, share: false }]], 'bob']);
  const before = seen.renders;
  s.meeting.pinnedParticipants = new Map([['bob', { cam: true, share: false }]]);
  await s.act(() => s.meeting.emit('presenter-changed', 'bob'));
  assert.equal(seen.renders, before, 'an event that changes nothing renders nothing');
});

test('after leaving nobody is there, and join begins a new meeting', async () => {
  const heard = [];
  const [Probe, seen] = probe({ onMeetingLeft: () => heard.push('left'), onMeetingJoined: () => heard.push('joined') });
  const s = await scene(Probe, { joinWithoutUserInteraction: true });
  await s.act(() => s.meeting.joined(new ScriptedParticipant('bob')));
  await s.act(() => seen.hook.leave());
  assert.deepEqual([seen.hook.participants.size, seen.hook.localParticipant, seen.hook.isMeetingJoined], [0, null, false]);
  await s.act(() => void seen.hook.join());
  assert.equal(s.meetings.length, 2);
  await s.act(() => s.meeting.joined());
  assert.deepEqual(heard, ['joined', 'left', 'joined']);
  await s.unmount();
  assert.deepEqual([s.meetings[0].count('leave'), s.meetings[1].count('leave'), s.listening], [1, 1, 0]);
});

test('a join that is refused rejects, tells onError once, and can be tried again', async () => {
  const errors = [];
  const [Probe, seen] = probe({ onError: (e) => errors.push(e.code) });
  const s = await scene(Probe);
  const first = seen.hook.join();
  await s.act(async () => {
    await settle();
    s.meeting.refuse('token-invalid');
    await assert.rejects(first, { code: 'token-invalid' });
  });
  assert.deepEqual(errors, ['token-invalid']);
  await s.act(() => void seen.hook.join());
  await s.act(() => s.meeting.joined());
  assert.ok(seen.hook.isMeetingJoined);
});

test('a join that fails before it has begun can be tried again', async () => {
  const [Probe, seen] = probe();
  const s = await scene(Probe);
  s.meeting.join = async () => { throw new Error('no network yet'); };
  await s.act(() => assert.rejects(seen.hook.join()));
  await s.act(() => void seen.hook.join());
  await s.act(() => s.meeting.joined());
  assert.ok(seen.hook.isMeetingJoined);
});

test('participants is the same map until somebody comes, goes or changes', async () => {
  const [Probe, seen] = probe();
  const s = await scene(Probe, { joinWithoutUserInteraction: true });
  const bob = new ScriptedParticipant('bob');
  await s.act(() => s.meeting.joined(bob));
  const { participants } = seen.hook;
  await s.act(() => Object.assign(s.meeting, { recordingState: 'RECORDING_STARTED' }).emit('recording-state-changed', {}));
  assert.equal(seen.hook.isRecording, true);
  assert.equal(seen.hook.participants, participants);
  await s.act(() => bob.show('audio'));
  assert.notEqual(seen.hook.participants, participants);
});

test('options that make no meeting are told by join, not thrown while rendering', async () => {
  const errors = [];
  const [Probe, seen] = probe({ onError: ({ code, name }) => errors.push([code, name]) });
  const s = await scene(Probe, { config: {}, joinWithoutUserInteraction: true });
  assert.deepEqual(errors, [[0, 'invalid-argument']]);
  await s.render({ config: { meetingId: 'library' } });
  await s.act(() => void seen.hook.join());
  assert.equal(s.meeting.count('join'), 1);
});

test('a changed config waits without reInitialiseMeetingOnConfigChange, and an equal one is no change', async () => {
  const s = await scene(null, { joinWithoutUserInteraction: true });
  await s.act(() => s.meeting.joined());
  await s.render({ config: { meetingId: 'garden', name: 'Ann' } });
  assert.equal(s.meetings.length, 1);
  const reinit = await scene(null, { joinWithoutUserInteraction: true, reInitialiseMeetingOnConfigChange: true, config: { meetingId: 'a', metaData: { x: 1 } } });
  await reinit.act(() => reinit.meeting.joined());
  await reinit.render({ config: { meetingId: 'a', metaData: { x: 1 } } });
  assert.equal(reinit.meetings.length, 1);
});

test('reInitialiseMeetingOnConfigChange: leaves the one, then joins the other, and callbacks hear only that one', async () => {
  const heard = [];
  const [Probe, seen] = probe({ onMeetingJoined: () => heard.push('joined'), onMeetingLeft: () => heard.push('left') });
  const s = await scene(Probe, { reInitialiseMeetingOnConfigChange: true });
  await s.act(() => void seen.hook.join());
  await s.act(() => s.meeting.joined(new ScriptedParticipant('bob')));
  let depart;
  s.meeting.departed = new Promise((resolve) => (depart = resolve));
  await s.render({ config: { meetingId: 'garden' }, token: 't2' });
  assert.deepEqual([s.meetings.length, s.meetings[0].count('leave'), s.meetings[1].count('join')], [2, 1, 0], 'not before the first is left');
  assert.deepEqual([seen.hook.meetingId, seen.hook.participants.size], ['garden', 0]);
  await s.act(depart);
  assert.equal(s.meetings[1].count('join'), 1);
  assert.equal(s.meetings[1].options.token, 't2');
  await s.act(() => s.meeting.joined());
  assert.deepEqual(heard, ['joined', 'joined']);
  await s.unmount();
  assert.equal(s.listening, 0);
});

test('a config that changes in two steps ends in the right meeting, though the first step is refused', async () => {
  const [Probe, seen] = probe();
  const s = await scene(Probe, { reInitialiseMeetingOnConfigChange: true });
  await s.act(() => void seen.hook.join());
  await s.act(() => s.meeting.joined());
  await s.render({ token: 't2' }); // a token for the other meeting, with the meeting of before
  await s.act(() => s.meeting.refuse('token-invalid'));
  await s.render({ config: { meetingId: 'garden' } });
  await s.act(() => s.meeting.joined());
  assert.deepEqual([seen.hook.meetingId, seen.hook.isMeetingJoined], ['garden', true]);
});

test('who has left is not taken to another meeting by a changed config', async () => {
  const [Probe, seen] = probe();
  const s = await scene(Probe, { reInitialiseMeetingOnConfigChange: true });
  await s.act(() => void seen.hook.join());
  await s.act(() => s.meeting.joined());
  await s.act(() => seen.hook.leave());
  await s.render({ config: { meetingId: 'garden' } });
  assert.deepEqual([s.meetings.length, s.meeting.id, s.meeting.count('join')], [2, 'garden', 0]);
});

test('a meeting nobody has joined takes a changed config in any case', async () => {
  const s = await scene(null);
  await s.render({ config: { meetingId: 'library', name: 'Anna' } });
  assert.equal(s.meeting.options.name, 'Anna');
  assert.deepEqual(s.meetings.map((m) => m.count('join') + m.count('leave')), s.meetings.map(() => 0));
});

test('toggles follow one another: two clicks end where they began', async () => {
  const [Probe, seen] = probe();
  const s = await scene(Probe, { joinWithoutUserInteraction: true });
  await s.act(() => s.meeting.joined());
  await s.act(() => Promise.all([seen.hook.toggleMic('track'), seen.hook.toggleMic()]));
  assert.deepEqual(s.meeting.calls.slice(1), [['unmuteMic', 'track'], ['muteMic']]);
  assert.equal(seen.hook.localMicOn, false);
  await s.act(() => seen.hook.toggleMic());
  assert.equal(seen.hook.localMicOn, true);
});

test('methods are the same functions at every render; one that this SDK lacks rejects with not-supported', async () => {
  const [Probe, seen] = probe();
  const s = await scene(Probe);
  const { connectTo } = seen.hook;
  await s.act(() => connectTo({ meetingId: 'garden', payload: 'hello' }));
  assert.deepEqual(s.meeting.calls, [['connectTo', { meetingId: 'garden', payload: 'hello' }]]);
  await s.act(() => void seen.hook.join());
  assert.equal(seen.hook.connectTo, connectTo);
  await assert.rejects(seen.hook.startHls(), { code: 'not-supported' });
  await s.act(() => s.meeting.joined());
});

test('MeetingConsumer gives the same by a render prop', async () => {
  const heard = [];
  const s = await scene(() => h(MeetingConsumer, { onMeetingJoined: () => heard.push('joined'), children: ({ meetingId, meetingState }) => `${meetingId} ${meetingState}` }), { joinWithoutUserInteraction: true });
  assert.equal(s.text, 'library CONNECTING');
  await s.act(() => s.meeting.joined());
  assert.equal(s.text, 'library CONNECTED');
  assert.deepEqual(heard, ['joined']);
});

test('a hook outside of a provider says so', async () => {
  const { renderToString } = await import('react-dom/server');
  assert.throws(() => renderToString(h(() => useMeeting().meetingId)), { code: 'invalid-state' });
});

test('a server renders the first state and makes no meeting', async () => {
  const { renderToString } = await import('react-dom/server');
  const { createMeetingProvider } = await import('../index.js');
  const Provider = createMeetingProvider(() => assert.fail('a meeting while rendering'));
  const page = h(Provider, { config: { meetingId: 'library' }, joinWithoutUserInteraction: true }, h(() => useMeeting().meetingId));
  assert.equal(renderToString(page), 'library');
});
