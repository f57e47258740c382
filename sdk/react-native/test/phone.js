import * as React from 'react';
import TestRenderer from 'react-test-renderer';
import { FakePeerConnection, FakeTrack, fakePlatform } from '../../client/test/fake-platform.js';
import { ScriptedServer } from '../../client/test/scripted-server.js';

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true, IS_REACT_NATIVE_TEST_ENVIRONMENT: true });

export const h = React.createElement;

/** A phone: what `react-native-webrtc` exports, a WebSocket as React Native has it, and a scripted server behind it. */
export function phone() {
  const server = new ScriptedServer();
  const { createSocket } = fakePlatform(server);
  const sockets = [];
  globalThis.WebSocket = function WebSocket(url) {
    const socket = createSocket(url);
    sockets.push(socket);
    return socket;
  };
  const asked = { media: [], permissions: [] };
  const peers = [];
  const webrtc = {
    RTCPeerConnection: class extends FakePeerConnection {
      constructor(config) {
        super(config);
        peers.push(this);
      }
    },
    MediaStream: class MediaStream {
      constructor(tracks = []) {
        this.tracks = tracks;
      }
      getTracks() {
        return this.tracks;
      }
      toURL() {
        return `stream of ${this.tracks.map((t) => t.kind)}`;
      }
    },
    // As in react-native-webrtc: it throws when the phone did not say.
    RTCRtpReceiver: { getCapabilities() { throw new Error('Receiver Capabilities is null'); } },
    mediaDevices: Object.assign(new EventTarget(), {
      async getUserMedia(constraints) {
        asked.media.push(constraints);
        const track = new FakeTrack(constraints.audio ? 'audio' : 'video');
        return { getTracks: () => [track], getAudioTracks: () => (constraints.audio ? [track] : []), getVideoTracks: () => (constraints.audio ? [] : [track]) };
      },
      async getDisplayMedia() {
        const track = new FakeTrack('video');
        return { getVideoTracks: () => [track], getAudioTracks: () => [] };
      },
      async enumerateDevices() {
        return [
          { deviceId: '0', groupId: '', kind: 'videoinput', label: 'Camera 0', facing: 'environment' },
          { deviceId: '1', groupId: '', kind: 'videoinput', label: 'Camera 1', facing: 'front' },
          { deviceId: 'audio-1', groupId: '', kind: 'audioinput', label: 'Audio' },
        ];
      },
    }),
    permissions: {
      query: async ({ name }) => (asked.permissions.push(['query', name]), name === 'camera' ? 'granted' : 'prompt'),
      request: async ({ name }) => (asked.permissions.push(['request', name]), name === 'camera'),
    },
    RTCView: (props) => h('rtc-view', props),
  };
  return { server, sockets, peers, asked, webrtc };
}

export const settle = () => React.act(async () => { for (let i = 0; i < 60; i++) await Promise.resolve(); });

/** Renders in StrictMode, without a DOM. */
export async function render(element) {
  let renderer;
  await React.act(async () => {
    renderer = TestRenderer.create(h(React.StrictMode, null, element), { unstable_isConcurrent: true, unstable_strictMode: true });
  });
  await settle();
  return {
    get text() {
      return [renderer.toJSON()].flat().map((part) => (typeof part === 'string' ? part : JSON.stringify(part))).join('');
    },
    json: () => renderer.toJSON(),
    unmount: async () => {
      await React.act(async () => renderer.unmount());
      await settle();
    },
  };
}
