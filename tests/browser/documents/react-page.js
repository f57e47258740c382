/** Runs in the browser: somebody whose application is a React component, below a MeetingProvider. */
import { createElement, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { EVENTS, person } from './person.js';

/** 'meeting-joined' -> 'onMeetingJoined' */
const callback = (event) => `on${event.replace(/(^|-)(\w)/g, (_, _dash, letter) => letter.toUpperCase())}`;

/**
 * @param {{MeetingProvider: any, useMeeting: any, usePubSub: any}} sdk
 * @param {(props: object) => null} Block the block as a component
 */
export function begin({ MeetingProvider, useMeeting, usePubSub }, Block) {
  let runBlock = () => {};
  let mounted = () => {};

  /** Notes what happens, and keeps what the test asks for. */
  function Watcher() {
    const meeting = useMeeting(Object.fromEntries(EVENTS.map((event) => [callback(event), (...args) => person.events.push([event, ...args])])));
    const { publish } = usePubSub('settle');
    Object.assign(person, {
      leave: () => meeting.leave(),
      connections: () => [...meeting.connections.keys()],
      // The hook counts us among them, the Meeting does not.
      participants: () => [...meeting.participants.keys()].filter((id) => id !== meeting.localParticipant?.id),
      connectTo: (id) => meeting.connectTo({ meetingId: id, payload: 'for the test' }).then(() => null),
      settle: () => publish('settle'),
    });
    return null;
  }

  /** The application around the block: what is in its state decides which meeting it is in. */
  function App({ token: firstToken, meetingId: firstMeetingId, ...options }) {
    const [token, setToken] = useState(firstToken);
    const [meetingId, setMeetingId] = useState(firstMeetingId);
    const [runs, setRuns] = useState(false);
    runBlock = () => setRuns(true);
    // After the effects of the block, which begin to listen.
    useEffect(() => {
      if (runs) mounted();
    }, [runs]);
    return createElement(
      MeetingProvider,
      { config: { micEnabled: false, webcamEnabled: false, ...options, meetingId }, token, joinWithoutUserInteraction: true, reInitialiseMeetingOnConfigChange: true },
      createElement(Watcher),
      runs && createElement(Block, { setToken, setMeetingId }),
    );
  }

  Object.assign(person, {
    async enter(options) {
      createRoot(document.body).render(createElement(App, options));
      while (!person.events.some(([event]) => event === 'meeting-joined')) {
        const failed = person.events.find(([event]) => event === 'error');
        if (failed) throw failed[1];
        await new Promise((resolve) => setTimeout(resolve, 20)); // a page behind another has no animation frames
      }
    },
    /** Returns when the component is mounted and listens. @returns {Promise<void>} */
    run: () =>
      new Promise((resolve) => {
        mounted = resolve;
        runBlock();
      }),
  });
}
