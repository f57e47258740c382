/** The door of one's own room: who has to ask, who lets in, and who switches whom off. On the page, as people use it. */
import assert from 'node:assert/strict';
import { until } from './support/caller.js';
import { scene } from './support/scene.js';
import { token } from './support/token.js';
import { Visitor } from './support/visitor.js';

scene('who has to ask waits on a screen of its own, until somebody inside lets them in or refuses', {}, async ({ browsers, server }) => {
  const asking = token({ permissions: ['ask_join'] });
  const ann = await Visitor.enter(browsers.chromium, server.url, 'Ann', 'library');
  const eve = await Visitor.knock(browsers.chromium, server.url, 'Eve', 'library', asking);
  await until('Eve waits', () => eve.text('#waiting-title'), (t) => t === 'Waiting to be let in to library');
  await until('Ann is asked', () => ann.text('.ask p'), (t) => t === 'Eve would like to come in.');
  await ann.press('Refuse');
  await until('Eve is told', () => eve.text('#join-error'), (t) => t === 'You were not let in.');
  assert.equal(await eve.shown('#waiting'), false);

  await eve.page.click('#join');
  await until('Ann is asked again', () => ann.shown('.ask'), Boolean);
  await ann.press('Let in');
  await eve.inside();
  await Promise.all([ann.sees(1), eve.sees(1)]);

  const dan = await Visitor.knock(browsers.chromium, server.url, 'Dan', 'library', asking);
  await until('Dan knocks', () => ann.shown('.ask'), Boolean);
  await dan.page.click('#waiting-stop');
  await until('Dan gave up', () => ann.shown('.ask'), (on) => !on);
  assert.equal(await dan.shown('#join-form'), true);
  assert.deepEqual([...ann.faults, ...eve.faults, ...dan.faults], []);
});

scene('a moderator turns a microphone off from the list of people; its owner is told by whom, and turns it on again', {}, async ({ browsers, server }) => {
  const ann = await Visitor.enter(browsers.chromium, server.url, 'Ann', 'library');
  const bob = await Visitor.enter(browsers.chromium, server.url, 'Bob', 'library', token({ permissions: ['allow_join'] }));
  const off = () => bob.page.$eval('#control-mic', (e) => e.classList.contains('off'));
  await ann.sees(1);
  await bob.page.click('#control-people');
  assert.equal(await bob.page.$$eval('#people-view button', (b) => b.length), 0, 'who may not, is offered nothing');
  await ann.page.click('#control-people');
  await ann.page.click('button[aria-label="Turn the microphone of Bob off"]');
  await until('Bob is off', off, Boolean);
  await until('and knows why', () => bob.texts('.toast'), (t) => t.some((x) => /^Ann turned your microphone off/.test(x)));
  await ann.page.waitForSelector('button[aria-label="Ask Bob to turn the microphone on"]');
  await ann.page.click('button[aria-label="Ask Bob to turn the microphone on"]');
  await until('Bob is asked', () => bob.text('.ask p'), (t) => t === 'Ann asks you to turn your microphone on.');
  assert.equal(await off(), true, 'nothing is turned on for anybody');
  await bob.press('Turn on');
  await until('Bob is on', off, (is) => !is);
  assert.deepEqual([...ann.faults, ...bob.faults], []);
});
