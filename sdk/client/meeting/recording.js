import { EnfiladeError } from '../core/errors.js';

/** @typedef {import('../core/protocol.js').RecordingInfo} RecordingInfo */
/** @typedef {'RECORDING_STARTING' | 'RECORDING_STARTED' | 'RECORDING_STOPPING' | 'RECORDING_STOPPED'} RecordingStatus */

/** @type {Readonly<Record<RecordingInfo['state'], RecordingStatus>>} */
const STATUS = Object.freeze({
  starting: 'RECORDING_STARTING', started: 'RECORDING_STARTED', stopping: 'RECORDING_STOPPING', stopped: 'RECORDING_STOPPED', failed: 'RECORDING_STOPPED',
});

/** @param {RecordingInfo['state']} state */
export function recordingStatus(state) {
  return STATUS[state];
}

/**
 * Tells of a recording in the words of the Meeting API.
 * @param {RecordingInfo} info
 * @param {import('./meeting-types.js').MeetingEmitter} meeting
 * @param {(error: EnfiladeError) => void} fail
 */
export function tellRecording(info, meeting, fail) {
  const { state, reason } = info;
  if (state === 'failed') fail(new EnfiladeError('recording-failed', `The recording was ended by the server: ${reason ?? 'unknown'}.`));
  meeting.emit('recording-state-changed', { status: STATUS[state] });
  if (state === 'started') meeting.emit('recording-started');
  else if (state === 'stopped' || state === 'failed') meeting.emit('recording-stopped');
}
