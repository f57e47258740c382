import { token } from '../../browser/support/token.js';
import { Driver } from './driver.js';
import { post } from './http.js';
import { Signal } from './signal.js';

/**
 * Where and as whom to enter, and what to send. `way`: not its own one; `data`: whether messages shall be exchanged.
 * @typedef {{url: string, room: string, participant: string, picture: object, codec: string, toneHz: number, recording?: object, limitMs: number, data: boolean, way?: 'http' | 'signal'}} Place
 */

/** An engine in a process of its own, which does media only; what it offers is taken to the server from here. */
export class ProcessEngine {
  #driver = null;
  #sessions = 0;

  /**
   * @param {string} name
   * @param {{program: string, args: string[], env?: Record<string, string>, way: 'signal' | 'http' | 'sdk'}} how `signal`: the
   *   client protocol; `http`: WHIP and WHEP, and the client protocol for data alone; `sdk`: it goes to the server itself
   */
  constructor(name, how) {
    this.name = name;
    this.how = how;
  }

  /** What it said last on standard error. */
  get errors() {
    return this.#driver?.errors ?? '';
  }

  async start() {
    const { program, args, env } = this.how;
    this.#driver = new Driver(this.name, program, args, env);
  }

  async stop() {
    await this.#driver?.close();
    this.#driver = null;
  }

  /** @param {Place} place */
  publish(place) {
    return this.#enter('publish', place);
  }

  /** @param {Place & {from: string}} place */
  subscribe(place) {
    return this.#enter('subscribe', place);
  }

  /** Both at once, on one connection. @param {Place} place */
  call(place) {
    return this.#enter('call', place);
  }

  async #enter(role, place) {
    const way = role === 'call' && this.how.way === 'http' ? 'signal' : (place.way ?? this.how.way);
    if (way === 'sdk') return this.#bySdk(role, place);
    const parts = [];
    if (way === 'signal') parts.push(this.#bySignal(role, place, true));
    else parts.push(this.#byHttp(role, place));
    if (way === 'http' && place.data) parts.push(this.#bySignal(role, { ...place, participant: `${place.participant}-data` }, false));
    const settled = await Promise.allSettled(parts);
    const made = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const end = () => Promise.allSettled(made.map((part) => part.end()));
    const failed = settled.find((one) => one.status === 'rejected');
    if (failed) {
      await end();
      throw failed.reason;
    }
    const watch = async (order) => {
      const seen = await Promise.all(made.map((part) => part.watch(order)));
      return Object.assign({}, ...seen.map((one) => Object.fromEntries(Object.entries(one).filter(([, what]) => what !== null))));
    };
    /** Who answers data messages. */
    const dataId = way === 'signal' ? place.participant : `${place.participant}-data`;
    return { watch, end, dataId };
  }

  async #bySdk(role, { url, room, participant, picture, codec, toneHz, limitMs }) {
    const session = `${role}-${(this.#sessions += 1)}`;
    const driver = this.#driver;
    const end = () => driver.order('end', { session });
    try {
      await driver.order('enter', { session, role, url, room, participant, token: token({ permissions: ['allow_join'], room, participant }), picture, codec, toneHz, limitMs });
    } catch (error) {
      await end().catch(() => {});
      throw error;
    }
    return { dataId: participant, end, watch: (order) => driver.order('watch', { session, ...order }) };
  }

  /** Media and data, or data alone, by the client protocol. */
  async #bySignal(role, place, media) {
    const { url, room, participant } = place;
    const signal = await Signal.join({ url, room, participant, token: token({ permissions: ['allow_join'], room, participant }) });
    try {
      const part = await this.#connect(role, place, { media, data: true }, async (sdp) => {
        const publish = media && role !== 'subscribe' ? [{ mid: midOf(sdp, 'audio'), source: 'microphone' }, { mid: midOf(sdp, 'video'), source: 'camera' }] : [];
        const answer = await signal.request('offer', { sdp, publish });
        if (answer.publications.length !== publish.length) throw new Error(`${publish.length} sources were offered, ${answer.publications.length} published`);
        return answer.sdp;
      });
      return { ...part, end: async () => (await part.end(), await signal.leave()) };
    } catch (error) {
      await signal.leave();
      throw error;
    }
  }

  /** Media by WHIP or WHEP. */
  async #byHttp(role, place) {
    const { url, room, participant } = place;
    const path = role === 'publish' ? `/whip/${room}` : `/whep/${room}/${place.from}`;
    let resource = null;
    try {
      const part = await this.#connect(role, place, { media: true, data: false }, async (sdp) => {
        resource = await post(`${url}${path}`, token({ permissions: ['allow_join'], room, participant }), sdp);
        return resource.sdp;
      });
      return { ...part, end: async () => (await part.end(), await resource.end()) };
    } catch (error) {
      await resource?.end();
      throw error;
    }
  }

  async #connect(role, { picture, codec, toneHz, recording, limitMs }, what, exchange) {
    const session = `${role}-${(this.#sessions += 1)}`;
    const driver = this.#driver;
    const end = () => driver.order('end', { session });
    try {
      const { sdp } = await driver.order('offer', { session, role, picture, codec, toneHz, recording, ...what });
      await driver.order('answer', { session, sdp: await exchange(sdp), limitMs });
      return { end, watch: (order) => driver.order('watch', { session, ...order }) };
    } catch (error) {
      await end().catch(() => {});
      throw error;
    }
  }
}

/** @param {string} sdp @param {'audio' | 'video'} kind */
function midOf(sdp, kind) {
  const section = sdp.split(/(?=^m=)/m).find((part) => part.startsWith(`m=${kind} `));
  const mid = section && /^a=mid:(\S+)/m.exec(section)?.[1];
  if (!mid) throw new Error(`the offer has no ${kind}`);
  return mid;
}
