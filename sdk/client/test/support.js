import { VideoSDK } from '../client.js';
import { Room } from '../core/room.js';
import { fakePlatform, settle } from './fake-platform.js';
import { ScriptedServer } from './scripted-server.js';

export { FakeTrack, settle } from './fake-platform.js';

/** A room with a scripted server behind it, not joined yet. */
export function scene({ withPlatform = (platform) => platform, ...options } = {}) {
  const server = new ScriptedServer();
  const platform = withPlatform(fakePlatform(server));
  const room = new Room({ token: 't', room: 'r1', platform, ...options });
  const heard = [];
  const hear = (...events) => events.forEach((e) => room.on(e, (...args) => heard.push([e, ...args])));
  return {
    server, platform, room, heard, hear,
    /** The newest peer connection. */
    get pc() {
      return platform.peers.at(-1);
    },
    /** The newest socket. */
    get socket() {
      return platform.sockets.at(-1);
    },
    async joined() {
      const done = room.join();
      await settle();
      await done;
      platform.peers.at(-1).ice('connected');
      return this;
    },
  };
}

export const person = (id, publications = []) => ({ id, displayName: id.toUpperCase(), joinedAtMs: 1, publications });
export const camera = (id, more = {}) => ({ id, source: 'camera', kind: 'video', muted: false, codec: 'vp8', encodings: 3, width: 1280, height: 720, ...more });
export const microphone = (id, more = {}) => ({ id, source: 'microphone', kind: 'audio', muted: false, codec: 'opus', encodings: 1, width: null, height: null, ...more });

/**
 * A meeting with a scripted server behind it, not joined yet, without microphone and camera unless asked for. `log` holds the
 * events named by `hear`.
 */
export function meetingScene({ withPlatform = (platform) => platform, ...options } = {}) {
  const server = new ScriptedServer();
  const platform = withPlatform(fakePlatform(server));
  const meeting = VideoSDK.initMeeting({ meetingId: 'r1', token: 't', name: 'Ann', micEnabled: false, webcamEnabled: false, platform, ...options });
  const states = [];
  meeting.on('meeting-state-changed', ({ state }) => states.push(state));
  const log = [];
  return {
    server, platform, meeting, states, log,
    hear: (...events) => events.forEach((e) => meeting.on(e, (...args) => log.push([e, ...args]))),
    /** What was asked of the server by this message, without the number of the request. */
    asked: (type) => server.requests(type).map(({ id: _, type: __, ...fields }) => fields),
    async joined(...people) {
      server.participants = people;
      await meeting.join();
      await settle(60);
      return this;
    },
  };
}

/** Puts what bob publishes onto seats, so that it has tracks. */
export const seated = (s, audio, video, seat = 0, participant = 'bob') => s.server.event('seats', { seats: [{ seat, participant, audio, video }] });
