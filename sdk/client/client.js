/**
 * The Enfilade SDK. `connect` (or `new Room`) is the core; `VideoSDK` is the Meeting API on top of it.
 * @module
 */
export { browserPlatform } from './core/platform.js';
export { connect, Room } from './core/room.js';
export { RoomLink } from './core/link.js';
export { listRooms, presence } from './core/presence.js';
export { EnfiladeError } from './core/errors.js';
export { Emitter } from './core/emitter.js';
export { Capture } from './core/capture.js';
export { Playback } from './core/playback.js';
export { VideoSDK } from './meeting/video-sdk.js';
