import { Capture } from '../core/capture.js';
import { bitrateFor } from '../core/encodings.js';
import { requireArgument } from '../core/errors.js';
import { meetingError } from './errors.js';

/** @typedef {import('../core/devices.js').PublishWishes} PublishWishes */
/** @typedef {import('../core/platform.js').Platform} Platform */
/** @typedef {'motion' | 'text' | 'detail'} OptimizationMode */
/** @typedef {keyof typeof CAMERA_PRESETS} CameraPreset */
/** @typedef {keyof typeof MICROPHONE_PRESETS} MicrophonePreset */
/** @typedef {keyof typeof SCREEN_PRESETS} ScreenPreset */

/** Width and height in pixels. */
export const CAMERA_PRESETS = Object.freeze({
  h90p_w160p: [160, 90], h180p_w320p: [320, 180], h216p_w384p: [384, 216], h360p_w640p: [640, 360], h540p_w960p: [960, 540],
  h720p_w1280p: [1280, 720], h1080p_w1920p: [1920, 1080], h1440p_w2560p: [2560, 1440], h2160p_w3840p: [3840, 2160],
  h120p_w160p: [160, 120], h180p_w240p: [240, 180], h240p_w320p: [320, 240], h360p_w480p: [480, 360], h480p_w640p: [640, 480],
  h540p_w720p: [720, 540], h720p_w960p: [960, 720], h1080p_w1440p: [1440, 1080], h1440p_w1920p: [1920, 1440],
});

/** sampleRate in Hz, bitrate in bit/s. */
export const MICROPHONE_PRESETS = Object.freeze({
  speech_low_quality: { sampleRate: 16_000, channelCount: 1, maxBitrate: 16_000 },
  speech_standard: { sampleRate: 32_000, channelCount: 1, maxBitrate: 24_000 },
  music_standard: { sampleRate: 48_000, channelCount: 1, maxBitrate: 40_000 },
  standard_stereo: { sampleRate: 48_000, channelCount: 2, maxBitrate: 64_000 },
  high_quality: { sampleRate: 48_000, channelCount: 1, maxBitrate: 128_000 },
  high_quality_stereo: { sampleRate: 48_000, channelCount: 2, maxBitrate: 192_000 },
});

/** Height in pixels at most, frames per second. */
export const SCREEN_PRESETS = Object.freeze({
  h360p_30fps: [360, 30], h720p_5fps: [720, 5], h720p_15fps: [720, 15], h720p_30fps: [720, 30], h1080p_15fps: [1080, 15], h1080p_30fps: [1080, 30],
});

const BITRATE = Object.freeze({ bandwidth_optimized: 0.6, balanced: 1, high_quality: 1.5 });
const CONTENT_HINT = Object.freeze({ motion: 'motion', text: 'text', detail: 'detail' });

/** How a track that was made here wants to be published. @type {WeakMap<MediaStreamTrack, PublishWishes>} */
const WISHES = new WeakMap();

/** @param {MediaStreamTrack | undefined} track @returns {PublishWishes} */
export function wishesOf(track) {
  return (track && WISHES.get(track)) ?? {};
}

/**
 * @typedef {object} CameraTrackOptions
 * @property {string} [cameraId] default: the browser's choice
 * @property {CameraPreset} [encoderConfig] default h720p_w1280p
 * @property {'user' | 'front' | 'environment'} [facingMode]
 * @property {OptimizationMode} [optimizationMode]
 * @property {boolean} [multiStream] several encodings, so that each viewer gets what fits; default true
 * @property {keyof typeof BITRATE} [bitrateMode] default balanced
 * @property {2 | 3} [maxLayer] encodings at most; default 3
 * @property {'VP8' | 'VP9' | 'AV1' | 'H264'} [codec] preferred; default: the browser's
 */

/**
 * @param {Platform} platform
 * @param {CameraTrackOptions} [options]
 * @returns {Promise<MediaStream>} with one video track
 */
