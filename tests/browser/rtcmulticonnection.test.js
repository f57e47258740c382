import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { until } from './support/caller.js';
import { scene } from './support/scene.js';

const harness = readFileSync(new URL('./support/rmc-page.js', import.meta.url), 'utf8');

/** A page with the script and nothing else. */
async function blank(browser, url) {
  const page = await browser.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  await page.goto(`${url}/healthz`);
  await page.setContent('<!doctype html><title>An application</title><script src="/sdk/rtcmulticonnection.js"></script>', { waitUntil: 'load' });
  await page.addScriptTag({ content: harness });
  return {
    page,
    faults,
    make: (userid, properties) => page.evaluate((u, p) => window.rmc.make(u, p), userid, properties),
    ask: (userid, method, ...args) => page.evaluate((u, m, a) => window.rmc.ask(u, m, ...a), userid, method, args),
    call: (userid, method, ...args) => page.evaluate((u, m, a) => window.rmc.call(u, m, ...a), userid, method, args),
    get: (userid, name) => page.evaluate((u, n) => window.rmc.get(u, n), userid, name),
    participants: (userid) => page.evaluate((u) => window.rmc.participants(u), userid),
    events: (userid, name) => page.evaluate((u, n) => window.rmc.events(u, n), userid, name),
    run: (method, ...args) => page.evaluate((m, a) => window.rmc[m](...a), method, args),
  };
}

/** So many pictures are in the page, and all of them move. */
async function moving(page, count, what) {
  await page.bringToFront(); // a tab in the background paints nothing
  const ask = () => page.evaluate(() => window.pictures());
  const first = await until(`${what}: ${count} pictures`, ask, (sums) => sums.length === count && sums.every((sum) => sum > 0));
  await until(`${what}: they move`, ask, (sums) => sums.length === count && sums.every((sum, i) => sum > 0 && sum !== first[i]));
}

const DATA = { session: { data: true } };

scene('open, then join from another browser: both see and hear each other', { browsers: ['chromium', 'firefox'] }, async ({ browsers, server }) => {
  const ann = await blank(browsers.chromium, server.url);
  const bob = await blank(browsers.firefox, server.url);
  await ann.make('ann', { extra: { name: 'Ann' } });
  await bob.make('bob', { extra: { name: 'Bob' } });
  const [opened, roomid, error, detail] = await ann.ask('ann', 'open', 'library');
  assert.deepEqual([opened, roomid, error, detail.created, detail.ownerId], [true, 'library', null, true, 'ann']);
  const [joined, , , { created, ownerId }] = await bob.ask('bob', 'join', 'library');
  assert.deepEqual([joined, created, ownerId], [true, false, 'ann']);
  assert.deepEqual([await ann.get('ann', 'isInitiator'), await bob.get('bob', 'isInitiator')], [true, false]);
  await moving(ann.page, 2, 'Ann');
  await moving(bob.page, 2, 'Bob');
  const [, theirs] = await ann.events('ann', 'onstream');
  assert.deepEqual([theirs.type, theirs.userid, theirs.extra], ['remote', 'bob', { name: 'Bob' }]);
  assert.deepEqual(await ann.events('ann', 'onstream').then((all) => all.length), 2);
  assert.deepEqual(await ann.page.$$eval('video', (all) => all.map(({ muted }) => muted).sort()), [false, true]);

  await bob.run('stream', 'bob', 'local', 'mute', 'audio');
  await until('Ann is told of the mute', () => ann.events('ann', 'onmute'), (all) => all.length === 1 && all[0].userid === 'bob' && all[0].muteType === 'audio');
  await bob.call('bob', 'leave');
  await until('Bob has left', () => ann.events('ann', 'onleave'), (all) => all.length === 1);
  await until('and his picture too', () => ann.page.$$eval('video', (all) => all.length), (n) => n === 1);
  assert.deepEqual((await ann.events('ann', 'onUserStatusChanged')).map(({ userid, status }) => `${userid} ${status}`), ['bob online', 'bob offline']);
  assert.deepEqual([...ann.faults, ...bob.faults], []);
});

