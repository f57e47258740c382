import assert from 'node:assert/strict';
import { until } from './support/caller.js';
import { scene, SMALL } from './support/scene.js';

scene('Chromium has agreed on AES-GCM', {}, async ({ caller }) => {
  const ann = await (await caller('Ann')).join({ room: 'r', camera: SMALL });
  const transport = await until('DTLS is up', () => ann.ask('transport'), (t) => t?.dtlsState === 'connected');
  assert.match(transport.srtpCipher, /GCM/);
});
