import { sameFields } from './compare.js';

/** @typedef {import('./types.js').MeetingView} MeetingView */
/** @typedef {import('./types.js').ParticipantView} ParticipantView */

/** @type {ReadonlyMap<string, any>} */
const NOBODY = new Map();

/**
 * Somebody who is not (or not yet) in the meeting.
 * @type {ParticipantView}
 */
export const ABSENT = Object.freeze({
  participant: null,
  displayName: '',
  webcamStream: null,
  micStream: null,
  screenShareStream: null,
  screenShareAudioStream: null,
  webcamOn: false,
  micOn: false,
  screenShareOn: false,
  screenShareAudioOn: false,
  isLocal: false,
  isActiveSpeaker: false,
  mode: null,
  metaData: null,
  quality: null,
  pinState: null,
});

/**
 * What components see of a meeting: it changes as a whole, and only when something in it has changed.
 * @param {any} meeting null before there is one
 * @param {{meetingId?: string}} options of the meeting
 * @param {{state?: string | null, joined?: boolean, over?: boolean}} [phase]
 * @returns {MeetingView}
 */
export function viewOf(meeting, { meetingId = '' }, { state = null, joined = false, over = false } = {}) {
  const inside = meeting !== null && !over;
  const self = inside ? (meeting.localParticipant ?? null) : null;
  const recordingState = meeting?.recordingState ?? null;
  const livestreamState = meeting?.livestreamState ?? null;
  const hlsState = meeting?.hlsState ?? null;
  return {
    meeting,
    meetingId: meeting?.id ?? meetingId, // a switch of the meeting itself changes it
    meetingState: state,
    isMeetingJoined: joined,
    localParticipant: self,
    participants: inside ? everybody(self, meeting.participants) : NOBODY,
    connections: inside ? new Map(meeting.connections) : NOBODY,
    pinnedParticipants: inside ? new Map(meeting.pinnedParticipants) : NOBODY,
    presenterId: inside ? (meeting.activePresenterId ?? null) : null,
    activeSpeakerId: inside ? (meeting.activeSpeakerId ?? null) : null,
    mainParticipant: inside ? mainOf(self, meeting) : null,
    localMicOn: self?.micOn ?? false,
    localWebcamOn: self?.webcamOn ?? false,
    localScreenShareOn: self?.screenShareOn ?? false,
    selectedCameraDevice: meeting?.selectedCameraDevice ?? null,
    selectedMicrophoneDevice: meeting?.selectedMicrophoneDevice ?? null,
    recordingState,
    livestreamState,
    hlsState,
    hlsUrls: meeting?.hlsUrls ?? null,
    transcriptionState: meeting?.transcriptionState ?? null,
    isRecording: recordingState === 'RECORDING_STARTED' || recordingState === 'RECORDING_STOPPING',
    isLiveStreaming: livestreamState === 'LIVESTREAM_STARTED' || livestreamState === 'LIVESTREAM_STOPPING',
    isHls: ['HLS_STARTED', 'HLS_PLAYABLE', 'HLS_STOPPING'].includes(hlsState),
  };
}

/**
 * What components see of one participant.
 * @param {any} participant
 * @param {string | null} speaker id
 * @param {ParticipantView | undefined} before returned again when nothing changed
 * @returns {ParticipantView}
 */
export function participantView(participant, speaker, before) {
  /** @param {string} kind */
  const stream = (kind) => [...participant.streams.values()].find((s) => s.kind === kind) ?? null;
  const view = {
    participant,
    displayName: participant.displayName ?? '',
    webcamStream: stream('video'),
    micStream: stream('audio'),
    screenShareStream: stream('share'),
    screenShareAudioStream: stream('shareAudio'),
    webcamOn: participant.webcamOn ?? false,
    micOn: participant.micOn ?? false,
    screenShareOn: participant.screenShareOn ?? false,
    screenShareAudioOn: participant.screenShareAudioOn ?? false,
    isLocal: participant.isLocal ?? participant.local ?? false,
    isActiveSpeaker: participant.id === speaker,
    mode: participant.mode ?? null,
    metaData: participant.metaData ?? null,
    quality: participant.quality ?? null,
    pinState: participant.pinState ?? null,
  };
  return before && sameFields(before, view) ? before : Object.freeze(view);
}

/**
 * @param {any} self
 * @param {Map<string, any>} others
 * @returns {Map<string, any>}
 */
function everybody(self, others) {
  const all = new Map();
  if (self) all.set(self.id, self);
  for (const [id, participant] of others) all.set(id, participant);
  return all;
}

/** @param {any} self @param {any} meeting */
function mainOf(self, meeting) {
  const id = meeting.mainParticipantId ?? null;
  return id === null ? null : id === self?.id ? self : (meeting.participants.get(id) ?? null);
}
