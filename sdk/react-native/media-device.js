import { Capture, EnfiladeError } from '@enfilade/client';
import { createUseMediaDevice } from '@enfilade/react';
import { getAudioDeviceList, onAudioDevices } from './audio.js';
import { reactNativePlatform } from './platform.js';
import { registration } from './register.js';

/** What is asked for -> the permissions of the phone, by the names of `react-native-webrtc`. */
const PERMISSIONS = /** @type {const} */ ({
  audio: [['audio', 'microphone']],
  video: [['video', 'camera']],
  audio_video: [['audio', 'microphone'], ['video', 'camera']],
});
/** @typedef {keyof typeof PERMISSIONS} PermissionKind */

/** @typedef {{deviceId: string, groupId: string, kind: string, label: string, facingMode?: 'front' | 'back'}} DeviceInfo */

/** @returns {Capture} */
function capture() {
  return new Capture(reactNativePlatform(registration()));
}

/**
 * @param {'videoinput' | 'audioinput' | 'audiooutput'} [kind] absent: all
 * @returns {Promise<DeviceInfo[]>} `facingMode` of cameras
 */
async function devices(kind) {
  return (await capture().devices(kind)).map((/** @type {any} */ { deviceId, groupId, kind: of, label, facing }) => ({
    deviceId, groupId, kind: of, label,
    ...(of === 'videoinput' ? { facingMode: /** @type {'front' | 'back'} */ (facing === 'environment' || facing === 'back' ? 'back' : 'front') } : {}),
  }));
}

/**
 * @param {PermissionKind} kind
 * @param {(permissions: NonNullable<import('./register.js').WebRTC['permissions']>, name: string) => Promise<boolean>} ask
 * @returns {Promise<Map<string, boolean>>} by 'audio' and 'video'
 */
async function permitted(kind, ask) {
  const wanted = PERMISSIONS[kind];
  if (!wanted) throw new EnfiladeError('invalid-argument', 'A permission is one of audio, video, audio_video.');
  const { permissions } = registration().webrtc;
  if (!permissions) throw new EnfiladeError('not-supported', 'What was registered has no `permissions`.');
  /** @type {Map<string, boolean>} */
  const answers = new Map();
  // One after the other: a phone shows one question at a time.
  for (const [medium, name] of wanted) answers.set(medium, await ask(permissions, name));
  return answers;
}

const bluetooth = async () => {
  throw new EnfiladeError('not-supported', 'Bluetooth is a permission of Android that WebRTC does not handle: ask with PermissionsAndroid of react-native.');
};

/** The devices of this phone; needs no provider. */
export const useMediaDevice = createUseMediaDevice({
  methods: {
    getDevices: () => devices(),
    getCameras: () => devices('videoinput'),
    getMicrophones: () => devices('audioinput'),
    getPlaybackDevices: () => devices('audiooutput'),
    getAudioDeviceList,
    /** Shows the phone's question. @param {PermissionKind} [kind] default audio_video */
    requestPermission: (kind = 'audio_video') => permitted(kind, async (permissions, name) => Boolean(await permissions.request({ name }))),
    /** Asks nobody. @param {PermissionKind} [kind] default audio_video */
    checkPermissions: (kind = 'audio_video') => permitted(kind, async (permissions, name) => (await permissions.query({ name })) === 'granted'),
    checkBlueToothPermission: bluetooth,
    requestBluetoothPermission: bluetooth,
  },
  events: { onDeviceChanged: 'device-changed', onAudioDeviceChanged: 'audio-device-changed' },
  on(event, listener) {
    if (event === 'audio-device-changed') return onAudioDevices(listener);
    return capture().onDevicesChanged(() => void devices().then(listener, () => {}));
  },
});
