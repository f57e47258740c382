/**
 * The shapes that the store and the hooks share. Types only.
 *
 * @typedef {import('@enfilade/client').Connection} Connection
 * @typedef {import('@enfilade/client').Meeting} Meeting
 * @typedef {import('@enfilade/client').Participant} Participant
 * @typedef {import('@enfilade/client').Stream} Stream
 * @typedef {Parameters<typeof import('@enfilade/client').VideoSDK['initMeeting']>[0]} MeetingOptions what `VideoSDK.initMeeting` takes
 * @typedef {(options: MeetingOptions) => Meeting} InitMeeting
 *
 * @typedef {object} MeetingView what `useMeeting` tells
 * @property {Meeting | null} meeting null until the provider is mounted
 * @property {string} meetingId
 * @property {string | null} meetingState of the last `onMeetingStateChanged`; null before the first
 * @property {boolean} isMeetingJoined between `onMeetingJoined` and `onMeetingLeft`
 * @property {Participant | null} localParticipant null while we are not in the meeting
 * @property {ReadonlyMap<string, Participant>} participants everybody in the meeting, ourselves first
 * @property {ReadonlyMap<string, Connection>} connections open connections by the other meeting's id
 * @property {ReadonlyMap<string, {cam: boolean, share: boolean}>} pinnedParticipants
 * @property {string | null} presenterId who shares a screen
 * @property {string | null} activeSpeakerId null when nobody speaks
 * @property {Participant | null} mainParticipant
 * @property {boolean} localMicOn
 * @property {boolean} localWebcamOn
 * @property {boolean} localScreenShareOn
 * @property {unknown} selectedCameraDevice
 * @property {unknown} selectedMicrophoneDevice
 * @property {string | null} recordingState
 * @property {string | null} livestreamState
 * @property {string | null} hlsState
 * @property {unknown} hlsUrls
 * @property {string | null} transcriptionState
 * @property {boolean} isRecording
 * @property {boolean} isLiveStreaming
 * @property {boolean} isHls
 *
 * @typedef {object} Message of a topic
 * @property {string} id
 * @property {string} message
 * @property {string} senderId
 * @property {string} senderName
 * @property {number} timestamp milliseconds since 1970
 * @property {string} topic
 * @property {unknown} [payload]
 *
 * @typedef {object} ParticipantView what `useParticipant` tells
 * @property {Participant | null} participant null while nobody of this id is in the meeting
 * @property {string} displayName
 * @property {Stream | null} webcamStream
 * @property {Stream | null} micStream
 * @property {Stream | null} screenShareStream
 * @property {Stream | null} screenShareAudioStream
 * @property {boolean} webcamOn
 * @property {boolean} micOn
 * @property {boolean} screenShareOn
 * @property {boolean} screenShareAudioOn
 * @property {boolean} isLocal
 * @property {boolean} isActiveSpeaker
 * @property {string | null} mode
 * @property {unknown} metaData
 * @property {string | null} quality
 * @property {{cam: boolean, share: boolean} | null} pinState
 */
export {};
