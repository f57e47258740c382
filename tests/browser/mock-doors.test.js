/** Doors on the page against the server without media: what is shown, said and asked of the server, in every turn of it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { startMock } from './mock/server.js';
import { CHROMIUM, LAUNCH } from './support/browsers.js';
import { until } from './support/caller.js';

const EVIL = '<img src=x onerror="window.hurt=1">';
const person = (displayName) => ({ id: `there-${displayName}`, displayName });

/** A page in the room `library`, beside rooms as given. */
function mocked(name, { rooms = {}, linked = [], ...rest }, run) {
  test(name, { skip: !CHROMIUM && !process.env.CI && 'Chromium is not installed', timeout: 60_000 }, async () => {
    const mock = await startMock();
    Object.assign(mock.scene, { rooms, linked, ...rest });
    const browser = await LAUNCH.chromium();
    try {
      const page = await browser.newPage();
      await page.setViewport({ width: 1280, height: 800 });
      const faults = [];
      page.on('pageerror', (error) => faults.push(error.message));
      await page.evaluateOnNewDocument(await (await fetch(`${mock.url}fake-peer.js`)).text());
      await page.goto(`${mock.url}?room=library`);
      await page.type('#name', 'Ann');
      await page.click('#join');
      const tools = {
        page, mock,
        text: (selector) => page.evaluate((s) => document.querySelector(s)?.textContent ?? '', selector),
        shown: (selector) => page.evaluate((s) => document.querySelector(s)?.checkVisibility() ?? false, selector),
        /** Clicks what says so. */
        press: async (words, within = 'body') => {
          const handle = await page.evaluateHandle((s, w) => [...document.querySelectorAll(`${s} button`)].find((b) => b.textContent === w && b.checkVisibility()), within, words);
          assert.ok(handle.asElement(), `there is a button that says ${words}`);
          await handle.asElement().click();
        },
        asked: (type) => mock.scene.asked.filter((m) => m.type === type),
        toasts: () => page.$$eval('.toast', (t) => t.map((x) => x.textContent)),
        inside: () => page.waitForSelector('#call', { visible: true }),
      };
      await run(tools);
      assert.deepEqual(faults, []);
      assert.equal(await page.evaluate(() => /** @type {any} */ (window).hurt), undefined, 'what people are called is text');
    } finally {
      await browser.close();
      mock.close();
    }
  });
}

mocked('a door opens by name: its people stand beside the grid, what is said crosses both ways, and it closes', { rooms: { attic: { people: [person('Bob'), person(EVIL)] } } }, async ({ page, mock, text, shown, press, asked, toasts, inside }) => {
  await inside();
  assert.equal(await shown('#doors'), false);
  await page.keyboard.press('o');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'door-room');
  await page.keyboard.type('attic');
  await page.keyboard.press('Enter');
  await until('the people of the attic', () => page.$$eval('.door-people b', (b) => b.map((x) => x.textContent)), (names) => names.join() === `Bob,${EVIL}`);
  assert.equal(await text('.door .count'), '2 people');
  const boxes = () => page.$$eval('.tile', (tiles) => tiles.map((t) => { const { x, y, width, height } = t.getBoundingClientRect(); return [x, y, width, height].join(); }));
  const before = await boxes();
  assert.equal(await page.$eval('#door-room', (e) => e.value), '');

  mock.broadcast('link.roster', { link: 'attic', joined: [person('Cid')], left: ['there-Bob'] });
  await until('Cid came, Bob went', () => page.$$eval('.door-people b', (b) => b.map((x) => x.textContent)), (names) => names.join() === `${EVIL},Cid`);

  mock.broadcast('link.chat', { link: 'attic', message: 'l1', participant: 'there-Cid', displayName: 'Cid', text: '<i>Hello</i> over there', timestampMs: Date.now() });
  await until('the card has it', () => text('.door-last'), (t) => t === 'Cid <i>Hello</i> over there');
  assert.match(await text('#messages li'), /^Cid.*in attic/);
  assert.ok(!(await toasts()).some((t) => t.includes('Hello')), 'what is on the screen already is not said again');
  await page.type('.door-chat input', 'Hello yourselves');
  await page.keyboard.press('Enter');
  const said = await until('it was sent', async () => asked('link.chat')[0], Boolean);
  assert.deepEqual([said.link, said.text, said.echo], ['attic', 'Hello yourselves', true]);
  await until('it is in the chat', () => text('#messages li:last-child'), (t) => /^You.*to attic.*Hello yourselves$/.test(t));
  mock.broadcast('link.chat.sent', { link: 'attic', message: 'l2', participant: 'p0', displayName: 'Dora', text: 'From me too', timestampMs: Date.now() });
  await until('what others here said across', () => text('#messages li:last-child'), (t) => /^Dora.*to attic.*From me too$/.test(t));

  mock.broadcast('link.state', { link: 'attic', stale: true });
  await until('stale', () => page.$$eval('.door.stale', (d) => d.length), (n) => n === 1);
  mock.broadcast('link.state', { link: 'attic', stale: false });
  await until('fresh', () => page.$$eval('.door.stale', (d) => d.length), (n) => n === 0);
  mock.broadcast('switch', { room: 'attic', token: 't', payload: null, participant: 'there-Cid', link: 'attic' });
  await until('a question', () => shown('.ask'), Boolean);
  assert.deepEqual(await boxes(), before, 'whatever happens behind doors, the grid stays where it is');
  await press('Stay');
  mock.broadcast('link.gap', { link: 'attic', lost: 3 });
  await until('the gap is told', toasts, (t) => t.some((x) => /3 messages from attic did not get through/.test(x)));

  await press('Close door');
  await until('no door', () => page.$$eval('.door', (d) => d.length), (n) => n === 0);
  assert.equal(await shown('#door-none'), true);
});

