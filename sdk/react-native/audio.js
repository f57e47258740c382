import { EnfiladeError } from '@enfilade/client';
import { registration } from './register.js';

/**
 * Somewhere sound can come out.
 * @typedef {{deviceId: string, kind: 'audio', label: string, selected: boolean}} AudioDevice
 *
 * @typedef {{availableAudioDeviceList?: string | string[], selectedAudioDevice?: string}} AudioStatus as
 *   `react-native-incall-manager` tells it
 */

const LACKING =
  "Needs something that chooses audio routes: register(webrtc, { audio: InCallManager, audioEvents: DeviceEventEmitter }), from 'react-native-incall-manager' and 'react-native'.";

/**
 * Where sound can come out, as far as it was told: on Android when devices change and after `switchAudioDevice`.
 * @returns {Promise<AudioDevice[]>} rejects with `not-supported` when nothing that knows was registered
 */
export async function getAudioDeviceList() {
  const { surroundings, audioDevices } = registration();
  if (!surroundings.audio && !surroundings.audioEvents) throw new EnfiladeError('not-supported', LACKING);
  return audioDevices;
}

/**
 * Lets sound come out somewhere else.
 * @param {string} deviceId of a device of `getAudioDeviceList`; `SPEAKER_PHONE` and `EARPIECE` are on every phone
 * @returns {Promise<void>} rejects with `not-supported` when nothing that can was registered, or cannot reach this device
 */
export async function switchAudioDevice(deviceId) {
  const { audio } = registration().surroundings;
  if (!audio) throw new EnfiladeError('not-supported', LACKING);
  if (audio.chooseAudioRoute) {
    try {
      note(await audio.chooseAudioRoute(deviceId));
      return;
    } catch (thrown) {
      // On iOS the function is there and its native half is not.
      if (!audio.setForceSpeakerphoneOn) throw new EnfiladeError('not-supported', `switchAudioDevice: "${deviceId}" was refused.`, { cause: thrown });
    }
  }
  if (!audio.setForceSpeakerphoneOn || (deviceId !== 'SPEAKER_PHONE' && deviceId !== 'EARPIECE')) {
    throw new EnfiladeError('not-supported', `switchAudioDevice: only SPEAKER_PHONE and EARPIECE can be chosen here, not "${deviceId}".`);
  }
  audio.setForceSpeakerphoneOn(deviceId === 'SPEAKER_PHONE');
}

/**
 * @param {(devices: AudioDevice[]) => void} listener
 * @returns {() => void} stops
 */
export function onAudioDevices(listener) {
  const { audioEvents } = registration().surroundings;
  if (!audioEvents) return () => {};
  const subscription = audioEvents.addListener('onAudioDeviceChanged', (status) => listener(note(status)));
  return () => subscription.remove();
}

/** @param {AudioStatus | null | undefined} status @returns {AudioDevice[]} */
function note(status) {
  const ids = listOf(status?.availableAudioDeviceList ?? []);
  const devices = ids.map((id) => ({ deviceId: id, kind: /** @type {const} */ ('audio'), label: id, selected: id === status?.selectedAudioDevice }));
  registration().audioDevices = devices;
  return devices;
}

/** @param {string | string[]} list the package tells it as JSON @returns {string[]} */
function listOf(list) {
  if (typeof list !== 'string') return list;
  try {
    return JSON.parse(list);
  } catch {
    return [];
  }
}
