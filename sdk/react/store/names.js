/** Callback of `useMeeting` -> event of the Meeting. */
export const MEETING_EVENTS = /** @type {const} */ ({
  onMeetingJoined: 'meeting-joined',
  onMeetingLeft: 'meeting-left',
  onMeetingStateChanged: 'meeting-state-changed',
  onParticipantJoined: 'participant-joined',
  onParticipantLeft: 'participant-left',
  onParticipantModeChanged: 'participant-mode-changed',
  onSpeakerChanged: 'speaker-changed',
  onPresenterChanged: 'presenter-changed',
  onMainParticipantChanged: 'main-participant-changed',
  onEntryRequested: 'entry-requested',
  onEntryResponded: 'entry-responded',
  onEntryWaiting: 'entry-waiting',
  onMicRequested: 'mic-requested',
  onWebcamRequested: 'webcam-requested',
  onScreenShareRequested: 'screen-share-requested',
  onPinStateChanged: 'pin-state-changed',
  onConnectionOpen: 'connection-open',
  onConnectionClose: 'connection-close',
  onConnectionRequested: 'connection-requested',
  onSwitchMeeting: 'switch-meeting',
  onSettingsChanged: 'settings-changed',
  onRecordingStateChanged: 'recording-state-changed',
  onRecordingStarted: 'recording-started',
  onRecordingStopped: 'recording-stopped',
  onLivestreamStateChanged: 'livestream-state-changed',
  onLivestreamStarted: 'livestream-started',
  onLivestreamStopped: 'livestream-stopped',
  // The same two events: the documents of this API spell the callbacks both ways.
  onLiveStreamStarted: 'livestream-started',
  onLiveStreamStopped: 'livestream-stopped',
  onHlsStateChanged: 'hls-state-changed',
  onHlsStarted: 'hls-started',
  onHlsStopped: 'hls-stopped',
  onTranscriptionStateChanged: 'transcription-state-changed',
  onTranscriptionText: 'transcription-text',
  onWhiteboardStarted: 'whiteboard-started',
  onWhiteboardStopped: 'whiteboard-stopped',
  onVideoStateChanged: 'video-state-changed',
  onVideoSeeked: 'video-seeked',
  onPausedAllStreams: 'paused-all-streams',
  onResumedAllStreams: 'resumed-all-streams',
  onQualityLimitation: 'quality-limitation',
  onAudioInputSilence: 'audio-input-silence',
  onCodecChanged: 'codec-changed',
  onData: 'data',
  onMediaRelayRequestReceived: 'media-relay-request-received',
  onMediaRelayRequestResponse: 'media-relay-request-response',
  onMediaRelayStarted: 'media-relay-started',
  onMediaRelayStopped: 'media-relay-stopped',
  onMediaRelayError: 'media-relay-error',
  onAutoplayBlocked: 'autoplay-blocked',
  onError: 'error',
});

/** Events after which a component may see something else. Listening to some of the others has a price (`data`, say). */
export const MEETING_CHANGES = /** @type {const} */ ([
  'meeting-joined', 'meeting-left', 'meeting-state-changed', 'participant-joined', 'participant-left', 'participant-mode-changed',
  'speaker-changed', 'presenter-changed', 'main-participant-changed', 'pin-state-changed', 'connection-open', 'connection-close',
  'recording-state-changed', 'livestream-state-changed', 'hls-state-changed', 'transcription-state-changed',
]);

/** Methods of a Meeting that `useMeeting` hands out as they are. `join`, `leave` and the toggles are the store's own. */
export const MEETING_METHODS = /** @type {const} */ ([
  'end', 'respondEntry', 'changeMode', 'connectTo', 'switchTo',
  'enableWebcam', 'disableWebcam', 'replaceWebcamStream', 'changeWebcam', 'setWebcamQuality', 'getWebcams',
  'muteMic', 'unmuteMic', 'changeMic', 'getMics', 'enableScreenShare', 'disableScreenShare',
  'startRecording', 'stopRecording', 'startLivestream', 'stopLivestream', 'startHls', 'stopHls',
  'startVideo', 'stopVideo', 'pauseVideo', 'resumeVideo', 'seekVideo',
  'startTranscription', 'stopTranscription', 'startWhiteboard', 'stopWhiteboard',
  'send', 'pauseAllStreams', 'resumeAllStreams', 'enableAdaptiveSubscription', 'disableAdaptiveSubscription',
  'uploadBase64File', 'fetchBase64File', 'requestMediaRelay', 'stopMediaRelay',
]);

/** Callback of `useParticipant` -> event of the Participant. */
export const PARTICIPANT_EVENTS = /** @type {const} */ ({
  onStreamEnabled: 'stream-enabled',
  onStreamDisabled: 'stream-disabled',
  onMediaStatusChanged: 'media-status-changed',
  onVideoQualityChanged: 'video-quality-changed',
  onStreamPaused: 'stream-paused',
  onStreamResumed: 'stream-resumed',
  onE2EEStateChange: 'e2ee-state-change',
});

/** Methods of a Participant that `useParticipant` hands out. */
export const PARTICIPANT_METHODS = /** @type {const} */ ([
  'enableMic', 'disableMic', 'enableWebcam', 'disableWebcam', 'disableScreenShare', 'remove', 'pin', 'unpin', 'switchTo',
  'setQuality', 'setScreenShareQuality', 'setViewPort', 'captureImage',
  'getVideoStats', 'getAudioStats', 'getShareStats', 'getShareAudioStats', 'getTransportStats',
  'consumeMicStreams', 'stopConsumingMicStreams', 'consumeWebcamStreams', 'stopConsumingWebcamStreams',
  'consumeScreenShareStreams', 'stopConsumingScreenShareStreams',
]);

/** Callback of `useConnection` -> event of the connected meeting. */
export const CONNECTION_EVENTS = /** @type {const} */ ({
  onParticipantJoined: 'participant-joined',
  onParticipantLeft: 'participant-left',
  onChatMessage: 'chat-message',
  onChatMessageSent: 'chat-message-sent',
  onMessagesLost: 'messages-lost',
  onStateChanged: 'state-changed',
});
