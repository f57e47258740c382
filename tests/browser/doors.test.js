/** Doors between rooms, on the page, as people use them. */
import assert from 'node:assert/strict';
import { until } from './support/caller.js';
import { scene } from './support/scene.js';
import { token } from './support/token.js';
import { Visitor } from './support/visitor.js';

scene('a door between two rooms: people see each other, write across, one is asked over and comes, the door closes', { timeout: 180_000 }, async ({ browsers, server }) => {
  const ann = await Visitor.enter(browsers.chromium, server.url, 'Ann', 'library');
  const bob = await Visitor.enter(browsers.chromium, server.url, 'Bob', 'attic');
  const cid = await Visitor.enter(browsers.chromium, server.url, 'Cid', 'attic');
  await bob.sees(1);

  await ann.openDoor('attic');
  await ann.behind(['Bob', 'Cid']);
  // Whoever is in the other room has the door before them without doing anything.
  await Promise.all([bob.behind(['Ann']), cid.behind(['Ann'])]);
  assert.equal(await bob.text('.door h3'), 'library');

  await ann.sayAcross('Good morning over there');
  for (const who of [bob, cid]) {
    await until('they read it on the door', () => who.text('.door-last'), (t) => t === 'Ann Good morning over there');
    assert.match(await who.text('#messages li'), /^Ann.*in library.*Good morning over there$/);
  }
  await bob.sayAcross('And to you');
  await until('Ann reads the answer', () => ann.text('#messages li:last-child'), (t) => /^Bob.*in attic.*And to you$/.test(t));
  await until('Cid reads what Bob said over there', () => cid.text('#messages li:last-child'), (t) => /^Bob.*to library.*And to you$/.test(t));
  assert.equal((await ann.texts('#messages li')).length, 2);

  await ann.page.click('.door-people button[aria-label="Ask Bob over"]');
  await until('Bob is asked', () => bob.text('.ask p'), (t) => t === 'Ann in library asks you over.');
  assert.equal(await cid.shown('.ask'), false, 'nobody else is asked');
  assert.equal(await bob.text('#room-name'), 'attic', 'nobody is moved');
  await bob.page.evaluate(() => (/** @type {any} */ (window).same = true));
  await bob.press('Go');
  await until('Bob is in the library', () => bob.text('#room-name'), (t) => t === 'library');
  assert.equal(await bob.page.evaluate(() => `${location.search} ${/** @type {any} */ (window).same}`), '?room=library true');
  await Promise.all([ann.sees(1), bob.sees(1)]);
  await ann.behind(['Cid']);
  await cid.behind(['Ann', 'Bob']);

  await cid.press('Close door');
  for (const who of [ann, bob, cid]) await until('the door is gone', () => who.texts('.door'), (doors) => doors.length === 0);
  assert.equal(await ann.text('#count'), '2 people');
  assert.deepEqual([...ann.faults, ...bob.faults, ...cid.faults], []);
});

for (const browser of /** @type {const} */ (['chromium', 'firefox'])) {
  scene(`${browser}: a door is gone through by oneself, and the browser’s own button leads back`, { browsers: [...new Set(['chromium', browser])], timeout: 150_000 }, async ({ browsers, server }) => {
    const ann = await Visitor.enter(browsers[browser], server.url, 'Ann', 'library');
    const bob = await Visitor.enter(browsers.chromium, server.url, 'Bob', 'attic');
    const eva = await Visitor.enter(browsers.chromium, server.url, 'Eva', 'library');
    await ann.openDoor('attic');
    await ann.behind(['Bob']);
    await ann.press('Go through');
    await until('Ann is in the attic', () => ann.text('#room-name'), (t) => t === 'attic');
    await Promise.all([ann.sees(1), bob.sees(1), ann.behind(['Eva']), bob.behind(['Eva']), eva.behind(['Ann', 'Bob'])]);
    await ann.page.goBack();
    await until('Ann is in the library', () => ann.text('#room-name'), (t) => t === 'library');
    await Promise.all([ann.sees(1), eva.sees(1), ann.behind(['Bob'])]);
    assert.equal(await ann.page.evaluate(() => location.search), '?room=library');
    assert.deepEqual([...ann.faults, ...bob.faults, ...eva.faults], []);
  });
}

