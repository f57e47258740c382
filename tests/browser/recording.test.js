/** Recordings of real browsers' media, played by a browser. */
import assert from 'node:assert/strict';
import { createReadStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './support/caller.js';
import { scene, SMALL } from './support/scene.js';
import { token } from './support/token.js';
import { Visitor } from './support/visitor.js';

/** Serves a folder as a web server does, with ranges, which seeking needs. */
async function serve(folder) {
  const server = createServer((request, response) => {
    if (request.url === '/') return response.writeHead(200, { 'content-type': 'text/html' }).end('<video muted></video>');
    const path = join(folder, decodeURIComponent(request.url.slice(1)));
    if (!existsSync(path)) return response.writeHead(404).end();
    const size = statSync(path).size;
    const [, from = 0, to = size - 1] = /bytes=(\d+)-(\d+)?/.exec(request.headers.range ?? '') ?? [];
    const [first, last] = [Number(from), Number(to)];
    response.writeHead(request.headers.range ? 206 : 200, {
      'content-type': 'video/webm', 'accept-ranges': 'bytes', 'content-length': last - first + 1, 'content-range': `bytes ${first}-${last}/${size}`,
    });
    createReadStream(path, { start: first, end: last }).pipe(response).on('error', () => {});
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

/** Plays a file from a place on; what came of it. */
async function play(browser, url, file, from) {
  const page = await browser.newPage();
  await page.goto(`${url}/`);
  const seen = await page.evaluate(async (source, at) => {
    const video = document.querySelector('video');
    const failed = new Promise((_, reject) => video.addEventListener('error', () => reject(new Error(`${video.error.code}: ${video.error.message}`))));
    const event = (name) => Promise.race([new Promise((resolve) => video.addEventListener(name, resolve, { once: true })), failed]);
    const loaded = event('loadeddata');
    video.src = source;
    await loaded;
    const { duration } = video;
    const size = [video.videoWidth, video.videoHeight];
    if (at > 0) {
      const sought = event('seeked');
      video.currentTime = at;
      await sought;
    }
    const begun = video.currentTime;
    const before = [video.webkitDecodedFrameCount, video.webkitAudioDecodedByteCount];
    await video.play();
    await Promise.race([failed, new Promise((resolve) => video.addEventListener('timeupdate', () => video.currentTime >= begun + 1 && resolve()))]);
    return { duration, size, begun, reached: video.currentTime, frames: video.webkitDecodedFrameCount - before[0], sound: video.webkitAudioDecodedByteCount - before[1] };
  }, `${url}/${file}`, from);
  await page.close();
  return seen;
}

/** A server that records into a folder of the test's own. */
function recorded(name, run) {
  const folder = mkdtempSync(join(tmpdir(), 'enfilade-recording-'));
  scene(name, { env: { ENFILADE_RECORDING__DIRECTORY: folder, ENFILADE_RECORDING__MIN_FREE: '0', ENFILADE_RECORDING__KEYFRAME_INTERVAL: '2s' } }, async (stage) => {
    const bearer = { authorization: `Bearer ${token({ permissions: ['allow_join', 'allow_mod'], room: 'r' })}` };
    const ask = async (method, path = '') => {
      const answer = await fetch(`${stage.server.url}/v1/rooms/r/recordings${path}`, { method, headers: bearer });
      assert.ok(answer.ok, `${method}: ${answer.status}`);
      return answer.json();
    };
    try {
      await run(stage, ask, folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

const files = (folder) => readdirSync(folder).filter((name) => /\.(webm|mkv)$/.test(name));
const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
/** Waits until a file has this many seconds in it. */
const grown = (folder, ms) => until(`${ms} ms are written`, async () => manifestOf(folder).files[0]?.bytes ?? 0, (bytes) => bytes > 0)
  .then(() => until(`${ms} ms`, async () => Date.now() - manifestOf(folder).startedAtMs, (passed) => passed >= ms, ms + 20_000));

recorded('a recording of camera and microphone plays in a browser, from its beginning and from the middle', async ({ caller, browsers }, ask, root) => {
  const ann = await caller('Ann');
  await ann.join({ room: 'r', camera: SMALL, microphone: true });
  const { recording } = await ask('POST');
  const folder = join(root, recording);
  await grown(folder, 8_000);
  const info = await ask('DELETE', `/${recording}`);
  assert.deepEqual([info.state, info.reason], ['stopped', 'stopped']);
  const [file] = files(folder);
  const [noted] = manifestOf(folder).files;
  assert.deepEqual([noted.file, noted.complete, noted.tracks.map((t) => t.source).sort()], [file, true, ['camera', 'microphone']]);
  const { url, close } = await serve(folder);
  try {
    const whole = await play(browsers.chromium, url, file, 0);
    assert.ok(Math.abs(whole.duration * 1_000 - noted.durationMs) < 200 && whole.duration > 5, JSON.stringify(whole));
    assert.ok(whole.size[0] >= 160 && whole.frames > 5 && whole.sound > 1_000, JSON.stringify(whole));
    const middle = await play(browsers.chromium, url, file, 5);
    assert.ok(Math.abs(middle.begun - 5) < 0.1 && middle.frames > 5 && middle.sound > 1_000, JSON.stringify(middle));
  } finally {
    close();
  }
});

// Chromium as Debian has it encodes all of them. H264 lies in Matroska, which Chromium plays as well.
for (const [codec, extension] of [['vp9', 'webm'], ['h264', 'mkv'], ['av1', 'webm']]) {
  recorded(`${codec} that a browser sent plays in a browser, with its sound, from the middle too`, async ({ caller, browsers }, ask, root) => {
    const ann = await caller('Ann');
    await ann.join({ room: 'r', camera: { ...SMALL, publish: { codec } }, microphone: true });
    const { recording } = await ask('POST');
    const folder = join(root, recording);
    await grown(folder, 7_000);
    await ask('DELETE', `/${recording}`);
    const [noted] = manifestOf(folder).files;
    assert.deepEqual([noted.tracks.map((t) => t.codec).sort(), noted.file.split('.').at(-1)], [[codec, 'opus'].sort(), extension]);
    const { url, close } = await serve(folder);
    try {
      const whole = await play(browsers.chromium, url, noted.file, 0);
      assert.ok(whole.duration > 4 && whole.size[0] >= 160 && whole.frames > 5 && whole.sound > 1_000, JSON.stringify(whole));
      const middle = await play(browsers.chromium, url, noted.file, 3);
      assert.ok(Math.abs(middle.begun - 3) < 0.1 && middle.frames > 3 && middle.sound > 1_000, JSON.stringify(middle));
    } finally {
      close();
    }
  });
}

recorded('what a server that was killed had recorded plays up to the last second', async ({ caller, browsers, server }, ask, root) => {
  const ann = await caller('Ann');
  await ann.join({ room: 'r', camera: SMALL, microphone: true });
  const { recording } = await ask('POST');
  const folder = join(root, recording);
  await grown(folder, 6_000);
  const { startedAtMs } = manifestOf(folder);
  const killed = Date.now();
  await server.stop('SIGKILL');
  const { url, close } = await serve(folder);
  try {
    const [file] = files(folder);
    const lasted = (killed - startedAtMs) / 1_000;
    // The file begins with the first keyframe, a moment after the recording.
    const { startMs } = manifestOf(folder).files[0];
    const end = lasted - startMs / 1_000;
    const seen = await play(browsers.chromium, url, file, end - 2.2);
    assert.ok(seen.duration >= end - 1.1, `${JSON.stringify(seen)} of ${end}`);
    assert.ok(seen.frames > 3 && seen.sound > 1_000, JSON.stringify(seen));
  } finally {
    close();
  }
});

recorded('the page tells everybody, whenever they come, that the room is recorded, and when it no longer is', async ({ browsers, server }, ask) => {
  const told = (visitor, shown) => until('the sign', () => visitor.shown('#recording'), (seen) => seen === shown);
  const ann = await Visitor.enter(browsers.chromium, server.url, 'Ann', 'r');
  assert.equal(await ann.shown('#recording'), false);
  const { recording } = await ask('POST');
  await told(ann, true);
  const ben = await Visitor.enter(browsers.chromium, server.url, 'Ben', 'r');
  await told(ben, true);
  await ask('DELETE', `/${recording}`);
  await Promise.all([told(ann, false), told(ben, false)]);
  assert.deepEqual([...ann.faults, ...ben.faults], []);
});
