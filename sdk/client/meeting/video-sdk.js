import { Capture } from '../core/capture.js';
import { EnfiladeError, requireArgument } from '../core/errors.js';
import { browserPlatform } from '../core/platform.js';
import { Meeting } from './meeting.js';

/** @typedef {import('./meeting.js').MeetingOptions} MeetingOptions */

let configured = '';

/**
 * The way in of the Meeting API.
 */
export const VideoSDK = Object.freeze({
  /**
   * Sets the token for the meetings made from now on.
   * @param {string} token JWT
   * @returns {void}
   */
  config(token) {
    requireArgument(typeof token === 'string' && token !== '', 'VideoSDK.config: a token is needed.');
    configured = token;
  },

  /**
   * Makes a meeting; it does not join.
   * @param {MeetingOptions} options
   * @returns {Meeting}
   */
  initMeeting(options) {
    const token = options?.token ?? configured;
    if (!token) throw new EnfiladeError('token-missing', 'Call VideoSDK.config(token) first, or give a token to initMeeting.');
    return new Meeting({ ...options, token });
  },

  /** Every device, or those of one kind. @returns {Promise<MediaDeviceInfo[]>} */
  getDevices: () => new Capture(browserPlatform()).devices(),
  /** @returns {Promise<MediaDeviceInfo[]>} */
  getCameras: () => new Capture(browserPlatform()).devices('videoinput'),
  /** @returns {Promise<MediaDeviceInfo[]>} */
  getMicrophones: () => new Capture(browserPlatform()).devices('audioinput'),
  /** @returns {Promise<MediaDeviceInfo[]>} */
  getPlaybackDevices: () => new Capture(browserPlatform()).devices('audiooutput'),
});
