/**
 * Enfilade in React: a provider that holds a meeting, and hooks that read it.
 * @module
 */
import { VideoSDK } from '@enfilade/client';
import { createMeetingProvider } from './meeting-provider.js';

export { EnfiladeError, VideoSDK } from '@enfilade/client';
export { useConnection } from './hooks/use-connection.js';
export { useFile } from './hooks/use-file.js';
export { createUseMediaDevice } from './hooks/use-media-device.js';
export { useMeeting } from './hooks/use-meeting.js';
export { useParticipant } from './hooks/use-participant.js';
export { usePubSub } from './hooks/use-pub-sub.js';
export { createMeetingProvider, MeetingConsumer } from './meeting-provider.js';

/** Holds the meeting that the hooks below it read. */
export const MeetingProvider = createMeetingProvider((options) => VideoSDK.initMeeting(options));

/** @typedef {import('./store/types.js').MeetingOptions} MeetingOptions what `VideoSDK.initMeeting` takes */