scene('open of a room that is there, join of one that is not: the texts of the original, and codes', {}, async ({ browsers, server }) => {
  const page = await blank(browsers.chromium, server.url);
  await page.make('ann', DATA);
  await page.make('bob', DATA);
  assert.equal((await page.ask('ann', 'open', 'r'))[0], true);
  const again = await page.ask('bob', 'open', 'r');
  assert.deepEqual([again[0], again[1], again[2], again[3].code], [false, 'r', 'Room not available', 'ROOM_EXISTS']);
  const missing = await page.ask('bob', 'join', 'nowhere');
  assert.deepEqual([missing[0], missing[2], missing[3].code], [false, 'Room not available', 'ROOM_NOT_FOUND']);
  assert.equal(await page.get('bob', 'isInitiator'), false);
});

scene('twenty openOrJoin at once have one creator, and all are in one room', {}, async ({ browsers, server }) => {
  const page = await blank(browsers.chromium, server.url);
  const all = await page.run('crowd', 20, 'rush');
  assert.deepEqual(all.filter(({ succeeded }) => !succeeded), []);
  assert.deepEqual([all.filter(({ created }) => created).length, all.filter(({ isInitiator }) => isInitiator).length], [1, 1]);
  assert.deepEqual([new Set(all.map(({ sid }) => sid)).size, new Set(all.map(({ ownerId }) => ownerId)).size], [1, 1]);
  await until('everybody sees nineteen', () => page.participants('crowd-0'), (ids) => ids.length === 19);
});

scene('the owner leaves: whoever was there longest takes over, and the room lives on', {}, async ({ browsers, server }) => {
  const page = await blank(browsers.chromium, server.url);
  for (const id of ['ann', 'bob', 'eve']) await page.make(id, DATA);
  await page.ask('ann', 'open', 'r');
  await page.ask('bob', 'join', 'r');
  await page.ask('eve', 'join', 'r');
  await page.call('ann', 'leave');
  await until('Bob is the owner', () => page.get('bob', 'isInitiator'), (is) => is === true);
  assert.deepEqual(await page.events('bob', 'onOwnerChanged'), [{ userid: 'bob', isInitiator: true }]);
  await until('Eve knows', () => page.events('eve', 'onOwnerChanged'), (all) => all.length === 1 && all[0].userid === 'bob');
  assert.equal(await page.get('eve', 'isInitiator'), false);
  assert.equal((await page.ask('ann', 'join', 'r'))[0], true);
});

scene('autoCloseEntireSession: the room closes with its owner, everybody is told, and the name is free', {}, async ({ browsers, server }) => {
  const page = await blank(browsers.chromium, server.url);
  await page.make('ann', { ...DATA, autoCloseEntireSession: true });
  await page.make('bob', DATA);
  await page.ask('ann', 'open', 'r');
  await page.ask('bob', 'join', 'r');
  await page.call('ann', 'leave');
  await until('Bob is told', () => page.events('bob', 'onEntireSessionClosed'), (all) => all.length === 1 && all[0].sessionid === 'r');
  assert.equal((await page.ask('bob', 'open', 'r'))[0], true);
});

scene('closeEntireSession: the owner closes for all, and nobody else can', {}, async ({ browsers, server }) => {
  const page = await blank(browsers.chromium, server.url);
  await page.make('ann', DATA);
  await page.make('bob', DATA);
  await page.ask('ann', 'open', 'r');
  await page.ask('bob', 'join', 'r');
  assert.deepEqual((await page.ask('bob', 'closeEntireSession')).slice(0, 3), [false, 'r', 'Room permission denied']);
  assert.equal((await page.ask('ann', 'closeEntireSession'))[0], true);
  for (const id of ['ann', 'bob']) await until(`${id} is told`, () => page.events(id, 'onEntireSessionClosed'), (all) => all.length === 1 && all[0].userid === 'ann');
  assert.deepEqual((await page.ask('bob', 'checkPresence', 'r')).slice(0, 2), [false, 'r']);
});

