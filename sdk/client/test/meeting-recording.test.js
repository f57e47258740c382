import assert from 'node:assert/strict';
import test from 'node:test';
import { meetingScene, settle } from './support.js';

const told = (s, state, more = {}) => s.server.event('recording', { recording: 'r1', state, by: 'bob', startedAtMs: 1, ...more });

test('a recording goes through its states, and everybody is told', async () => {
  const s = await meetingScene().joined();
  s.hear('recording-state-changed', 'recording-started', 'recording-stopped');
  assert.equal(s.meeting.recordingState, null);
  s.server.on['recording.start'] = () => ({ recording: 'r1' });
  await s.meeting.startRecording('https://example.org/hook', 'folder', { layout: { type: 'GRID' } });
  assert.deepEqual(s.asked('recording.start'), [{}]);
  for (const state of ['starting', 'started']) told(s, state);
  await settle();
  assert.equal(s.meeting.recordingState, 'RECORDING_STARTED');
  await s.meeting.stopRecording();
  assert.deepEqual(s.asked('recording.stop'), [{}]);
  for (const state of ['stopping', 'stopped']) told(s, state);
  await settle();
  assert.equal(s.meeting.recordingState, null);
  assert.deepEqual(s.log.map(([event, change]) => change?.status ?? event), [
    'RECORDING_STARTING', 'RECORDING_STARTED', 'recording-started', 'RECORDING_STOPPING', 'RECORDING_STOPPED', 'recording-stopped',
  ]);
});

test('a recording that the server had to end is an error, and stopped', async () => {
  const s = await meetingScene().joined();
  s.hear('error', 'recording-stopped');
  told(s, 'started');
  told(s, 'failed', { reason: 'disk-full' });
  await settle();
  assert.deepEqual(s.log.map(([event, error]) => [event, error?.code]), [['error', 5001], ['recording-stopped', undefined]]);
  assert.match(s.log[0][1].message, /disk-full/);
  assert.equal(s.meeting.recordingState, null);
});

test('what the server refuses has the numbers of the Meeting API', async () => {
  const s = await meetingScene().joined();
  const refuse = (code) => () => {
    throw { code };
  };
  s.server.on['recording.start'] = refuse('recording-off');
  await assert.rejects(s.meeting.startRecording(), { code: 'recording-off', number: 4011 });
  s.server.on['recording.start'] = refuse('forbidden');
  await assert.rejects(s.meeting.startRecording(), { code: 'forbidden', number: 4025 });
  s.server.on['recording.stop'] = refuse('no-such-recording');
  await assert.rejects(s.meeting.stopRecording(), { code: 'no-such-recording', number: 4012 });
});
