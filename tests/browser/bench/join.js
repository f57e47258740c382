// How long from asking to join until the first decoded picture, in Chromium on loopback.
// node tests/browser/bench/join.js [joins]   (build the server first: cargo build --release)
//
// Ann sends a camera all the time; Bob joins, waits for her first decoded frame, and leaves, again and again. His page, with
// the SDK loaded, stays open: what is measured is the join, not the browser's start.
import { LAUNCH } from '../support/browsers.js';
import { Caller } from '../support/caller.js';
import { startServer } from '../support/server.js';

const joins = Number(process.argv[2] ?? 50);
const server = await startServer();
const url = `http://localhost:${server.port}`;
const browser = await LAUNCH.chromium();
try {
  const ann = await Caller.open(browser, url, 'Ann');
  await ann.join({ room: 'bench', camera: { width: 1280, height: 720 }, microphone: true });
  const bob = await browser.newPage();
  await bob.goto(`${url}/sdk/client.js`);
  const times = [];
  for (let at = 0; at < joins; at += 1) {
    times.push(await bob.evaluate(joinOnce, at));
    // Keyframes are asked for at most every 500 ms: without a pause each join would wait for the one before it.
    await new Promise((resolve) => setTimeout(resolve, 700));
  }
  times.sort((a, b) => a - b);
  const at = (share) => Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))]);
  console.log(JSON.stringify({ joins, p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99), maxMs: Math.round(times.at(-1)) }));
} finally {
  await browser.close();
  await server.stop();
}

/** Runs in the page. @param {number} nth */
async function joinOnce(nth) {
  const { Room } = await import('/sdk/client.js');
  const ask = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ room: 'bench' }) };
  const { token } = await (await fetch('/v1/dev/token', ask)).json();
  const room = new Room({ token, displayName: `Bob ${nth}` });
  const started = performance.now();
  const decoded = new Promise((resolve) => {
    room.on('track-started', (publication) => {
      if (publication.kind !== 'video') return;
      const video = document.createElement('video');
      video.muted = true;
      document.documentElement.append(video);
      video.requestVideoFrameCallback(() => resolve(video));
      room.playback.attach(video, publication.stream);
    });
  });
  await room.join();
  const video = await decoded;
  const took = performance.now() - started;
  video.remove();
  await room.leave();
  return took;
}
