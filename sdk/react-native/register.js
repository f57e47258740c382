import { EnfiladeError } from '@enfilade/client';

/**
 * What we use of `react-native-webrtc`, by its own names.
 * @typedef {object} WebRTC
 * @property {new (config: any) => any} RTCPeerConnection
 * @property {new (tracks?: any) => any} MediaStream
 * @property {any} mediaDevices
 * @property {any} [RTCRtpReceiver]
 * @property {any} [RTCView]
 * @property {any} [ScreenCapturePickerView]
 * @property {{query: (what: {name: string}) => Promise<string>, request: (what: {name: string}) => Promise<boolean>}} [permissions]
 *
 * What chooses where sound comes out, by the names of `react-native-incall-manager`.
 * @typedef {object} AudioRoutes
 * @property {(route: string) => Promise<any>} [chooseAudioRoute] Android
 * @property {(on: boolean) => void} [setForceSpeakerphoneOn]
 *
 * @typedef {object} Surroundings
 * @property {string} [signalingBaseUrl] of the server, for meetings and helpers that name none; a phone has no page it came from
 * @property {AudioRoutes} [audio] the default export of `react-native-incall-manager`, or something like it
 * @property {{addListener: (event: string, listener: (event: any) => void) => {remove: () => void}}} [audioEvents] `DeviceEventEmitter`
 *   of `react-native`, through which that package tells of audio devices
 * @property {{addEventListener: (event: 'change', listener: (state: string) => void) => {remove: () => void}}} [AppState] of
 *   `react-native`: when the app comes to the front, a broken connection is mended at once
 */

/**
 * @typedef {object} Registration
 * @property {WebRTC} webrtc
 * @property {Surroundings} surroundings
 * @property {import('./audio.js').AudioDevice[]} audioDevices as told last
 */

/** @type {Registration | null} */
let registered = null;

/**
 * Tells the SDK where WebRTC is. Once, before the first component renders; nothing global is set.
 *
 *     import * as webrtc from 'react-native-webrtc';
 *     register(webrtc, { signalingBaseUrl: 'https://sfu.example' });
 *
 * @param {WebRTC} webrtc everything `react-native-webrtc` exports
 * @param {Surroundings} [surroundings]
 * @returns {void}
 * @throws `invalid-argument` when something is lacking
 */
export function register(webrtc, surroundings = {}) {
  const needed = /** @type {const} */ (['RTCPeerConnection', 'MediaStream', 'mediaDevices']);
  for (const name of needed) {
    if (webrtc?.[name] !== undefined) continue;
    const how = "import * as webrtc from 'react-native-webrtc'; register(webrtc)";
    throw new EnfiladeError('invalid-argument', `register: ${name} is missing. Give it what react-native-webrtc exports: ${how}.`);
  }
  registered = { webrtc, surroundings, audioDevices: [] };
}

/** What was registered. @returns {Registration} */
export function registration() {
  if (!registered) throw new EnfiladeError('invalid-state', "Call register(webrtc) first, with what 'react-native-webrtc' exports.");
  return registered;
}
