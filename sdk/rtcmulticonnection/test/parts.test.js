import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { modernConstraints } from '../constraints.js';
import RTCMultiConnection from '../index.js';
import { scene, settle } from './support.js';

const home = join(dirname(fileURLToPath(import.meta.url)), '..');

test('constraints of the old form become those of today', () => {
  assert.equal(modernConstraints(true), true);
  assert.equal(modernConstraints(false), false);
  assert.equal(modernConstraints(undefined), false);
  assert.equal(modernConstraints({ mandatory: {}, optional: [] }), true);
  assert.deepEqual(modernConstraints({ width: { ideal: 640 } }), { width: { ideal: 640 } });
  assert.deepEqual(modernConstraints({ mandatory: { minWidth: 640, maxWidth: 1280, minFrameRate: 10 }, optional: [{ sourceId: 'x' }, { googLeakyBucket: true }, { minHeight: 360 }] }), {
    deviceId: { ideal: 'x' }, height: { ideal: 360 }, width: { min: 640, max: 1280 }, frameRate: { min: 10 },
  });
});

test('a development token is asked of the server that socketURL names, and makes nobody a moderator', async () => {
  const s = scene();
  s.connection.socketURL = 'https://media.example.org:443/calls/';
  await s.opened();
  assert.deepEqual(s.fetched[0], { url: 'https://media.example.org/calls/v1/dev/token', body: { room: 'room', permissions: ['allow_join'] } });
  assert.equal(s.platform.sockets[0].url, 'wss://media.example.org/calls/v1/signal');
});

for (const [how, give] of [
  ['accessToken, a string', (c) => (c.accessToken = 'mine')],
  ['accessToken, a function', (c) => (c.accessToken = async (roomid, userid) => (roomid === 'room' && userid === 'me' ? 'mine' : 'wrong'))],
  ['token, replaced', (c) => (c.token = () => 'mine')],
]) {
  test(`the application's token: ${how}`, async () => {
    const s = scene();
    give(s.connection);
    await s.opened();
    assert.deepEqual([s.server.requests('join')[0].token, s.fetched.length], ['mine', 0]);
  });
}

test('a server that gives no development tokens is a clear error', async () => {
  const s = scene();
  s.platform.fetch = async () => ({ ok: false, status: 404 });
  const [succeeded, , error, { code }] = await s.ask('open', 'room');
  assert.deepEqual([succeeded, code], [false, 'TOKEN_MISSING']);
  assert.match(error, /connection\.accessToken/);
  assert.equal(s.asked.length, 0);
});

test('a room id the server does not take is told in its words', async () => {
  const s = scene();
  s.platform.fetch = async () => ({ ok: false, status: 400, json: async () => ({ code: 'invalid-field', message: 'No spaces.' }) });
  const [, , error, { code }] = await s.ask('openOrJoin', 'two words');
  assert.deepEqual([error, code], ['No spaces.', 'INVALID_FIELD']);
});

test('methods may be handed on as they are: onclick = connection.leave', async () => {
  const s = scene();
  const { open, leave, getAllParticipants } = s.connection;
  open('room');
  await settle(200);
  assert.equal(s.connection.isOnline, true);
  assert.deepEqual(getAllParticipants(), []);
  leave();
  assert.equal(s.connection.isOnline, false);
});

test('token() makes ids that are fit for rooms', () => {
  const { connection } = scene();
  assert.match(connection.token(), /^[a-z0-9]{16}$/);
  assert.notEqual(connection.token(), connection.token());
});

test('the script sets a global and needs nothing of a page to be evaluated', () => {
  const context = vm.createContext({ crypto });
  vm.runInContext(readFileSync(join(home, 'rtcmulticonnection.js'), 'utf8'), context, { importModuleDynamically: vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER });
  assert.equal(typeof context.RTCMultiConnection, 'function');
  vm.runInContext(readFileSync(join(home, 'rtcmulticonnection.js'), 'utf8'), context); // twice does no harm
});

test('when the rest cannot be loaded, callbacks and onSocketError tell', async (t) => {
  t.mock.method(RTCMultiConnection, 'load', async () => {
    throw new Error('404');
  });
  const connection = new RTCMultiConnection('room');
  const errors = [];
  connection.onSocketError = (error) => errors.push(error.message);
  const answers = [];
  connection.open('room', (...args) => answers.push(args));
  await settle();
  connection.join('room', (...args) => answers.push(args));
  connection.checkPresence('room', (...args) => answers.push(args));
  assert.deepEqual(errors, ['404']);
  assert.deepEqual(answers.map(([ok, , third, detail]) => [ok, third?._room ? 'extra' : third, detail?.code]), [
    [false, 'Invalid socket', 'CONNECT_FAILED'], [false, 'Invalid socket', 'CONNECT_FAILED'], [false, 'extra', undefined],
  ]);
});

test('autoOpenOrJoin enters at once the room of the constructor', async () => {
  const { platform, server } = scene();
  const connection = new RTCMultiConnection('lobby', { autoOpenOrJoin: true });
  connection.platform = platform;
  await settle(200);
  assert.deepEqual(server.requests('join').map(({ room }) => room), ['lobby']);
});

test('everything that the original has and a media server has no use for is there', () => {
  const { connection } = scene();
  connection.sdpConstraints.mandatory = { OfferToReceiveAudio: true };
  connection.iceServers.push({ urls: 'stun:x' });
  connection.mediaConstraints.video.mandatory = { minWidth: 640 };
  assert.equal(connection.processSdp('v=0'), 'v=0');
  for (const name of ['candidates', 'iceProtocols', 'optionalArgument', 'socketOptions', 'direction', 'maxRelayLimitPerUser', 'trickleIce']) assert.ok(name in connection, name);
  assert.equal(connection.errors.ROOM_NOT_AVAILABLE, 'Room not available');
});

test('modules import only their own kind; only browser.js and the two entries touch globals of a page', () => {
  const banned = /\b(window|document|navigator|localStorage|new WebSocket|new RTCPeerConnection|new MediaStream\b|Date\.now|Math\.random)\b/;
  for (const name of readdirSync(home).filter((file) => file.endsWith('.js'))) {
    const code = readFileSync(join(home, name), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
    if (name !== 'browser.js' && name !== 'rtcmulticonnection.js') assert.doesNotMatch(code, banned, name);
    for (const [, from] of code.matchAll(/^(?:import|export) [^;]*?from '([^']+)'/gm)) assert.match(from, name === 'index.js' ? /^(\.\/|@enfilade\/client$)/ : /^\.\/.*\.js$/, name);
  }
});
