/**
 * The Enfilade SDK. `connect` (or `new Room`) is the core; `VideoSDK` is the Meeting API on top of it.
 * @module
 */
export { browserPlatform } from './core/platform.js';
export { connect, Room } from './core/room.js';
export { RoomLink } from './core/link.js';
export { RemotePublication } from './core/participant.js';
export { listRooms, presence } from './core/presence.js';
export { EnfiladeError } from './core/errors.js';
export { KeyProvider } from './core/key-provider.js';
export { Emitter } from './core/emitter.js';
export { Capture } from './core/capture.js';
export { Playback } from './core/playback.js';
export { Connection, ConnectionMeeting, ConnectionParticipant } from './meeting/connections.js';
export { ExternalE2EEKeyProvider } from './meeting/key-provider.js';
export { MeetingError } from './meeting/errors.js';
export { Meeting } from './meeting/meeting.js';
export { Participant } from './meeting/participant.js';
export { Stream } from './meeting/stream.js';
export { createVideoSDK, VideoSDK } from './meeting/video-sdk.js';
