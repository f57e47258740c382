/** Runs in the browser: somebody whose application is plain JavaScript over the Meeting API. */
import { VideoSDK } from '/sdk/client.js';
import { EVENTS, person } from './person.js';

let settled = 0;

Object.assign(window, { VideoSDK });
Object.assign(person, {
  /** Makes the meeting the blocks speak of, and enters it. @param {import('../../../sdk/client/client.js').MeetingOptions} options */
  async enter(options) {
    const meeting = VideoSDK.initMeeting({ micEnabled: false, webcamEnabled: false, ...options });
    for (const event of EVENTS) meeting.on(event, (...args) => person.events.push([event, ...args]));
    Object.assign(window, { meeting });
    await meeting.join();
    person.overhear(meeting);
  },
  leave: () => window.meeting.leave(),
  connections: () => [...window.meeting.connections.keys()],
  participants: () => [...window.meeting.participants.keys()],
  connectTo: (meetingId) => window.meeting.connectTo({ meetingId, payload: 'for the test' }).then(() => null),
  /** Returns when everything the server had said before was heard. */
  settle: () => window.meeting.pubSub.subscribe(`settle-${settled++}`, () => {}),
  /** The block, which became a function of its own. */
  run() {
    const { press, meeting } = window.block();
    if (press) person.press = press;
    Object.assign(window, { meeting });
  },

  /** Makes `connection` the connection with that meeting, and `listener` one that notes what it hears. @param {string} meetingId */
  take(meetingId) {
    const connection = window.meeting.connections.get(meetingId);
    const listener = (subject, ...more) => void person.heard.push([typeof subject?.message === 'string' ? 'chat-message' : 'participant-joined', subject, ...more]);
    Object.assign(window, { connection, listener });
  },
  listenTo: (event) => void window.connection.meeting.on(event, window.listener),
  overhearConnection: () => void person.overhear(window.connection.meeting),
  /** @param {string} meetingId @param {string} text */
  say: (meetingId, text) => window.meeting.connections.get(meetingId).meeting.sendChatMessage(text).then(() => null),
});
