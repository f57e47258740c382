import { byId } from './dom.js';
import { bestGrid } from './layout.js';
import { Tile } from './tile.js';

/** A tile that has been large for this long is worth asking for before others, in ms. */
const SETTLED_MS = 400;
/** Width of a scrollbar, in pixels. */
const SCROLLBAR = 14;
/** Height of the stage on an upright floor, to its width: most screens are a little flatter than that. */
const STAGE_SLANT = 0.62;

/**
 * The floor of the call: a tile for everybody, one of them large when it is pinned or a screen.
 */
export class Floor {
  /** @type {Map<string, Tile>} */ #tiles = new Map();
  /** @type {WeakMap<object, string>} publication -> priority asked for */ #asked = new WeakMap();
  /** @type {string | null} */ #pinned = null;
  #timer = 0;
  #views = byId('stage-and-grid');
  #grid = byId('grid');
  #stage = byId('stage');

  /** @param {import('/sdk/client.js').Room} room */
  constructor(room) {
    this.room = room;
    this.observer = new ResizeObserver(() => this.#place());
    this.observer.observe(this.#views);
  }

  /** Shows everybody as they are now. */
  refresh() {
    const wanted = this.#wanted();
    if (this.#pinned && !wanted.some((w) => w.key === this.#pinned)) this.#pinned = null;
    for (const [key, tile] of this.#tiles) {
      if (wanted.some((w) => w.key === key)) continue;
      tile.remove();
      this.#tiles.delete(key);
    }
    for (const { key, id, screen, local, ...state } of wanted) {
      let tile = this.#tiles.get(key);
      if (!tile) {
        tile = new Tile({ id, screen, local, onPin: () => this.#pin(key) });
        this.#tiles.set(key, tile);
      }
      tile.show({ ...state, pinned: key === this.#pinned });
    }
    this.#place();
  }

  close() {
    this.observer.disconnect();
    clearTimeout(this.#timer);
    for (const tile of this.#tiles.values()) tile.remove();
    this.#tiles.clear();
    this.#views.classList.remove('staged', 'upright');
    this.#stage.style.height = '';
    this.#stage.hidden = true;
  }

  #wanted() {
    const { room } = this;
    const self = room.localParticipant;
    const people = self ? [...room.participants.values(), self] : [];
    // What was said of speaking and of connections is stale once ours is gone.
    const current = room.state === 'connected';
    return people.flatMap((who) => {
      const [cam, mic, screen] = [who.publication('camera'), who.publication('microphone'), who.publication('screen')];
      const name = who.displayName || who.id;
      const common = { id: who.id, name, local: who.local, quality: current ? who.quality : null };
      const seen = (p) => (p && !p.muted ? p.track : null);
      const theirs = (p) => (who.local ? null : p);
      const person = { ...common, key: who.id, screen: false, track: seen(cam), publication: theirs(cam), muted: !mic || mic.muted, speaking: current && who.speaking };
      const shared = { ...common, key: `${who.id} screen`, screen: true, track: screen?.track ?? null, publication: theirs(screen), muted: false, speaking: false };
      return screen ? [shared, person] : [person];
    });
  }

  #pin(key) {
    this.#pinned = this.#pinned === key ? null : key;
    this.refresh();
  }

  /** What stands on the stage: what was pinned, else somebody's screen; our own we have before us anyhow. */
  #large() {
    if (this.#pinned) return this.#pinned;
    return [...this.#tiles].find(([, tile]) => tile.screen && !tile.local)?.[0] ?? null;
  }

  #place() {
    const large = this.#tiles.size > 1 ? this.#large() : null;
    this.#views.classList.toggle('staged', large !== null);
    this.#stage.hidden = large === null;
    const { clientWidth: width, clientHeight: height } = this.#views;
    if (width === 0) return;
    const order = [...this.#tiles].sort(([, a], [, b]) => Number(a.local) - Number(b.local));
    const small = order.filter(([key]) => key !== large);
    if (large) {
      const tile = this.#tiles.get(large);
      if (tile.element.parentNode !== this.#stage) this.#stage.replaceChildren(tile.element);
      tile.element.style.width = tile.element.style.height = '';
    }
    // An upright floor (a phone) has room for a grid below the stage, others for a strip.
    const upright = large !== null && height > width;
    this.#views.classList.toggle('upright', upright);
    const stageHeight = upright ? Math.round(width * STAGE_SLANT) : 0;
    this.#stage.style.height = upright ? `${stageHeight}px` : '';
    const strip = large !== null && !upright;
    const stripHeight = strip ? this.#grid.clientHeight : 0;
    const gap = parseFloat(getComputedStyle(this.#grid).gap) || 10;
    const below = height - (upright ? stageHeight + gap : 0);
    let size = bestGrid(small.length, width, below, gap);
    if (strip) size = { width: Math.round((stripHeight * 16) / 10), height: stripHeight, columns: small.length, scrolls: true };
    else if (size.scrolls) size = bestGrid(small.length, width - SCROLLBAR, below, gap);
    this.#grid.classList.toggle('scrolls', !strip && size.scrolls);
    small.forEach(([, tile], i) => {
      tile.element.style.width = `${size.width}px`;
      tile.element.style.height = `${size.height}px`;
      if (this.#grid.children[i] !== tile.element) this.#grid.insertBefore(tile.element, this.#grid.children[i] ?? null);
    });
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#ask(large), SETTLED_MS);
  }

  /** What stands on the stage goes before the others; how large each is the SDK says itself. @param {string | null} large */
  #ask(large) {
    for (const who of this.room.participants.values()) {
      for (const publication of who.publications.values()) {
        if (publication.kind !== 'video') continue;
        const key = publication.source === 'screen' ? `${who.id} screen` : who.id;
        const priority = key === large ? 'pinned' : 'normal';
        if ((this.#asked.get(publication) ?? 'normal') === priority) continue;
        this.#asked.set(publication, priority);
        publication.subscribe({ priority }).catch(() => this.#asked.delete(publication));
      }
    }
  }
}
