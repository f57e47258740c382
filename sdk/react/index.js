/**
 * Enfilade in React: a provider that holds a meeting, and hooks that read it.
 * @module
 */
import { VideoSDK } from '@enfilade/client';
import { createUseMediaDevice } from './hooks/use-media-device.js';
import { createMeetingProvider } from './meeting-provider.js';

export { EnfiladeError, ExternalE2EEKeyProvider, KeyProvider, MeetingError, VideoSDK } from '@enfilade/client';
export { useConnection } from './hooks/use-connection.js';
export { useFile } from './hooks/use-file.js';
export { useMeeting } from './hooks/use-meeting.js';
export { useParticipant } from './hooks/use-participant.js';
export { usePubSub } from './hooks/use-pub-sub.js';
export { createUseMediaDevice } from './hooks/use-media-device.js';
export { createMeetingProvider, MeetingConsumer } from './meeting-provider.js';

/** @typedef {import('./store/types.js').MeetingOptions} MeetingOptions what `VideoSDK.initMeeting` takes */

/** Holds the meeting that the hooks below it read. */
export const MeetingProvider = createMeetingProvider(VideoSDK.initMeeting);

/** The devices of this machine; needs no provider. */
export const useMediaDevice = createUseMediaDevice({
  methods: {
    getDevices: VideoSDK.getDevices,
    getCameras: VideoSDK.getCameras,
    getMicrophones: VideoSDK.getMicrophones,
    getPlaybackDevices: VideoSDK.getPlaybackDevices,
    requestPermission: VideoSDK.requestPermission,
    checkPermissions: VideoSDK.checkPermissions,
  },
  events: { onDeviceChanged: 'device-changed' },
  on: (event, listener) => VideoSDK.on(/** @type {'device-changed'} */ (event), listener),
});

export const { Constants, createCameraVideoTrack, createMicrophoneAudioTrack, createScreenShareVideoTrack, getNetworkStats } = VideoSDK;
