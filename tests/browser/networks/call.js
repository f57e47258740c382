import { until } from '../support/caller.js';
import { Observation } from './observation.js';

/** @typedef {import('./stage.js').Stage} Stage */

export const HD = { width: 1280, height: 720 };
export const SMALL = { width: 640, height: 360 };
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let rooms = 0;

/**
 * Ann publishes at one end and Bob receives at the other; both are joined and Bob sees and hears her when this returns.
 * @param {Stage} stage
 * @param {{from?: 'near' | 'far', camera?: object, answers?: object}} [options] answers: the camera of Bob, if he has one
 */
export async function call(stage, { from = 'near', camera = HD, answers } = {}) {
  const room = `networks-${(rooms += 1)}`;
  const ann = await stage.caller(from, 'Ann');
  const bob = await stage.caller(from === 'near' ? 'far' : 'near', 'Bob');
  await ann.join({ room, camera, microphone: true });
  await bob.join({ room, camera: answers, microphone: !!answers });
  await bob.sees('Ann');
  await bob.hears('Ann');
  const close = async () => {
    await Promise.all([ann, bob].map((who) => who.leave().catch(() => {})));
    await Promise.all([ann, bob].map((who) => who.close()));
  };
  return { ann, bob, room, receiver: bob.page, sender: ann.page, close };
}

/**
 * The same without a server: one browser sends straight to the other. Encodings as the SDK has them, but one layer: there
 * is only one to receive it.
 * @param {Stage} stage
 */
export async function directCall(stage) {
  const [sender, receiver] = [await stage.page('near'), await stage.page('far')];
  const offer = await sender.evaluate(async (size) => {
    const pc = (window.pc = new RTCPeerConnection());
    window.measure.pc = () => pc;
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: size });
    pc.addTransceiver(stream.getAudioTracks()[0], { direction: 'sendonly' });
    pc.addTransceiver(stream.getVideoTracks()[0], { direction: 'sendonly', sendEncodings: [{ maxBitrate: 2_000_000 }] });
    await pc.setLocalDescription();
    while (pc.iceGatheringState !== 'complete') await new Promise((resolve) => pc.addEventListener('icegatheringstatechange', resolve, { once: true }));
    return pc.localDescription.sdp;
  }, HD);
  const answer = await receiver.evaluate(async (sdp) => {
    const pc = (window.pc = new RTCPeerConnection());
    window.measure.pc = () => pc;
    pc.ontrack = ({ track }) => window.measure.show(track);
    await pc.setRemoteDescription({ type: 'offer', sdp });
    await pc.setLocalDescription();
    while (pc.iceGatheringState !== 'complete') await new Promise((resolve) => pc.addEventListener('icegatheringstatechange', resolve, { once: true }));
    return pc.localDescription.sdp;
  }, offer);
  await sender.evaluate((sdp) => window.pc.setRemoteDescription({ type: 'answer', sdp }), answer);
  await until('the direct call has pictures', () => receiver.evaluate(() => window.measure.read()), (read) => read.video.framesDecoded > 30 && read.audio.packetsReceived > 50);
  const close = async () => {
    await Promise.all([sender, receiver].map((page) => page.evaluate(() => window.pc.close()).catch(() => {})));
    await Promise.all([sender, receiver].map((page) => page.close()));
  };
  return { receiver, sender, close };
}

/**
 * Sets a path under a running call, lets both ends get used to it, and observes the receiver.
 * @param {Stage} stage
 * @param {{receiver: import('puppeteer-core').Page}} call
 * @param {{up: object, down: object}} path
 * @param {{settleMs: number, ms: number, everyMs?: number}} times
 */
export async function underway(stage, { receiver }, path, { settleMs, ms, everyMs }) {
  await stage.wire.set(path);
  await sleep(settleMs);
  return Observation.of(receiver, ms, everyMs);
}