scene('a password is asked for, compared, told of and changed', {}, async ({ browsers, server }) => {
  const page = await blank(browsers.chromium, server.url);
  await page.make('ann', { ...DATA, password: 'sesame', extra: { name: 'Ann' } });
  await page.make('bob', DATA);
  await page.make('eve', { ...DATA, password: 'wrong' });
  await page.make('dan', { ...DATA, password: 'sesame' });
  await page.ask('ann', 'open', 'r');
  assert.deepEqual(await page.ask('bob', 'checkPresence', 'r'), [true, 'r', { name: 'Ann', _room: { isFull: false, isPasswordProtected: true } }]);
  const without = await page.ask('bob', 'join', 'r');
  assert.deepEqual([without[0], without[2], without[3].code], [false, 'Invalid password', 'PASSWORD_REQUIRED']);
  const wrong = await page.ask('eve', 'join', 'r');
  assert.deepEqual([wrong[0], wrong[2], wrong[3].code], [false, 'Invalid password', 'PASSWORD_WRONG']);
  assert.equal((await page.ask('dan', 'join', 'r'))[0], true);
  assert.deepEqual((await page.ask('dan', 'setPassword', 'mine')).slice(0, 3), [false, 'r', 'Room permission denied']);
  assert.deepEqual((await page.ask('ann', 'setPassword', 'wrong')).slice(0, 3), [true, 'r', null]);
  assert.equal((await page.ask('eve', 'join', 'r'))[0], true);
});

scene('a room that is full says so, to checkPresence and to join', {}, async ({ browsers, server }) => {
  const page = await blank(browsers.chromium, server.url);
  await page.make('ann', { ...DATA, maxParticipantsAllowed: 2 });
  for (const id of ['bob', 'eve']) await page.make(id, DATA);
  await page.ask('ann', 'open', 'r');
  await page.ask('bob', 'join', 'r');
  const full = await page.ask('eve', 'join', 'r');
  assert.deepEqual([full[0], full[2], full[3].code], [false, 'Room full', 'ROOM_FULL']);
  assert.equal((await page.ask('eve', 'checkPresence', 'r'))[2]._room.isFull, true);
});

scene('send: text, objects, bytes, long messages and files, to all and to one', { browsers: ['chromium', 'firefox'] }, async ({ browsers, server }) => {
  const ann = await blank(browsers.chromium, server.url);
  const bob = await blank(browsers.firefox, server.url);
  await ann.make('ann', DATA);
  for (const id of ['bob', 'eve']) await bob.make(id, DATA);
  await ann.ask('ann', 'open', 'r');
  await bob.ask('bob', 'join', 'r');
  await bob.ask('eve', 'join', 'r');
  await until('the channels are open', () => ann.events('ann', 'onopen'), (all) => all.length === 2);
  await until('at the other end too', () => bob.events('bob', 'onopen'), (all) => all.length === 2);
  await ann.call('ann', 'send', 'hello');
  await ann.call('ann', 'send', { for: 'Bob' }, 'bob');
  await ann.call('ann', 'send', 'x'.repeat(300_000));
  await ann.page.evaluate(() => window.rmc.call('ann', 'send', new Uint8Array(1234)));
  await until('Bob has all', () => bob.events('bob', 'onmessage'), (all) => all.length === 4);
  assert.deepEqual((await bob.events('bob', 'onmessage')).map(({ userid, data }) => [userid, data]), [
    ['ann', 'hello'], ['ann', { for: 'Bob' }], ['ann', { characters: 300_000 }], ['ann', { bytes: 1234 }],
  ]);
  await until('Eve has what was for all', () => bob.events('eve', 'onmessage'), (all) => all.length === 3);
  await bob.run('shareFile', 'bob', 'notes.txt', 8_000_000);
  await until('Ann has the file', () => ann.events('ann', 'onFileEnd'), (all) => all.length === 1 && all[0].file === 'notes.txt' && all[0].size === 8_000_000, 60_000);
  await bob.call('bob', 'leave');
  await until('the channel to Bob is closed', () => ann.events('ann', 'onclose'), (all) => all.length === 1 && all[0].userid === 'bob');
});