scene('a door to a room where nobody is: a sentence, and a wait that ends when somebody comes', {}, async ({ browsers, server }) => {
  const ann = await Visitor.enter(browsers.chromium, server.url, 'Ann', 'library');
  await ann.openDoor('attic');
  await until('the sentence', () => ann.text('#door-answer p'), (t) => t === 'Nobody is in a room called attic yet. Wait for it?');
  await ann.press('Wait for it');
  await until('she waits', () => ann.text('.door.pending'), (t) => /Waiting for somebody to come to attic/.test(t));
  const bob = await Visitor.enter(browsers.chromium, server.url, 'Bob', 'attic');
  await Promise.all([ann.behind(['Bob']), bob.behind(['Ann'])]);
  await ann.openDoor('library');
  await until('our own room', () => ann.text('#door-answer p'), (t) => t === 'That is the room you are in.');
  assert.deepEqual([...ann.faults, ...bob.faults], []);
});

scene('names and texts from the other room are shown as they are written, and run nothing', {}, async ({ browsers, server }) => {
  const evil = '<img src=x onerror="document.title=1">';
  const ann = await Visitor.enter(browsers.chromium, server.url, 'Ann', 'library');
  const eve = await Visitor.enter(browsers.chromium, server.url, evil, '<i>attic</i>');
  await eve.openDoor('library');
  await ann.behind([evil]);
  await eve.sayAcross(evil);
  await until('it is read', () => ann.text('.door-last'), (t) => t === `${evil} ${evil}`);
  await eve.page.click('.door-people button');
  await until('it is asked', () => ann.text('.ask p'), (t) => t === `${evil} in <i>attic</i> asks you over.`);
  assert.equal(await ann.page.$$eval('.door img, .door i:not(.bars i), .ask img, .toast img, #messages img', (found) => found.length), 0);
  assert.equal(await ann.page.title(), 'library · Enfilade');
});

scene('to end the other room takes a second word; then everybody there is out, and the door is gone', {}, async ({ browsers, server }) => {
  const ann = await Visitor.enter(browsers.chromium, server.url, 'Ann', 'library');
  const bob = await Visitor.enter(browsers.chromium, server.url, 'Bob', 'attic');
  await ann.openDoor('attic');
  await ann.behind(['Bob']);
  await ann.press('End that room');
  assert.equal(await bob.shown('#call'), true);
  await ann.press('End it');
  await until('Bob is out', () => bob.text('#left-title'), (t) => t === 'The room was closed');
  await until('the door is gone', () => ann.texts('.door'), (doors) => doors.length === 0);
  assert.equal(await ann.shown('#call'), true);
});

scene('a door that has to be asked for: whoever may judge is asked, and one answer counts for all', { env: { ENFILADE_LINKS__COMPAT: 'off', ENFILADE_LINKS__POLICY: 'ask' } }, async ({ browsers, server }) => {
  const ann = await Visitor.enter(browsers.chromium, server.url, 'Ann', 'library', token({ permissions: ['allow_join', 'link'] }));
  const bob = await Visitor.enter(browsers.chromium, server.url, 'Bob', 'attic');
  const cid = await Visitor.enter(browsers.chromium, server.url, 'Cid', 'attic');
  await ann.openDoor('attic');
  for (const who of [bob, cid]) await until('they are asked', () => who.text('.ask p'), (t) => t === 'Ann in library would like to open a door between your rooms.');
  await bob.press('Refuse');
  await until('Ann is told', () => ann.text('#door-answer p'), (t) => /does not want a door/.test(t));
  await until('the question has gone', () => cid.shown('.ask'), (on) => !on);
  await ann.page.$eval('#door-room', (input) => (input.value = ''));
  await ann.openDoor('attic');
  await until('they are asked again', () => cid.shown('.ask'), Boolean);
  await cid.press('Accept');
  await Promise.all([ann.behind(['Bob', 'Cid']), bob.behind(['Ann']), cid.behind(['Ann'])]);
  assert.equal(await bob.shown('#door-form'), false, 'whose token does not say so opens no doors');
  assert.ok(!(await ann.texts('.door button')).includes('End that room'), 'the right to end a room is not given by itself');
});
