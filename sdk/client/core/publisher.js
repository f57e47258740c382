import { asEnfiladeError, EnfiladeError, requireArgument } from './errors.js';
import { Backups } from './backups.js';
import { LocalPublication } from './publication.js';

/** @typedef {import('./publication.js').PublishOptions} PublishOptions */
/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./transport.js').Transport} Transport */

/**
 * What we want to have published. The wish stays across reconnects; each transport is told the whole of it.
 */
export class Publisher {
  /** @type {Set<LocalPublication>} */
  #wanted = new Set();
  /** @type {{transport: Transport, session: Session, backups: Backups} | null} */
  #link = null;
  /** @type {Map<LocalPublication, {resolve: () => void, reject: (error: EnfiladeError) => void}>} */
  #waiting = new Map();
  #changed;
  #backedUp;

  /**
   * @param {() => void} changed called when the list or a state in it changed
   * @param {(publication: LocalPublication, backup: import('./backups.js').BackupChange) => void} backedUp
   */
  constructor(changed, backedUp) {
    this.#changed = changed;
    this.#backedUp = backedUp;
  }

  /** @returns {LocalPublication[]} */
  get publications() {
    return [...this.#wanted];
  }

  /**
   * @param {{track: MediaStreamTrack, options: PublishOptions}[]} parts published in one go
   * @returns {Promise<LocalPublication[]>} done when the server has agreed to all of them
   */
  async publish(parts) {
    requireArgument(parts.length > 0, 'publish: no track given.');
    const made = parts.map(({ track, options }) => {
      requireArgument(
        options?.metadata !== undefined || !this.publications.some((p) => p.source === options?.source),
        `publish: a ${options?.source} is published already. Give \`metadata\` to tell two apart.`,
      );
      return new LocalPublication(track, options, {
        replaced: async (p) => {
          this.#changed();
          const link = this.#link;
          await Promise.all([link?.transport.replace(p), link?.backups.replace(p)]).catch(tolerateLoss);
        },
        muted: async (p) => {
          this.#changed();
          await this.#tellMuted(p);
        },
        unpublish: (p) => this.unpublish(p),
      });
    });
    const done = made.map((p) => new Promise((/** @type {(v?: any) => void} */ resolve, reject) => this.#waiting.set(p, { resolve, reject })));
    for (const p of made) this.#wanted.add(p);
    if (this.#link) this.#send(this.#link.transport, made);
    await Promise.all(done);
    return made;
  }

  /**
   * The server says what anybody receives of one of ours.
   * @param {number} id
   * @param {boolean[]} encodings lowest first
   */
  want(id, encodings) {
    const publication = this.publications.find((p) => p.id === id) ?? this.#link?.backups.byId(id);
    if (!publication || !Array.isArray(encodings)) return;
    publication.want(encodings);
    this.#link?.transport.fit(publication).catch(() => {}); // the next transport sends what is wanted then
  }

  /** @param {LocalPublication} publication */
  async unpublish(publication) {
    this.#drop(publication, null);
    const link = this.#link;
    await Promise.all([link?.transport.unpublish(publication), link?.backups.drop(publication)]).catch(tolerateLoss);
    publication.close(null);
  }

  /**
   * Somebody cannot decode what we publish, or can again.
   * @param {number} id of the publication
   * @param {import('./backups.js').BackupAsked} asked
   */
  async backUp(id, asked) {
    const publication = this.publications.find((p) => p.id === id);
    if (publication) await this.#link?.backups.heed(publication, asked).catch(tolerateLoss);
  }

  /**
   * A new transport begins: it carries everything that is wanted.
   * @param {Transport} transport
   * @param {Session} session
   * @param {number} seats with none, and nothing to publish, nothing is negotiated yet
   */
  async attach(transport, session, seats) {
    const publications = this.publications;
    for (const p of publications) p.assign(null);
    this.#link = { transport, session, backups: new Backups(transport, this.#backedUp) };
    if (seats === 0 && publications.length === 0) return;
    if (await transport.open(seats, publications)) {
      for (const p of publications) this.#settle(p, null);
      this.#changed();
    } else {
      for (const p of publications) this.#send(transport, [p]);
    }
  }

  /** The transport is gone; the wishes stay. */
  detach() {
    this.#link = null;
    for (const p of this.#wanted) p.assign(null);
  }

  /** The room is over. @param {EnfiladeError} error */
  close(error) {
    this.#link = null;
    for (const p of this.publications) {
      this.#drop(p, error);
      p.close(null);
    }
  }

  /**
   * @param {Transport} transport
   * @param {LocalPublication[]} publications
   */
  #send(transport, publications) {
    transport.publish(publications).then(
      () => {
        for (const p of publications) this.#settle(p, null);
        this.#changed();
      },
      (thrown) => {
        const error = asEnfiladeError(thrown, 'negotiation-failed', 'Publishing failed.');
        if (error.code === 'session-lost') return; // the next transport carries it
        for (const p of publications) this.#settle(p, error);
      },
    );
  }

  /**
   * @param {LocalPublication} publication
   * @param {EnfiladeError | null} error
   */
  #settle(publication, error) {
    if (error) {
      this.#drop(publication, error);
      publication.close(error);
      return;
    }
    this.#waiting.get(publication)?.resolve();
    this.#waiting.delete(publication);
    void this.#tellMuted(publication).catch(() => {}); // it may have been muted while the offer was under way
  }

  /** @param {LocalPublication} publication */
  async #tellMuted(publication) {
    const { id, muted } = publication;
    if (id === null || publication.toldMuted === muted) return;
    publication.toldMuted = muted;
    await this.#link?.session.request('mute', { publication: id, muted });
  }

  /**
   * @param {LocalPublication} publication
   * @param {EnfiladeError | null} error
   */
  #drop(publication, error) {
    this.#wanted.delete(publication);
    this.#waiting.get(publication)?.reject(error ?? new EnfiladeError('invalid-state', 'It was unpublished meanwhile.'));
    this.#waiting.delete(publication);
    this.#changed();
  }
}

/** @param {unknown} thrown what the next transport sets right is no error */
function tolerateLoss(thrown) {
  const error = asEnfiladeError(thrown, 'negotiation-failed', 'The change failed.');
  if (!['session-lost', 'left', 'no-such-publication'].includes(error.code)) throw error;
}
