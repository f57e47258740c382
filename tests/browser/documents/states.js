/** The scenario of the page about a meeting's state: every state it names is reached, and printed. */
import assert from 'node:assert/strict';
import { until } from './stage.js';

/** @type {import('./connections.js').Scenario} */
export async function states(scene, { source: asItStands }) {
  assert.equal(asItStands.split('swtich').length, 2, 'the misspelt keyword is still there');
  const source = asItStands.replace('swtich', 'switch').replace('// ...', '...window.options');
  const room = scene.room('A');
  const begin = async (token) => {
    const person = await scene.page({ source, url: scene.proxy.url });
    await person.page.evaluate((options) => Object.assign(window, { options }), { meetingId: room, token, micEnabled: false, webcamEnabled: false });
    await person.ask('run');
    return person;
  };
  const prints = async (person, lines) => {
    const printed = await until(lines.at(-1), person.printed, (all) => all.length >= lines.length, 30_000);
    assert.deepEqual(printed, lines.map((line) => [line]));
  };

  const ann = await begin(scene.token(room));
  await ann.page.evaluate(() => window.meeting.join());
  const lines = ['Meeting is Connecting', 'Meeting is Connected'];
  await prints(ann, lines);
  await scene.proxy.cut(500);
  lines.push('Meeting connection disconnected abruptly', 'Meeting is Connecting', 'Meeting is Connected');
  await prints(ann, lines);
  await ann.page.evaluate(() => window.meeting.leave());
  await prints(ann, [...lines, 'Meeting is closing', 'Meeting connection closed']);

  const eve = await begin('not a token');
  const why = await eve.page.evaluate(() => window.meeting.join().then(() => null, (error) => error.code));
  assert.ok(why, 'nobody enters with a token like that');
  await prints(eve, ['Meeting is Connecting', 'Meeting connection failed']);
}
