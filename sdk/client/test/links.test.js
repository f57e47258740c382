import assert from 'node:assert/strict';
import test from 'node:test';
import { person, scene, settle } from './support.js';

const who = (id) => ({ id, displayName: id.toUpperCase() });
const link = (more = {}) => ({ link: 'r2', payload: { why: 'x' }, rights: ['roster', 'chat'], participants: [who('zoe')], ...more });

/** A joined room that hears everything of its links, those of a link as `r2:event`. */
async function linked(links = []) {
  const s = scene();
  s.server.links = links;
  const log = [];
  s.log = log;
  s.room.on('link-opened', (l, { replayed }) => {
    log.push(['link-opened', l.id, replayed]);
    for (const event of ['participant-joined', 'participant-left', 'participant-updated', 'chat', 'chat-sent', 'gap', 'state', 'closed']) {
      l.on(event, (...args) => log.push([`${l.id}:${event}`, ...args]));
    }
  });
  s.room.on('link-closed', (l, reason) => log.push(['link-closed', l.id, reason]));
  await s.joined();
  return s;
}

test('openLink gives the link that was told just before the answer, and asks for nothing twice', async () => {
  const s = await linked();
  const opened = await s.room.openLink('r2', { payload: 'hi', waitMs: 500 });
  assert.deepEqual(s.log, [['link-opened', 'r2', false]]);
  assert.equal(s.room.links.get('r2'), opened);
  assert.deepEqual([opened.id, opened.payload, opened.closed], ['r2', 'hi', false]);
  const { id: _, ...asked } = s.server.requests('link.open')[0];
  assert.deepEqual(asked, { type: 'link.open', room: 'r2', payload: 'hi', waitMs: 500 });
  assert.equal(await s.room.openLink('r2'), opened);
  assert.equal(s.log.length, 1);
});

test('openLink rejects with the code of the server, and with one of its own for nonsense', async () => {
  const s = await linked();
  s.server.on['link.open'] = () => {
    throw { code: 'room-not-live' };
  };
  await assert.rejects(s.room.openLink('r2'), { code: 'room-not-live' });
  await assert.rejects(s.room.openLink(''), { code: 'invalid-argument' });
});

test('links that were there before us come with the join, with who is there', async () => {
  const s = await linked([link()]);
  assert.deepEqual(s.log, [['link-opened', 'r2', true]]);
  const l = s.room.links.get('r2');
  assert.deepEqual([...l.participants.values()], [who('zoe')]);
  assert.deepEqual([l.payload, [...l.rights]], [{ why: 'x' }, ['roster', 'chat']]);
});

test('who comes, goes and is renamed over there', async () => {
  const s = await linked([link()]);
  s.log.length = 0;
  s.server.event('link.roster', { link: 'r2', joined: [who('yan'), { id: 'zoe', displayName: 'Zoe B' }], left: [] });
  s.server.event('link.roster', { link: 'r2', joined: [], left: ['zoe', 'nobody'] });
  s.server.event('link.roster', { link: 'r9', joined: [who('x')], left: [] });
  assert.deepEqual(s.log, [
    ['r2:participant-joined', who('yan')], ['r2:participant-updated', { id: 'zoe', displayName: 'Zoe B' }],
    ['r2:participant-left', 'zoe', { displayName: 'Zoe B', reason: 'left' }],
  ]);
});

test('a chat message of the other room, an echo of ours, a gap, a link that goes stale', async () => {
  const s = await linked([link()]);
  s.log.length = 0;
  const said = { message: 'm1', participant: 'zoe', displayName: 'ZOE', text: 'hello', timestampMs: 7 };
  s.server.event('link.chat', { link: 'r2', ...said });
  s.server.event('link.chat.sent', { link: 'r2', ...said });
  s.server.event('link.gap', { link: 'r2', lost: 3 });
  s.server.event('link.state', { link: 'r2', stale: true });
  s.server.event('link.state', { link: 'r2', stale: true });
  assert.deepEqual(s.log, [['r2:chat', said], ['r2:chat-sent', said], ['r2:gap', 3], ['r2:state', true]]);
  assert.equal(s.room.links.get('r2').stale, true);
});

test('D10: everybody leaves, then the link is closed; afterwards it refuses everything', async () => {
  const s = await linked([link({ participants: [who('zoe'), who('yan')] })]);
  s.log.length = 0;
  const l = s.room.links.get('r2');
  s.server.event('link.closed', { link: 'r2', reason: 'remote-ended' });
  assert.deepEqual(s.log, [
    ['r2:participant-left', 'zoe', { displayName: 'ZOE', reason: 'remote-ended' }],
    ['r2:participant-left', 'yan', { displayName: 'YAN', reason: 'remote-ended' }],
    ['r2:closed', 'remote-ended'], ['link-closed', 'r2', 'remote-ended'],
  ]);
  assert.deepEqual([l.closed, s.room.links.size, l.participants.size], [true, 0, 0]);
  await assert.rejects(l.chat('x'), { code: 'link-closed' });
  await assert.rejects(l.end(), { code: 'link-closed' });
  await assert.rejects(l.switchParticipant('zoe', { room: 'r1', token: 't' }), { code: 'link-closed' });
  await l.close();
  assert.equal(s.server.requests('link.close').length, 0);
});