export async function createCameraVideoTrack(platform, options = {}) {
  const { cameraId, encoderConfig = 'h720p_w1280p', facingMode, optimizationMode, multiStream = true, bitrateMode = 'balanced', maxLayer, codec } = options;
  try {
    const preset = CAMERA_PRESETS[encoderConfig];
    requireArgument(!!preset, `createCameraVideoTrack: there is no encoderConfig ${encoderConfig}.`);
    requireArgument(bitrateMode in BITRATE, 'createCameraVideoTrack: bitrateMode is bandwidth_optimized, balanced or high_quality.');
    const [width, height] = /** @type {[number, number]} */ (preset);
    const facing = facingMode === 'environment' ? 'environment' : facingMode ? 'user' : undefined;
    const track = await new Capture(platform).camera({ deviceId: cameraId, width, height, facingMode: facing });
    hint(track, optimizationMode);
    WISHES.set(track, {
      simulcast: multiStream,
      ...(maxLayer ? { layers: maxLayer } : {}),
      ...(codec ? { codec: codec.toLowerCase() } : {}),
      ...(bitrateMode === 'balanced' ? {} : { maxBitrate: Math.round(bitrateFor(width * height, 'camera') * BITRATE[bitrateMode]) }),
    });
    return platform.createStream([track]);
  } catch (thrown) {
    throw meetingError(thrown, 'camera');
  }
}

/**
 * @typedef {object} MicrophoneTrackOptions
 * @property {string} [microphoneId] default: the browser's choice
 * @property {MicrophonePreset} [encoderConfig] default speech_standard
 * @property {{echoCancellation?: boolean, autoGainControl?: boolean, noiseSuppression?: boolean}} [noiseConfig] default: all on
 */

/**
 * @param {Platform} platform
 * @param {MicrophoneTrackOptions} [options]
 * @returns {Promise<MediaStream>} with one audio track
 */
export async function createMicrophoneAudioTrack(platform, { microphoneId, encoderConfig = 'speech_standard', noiseConfig = {} } = {}) {
  try {
    const preset = MICROPHONE_PRESETS[encoderConfig];
    requireArgument(!!preset, `createMicrophoneAudioTrack: there is no encoderConfig ${encoderConfig}.`);
    const { maxBitrate, ...sound } = preset;
    const track = await new Capture(platform).microphone({ deviceId: microphoneId, ...sound, ...noiseConfig });
    WISHES.set(track, { maxBitrate });
    return platform.createStream([track]);
  } catch (thrown) {
    throw meetingError(thrown, 'microphone');
  }
}

/**
 * @typedef {object} ScreenTrackOptions
 * @property {ScreenPreset} [encoderConfig] default h720p_15fps
 * @property {OptimizationMode} [optimizationMode] default detail
 * @property {'enable' | 'disable'} [withAudio] the sound of what is shared too, where the browser can; default disable
 * @property {boolean} [multiStream] several encodings; default true
 */

/**
 * Must be called from a click or key handler.
 * @param {Platform} platform
 * @param {ScreenTrackOptions} [options]
 * @returns {Promise<MediaStream>} with one video track, and perhaps an audio track
 */
export async function createScreenShareVideoTrack(platform, { encoderConfig = 'h720p_15fps', optimizationMode, withAudio = 'disable', multiStream = true } = {}) {
  try {
    const preset = SCREEN_PRESETS[encoderConfig];
    requireArgument(!!preset, `createScreenShareVideoTrack: there is no encoderConfig ${encoderConfig}.`);
    const [height, frameRate] = /** @type {[number, number]} */ (preset);
    const { video, audio } = await new Capture(platform).screen({ audio: withAudio === 'enable', height, frameRate });
    hint(video, optimizationMode);
    WISHES.set(video, { simulcast: multiStream });
    return platform.createStream(audio ? [video, audio] : [video]);
  } catch (thrown) {
    throw meetingError(thrown, 'screen');
  }
}

/** @param {MediaStreamTrack} track @param {OptimizationMode | undefined} mode */
function hint(track, mode) {
  if (mode === undefined) return;
  requireArgument(mode in CONTENT_HINT, 'optimizationMode: motion, text or detail.');
  if ('contentHint' in track) track.contentHint = CONTENT_HINT[mode];
}
