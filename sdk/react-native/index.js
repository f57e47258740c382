/**
 * Enfilade in React Native: the hooks of `@enfilade/react`, with WebRTC given by `register`.
 * @module
 */
import { EnfiladeError, VideoSDK } from '@enfilade/client';
import { createMeetingProvider } from '@enfilade/react';
import { createElement } from 'react';
import { reactNativePlatform } from './platform.js';
import { registration } from './register.js';

export { EnfiladeError } from '@enfilade/client';
export { MeetingConsumer, useConnection, useFile, useMeeting, useParticipant, usePubSub } from '@enfilade/react';
export { getAudioDeviceList, switchAudioDevice } from './audio.js';
export { useMediaDevice } from './media-device.js';
export { reactNativePlatform } from './platform.js';
export { register } from './register.js';

/**
 * What `VideoSDK.initMeeting` takes, and what only a phone has.
 * @typedef {object} PhoneOptions
 * @property {'front' | 'back'} [defaultCamera] the camera that opens first; default front
 * @property {{title: string, message: string}} [notification] accepted and without effect: on Android the app itself shows
 *   the notification of its foreground service
 *
 * @typedef {import('@enfilade/react').MeetingOptions & PhoneOptions} MeetingOptions
 */

/**
 * Holds the meeting that the hooks below it read. Props as in `@enfilade/react`; `config` also takes `PhoneOptions`.
 */
export const MeetingProvider = createMeetingProvider((/** @type {MeetingOptions} */ options) => {
  const { defaultCamera, notification: _, platform, ...rest } = options;
  return VideoSDK.initMeeting({ ...rest, platform: platform ?? phone(defaultCamera) });
});

/** @param {'front' | 'back'} [defaultCamera] */
function phone(defaultCamera) {
  const { webrtc, surroundings } = registration();
  return reactNativePlatform(webrtc, surroundings, { defaultCamera });
}

/**
 * Shows a stream: the RTCView of `react-native-webrtc`, with the same props.
 * @param {Record<string, unknown>} props `streamURL`: `new MediaStream([webcamStream.track]).toURL()`
 */
export function RTCView(props) {
  return native('RTCView', props);
}

/**
 * The button of iOS that starts a broadcast, for sharing the screen; of `react-native-webrtc`, with the same props.
 * @param {Record<string, unknown>} props
 */
export function ScreenCapturePickerView(props) {
  return native('ScreenCapturePickerView', props);
}

/** @param {'RTCView' | 'ScreenCapturePickerView'} name @param {Record<string, unknown>} props */
function native(name, props) {
  const component = registration().webrtc[name];
  if (!component) throw new EnfiladeError('not-supported', `What was registered has no ${name}.`);
  return createElement(component, props);
}

/** The MediaStream of `react-native-webrtc`. */
export const MediaStream = /** @type {new (tracks?: any[]) => any} */ (
  /** @type {unknown} */ (
    function MediaStream(/** @type {any} */ tracks) {
      return new (registration().webrtc.MediaStream)(tracks);
    }
  )
);
