import { Capture } from '../core/capture.js';
import { EnfiladeError, requireArgument } from '../core/errors.js';
import { meetingError } from './errors.js';

/** @typedef {import('../core/platform.js').Platform} Platform */
/** @typedef {'audio' | 'video' | 'audio_video'} Permission */

/**
 * @param {Platform} platform
 * @param {'videoinput' | 'audioinput' | 'audiooutput'} [kind]
 * @returns {Promise<MediaDeviceInfo[]>}
 */
export async function listDevices(platform, kind) {
  try {
    return await new Capture(platform).devices(kind);
  } catch (thrown) {
    throw meetingError(thrown, kind === 'videoinput' ? 'camera' : 'microphone');
  }
}

/** @param {Permission} permission @returns {('audio' | 'video')[]} */
function kinds(permission) {
  requireArgument(['audio', 'video', 'audio_video'].includes(permission), 'permission: audio, video or audio_video.');
  return permission === 'audio_video' ? ['audio', 'video'] : [permission];
}

/**
 * Asks the person, where they have not answered yet, by opening the devices for a moment.
 * @param {Platform} platform
 * @param {Permission} permission
 * @returns {Promise<Map<string, boolean>>} audio, video -> given or not; rejects when there is no such device
 */
export async function requestPermission(platform, permission) {
  const given = new Map();
  const capture = new Capture(platform);
  try {
    for (const kind of kinds(permission)) {
      try {
        const track = await (kind === 'audio' ? capture.microphone() : capture.camera());
        track.stop();
        given.set(kind, true);
      } catch (thrown) {
        if (!(thrown instanceof EnfiladeError) || thrown.code !== 'permission-denied') throw thrown;
        given.set(kind, false);
      }
    }
    return given;
  } catch (thrown) {
    throw meetingError(thrown, given.has('audio') || permission === 'video' ? 'camera' : 'microphone');
  }
}

/**
 * @param {Platform} platform
 * @param {Permission} permission
 * @returns {Promise<Map<string, boolean>>} audio, video -> given already or not; rejects with `not-supported` where the browser cannot say
 */
export async function checkPermissions(platform, permission) {
  const given = new Map();
  try {
    for (const kind of kinds(permission)) {
      const ask = platform.permission;
      if (!ask) throw new EnfiladeError('not-supported', 'checkPermissions: the browser does not tell.');
      try {
        given.set(kind, await ask(kind === 'audio' ? 'microphone' : 'camera'));
      } catch (cause) {
        throw new EnfiladeError('not-supported', 'checkPermissions: the browser does not tell.', { cause });
      }
    }
    return given;
  } catch (thrown) {
    throw meetingError(thrown, permission === 'audio' ? 'microphone' : 'camera');
  }
}

/**
 * The device that a track comes from.
 * @param {MediaStreamTrack | null | undefined} track
 * @param {'videoinput' | 'audioinput'} kind
 * @returns {{deviceId: string, groupId: string, kind: string, label: string} | null}
 */
export function deviceOf(track, kind) {
  if (!track) return null;
  const { deviceId = '', groupId = '' } = track.getSettings?.() ?? {};
  return { deviceId, groupId, kind, label: track.label ?? '' };
}