scene('extra, a new user id, public rooms, parting', {}, async ({ browsers, server }) => {
  const page = await blank(browsers.chromium, server.url);
  await page.make('ann', { ...DATA, publicRoomIdentifier: 'demos' });
  for (const id of ['bob', 'eve']) await page.make(id, DATA);
  await page.ask('ann', 'open', 'r');
  await page.ask('bob', 'join', 'r');
  await page.ask('eve', 'join', 'r');
  const [[room]] = await page.ask('bob', 'getPublicRooms', 'demos');
  assert.deepEqual([room.sessionid, room.owner, room.participants.length, room.session.data], ['r', 'ann', 3, true]);

  await page.page.evaluate(() => {
    window.rmc.get('ann', 'extra').mood = 'good';
    window.rmc.call('ann', 'updateExtraData');
  });
  await until('Bob is told', () => page.events('bob', 'onExtraDataUpdated'), (all) => all.length === 1 && all[0].extra.mood === 'good');

  assert.deepEqual((await page.ask('bob', 'changeUserId', 'robert')).slice(0, 3), [true, 'robert', null]);
  await until('Ann sees the new name', () => page.participants('ann'), (ids) => ids.includes('robert') && !ids.includes('bob'));
  await until('and Robert sees Ann and Eve, not himself', () => page.participants('bob'), (ids) => ids.sort().join() === 'ann,eve');

  await page.ask('ann', 'disconnectWith', 'eve');
  await until('Eve has Robert alone', () => page.participants('eve'), (ids) => ids.join() === 'robert');
  assert.deepEqual(await page.participants('ann'), ['robert']);
});

scene('one-way: viewers open no camera and see the owner alone', {}, async ({ browsers, server }) => {
  const [owner, viewers] = [await blank(browsers.chromium, server.url), await blank(browsers.chromium, server.url)];
  const session = { audio: true, video: true, oneway: true };
  await owner.make('ann', { session });
  for (const id of ['bob', 'eve']) await viewers.make(id, { session });
  await owner.ask('ann', 'open', 'show');
  await viewers.ask('bob', 'join', 'show');
  await viewers.ask('eve', 'openOrJoin', 'show');
  await moving(viewers.page, 2, 'Bob and Eve');
  assert.deepEqual((await viewers.events('bob', 'onstream')).map(({ type, userid }) => [type, userid]), [['remote', 'ann']]);
  assert.deepEqual([await viewers.participants('bob'), (await owner.participants('ann')).sort()], [['ann'], ['bob', 'eve']]);
  await owner.call('ann', 'leave');
  await until('the show is over', () => viewers.events('eve', 'onEntireSessionClosed'), (all) => all.length === 1);
});

scene('the documents\' demo of open and join runs as it is written', {}, async ({ browsers, server }) => {
  const demo = `<!doctype html><button id="btnOpenRoom">open</button><button id="btnJoinRoom">join</button>
<script src="${server.url}/sdk/rtcmulticonnection.js"></script>
<script src="${server.url}/socket.io/socket.io.js"></script>
<script>
var connection = new RTCMultiConnection();

// this line is VERY_important
connection.socketURL = '${server.url}/';

// if you want audio+video conferencing
connection.session = {
    audio: true,
    video: true
};

btnJoinRoom.onclick = function() {
    connection.join('room-id', function(isRoomJoined, roomid, error) {
        if(error) {
            alert(error);
        }

        if(isRoomJoined === true) {
            alert('Successfully joined the room.');
        }
    });
};

btnOpenRoom.onclick = function() {
    connection.open('room-id', function(isRoomOpened, roomid, error) {
        if(error) {
            alert(error);
        }

        if(isRoomOpened === true) {
            alert('Successfully created the room.');
        }
    });
};
</script>`;
  const visit = async () => {
    const page = await browsers.chromium.newPage();
    const alerts = [];
    page.on('dialog', (dialog) => (alerts.push(dialog.message()), void dialog.accept()));
    await page.goto(`${server.url}/healthz`);
    await page.setContent(demo, { waitUntil: 'load' });
    await page.addScriptTag({ content: harness });
    const alerted = async (text) => assert.equal(await until('an alert', async () => alerts.at(-1), Boolean), text);
    const click = async (button) => {
      await page.bringToFront(); // a tab in the background may not alert
      await page.click(button);
    };
    return { page, alerts, alerted, click };
  };
  const [ann, bob] = [await visit(), await visit()];
  await bob.click('#btnJoinRoom');
  await bob.alerted('Room not available');
  bob.alerts.length = 0;
  await ann.click('#btnOpenRoom');
  await ann.alerted('Successfully created the room.');
  await bob.click('#btnOpenRoom');
  await bob.alerted('Room not available');
  bob.alerts.length = 0;
  await bob.click('#btnJoinRoom');
  await bob.alerted('Successfully joined the room.');
  await moving(ann.page, 2, 'Ann');
  await moving(bob.page, 2, 'Bob');
});

