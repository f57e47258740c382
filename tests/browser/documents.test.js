/**
 * The documents this project was begun from, which lie beside it: every block of code in them is run as it stands there, in
 * a browser against the server, and does what the text beside it says.
 */
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import * as connections from './documents/connections.js';
import { blocks, FOLDER, present } from './documents/extract.js';
import * as meetingClass from './documents/meeting-class.js';
import * as rmc from './documents/rmc.js';
import { openStage } from './documents/stage.js';
import { states } from './documents/states.js';
import { lacking } from './support/scene.js';

/** @typedef {import('./documents/connections.js').Scenario} Scenario */

const TABS = ['js', 'react', 'reactnative'];

/** document -> [section, what the block does there, scenario, tabs] @type {Record<string, [string, string, Scenario, (string | null)[]?][]>} */
const SCENARIOS = {
  'rtcmulticonnection-open-or-join.md': [
    ['Usage', 'the first opens the room, the second joins it', rmc.openOrJoin],
    ['Description', 'isInitiator tells the callback who opened and who joined', rmc.openOrJoinWithCallback],
    ['Demo', 'two people see each other', rmc.openOrJoinDemo],
  ],
  'rtcmulticonnection-open.md': [
    ['Usage', 'the room is created, and somebody else is told that it is not available', rmc.open],
    ['Best practice', 'a room that exists is joined, one that does not is opened', rmc.bestPractice],
    ['Description', 'the callback is called', rmc.openCallback],
    ['Demo', 'one opens, one joins, and they see each other', rmc.openDemo],
  ],
  'videosdk-connection-meeting-class.md': [
    ['Methods > sendChatMessage() > Examples', 'everybody in the other meeting gets the message', meetingClass.sendChatMessage],
    ['Methods > on() > Example', 'the listener hears who joins and what is said', meetingClass.on],
    ['Methods > off() > Example', 'the listener hears nothing any more', meetingClass.off],
    ['Methods > end() > Example', 'everybody leaves the other meeting', meetingClass.end],
    ['Events > participant-joined > Example', 'somebody joins the other meeting', meetingClass.listens('participant-joined', 'M2P2')],
    ['Events > participant-left > Example', 'somebody leaves the other meeting', meetingClass.listens('participant-left', 'M2P2')],
    ['Events > chat-message > Example', 'somebody in the other meeting says something', meetingClass.listens('chat-message', 'hello')],
  ],
  'videosdk-meeting-connection-events.md': [['meeting-state-changed > Example', 'each of the six states is reached and printed', states]],
  'videosdk-open-connection.md': [
    ['Establish Connection with meetings > Example > Method and Event Code', 'everybody in both meetings gets connection-open', connections.connectTo, TABS],
    ['Get all Connection meetings', 'a Map of all connected meetings', connections.allConnections, TABS],
    ['Get single connection meeting', 'one connection, by the id of the meeting', connections.oneConnection, TABS],
    ['List out participants of connected meeting > Method and Event Code', 'who is there, who comes and who goes', connections.participants, TABS],
    ['Send message to connected meetings > Method and Event Code', 'everybody in the other meeting gets it, and nobody else', connections.chat, TABS],
    ['Switch particpant of connected meetings > Method and Event Code', 'who is asked to switch, and nobody else, is asked', connections.switchTo, TABS],
    ['End meeting of connection > Example', 'everybody leaves the connected meeting', connections.end, TABS],
    ['Close connection > Method', 'both meetings are told, and go on', connections.close, TABS],
  ],
};

const place = ({ document, section, tab, ordinal }) => [document, section, tab ?? 'no tab', ordinal].join(' | ');
const planned = Object.entries(SCENARIOS).flatMap(([document, rows]) =>
  rows.flatMap(([section, what, run, tabs = [null]]) => tabs.map((tab) => ({ document, section, tab, ordinal: 1, what, run }))),
);

if (!present()) {
  // The words that xtask/src/report.rs knows: this is the one test that may be skipped everywhere.
  const why = `there are no documents at ${FOLDER} (DOCUMENTS_UNDER_TEST names another folder)`;
  test(`SKIPPED, AS IT MAY BE: the code blocks of the documents; ${why}`, { skip: why }, () => {});
} else {
  const found = blocks();

  test('every code block of the documents has its scenario, and every scenario its block', () => {
    const [here, known] = [found.map(place), planned.map(place)];
    assert.deepEqual(
      { 'without a scenario': here.filter((one) => !known.includes(one)), 'no longer there': known.filter((one) => !here.includes(one)) },
      { 'without a scenario': [], 'no longer there': [] },
    );
  });

  const why = lacking(['chromium']);
  /** @type {ReturnType<typeof openStage> | null} */
  let opening = null;
  const stage = () => (opening ??= openStage());
  after(async () => (await opening)?.close());

  for (const { what, run, ...key } of planned) {
    const block = found.find((b) => place(b) === place(key));
    if (!block) continue; // told above
    test(`${key.document}: ${key.section}${key.tab ? `, ${key.tab}` : ''}: ${what}`, { timeout: 60_000, skip: why && !process.env.CI ? why : false }, async (t) => {
      if (why) throw new Error(why);
      await (await stage()).play(async (scene) => {
        await run(scene, block).catch((error) => {
          t.diagnostic(scene.server.output());
          throw error;
        });
      });
    });
  }
}
