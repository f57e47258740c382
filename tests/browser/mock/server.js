/**
 * A server without media, to look at the page: it serves web/ and sdk/client/, hands out tokens, and plays the signalling
 * of a room whose other participants are made up. Use with fake-peer.js in the page.
 *
 *   node tests/browser/mock/server.js 7890      then http://localhost:7890/?people=6&screen=1
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { WebSocketServer } from 'ws';
import { linksOf, playLinks } from './links.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8' };
const NAMES = ['Bob Okafor', 'Clara Weiß', 'Dmitri', 'Elif Yılmaz', 'Fatou', 'Gustavo Henrique de Albuquerque e Silva', 'Hana', 'Ivo', 'Jun Tanaka', 'Kofi', 'Lea', 'Mara Quinn', 'Nils', 'Olga', 'Priya Raman'];

/** @param {number} port 0: any */
export async function startMock(port = 0) {
  const scene = /** @type {any} */ ({ people: 3, screen: false, token: true, lobby: false, permissions: ['publish', 'subscribe', 'talk', 'moderate', 'link', 'judge'], rooms: {}, linked: [], asked: [], joins: [] });
  const sockets = new Set();
  const http = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://x');
    if (pathname === '/v1/dev/token') {
      let body = '';
      for await (const chunk of request) body += chunk;
      const { room, participant } = JSON.parse(body);
      const token = participant ? `mock for ${participant} in ${room}` : 'mock';
      response.writeHead(scene.token ? 200 : 404, { 'content-type': 'application/json' });
      return response.end(JSON.stringify(scene.token ? { token } : { code: 'not-found' }));
    }
    const path = normalize(pathname === '/' ? '/web/index.html' : pathname.startsWith('/sdk/') ? `/sdk/client/${pathname.slice(5)}` : pathname === '/fake-peer.js' ? '/tests/browser/mock/fake-peer.js' : `/web${pathname}`);
    try {
      const body = await readFile(join(root, path));
      response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  new WebSocketServer({ server: http, path: '/v1/signal' }).on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    play(socket, scene);
  });
  await new Promise((resolve) => http.listen(port, '127.0.0.1', () => resolve(undefined)));
  return {
    scene,
    url: `http://localhost:${/** @type {any} */ (http.address()).port}/`,
    broadcast: (type, fields) => sockets.forEach((s) => s.say({ type, ...fields })),
    sockets: () => sockets.size,
    cut: () => sockets.forEach((s) => s.terminate()),
    close: () => (sockets.forEach((s) => s.terminate()), http.close()),
  };
}

function play(socket, scene) {
  let seq = 0;
  let own = 1000;
  socket.say = (message) => socket.send(JSON.stringify({ seq: ++seq, ...message }));
  const people = Array.from({ length: scene.people }, (_, i) => ({
    id: `p${i}`, displayName: NAMES[i % NAMES.length], joinedAtMs: Date.now(),
    publications: [
      { id: i * 10, source: 'microphone', kind: 'audio', muted: i % 3 === 1, codec: 'opus', encodings: 1 },
      ...(i % 4 === 3 ? [] : [{ id: i * 10 + 1, source: 'camera', kind: 'video', muted: false, codec: 'vp8', encodings: 3, width: 1280, height: 720 }]),
      ...(scene.screen && i === 0 ? [{ id: 2, source: 'screen', kind: 'video', muted: false, codec: 'vp8', encodings: 2, width: 1920, height: 1080 }] : []),
    ],
  }));
  const joined = (m) => {
    scene.room = m.room;
    socket.say({
      re: m.id, type: 'joined', version: 1, room: m.room, session: `session of ${m.room}`, resume: { key: 'k', windowMs: 10000 }, iceServers: [],
      participant: { id: 'me', displayName: m.displayName, joinedAtMs: Date.now(), publications: [] }, participants: people,
      limits: { messageBytes: 65536, metadataBytes: 16384, chatBytes: 8192, seats: 50 },
      permissions: scene.permissions, links: linksOf(scene), pins: [], owner: 'me', created: false,
    });
  };
  socket.on('message', (data) => {
    const m = JSON.parse(String(data));
    if (playLinks(socket, scene, m)) return;
    const ok = (fields = {}) => socket.say({ re: m.id, type: 'ok', ...fields });
    switch (m.type) {
      case 'ping':
        return socket.send(JSON.stringify({ re: m.id, type: 'pong' }));
      case 'resume':
        return scene.deaf || socket.send(JSON.stringify({ re: m.id, type: 'error', code: 'resume-unknown', message: 'Gone.' }));
      case 'join':
        if (scene.deaf) return;
        scene.joins.push(m);
        if (scene.refuse) return socket.send(JSON.stringify({ re: m.id, type: 'error', code: scene.refuse, message: 'No.' }));
        if (scene.lobby) {
          scene.lobby = false;
          scene.admit = () => joined(m);
          return socket.send(JSON.stringify({ re: m.id, type: 'waiting' }));
        }
        return joined(m);
      case 'offer': {
        const mids = (kind) => [...m.sdp.matchAll(new RegExp(`m=${kind} .*\\na=mid:(\\d+)\\na=recvonly`, 'g'))].map((x) => x[1]);
        const [audio, video] = [mids('audio'), mids('video')];
        const sitting = people.flatMap((p) => [
          { participant: p.id, audio: p.publications[0].id, video: p.publications.find((x) => x.source === 'camera')?.id ?? null },
          ...p.publications.filter((x) => x.source === 'screen').map((x) => ({ participant: p.id, audio: null, video: x.id })),
        ]);
        socket.say({
          re: m.id, type: 'answer', sdp: 'mock', seats: audio.map((audioMid, seat) => ({ seat, audioMid, videoMid: video[seat] })),
          publications: m.publish.map(({ mid }) => ({ mid, publication: own++ })),
        });
        socket.say({ type: 'seats', seats: sitting.slice(0, audio.length).map((s, seat) => ({ seat, ...s })) });
        if (sitting.length > audio.length) socket.say({ type: 'seats.wanted', count: sitting.length });
        if (people.length) socket.say({ type: 'speakers', speakers: [{ participant: 'p0', level: 90 }] });
        return socket.say({ type: 'quality', quality: [{ participant: 'me', score: 5 }, ...people.map((p, i) => ({ participant: p.id, score: 5 - (i % 5) }))] });
      }
      case 'leave':
        ok();
        return socket.close(1000);
      case 'publish':
        return ok({ publication: own++ });
      case 'entry.respond':
        scene.asked.push(m);
        return ok();
      case 'chat':
        return ok({ message: `m-${m.id}`, timestampMs: Date.now() });
      default:
        return ok();
    }
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log((await startMock(Number(process.argv[2] ?? 7890))).url);