mocked('what keeps a door shut is said in words, and who is not there yet can be waited for', { rooms: { vault: { people: [], denies: true } } }, async ({ page, mock, text, press, asked, inside }) => {
  await inside();
  await page.click('#control-doors');
  const open = async (name) => {
    await page.$eval('#door-room', (e) => (e.value = ''));
    await page.type('#door-room', name);
    await page.keyboard.press('Enter');
  };
  await open('library');
  await until('our own room', () => text('#door-answer'), (t) => t === 'That is the room you are in.');
  await open('vault');
  await until('a room that will not', () => text('#door-answer'), (t) => /does not want a door/.test(t));
  await open('a@b');
  await until('no name', () => text('#door-answer'), (t) => /cannot contain @/.test(t));
  await open('no such room');
  await until('an empty room', () => text('#door-answer p'), (t) => t === 'Nobody is in a room called no-such-room yet. Wait for it?');
  await press('Never mind');
  assert.equal(await text('#door-answer'), '');
  await open('attic');
  await until('an empty room', () => text('#door-answer p'), (t) => /called attic/.test(t));
  await press('Wait for it');
  await until('waiting', () => text('.door.pending'), (t) => /Waiting for somebody to come to attic/.test(t));
  assert.equal(asked('link.open').at(-1).waitMs, 60_000);
  mock.scene.rooms.attic = { people: [person('Bob')] };
  mock.scene.appeared();
  await until('the door', () => text('.door:not(.pending) h3'), (t) => t === 'attic');
  assert.equal(await page.$$eval('.door', (d) => d.length), 1);
});

mocked('somebody is asked over with a token for them and our room; a server that gives out none says what to do', { rooms: { attic: { people: [person('Bob')] } }, linked: ['attic'] }, async ({ mock, text, press, asked, toasts, shown, inside }) => {
  await inside();
  assert.equal(await shown('#doors'), true, 'a door that was open before we came is seen at once');
  mock.scene.token = false;
  await press('Ask over');
  await until('no tokens', toasts, (t) => t.some((x) => /gives out no tokens.*ask Bob over.*Send them a link/.test(x)));
  mock.scene.token = true;
  await press('Ask over');
  const request = await until('asked', async () => asked('switch')[0], Boolean);
  assert.deepEqual([request.link, request.participant, request.room, request.token, request.payload], ['attic', 'there-Bob', 'library', 'mock for there-Bob in library', { displayName: 'Ann' }]);
  await until('the button says so', () => text('.door-people button'), (t) => t === 'Asked');
});

