import { mkdirSync, rmSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { fileURLToPath } from 'node:url';
import { startServer } from '../../browser/support/server.js';
import { Driver } from './driver.js';
import { ENGINES, RECORDER } from './engines.js';
import { MEDIA, verdict } from './verdict.js';

/** Longest way to a connection, and how much longer than it takes a look may be, in ms. */
const LIMIT_MS = 10_000;
/** Messages that go to the publisher and come back: scene.py. */
const MESSAGES = 2;
/** Frames of a recording from one keyframe to the next. */
const KEYFRAME_EVERY = 15;
const SCRATCH = fileURLToPath(new URL('../../../target/interop', import.meta.url));

/** A server, the engines, and who encodes and decodes for those that cannot. */
export class Stage {
  #engines = {};
  #recorder;
  #recordings = new Map();
  #rooms = 0;

  /** @param {string[]} names of engines */
  static async set(names) {
    const stage = new Stage();
    mkdirSync(SCRATCH, { recursive: true });
    stage.server = await startServer({ env: { ENFILADE_MEDIA__SHARDS: '1', ENFILADE_MEDIA__ADVERTISED: JSON.stringify(addresses()) } });
    stage.#recorder = new Driver('recorder', RECORDER.program, RECORDER.args);
    for (const name of names) stage.#engines[name] = ENGINES[name].make();
    const started = await Promise.allSettled(Object.values(stage.#engines).map((engine) => engine.start()));
    for (const one of started) if (one.status === 'rejected') console.error(String(one.reason));
    return stage;
  }

  async strike() {
    await Promise.allSettled(Object.values(this.#engines).map((engine) => engine.stop()));
    await this.#recorder.close();
    await this.server.stop('SIGTERM');
    rmSync(SCRATCH, { recursive: true, force: true });
  }

  /** Last words of server and engines, for a failing cell. */
  lastWords() {
    const engines = Object.values(this.#engines).filter((engine) => engine.errors);
    return [this.server.output(), ...engines.map((engine) => `--- ${engine.name}\n${engine.errors}`)].join('\n');
  }

  /** A name nobody used yet. */
  room() {
    return `interop-${(this.#rooms += 1)}`;
  }

  /**
   * Somebody with an engine enters.
   * @param {string} name of the engine
   * @param {'publish' | 'subscribe' | 'call'} role
   * @param {{room: string, participant: string, from?: string, way?: 'http' | 'signal', data?: boolean, codec?: string}} where
   */
  async enter(name, role, where) {
    const { picture, toneHz } = ENGINES[name];
    const { codec = 'vp8' } = where;
    const recording = role === 'subscribe' ? undefined : await this.#recording(name, codec);
    return this.#engines[name][role]({ data: true, codec, ...where, url: this.server.url, picture, toneHz, recording, limitMs: LIMIT_MS });
  }

  /**
   * What a session gets of a publisher, compared with what it sends.
   * @param {any} session of `enter`
   * @param {string} name of its engine
   * @param {{engine: string, id: string, dataId: string, data?: boolean, codec?: string, seconds: number}} publisher seconds: how long to look
   *   and listen
   */
  async compare(session, name, { engine, id, dataId, data = true, codec = 'vp8', seconds }) {
    const sent = { ...ENGINES[engine], codec, messages: data ? MESSAGES : 0, seconds };
    sent.pictures = Math.round(seconds * sent.picture.fps);
    const dump = `${SCRATCH}/${name}-${(this.#rooms += 1)}`;
    // Frames that a subscriber without a decoder may have to leave out: see README.md.
    const spare = codec === 'vp9' && engine === 'webrtc' && !ENGINES[name].decodes ? KEYFRAME_EVERY : 0;
    const order = { from: { media: id, data: data ? dataId : null }, pictures: sent.pictures + spare, seconds, limitMs: LIMIT_MS + seconds * 1_000, dump };
    const got = await session.watch(order);
    if (got.audio?.recorded) got.audio = (await this.#recorder.order('decode', { recorded: got.audio.recorded })).audio;
    if (!ENGINES[name].decodes) {
      // What it took apart is put together by a decoder.
      const decoded = await this.#recorder.order('decode', { codec, video: got.video.file, audio: got.audio.file });
      for (const kind of ['video', 'audio']) got[kind] = decoded[kind] && { ...got[kind], ...decoded[kind] };
    }
    return { ...verdict(sent, got), got };
  }

  /** What an engine without an encoder sends. */
  async #recording(name, codec) {
    const { encodes, picture, toneHz } = ENGINES[name];
    if (encodes) return undefined;
    const key = `${name}-${codec}`;
    if (!this.#recordings.has(key)) {
      const files = { video: `${SCRATCH}/${key}-video.ivf`, audio: `${SCRATCH}/${key}-audio.ivf` };
      const { keyframes } = await this.#recorder.order('record', { codec, picture, toneHz, seconds: 6, keyframeEvery: KEYFRAME_EVERY, ...files });
      this.#recordings.set(key, { ...files, keyframes });
    }
    return this.#recordings.get(key);
  }
}

/** The same failure for everything. @param {Error} error */
export function allWrong(error) {
  const why = String(error.message ?? error).split('\n')[0];
  return Object.fromEntries(MEDIA.map((what) => [what, why]));
}

/** aiortc and libnice gather no loopback candidates, so the server is reached at an address of this machine as well. */
function addresses() {
  const ours = Object.values(networkInterfaces()).flat();
  const outer = ours.filter((one) => one && one.family === 'IPv4' && !one.internal).map((one) => one.address);
  return [...outer.slice(0, 1), '127.0.0.1'];
}
