import { Emitter } from '../core/emitter.js';
import { EnfiladeError, requireArgument } from '../core/errors.js';
import { browserPlatform } from '../core/platform.js';
import { Constants } from './constants.js';
import { checkPermissions, listDevices, requestPermission } from './devices.js';
import { meetingError, notServed } from './errors.js';
import { Meeting } from './meeting.js';
import { createCameraVideoTrack, createMicrophoneAudioTrack, createScreenShareVideoTrack } from './tracks.js';

/** @typedef {import('../core/key-provider.js').KeyProvider} KeyProvider */
/** @typedef {import('../core/platform.js').Platform} Platform */
/** @typedef {import('./devices.js').Permission} Permission */
/** @typedef {import('./meeting-types.js').MeetingOptions} MeetingOptions */

/**
 * The way in of the Meeting API, somewhere else than in a browser.
 * @param {() => Platform} platform asked whenever it is needed
 */
export function createVideoSDK(platform) {
  /** @type {NonNullable<MeetingOptions['token']>} */
  let configured = '';
  /** @type {KeyProvider | null} */
  let keyProvider = null;

  /** @type {Emitter<{'device-changed': [MediaDeviceInfo[]]}>} */
  const devices = new Emitter();
  let watching = false;

  /** Begins with the first listener: the browser is told nothing before. */
  const watchDevices = () => {
    if (watching) return;
    watching = true;
    const of = platform();
    of.mediaDevices?.addEventListener?.('devicechange', async () => {
      const list = await listDevices(of).catch(() => null);
      if (list) devices.emit('device-changed', list);
    });
  };

  return Object.freeze({
    /** The words of the Meeting API: permissions, modes, states, errors, leave reasons. */
    Constants,

    /**
     * Sets the token for the meetings made from now on.
     * @param {NonNullable<MeetingOptions['token']>} token JWT, or a function that is asked for a fresh one at every join
     * @returns {void}
     */
    config(token) {
      requireArgument(typeof token === 'function' || (typeof token === 'string' && token !== ''), 'VideoSDK.config: a token is needed.');
      configured = token;
    },

    /**
     * Makes a meeting; it does not join.
     * @param {MeetingOptions} options
     * @returns {Meeting} throws `token-missing`, `invalid-argument`, `not-supported`
     */
    initMeeting(options) {
      const token = options?.token ?? configured;
      if (!token) throw meetingError(new EnfiladeError('token-missing', 'Call VideoSDK.config(token) first, or give a token to initMeeting.'), 'join');
      return new Meeting({ keyProvider: keyProvider ?? undefined, ...options, token, platform: options.platform ?? platform() });
    },

    /** Every device. Labels are empty until permission was given once. @returns {Promise<MediaDeviceInfo[]>} */
    getDevices: () => listDevices(platform()),
    /** @returns {Promise<MediaDeviceInfo[]>} */
    getCameras: () => listDevices(platform(), 'videoinput'),
    /** @returns {Promise<MediaDeviceInfo[]>} */
    getMicrophones: () => listDevices(platform(), 'audioinput'),
    /** @returns {Promise<MediaDeviceInfo[]>} */
    getPlaybackDevices: () => listDevices(platform(), 'audiooutput'),

    /**
     * Asks the person, where they have not answered yet.
     * @param {Permission} [permission] default audio_video
     * @returns {Promise<Map<string, boolean>>} `audio`, `video` -> given or not; rejects when there is no such device
     */
    requestPermission: (permission = 'audio_video') => requestPermission(platform(), permission),

    /**
     * What was given already, without asking.
     * @param {Permission} [permission] default audio_video
     * @returns {Promise<Map<string, boolean>>} rejects with `not-supported` where the browser cannot say
     */
    checkPermissions: (permission = 'audio_video') => checkPermissions(platform(), permission),

    /** @param {import('./tracks.js').CameraTrackOptions} [options] @returns {Promise<MediaStream>} rejects as `enableWebcam` */
    createCameraVideoTrack: (options) => createCameraVideoTrack(platform(), options),
    /** @param {import('./tracks.js').MicrophoneTrackOptions} [options] @returns {Promise<MediaStream>} rejects as `unmuteMic` */
    createMicrophoneAudioTrack: (options) => createMicrophoneAudioTrack(platform(), options),
    /** From a click. @param {import('./tracks.js').ScreenTrackOptions} [options] @returns {Promise<MediaStream>} rejects as `enableScreenShare` */
    createScreenShareVideoTrack: (options) => createScreenShareVideoTrack(platform(), options),

    /**
     * @param {'device-changed'} event with the devices there are now
     * @param {(devices: MediaDeviceInfo[]) => void} listener
     * @returns {() => void} takes the listener off again
     */
    on(event, listener) {
      watchDevices();
      return devices.on(event, listener);
    },

    /**
     * @param {'device-changed'} event
     * @param {(devices: MediaDeviceInfo[]) => void} listener
     * @returns {void}
     */
    off(event, listener) {
      devices.off(event, listener);
    },

    /** Not served: a node has no speed test. @param {...unknown} _ @returns {Promise<never>} `not-supported` */
    async getNetworkStats(..._) {
      throw notServed('getNetworkStats', null);
    },
    /** Not served. @param {...unknown} _ @returns {Promise<never>} `not-supported` */
    async runPreCallTest(..._) {
      throw notServed('runPreCallTest', null);
    },
    /**
     * Meetings made from now on are encrypted end to end with its keys.
     * @param {KeyProvider | null} provider null: they are not
     * @returns {void} initMeeting then throws `not-supported` in a browser that cannot
     */
    setKeyProvider(provider) {
      requireArgument(provider === null || typeof provider?.setKey === 'function', 'VideoSDK.setKeyProvider: a KeyProvider is needed.');
      keyProvider = provider;
    },
    /** Taken and ignored: the SDK writes no log, only what a listener throws. @param {string} _ @returns {void} */
    setLogLevel(_) {},
  });
}

/** The way in of the Meeting API. */
export const VideoSDK = createVideoSDK(browserPlatform);