mocked('who is asked over goes with the token given, without leaving the page, and back by the browser’s button', { rooms: { attic: { people: [person('Bob'), person('Cid')] } }, linked: ['attic'] }, async ({ page, mock, text, press, shown, inside }) => {
  await inside();
  await page.evaluate(() => (/** @type {any} */ (window).same = true));
  const ask = () => mock.broadcast('switch', { room: 'attic', token: 'a token for the attic', payload: { displayName: 'An impostor' }, participant: 'there-Bob', link: 'attic' });
  ask();
  await until('the question', () => text('.ask p'), (t) => t === 'Bob in attic asks you over.');
  await press('Stay');
  assert.equal(await shown('.ask'), false);
  assert.equal(await text('#room-name'), 'library');

  mock.scene.refuse = 'room-full';
  ask();
  await until('again', () => shown('.ask'), Boolean);
  await page.keyboard.press('a');
  await page.keyboard.press('Enter');
  await until('a full room', () => page.$$eval('.toast', (t) => t.map((x) => x.textContent).join()), (t) => /full/.test(t));
  assert.equal(await text('#room-name'), 'library', 'we are still where we were');
  mock.scene.refuse = null;

  await page.click('#control-mic');
  ask();
  await until('a third time', () => shown('.ask'), Boolean);
  await press('Go');
  await until('in the attic', () => text('#room-name'), (t) => t === 'attic');
  assert.equal(mock.scene.joins.at(-1).token, 'a token for the attic');
  assert.equal(await page.evaluate(() => `${location.search} ${/** @type {any} */ (window).same}`), '?room=attic true');
  await until('the picture came along', () => page.$eval('#control-cam', (e) => e.classList.contains('off')), (off) => !off);
  assert.equal(await page.$eval('#control-mic', (e) => e.classList.contains('off')), true, 'what was off stays off');
  assert.equal(await shown('#left'), false);
  await until('one socket is left', async () => mock.sockets(), (n) => n === 1);

  await page.goBack();
  await until('in the library', () => text('#room-name'), (t) => t === 'library');
  await until('still one page', () => page.evaluate(() => `${location.search} ${/** @type {any} */ (window).same}`), (t) => t === '?room=library true');
});

mocked('one may go through oneself, and waits at a door with a lobby without leaving the room', { rooms: { attic: { people: [] } }, linked: ['attic'] }, async ({ page, mock, text, press, inside }) => {
  await inside();
  mock.scene.lobby = true;
  await press('Go through');
  await until('waiting', () => text('#banner'), (t) => /Waiting to be let in to attic/.test(t));
  await press('Stay here');
  await until('not any more', () => page.$eval('#banner', (b) => b.hidden), Boolean);
  assert.equal(await text('#room-name'), 'library');
  Object.assign(mock.scene, { lobby: true, admit: null });
  await press('Go through');
  await until('waiting', async () => mock.scene.admit, Boolean);
  mock.scene.admit();
  await until('there', () => text('#room-name'), (t) => t === 'attic');
});

mocked('a room with a lobby: one waits on a screen of its own, and may stop', { lobby: true }, async ({ page, mock, text, shown, inside }) => {
  await until('the waiting screen', () => text('#waiting-title'), (t) => t === 'Waiting to be let in to library');
  await page.click('#waiting-stop');
  await until('back', () => shown('#join-form'), Boolean);
  assert.equal(await shown('#join-error'), false);
  mock.scene.lobby = true;
  await page.click('#join');
  await until('waiting again', () => shown('#waiting'), Boolean);
  mock.scene.admit();
  await inside();
  assert.equal(await shown('#waiting'), false);
});

