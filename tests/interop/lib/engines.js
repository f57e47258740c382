import { fileURLToPath } from 'node:url';
import { BrowserEngine } from './browser-engine.js';
import { ProcessEngine } from './process-engine.js';

const folder = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const VENV_PYTHON = process.env.INTEROP_PYTHON ?? folder('../../target/venv/aiortc/bin/python');
/** The system's own: GStreamer's binding is a Debian package and belongs to no other. */
const SYSTEM_PYTHON = '/usr/bin/python3';

/** A member of the workspace: built with the tests. */
const WEBRTC = `${process.env.CARGO_TARGET_DIR ?? folder('../../target')}/debug/interop-webrtc`;

const SMALL = { width: 320, height: 240, fps: 15 };
/** Large enough for the SDK to send two encodings. */
const LARGE = { width: 640, height: 360, fps: 15 };

/** The helper that encodes and decodes for those who cannot. */
export const RECORDER = { program: VENV_PYTHON, args: [folder('drivers/recorder.py')] };

/**
 * The seven, each with a colour and a tone of its own. `codecs`: of pictures, that it sends and shows (H264 is a plugin that
 * Firefox downloads, Debian has no AV1 payloader for GStreamer). `encodes` and `decodes`: whether it has codecs; `http`:
 * whether its driver can go by WHIP and WHEP.
 * @type {Record<string, {way: string, picture: {width: number, height: number, fps: number, colour: number[]}, toneHz: number, codecs: string[], encodes: boolean, decodes: boolean, http?: boolean, make: () => any}>}
 */
export const ENGINES = {
  chromium: {
    way: 'SDK',
    picture: { ...LARGE, colour: [180, 40, 40] },
    toneHz: 500,
    codecs: ['vp8', 'vp9', 'h264', 'av1'],
    encodes: true,
    decodes: true,
    make: () => new BrowserEngine('chromium', { toneHz: 500 }),
  },
  firefox: {
    way: 'SDK',
    picture: { ...LARGE, colour: [190, 110, 20] },
    toneHz: 600,
    codecs: ['vp8', 'vp9', 'av1'],
    encodes: true,
    decodes: true,
    make: () => new BrowserEngine('firefox', { toneHz: 600 }),
  },
  wrtc: {
    way: 'SDK',
    picture: { ...LARGE, colour: [120, 140, 20] },
    toneHz: 700,
    codecs: ['vp8', 'vp9', 'av1'],
    encodes: true,
    decodes: true,
    make: () => new ProcessEngine('wrtc', { program: process.execPath, args: [folder('drivers/wrtc.js')], way: 'sdk' }),
  },
  werift: {
    way: 'client protocol',
    picture: { ...SMALL, colour: [20, 140, 60] },
    toneHz: 900,
    codecs: ['vp8', 'vp9', 'h264', 'av1'],
    encodes: false,
    decodes: false,
    http: true,
    make: () => new ProcessEngine('werift', { program: process.execPath, args: [folder('drivers/werift.js')], way: 'signal' }),
  },
  aiortc: {
    way: 'client protocol',
    picture: { ...SMALL, colour: [20, 130, 150] },
    toneHz: 800,
    codecs: ['vp8', 'h264'],
    encodes: true,
    decodes: true,
    http: true,
    make: () => new ProcessEngine('aiortc', { program: VENV_PYTHON, args: [folder('drivers/aiortc_driver.py')], way: 'signal' }),
  },
  gstreamer: {
    way: 'WHIP and WHEP; data by the client protocol',
    picture: { ...SMALL, colour: [40, 60, 190] },
    toneHz: 1_000,
    codecs: ['vp8', 'vp9', 'h264'],
    encodes: true,
    decodes: true,
    http: true,
    make: () => new ProcessEngine('gstreamer', { program: SYSTEM_PYTHON, args: [folder('drivers/gstreamer_driver.py')], way: 'http' }),
  },
  webrtc: {
    way: 'client protocol',
    picture: { ...SMALL, colour: [150, 40, 170] },
    toneHz: 1_100,
    codecs: ['vp8', 'vp9', 'h264', 'av1'],
    encodes: false,
    decodes: false,
    http: true,
    make: () => new ProcessEngine('webrtc', { program: WEBRTC, args: [], way: 'signal' }),
  },
};
