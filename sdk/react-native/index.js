/**
 * Enfilade in React Native: the hooks of `@enfilade/react`, with WebRTC given by `register`.
 * @module
 */
import { createVideoSDK, EnfiladeError } from '@enfilade/client';
import { createMeetingProvider } from '@enfilade/react';
import { createElement } from 'react';
import { reactNativePlatform } from './platform.js';
import { registration } from './register.js';

export { EnfiladeError, MeetingError } from '@enfilade/client';
export { MeetingConsumer, useConnection, useFile, useMeeting, useParticipant, usePubSub } from '@enfilade/react';
export { getAudioDeviceList, switchAudioDevice } from './audio.js';
export { useMediaDevice } from './media-device.js';
export { reactNativePlatform } from './platform.js';
export { register } from './register.js';

/** The way in of the Meeting API, on a phone. */
export const VideoSDK = createVideoSDK(() => reactNativePlatform(registration()));

export const { Constants, createCameraVideoTrack, createMicrophoneAudioTrack, createScreenShareVideoTrack, getNetworkStats } = VideoSDK;

/**
 * What `VideoSDK.initMeeting` takes, and what only a phone has.
 * @typedef {import('@enfilade/react').MeetingOptions & {notification?: {title: string, message: string}}} MeetingOptions
 *   notification: accepted and without effect; on Android the app itself shows the notification of its foreground service
 */

/** Holds the meeting that the hooks below it read. Props as in `@enfilade/react`. */
export const MeetingProvider = createMeetingProvider((/** @type {MeetingOptions} */ { notification: _, ...options }) => VideoSDK.initMeeting(options));

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
