/** By how much a counter grew between two moments; not a number where the browser does not have it. */
const over = (first, last, kind, key) => (last[kind][key] ?? NaN) - (first[kind][key] ?? 0);

/** What a page counted over some time, from samples that `measure.watch` took. */
export class Observation {
  /** @param {any[]} samples */
  constructor(samples) {
    this.samples = samples;
    this.first = samples[0];
    this.last = samples.at(-1);
  }

  /** Observes a page for so long. @param {import('puppeteer-core').Page} page @param {number} ms */
  static async of(page, ms, everyMs = 100) {
    await page.evaluate((every) => window.measure.watch(every), everyMs);
    await new Promise((resolve) => setTimeout(resolve, ms));
    return new Observation(await page.evaluate(() => window.measure.stop()));
  }

  get seconds() {
    return (this.last.at - this.first.at) / 1000;
  }

  audio(key) {
    return over(this.first, this.last, 'audio', key);
  }

  video(key) {
    return over(this.first, this.last, 'video', key);
  }

  sent(kind, key) {
    return (this.last.sent[kind][key] ?? NaN) - (this.first.sent[kind][key] ?? 0);
  }

  /** Share of the sound that was made up, silence inserted apart; 0..1. */
  get concealed() {
    return (this.audio('concealedSamples') - this.audio('silentConcealedSamples')) / this.audio('totalSamplesReceived');
  }

  get freezes() {
    return this.video('freezeCount');
  }

  get freezesPerMinute() {
    return (this.freezes * 60) / this.seconds;
  }

  /** Share of the time during which the picture stood still; 0..1. */
  get frozen() {
    return this.video('totalFreezesDuration') / this.seconds;
  }

  get fps() {
    return this.video('framesDecoded') / this.seconds;
  }

  get videoKbps() {
    return (this.video('bytesReceived') * 8) / 1000 / this.seconds;
  }

  get lost() {
    const lost = this.video('packetsLost') + this.audio('packetsLost');
    return lost / (lost + this.video('packetsReceived') + this.audio('packetsReceived'));
  }

  get jitterBufferMs() {
    return (1000 * this.video('jitterBufferDelay')) / this.video('jitterBufferEmittedCount');
  }

  /** Of a single one; two in the same sample count as equally long. */
  get longestFreezeMs() {
    if (this.last.video.freezeCount === undefined) return NaN;
    return this.#steps().reduce((most, [before, after]) => {
      const count = over(before, after, 'video', 'freezeCount');
      return count > 0 ? Math.max(most, (1000 * over(before, after, 'video', 'totalFreezesDuration')) / count) : most;
    }, 0);
  }

  /** The longest time without a new decoded picture or a new packet of sound, as exact as the samples are dense. */
  longestGapMs(kind, since = this.first.at) {
    const key = kind === 'video' ? 'framesDecoded' : 'packetsReceived';
    return this.#longestGapMs((sample) => sample[kind][key], since);
  }

  /** When it was noticed that a picture had stood still. */
  get freezeMoments() {
    return this.#steps().flatMap(([before, after]) => Array(over(before, after, 'video', 'freezeCount') || 0).fill(after.at));
  }

  /** The longest time without a new encoded picture, of who sends; or of the time before a moment. */
  longestGapSentMs({ before = this.last.at, ms = Infinity } = {}) {
    const samples = this.samples.filter(({ at }) => at <= before && at >= before - ms);
    if (samples.length === 0) return NaN;
    return new Observation(samples).#longestGapMs((sample) => sample.sent.video.framesEncoded, samples[0].at);
  }

  /** How long after this moment the next picture was decoded; undefined: none was. */
  pictureAfterMs(moment) {
    const step = this.#steps().find(
      ([before, after]) =>
        after.at >= moment && (after.connection === before.connection ? over(before, after, 'video', 'framesDecoded') > 0 : after.video.framesDecoded > 0),
    );
    return step && step[1].at - moment;
  }

  /** How often the picture that was decoded last had another height than the one before. */
  get heightChanges() {
    const heights = this.samples.map(({ height }) => height).filter((height) => height > 0);
    return heights.filter((height, i) => i > 0 && height !== heights[i - 1]).length;
  }

  /** How long after this moment a picture of this height was there; undefined: none was. */
  heightAfterMs(moment, height) {
    const sample = this.samples.find((one) => one.at >= moment && one.height === height);
    return sample && sample.at - moment;
  }

  /** From each request for a keyframe (PLI) to the next keyframe decoded, in ms. */
  get keyframeWaitsMs() {
    const waits = [];
    let asked = null;
    for (const [before, after] of this.#steps()) {
      if (asked !== null && over(before, after, 'video', 'keyFramesDecoded') > 0) {
        waits.push(after.at - asked);
        asked = null;
      }
      if (asked === null && over(before, after, 'video', 'pliCount') > 0) asked = after.at;
    }
    if (asked !== null) waits.push(this.last.at - asked);
    return waits;
  }

  /** @param {(sample: any) => number} count @param {number} since */
  #longestGapMs(count, since) {
    let [most, seen] = [0, since];
    for (const [before, after] of this.#steps()) {
      if (after.at < since) continue;
      if (after.connection === before.connection ? count(after) > (count(before) ?? 0) : count(after) > 0) {
        most = Math.max(most, after.at - Math.max(seen, since));
        seen = after.at;
      }
    }
    return Math.max(most, this.last.at - seen);
  }

  #steps() {
    return this.samples.slice(1).map((after, i) => [this.samples[i], after]);
  }
}
