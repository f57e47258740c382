import { Window } from 'happy-dom';
import * as React from 'react';
import { createMeetingProvider } from '../index.js';
import { Counted, ScriptedMeeting } from './scripted-meeting.js';

const window = new Window();
Object.assign(globalThis, { window, document: window.document, IS_REACT_ACT_ENVIRONMENT: true });
Object.defineProperty(globalThis, 'navigator', { value: window.navigator, configurable: true });
const { createRoot } = await import('react-dom/client');

export const h = React.createElement;

/** Lets React and every pending promise do their work. */
export const settle = () => React.act(async () => { for (let i = 0; i < 30; i++) await Promise.resolve(); });

/** A page of React in StrictMode. */
export function page() {
  const container = document.createElement('div');
  const root = createRoot(container);
  /** Does something and lets React follow. */
  const act = async (run) => {
    let result;
    await React.act(async () => {
      result = await run();
    });
    return result;
  };
  return {
    container, act,
    render: (element) => act(() => root.render(h(React.StrictMode, null, element))),
    unmount: () => act(() => root.unmount()),
  };
}

/** A page in StrictMode: a provider with these props, the component in it, and scripted meetings. */
export async function scene(component, props = {}) {
  const meetings = [];
  const listening = Counted.listening;
  const Provider = createMeetingProvider((options) => {
    const meeting = new ScriptedMeeting(options);
    meetings.push(meeting);
    return meeting;
  });
  const { container, act, unmount, ...mounted } = page();
  const render = (more = {}) => {
    props = { config: { meetingId: 'library', name: 'Ann' }, token: 't', ...props, ...more };
    return mounted.render(h(Provider, props, component ? h(component) : props.children));
  };
  await render();
  return {
    meetings, container, act, render, unmount,
    /** The newest meeting. */
    get meeting() {
      return meetings.at(-1);
    },
    get text() {
      return container.textContent;
    },
    /** Listeners on meetings, participants and connections since the scene began. */
    get listening() {
      return Counted.listening - listening;
    },
  };
}
