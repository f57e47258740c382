/** Never run: `npm run types` reads it, as the editor of an app would. What is wrong here must be seen to be wrong. */
import { listRooms, presence, Room, VideoSDK } from '../client.js';

export async function app() {
  const meeting = VideoSDK.initMeeting({ meetingId: 'r', mode: 'RECV_ONLY', stateModel: 'v1' });
  meeting.on('connection-open', (connection, { replayed }) => {
    /** @satisfies {[string, boolean]} */ ([connection.id, replayed]);
    connection.meeting.on('chat-message', ({ message, timestamp }) => /** @satisfies {[string, number]} */ ([message, timestamp]));
    connection.meeting.on('participant-left', (id, { displayName }) => /** @satisfies {[string, string]} */ ([id, displayName]));
    connection.meeting.on('participant-joined', (participant) => participant.switchTo({ meetingId: 'a', token: 't' }));
  });
  meeting.on('meeting-state-changed', ({ state, detail }) => [state === 'CONNECTED', detail.phase === 'reconnecting']);
  meeting.on('participant-left', (participant, { code }) => [participant.displayName.length, code.toFixed()]);
  meeting.once('switch-meeting', ({ accept, meetingId }) => [accept(), meetingId.length]);
  meeting.on('error', ({ code, name }) => /** @satisfies {[number, string]} */ ([code, name]));
  const connection = await meeting.connectTo({ meetingId: 'b', payload: { any: 'json' }, wait: 1000 });
  const { id, timestamp } = await connection.meeting.sendChatMessage('x', { echo: true });
  const [stats] = (await meeting.participants.get('bob')?.getVideoStats()) ?? [];

  const room = new Room({ token: 't', intent: 'open', settings: { linkPolicy: 'ask', linkRights: ['chat'] } });
  const link = await room.openLink('r2', { waitMs: 100 });
  link.on('chat', ({ text }) => text.length);
  room.on('switch', ({ link: from }) => from?.length);
  const { full } = await presence({ token: 't', room: 'r' });
  const [first] = await listRooms({ token: 't', listing: 'public' });

  // @ts-expect-error there is no such event
  meeting.on('nonsense', () => {});
  // @ts-expect-error an id is a string
  meeting.connectTo({ meetingId: 7 }).catch(() => {});
  // @ts-expect-error there is no such state
  meeting.on('meeting-state-changed', ({ state }) => state === 'NAPPING');
  // @ts-expect-error there is no such right
  room.updateSettings({ linkRights: ['everything'] }).catch(() => {});
  // @ts-expect-error participants are read, not written
  link.participants.set('x', { id: 'x', displayName: 'X' });
  return [id.length, timestamp.toFixed(), stats?.bitrate, full, first?.participants];
}