test('what is asked over a link', async () => {
  const s = await linked([link()]);
  const l = s.room.links.get('r2');
  assert.deepEqual(await l.chat('hello', { echo: true }), { message: 'l-1', timestampMs: 6 });
  await l.switchParticipant('zoe', { room: 'r1', token: 'jwt', payload: 1 });
  await l.end();
  await l.close();
  await assert.rejects(l.chat(''), { code: 'invalid-argument' });
  const asked = s.server.log.filter((m) => m.type.startsWith('link.') || m.type === 'switch').map(({ id: _, ...m }) => m);
  assert.deepEqual(asked, [
    { type: 'link.chat', link: 'r2', text: 'hello', echo: true },
    { type: 'switch', participant: 'zoe', link: 'r2', room: 'r1', token: 'jwt', payload: 1 },
    { type: 'link.end', link: 'r2' }, { type: 'link.close', link: 'r2' },
  ]);
});

test('a request for a link is answered by accept or reject, and told when settled', async () => {
  const s = await linked();
  s.hear('link-requested', 'link-request-ended');
  s.server.event('link.requested', { request: 3, room: 'r2', participant: 'zoe', displayName: 'ZOE', payload: null, expiresMs: 30000 });
  const [[, asked]] = s.heard;
  assert.deepEqual([asked.request, asked.room, asked.participant], [3, 'r2', 'zoe']);
  await asked.accept();
  await asked.reject();
  assert.deepEqual(s.server.requests('link.respond').map((m) => [m.request, m.accept]), [[3, true], [3, false]]);
  s.server.event('link.request.ended', { request: 3, accepted: true, by: 'me' });
  assert.deepEqual(s.heard[1], ['link-request-ended', { request: 3, accepted: true, by: 'me' }]);
});

test('a request to switch says who asks and from where; nothing happens by itself', async () => {
  const s = await linked();
  s.hear('switch');
  s.server.event('switch', { room: 'r2', token: 'jwt', payload: { a: 1 }, participant: 'zoe', link: 'r2' });
  s.server.event('switch', { room: 'r3', token: 'jwt', participant: 'bob' });
  assert.deepEqual(s.heard, [
    ['switch', { room: 'r2', token: 'jwt', payload: { a: 1 }, participant: 'zoe', link: 'r2' }],
    ['switch', { room: 'r3', token: 'jwt', payload: null, participant: 'bob', link: null }],
  ]);
  assert.equal(s.room.state, 'connected');
  await s.room.switchParticipant('bob', { room: 'r3', token: 'x' });
  assert.equal(s.server.requests('switch')[0].link, undefined);
});

/** The server forgets the session; what it says at the next join is in `server`. */
async function rejoin(s) {
  s.server.sessions.clear();
  s.socket.break();
  await s.platform.advance(1000);
  assert.equal(s.room.state, 'connected');
}

test('after a fresh join: a link that stayed keeps its object, others close and open', async () => {
  const s = await linked([link(), link({ link: 'r3', participants: [] })]);
  const kept = s.room.links.get('r2');
  s.log.length = 0;
  s.server.links = [link({ participants: [who('yan')], rights: ['chat'] }), link({ link: 'r4', participants: [] })];
  await rejoin(s);
  assert.deepEqual(s.log, [
    ['r3:closed', 'unknown'], ['link-closed', 'r3', 'unknown'],
    ['r2:participant-left', 'zoe', { displayName: 'ZOE', reason: 'left' }], ['r2:participant-joined', who('yan')],
    ['link-opened', 'r4', true],
  ]);
  assert.equal(s.room.links.get('r2'), kept);
  assert.deepEqual([...kept.rights], ['chat']);
});

test('after a fresh join to another occurrence of the room, the links of the old one ended with it', async () => {
  const s = await linked([link({ participants: [] })]);
  s.server.links = [];
  s.server.occurrence = 's2';
  await rejoin(s);
  assert.deepEqual(s.log.at(-1), ['link-closed', 'r2', 'local-ended']);
});

test('leaving the room closes its links without telling each of them on the room', async () => {
  const s = await linked([link({ participants: [] })]);
  s.log.length = 0;
  await s.room.leave();
  await settle();
  assert.deepEqual(s.log, [['r2:closed', 'left']]);
  assert.equal(s.room.links.size, 0);
});

test('a listener that throws harms neither the link nor the listeners after it', async (t) => {
  t.mock.method(console, 'error', () => {});
  const s = await linked([link()]);
  s.room.links.get('r2').on('chat', () => {
    throw new Error('mine');
  });
  let heard = 0;
  s.room.links.get('r2').on('chat', () => heard++);
  s.server.event('link.chat', { link: 'r2', message: 'm', participant: 'zoe', displayName: 'Z', text: 'x', timestampMs: 1 });
  s.server.event('participant.joined', { participant: person('bob') });
  assert.deepEqual([heard, s.room.participants.size], [1, 1]);
});
