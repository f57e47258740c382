/**
 * Runs in a browser, on a document of the server: the SDK as an application would use it. One page holds all sessions of
 * its browser, since a page behind another is given no pictures to send.
 */
import { Room } from '/sdk/client.js';

/** As scene.py has them. */
const STEP = 4;
const WHITE_FROM = 190;
const ECHO = 'echo:';
const MESSAGES = [new TextEncoder().encode('hello'), Uint8Array.from({ length: 20_000 }, (_, n) => (n * 7) % 256)];

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const sessions = new Map();

function scene({ width, height, fps, colour }) {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const pen = canvas.getContext('2d');
  const side = Math.floor(height / 6);
  let number = 0;
  const timer = setInterval(() => {
    pen.fillStyle = `rgb(${colour})`;
    pen.fillRect(0, 0, width, height);
    pen.fillStyle = '#fff';
    pen.fillRect((number++ * STEP) % (width - side), (height - side) / 2, side, side);
  }, 1000 / fps);
  return { track: canvas.captureStream(fps).getVideoTracks()[0], stop: () => clearInterval(timer) };
}

/** Chromium's fake microphone beeps now and then, Firefox's hums at the pitch it was started with but needs no sound device. */
async function tone(hz, fake) {
  if (fake) {
    const quiet = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const track = (await navigator.mediaDevices.getUserMedia({ audio: quiet })).getAudioTracks()[0];
    return { track, stop: () => track.stop() };
  }
  const context = new AudioContext();
  const oscillator = new OscillatorNode(context, { frequency: hz });
  const volume = new GainNode(context, { gain: 0.33 });
  const out = context.createMediaStreamDestination();
  oscillator.connect(volume).connect(out);
  oscillator.start();
  return { track: out.stream.getAudioTracks()[0], stop: () => context.close() };
}

const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

function openChannel(session) {
  session.echoes = [];
  session.channel = session.room.openDataChannel('interop');
  session.channel.on('message', ({ participant, payload }) => {
    const echo = new TextDecoder().decode(payload.subarray(0, ECHO.length)) === ECHO;
    if (echo) return session.echoes.push({ participant, payload: payload.slice(ECHO.length) });
    const answer = new Uint8Array([...new TextEncoder().encode(ECHO), ...payload]);
    return session.channel.send(answer, { to: participant });
  });
}

/** Luma of a pixel of RGBA. */
const luma = (data, at) => 16 + 0.257 * data[at] + 0.504 * data[at + 1] + 0.098 * data[at + 2];

/** The name of the codec that a track comes in. */
async function codecOf(session, track) {
  const receiver = session.room.peerConnection.getReceivers().find((one) => one.track === track);
  const stats = [...(await receiver.getStats()).values()];
  const id = stats.find((one) => one.type === 'inbound-rtp')?.codecId;
  return stats.find((one) => one.id === id)?.mimeType?.split('/')[1].toLowerCase();
}

function see(publication, pictures, end) {
  const video = Object.assign(document.createElement('video'), { muted: true, playsInline: true });
  video.srcObject = publication.stream;
  document.body.append(video);
  video.play().catch(() => {});
  const places = new Set();
  const report = { width: 0, height: 0, pictures: 0, places: 0, colour: null };
  const canvas = document.createElement('canvas');
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const look = () => {
    const { videoWidth: width, videoHeight: height } = video;
    Object.assign(canvas, { width, height });
    pen.drawImage(video, 0, 0);
    const top = pen.getImageData(0, 0, width, Math.max(1, height >> 2)).data;
    const sum = [0, 0, 0];
    for (let at = 0; at < top.length; at += 4) for (let part = 0; part < 3; part++) sum[part] += top[at + part];
    const row = pen.getImageData(0, height >> 1, width, 1).data;
    const white = Array.from({ length: width }, (_, x) => x).filter((x) => luma(row, 4 * x) > WHITE_FROM);
    if (white.length) places.add(Math.round((100 * white.reduce((a, b) => a + b)) / white.length / width));
    const colour = sum.map((part) => Math.round((4 * part) / top.length));
    Object.assign(report, { width, height, colour, pictures: report.pictures + 1, places: places.size });
  };
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      video.srcObject = null;
      video.remove();
      resolve(report);
    };
    const timer = setTimeout(done, end - performance.now());
    const next = () => {
      if (!video.srcObject) return;
      look();
      if (report.pictures >= pictures) done();
      else video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  });
}

/** So many seconds of it as the browser decoded it. Web Audio needs a sound device in Firefox; a recorder does not. */
async function listen(session, publication, seconds, end) {
  const element = Object.assign(new Audio(), { muted: true, srcObject: publication.stream });
  element.play().catch(() => {});
  const receiver = session.room.peerConnection.getReceivers().find((one) => one.track === publication.track);
  const packets = async () => [...(await receiver.getStats()).values()].find((one) => one.type === 'inbound-rtp')?.packetsReceived ?? 0;
  while ((await packets()) < 10 && performance.now() < end) await wait(50);
  const recorder = new MediaRecorder(publication.stream);
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.start();
  await wait(seconds * 1_000 + 300);
  const stopped = new Promise((resolve) => (recorder.onstop = resolve));
  recorder.stop();
  await stopped;
  element.srcObject = null;
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  return { recorded: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')) };
}

async function talk(session, publisher, end) {
  let echoed = 0;
  for (const message of MESSAGES) {
    const back = () => session.echoes.some((echo) => echo.participant === publisher && same(echo.payload, message));
    // The publisher may not have its channel yet, so it is asked again until it answers.
    while (!back() && performance.now() < end) {
      await session.channel.send(message, { to: publisher }).catch(() => {});
      for (let i = 0; i < 25 && !back(); i++) await wait(20);
    }
    echoed += back();
  }
  return { echoed };
}

/** Waits for something of a room that comes with events. */
async function until(what, look, end) {
  for (;;) {
    const found = look();
    if (found) return found;
    if (performance.now() > end) throw new Error(`${what} did not come`);
    await wait(20);
  }
}

window.interop = {
  async enter({ session: name, role, token, room: id, participant, picture, codec, toneHz, fakeTone, limitMs }) {
    const room = new Room({ token, room: id, participant });
    const session = { room, sources: [] };
    sessions.set(name, session);
    await room.join();
    openChannel(session);
    if (role !== 'subscribe') {
      session.sources = [await tone(toneHz, fakeTone), scene(picture)];
      await room.publishAll([
        { track: session.sources[0].track, options: { source: 'microphone' } },
        { track: session.sources[1].track, options: { source: 'camera', codec } },
      ]);
    }
    await until('the media path', () => room.mediaState === 'connected', performance.now() + limitMs);
  },

  async watch({ session: name, from, pictures, seconds, limitMs }) {
    const session = sessions.get(name);
    const end = performance.now() + limitMs;
    const track = async (source, then) => {
      const publication = () => session.room.participants.get(from.media)?.publication(source);
      try {
        await until(source, () => publication()?.track, end);
      } catch {
        return null;
      }
      return then(publication());
    };
    const [video, audio, data] = await Promise.all([
      track('camera', async (publication) => ({ ...(await see(publication, pictures, end)), codec: await codecOf(session, publication.track) })),
      track('microphone', (publication) => listen(session, publication, seconds, end)),
      from.data && talk(session, from.data, end),
    ]);
    return { video, audio, data };
  },

  async end({ session: name }) {
    const session = sessions.get(name);
    sessions.delete(name);
    for (const source of session?.sources ?? []) source.stop();
    await session?.room.leave();
  },
};