mocked('questions of others are put and answered, and go when somebody else has answered', {}, async ({ page, mock, text, press, shown, asked, inside, toasts }) => {
  await inside();
  mock.broadcast('link.requested', { request: 3, room: 'attic', participant: 'there-Bob', displayName: EVIL, payload: null, expiresMs: 30_000 });
  await until('a door is asked for', () => text('.ask p'), (t) => t === `${EVIL} in attic would like to open a door between your rooms.`);
  await press('Accept');
  await until('accepted', async () => asked('link.respond')[0], (m) => m?.request === 3 && m.accept === true);
  mock.broadcast('link.requested', { request: 4, room: 'attic', participant: 'there-Bob', displayName: 'Bob', payload: null, expiresMs: 30_000 });
  await until('another', () => shown('.ask'), Boolean);
  mock.broadcast('link.request.ended', { request: 4, accepted: false, by: 'p0' });
  await until('somebody else refused', () => shown('.ask'), (on) => !on);

  mock.broadcast('entry.requested', { participant: 'eve', displayName: 'Eve', metadata: null });
  await until('Eve knocks', () => text('.ask p'), (t) => t === 'Eve would like to come in.');
  await press('Let in');
  await until('let in', async () => asked('entry.respond')[0], (m) => m?.participant === 'eve' && m.allow === true);
  mock.broadcast('entry.requested', { participant: 'mallory', displayName: 'Mallory', metadata: null });
  await until('Mallory knocks', () => shown('.ask'), Boolean);
  mock.broadcast('entry.responded', { participant: 'mallory', allow: false, by: 'p1' });
  await until('answered', () => shown('.ask'), (on) => !on);

  mock.broadcast('media.requested', { participant: 'p0', source: 'microphone', on: false });
  await until('muted', () => page.$eval('#control-mic', (e) => e.classList.contains('off')), Boolean);
  await until('and told by whom', toasts, (t) => t.some((x) => /Bob Okafor turned your microphone off/.test(x)));
  mock.broadcast('media.requested', { participant: 'p0', source: 'microphone', on: true });
  await until('asked to speak', () => text('.ask p'), (t) => t === 'Bob Okafor asks you to turn your microphone on.');
  assert.equal(await page.$eval('#control-mic', (e) => e.classList.contains('off')), true, 'not by itself');
  await press('Turn on');
  await until('on', () => page.$eval('#control-mic', (e) => e.classList.contains('off')), (off) => !off);
});

mocked('to end the other room takes the right to, and a second word', { rooms: { attic: { people: [person('Bob')], rights: ['roster', 'chat', 'switch', 'end'] }, cellar: { people: [], rights: [] } }, linked: ['attic', 'cellar'] }, async ({ page, press, asked, toasts, inside }) => {
  await inside();
  assert.deepEqual(await page.$$eval('[data-room=cellar] button', (b) => b.map((x) => x.textContent)), ['Go through', 'Close door', 'Keep it', 'End it']);
  assert.equal(await page.$$eval('[data-room=cellar] input', (i) => i.length), 0);
  await press('End that room', '[data-room=attic]');
  await press('Keep it', '[data-room=attic]');
  assert.equal(asked('link.end').length, 0);
  await press('End that room', '[data-room=attic]');
  await press('End it', '[data-room=attic]');
  await until('told', toasts, (t) => t.some((x) => /The room attic has ended/.test(x)));
  assert.equal(await page.$$eval('.door', (d) => d.length), 1);
});

mocked('who may not link sees doors, and nothing that would open or close one', { rooms: { attic: { people: [person('Bob')] } }, linked: ['attic'], permissions: ['publish', 'subscribe', 'talk'] }, async ({ page, shown, inside }) => {
  await inside();
  assert.equal(await shown('#door-form'), false);
  assert.deepEqual(await page.$$eval('.door button', (b) => b.filter((x) => x.checkVisibility()).map((x) => x.textContent)), ['', 'Go through']);
});

mocked('our own reconnect announces nobody who was here before', {}, async ({ page, mock, toasts, inside }) => {
  await inside();
  await page.evaluate(() => {
    const said = (/** @type {any} */ (window).said = []);
    for (const id of ['toasts', 'live']) new MutationObserver(() => said.push(document.getElementById(id)?.textContent)).observe(/** @type {any} */ (document.getElementById(id)), { childList: true, subtree: true, characterData: true });
  });
  // The server comes back, and with it, one after the other, everybody.
  mock.scene.people = 1;
  mock.cut();
  await until('the others are gone', () => page.$$eval('.tile', (t) => t.length), (n) => n === 2);
  await until('connected', () => page.$eval('#banner', (b) => b.hidden), Boolean);
  mock.broadcast('participant.joined', { participant: { id: 'p1', displayName: 'Clara Weiß', joinedAtMs: Date.now(), publications: [] } });
  mock.broadcast('participant.joined', { participant: { id: 'new', displayName: 'Newton', joinedAtMs: Date.now(), publications: [] } });
  await until('who is new is announced', toasts, (t) => t.some((x) => x === 'Newton joined'));
  assert.deepEqual(await page.evaluate(() => (/** @type {any} */ (window).said.join(' ').match(/Bob|Clara|Dmitri/g) ?? [])), []);
});
