/**
 * The engine of @roamhq/wrtc: libwebrtc of 2022 in Node, with its codecs. It is driven by the SDK, as a bot would be.
 */
import wrtc from '@roamhq/wrtc';
import WebSocket from 'ws';
import { browserPlatform, Room } from '../../../sdk/client/client.js';
import { obey } from './lines.js';
import { Heard, paced, SAMPLE_RATE, Scene, Seen, Talk, tone, until } from './scene.js';

const { RTCAudioSink, RTCAudioSource, RTCVideoSink, RTCVideoSource } = wrtc.nonstandard;

const platform = {
  ...browserPlatform(),
  createSocket: (url) => new WebSocket(url),
  createPeerConnection: (config) => new wrtc.RTCPeerConnection(config),
  createStream: (tracks) => new wrtc.MediaStream(tracks),
  receiveCapabilities: (kind) => wrtc.RTCRtpReceiver.getCapabilities(kind),
};

const sessions = new Map();

function sources(picture, toneHz) {
  const [camera, microphone] = [new RTCVideoSource(), new RTCAudioSource()];
  const scene = new Scene(picture);
  const { width, height } = picture;
  const count = SAMPLE_RATE / 100; // it takes ten milliseconds at a time
  const stops = [
    paced(picture.fps, (n) => camera.onFrame({ width, height, data: scene.picture(n) })),
    paced(100, (n) =>
      microphone.onData({ samples: tone(toneHz, n * count, count), sampleRate: SAMPLE_RATE, bitsPerSample: 16, channelCount: 1, numberOfFrames: count }),
    ),
  ];
  return { microphone: microphone.createTrack(), camera: camera.createTrack(), stop: () => stops.forEach((stop) => stop()) };
}

async function see(track, seen, pictures, limitMs) {
  const sink = new RTCVideoSink(track);
  sink.onframe = ({ frame }) => seen.look(frame);
  await until(() => seen.pictures >= pictures, limitMs);
  sink.stop();
  return seen.report();
}

async function listen(track, heard, seconds, limitMs) {
  const sink = new RTCAudioSink(track);
  sink.ondata = ({ samples, channelCount, sampleRate }) => heard.listen(samples, channelCount, sampleRate);
  await until(() => heard.seconds >= seconds, limitMs);
  sink.stop();
  return heard.report();
}

obey({
  async enter({ session: name, role, url, token, room: id, participant, picture, codec, toneHz, limitMs }) {
    const room = new Room({ url, token, room: id, participant, platform });
    const session = { room, stop: () => {} };
    sessions.set(name, session);
    await room.join();
    const channel = room.openDataChannel('interop');
    session.talk = new Talk((to, payload) => channel.send(payload, { to }).catch(() => {}));
    channel.on('message', ({ participant: sender, payload }) => session.talk.hear(sender, Buffer.from(payload)));
    if (role !== 'subscribe') {
      const { camera, microphone, stop } = sources(picture, toneHz);
      session.stop = stop;
      await room.publishAll([
        { track: microphone, options: { source: 'microphone' } },
        { track: camera, options: { source: 'camera', codec } },
      ]);
    }
    if (!(await until(() => room.mediaState === 'connected', limitMs))) throw new Error(`the media path is ${room.mediaState}`);
  },

  async watch({ session: name, from, pictures, seconds, limitMs }) {
    const { room, talk } = sessions.get(name);
    const track = async (source, then) => {
      const found = await until(() => room.participants.get(from.media)?.publication(source)?.track, limitMs);
      return found ? then(found) : null;
    };
    const [video, audio, data] = await Promise.all([
      track('camera', (found) => see(found, new Seen(), pictures, limitMs)),
      track('microphone', (found) => listen(found, new Heard(), seconds, limitMs)),
      from.data && talk.talk(from.data, limitMs),
    ]);
    return { video, audio, data };
  },

  async end({ session: name }) {
    const session = sessions.get(name);
    sessions.delete(name);
    session?.stop();
    await session?.room.leave();
  },
});
