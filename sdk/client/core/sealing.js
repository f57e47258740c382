/** @typedef {import('./e2ee.js').E2ee} E2ee */
/** @typedef {import('./e2ee-cipher.js').Outcome} Outcome */
/** @typedef {import('./lines.js').SendLines} SendLines */
/** @typedef {import('./participant.js').RemotePublication} RemotePublication */
/** @typedef {import('./publication.js').LocalPublication} LocalPublication */
/** @typedef {import('./roster.js').Roster} Roster */

/**
 * What the worker says of senders and receivers, said of publications.
 * @param {E2ee} e2ee
 * @param {Roster} roster
 * @param {() => SendLines | undefined} lines
 * @param {(publication: RemotePublication | LocalPublication, outcome: Outcome) => void} tell
 */
export function followEncryption(e2ee, roster, lines, tell) {
  const tellOf = (/** @type {RemotePublication} */ publication, /** @type {Outcome} */ outcome) => {
    if (publication.encryption === outcome) return;
    publication.encryption = outcome;
    tell(publication, outcome);
  };
  roster.on('participant-joined', ({ id }) => e2ee.know(id, true));
  roster.on('participant-left', ({ id }) => e2ee.know(id, false));
  e2ee.on('state', (way, outcome, participant) => {
    if ('replaceTrack' in way) {
      const published = lines()?.on(way);
      if (published) tell('main' in published ? published.main : published, outcome);
      return;
    }
    const publication = roster.publications.find((p) => p.track === way.track);
    if (publication && (participant === null || participant === publication.participantId)) tellOf(publication, outcome);
  });
  // Frames may overtake the news of who sits there now.
  roster.on('track-started', (publication) => {
    const state = publication.track && e2ee.stateOf(publication.track);
    if (state && state.participant === publication.participantId) tellOf(publication, state.outcome);
  });
}

/**
 * Without keys an encrypted picture is noise, and asking for keyframes of it is a burden to all: it is not received unless
 * somebody subscribes to it expressly.
 * @param {Roster} roster
 * @param {() => boolean} joined before that the join itself says what is not wanted
 * @param {(publication: RemotePublication, outcome: Outcome) => void} tell
 */
export function leaveSealed(roster, joined, tell) {
  roster.on('publication-added', (publication) => {
    if (!publication.encrypted || !publication.wanted) return;
    publication.wanted = false;
    publication.encryption = 'missing-key';
    if (joined()) publication.unsubscribe().catch(() => {});
    tell(publication, 'missing-key');
  });
}