scene('the documents\' demo of openOrJoin runs as it is written', {}, async ({ browsers, server }) => {
  const demo = `<!doctype html><body>
<script src="${server.url}/sdk/rtcmulticonnection.js"></script>
<script src="${server.url}/socket.io/socket.io.js"></script>
<script>
var connection = new RTCMultiConnection();

// this line is VERY_important
connection.socketURL = '${server.url}/';

// if you want audio+video conferencing
connection.session = {
    audio: true,
    video: true
};

connection.openOrJoin('your-room-id');
</script>`;
  const pages = [];
  for (let i = 0; i < 2; i++) {
    const page = await browsers.chromium.newPage();
    await page.goto(`${server.url}/healthz`);
    await page.setContent(demo, { waitUntil: 'load' });
    await page.addScriptTag({ content: harness });
    pages.push(page);
  }
  for (const page of pages) await moving(page, 2, 'a visitor');
  const initiators = await Promise.all(pages.map((page) => page.evaluate(() => window.connection.isInitiator)));
  assert.deepEqual(initiators.filter(Boolean).length, 1);
});

scene('the demonstration page: open, join, write, close', { browsers: ['chromium', 'firefox'] }, async ({ browsers, server }) => {
  const visit = async (browser, name) => {
    const page = await browser.newPage();
    const faults = [];
    page.on('pageerror', (error) => faults.push(String(error)));
    await page.goto(`${server.url}/rtcmulticonnection.html?room=foyer`);
    await page.addScriptTag({ content: harness });
    await page.type('#user-name', name);
    return { page, faults, log: () => page.$eval('#log', (e) => e.textContent), status: () => page.$eval('#status', (e) => e.textContent) };
  };
  const ann = await visit(browsers.chromium, 'Ann');
  const bob = await visit(browsers.firefox, 'Bob');
  await bob.page.click('#join-room');
  await until('Bob is refused', bob.log, (text) => text.includes('Room not available (ROOM_NOT_FOUND)'));
  await ann.page.click('#open-room');
  await until('Ann is in', ann.status, (text) => text === 'in foyer · yours');
  await bob.page.click('#check-presence');
  await until('Bob is told whose it is', bob.log, (text) => text.includes('it is Ann’s'));
  await bob.page.click('#open-or-join-room');
  await until('Bob is in', bob.status, (text) => text === 'in foyer');
  await moving(ann.page, 2, 'Ann');
  await moving(bob.page, 2, 'Bob');
  await until('Ann can write', ann.log, (text) => text.includes('Bob can be written to'));
  await ann.page.type('#chat-text', 'hello Bob');
  await ann.page.keyboard.press('Enter');
  await until('Bob reads it', bob.log, (text) => text.includes('Ann: hello Bob'));
  await ann.page.click('#close-session');
  for (const { status } of [ann, bob]) await until('closed for all', status, (text) => text === 'not in a room');
  assert.deepEqual([...ann.faults, ...bob.faults], []);
});
