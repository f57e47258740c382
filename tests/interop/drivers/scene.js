/** What scene.py is for engines that live in Node. */

export const SAMPLE_RATE = 48_000;
const WHITE_FROM = 190;
const QUIET = 500;
const LOUD = 800;
const STEP = 4;

/** Pictures of one size and colour as I420. */
export class Scene {
  /** @param {{width: number, height: number, colour: number[]}} picture */
  constructor({ width, height, colour: [red, green, blue] }) {
    Object.assign(this, { width, height, side: Math.floor(height / 6) });
    const [cb, cr] = [128 - 0.148 * red - 0.291 * green + 0.439 * blue, 128 + 0.439 * red - 0.368 * green - 0.071 * blue];
    const quarter = (width * height) / 4;
    this.base = new Uint8ClampedArray(width * height + 2 * quarter);
    this.base.fill(16 + 0.257 * red + 0.504 * green + 0.098 * blue, 0, width * height);
    this.base.fill(cb, width * height, width * height + quarter);
    this.base.fill(cr, width * height + quarter);
  }

  /** @param {number} number of the picture */
  picture(number) {
    const { width, height, side } = this;
    const data = this.base.slice();
    const left = (number * STEP) % (width - side);
    const top = (height - side) >> 1;
    for (let row = top; row < top + side; row++) data.fill(235, row * width + left, row * width + left + side);
    for (const plane of [width * height, width * height * 1.25]) {
      for (let row = top >> 1; row < (top + side) >> 1; row++) {
        const at = plane + (row * width) / 2 + (left >> 1);
        data.fill(128, at, at + (side >> 1));
      }
    }
    return data;
  }
}

/** Collects decoded pictures. */
export class Seen {
  pictures = 0;
  #size = { width: 0, height: 0 };
  #colour = null;
  #places = new Set();

  /** @param {{width: number, height: number, data: Uint8Array | Uint8ClampedArray}} frame I420 without padding */
  look({ width, height, data }) {
    this.pictures += 1;
    this.#size = { width, height };
    const half = [(width + 1) >> 1, (height + 1) >> 1];
    const planes = [0, width * height, width * height + half[0] * half[1]];
    const mean = (begin, count) => data.subarray(begin, begin + count).reduce((sum, value) => sum + value, 0) / count;
    const y = 1.164 * (mean(planes[0], width * (height >> 2)) - 16);
    const [u, v] = [planes[1], planes[2]].map((begin) => mean(begin, half[0] * (half[1] >> 2)) - 128);
    const clamped = (value) => Math.min(255, Math.max(0, Math.round(value)));
    this.#colour = [y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u].map(clamped);
    let [sum, count] = [0, 0];
    for (let x = 0; x < width; x++) {
      if (data[(height >> 1) * width + x] <= WHITE_FROM) continue;
      sum += x;
      count += 1;
    }
    if (count) this.#places.add(Math.round((100 * sum) / count / width));
  }

  report() {
    return { ...this.#size, pictures: this.pictures, places: this.#places.size, colour: this.#colour };
  }
}

/** Collects decoded sound, but for silence. */
export class Heard {
  #loud = 0;
  #silent = 0;
  #squares = 0;
  #crossings = 0;
  #side = 0;
  #rate = SAMPLE_RATE;

  /** @param {Int16Array} samples of all channels in turn, ten milliseconds or so @param {number} channels @param {number} rate Hz */
  listen(samples, channels, rate) {
    this.#rate = rate;
    const window = Array.from(samples).filter((_, at) => at % channels === 0);
    const squares = window.reduce((sum, value) => sum + value ** 2, 0);
    if (squares < LOUD ** 2 * window.length) {
      this.#silent += window.length;
      this.#side = 0;
      return;
    }
    this.#loud += window.length;
    this.#squares += squares;
    for (const value of window) {
      const side = Number(value > QUIET) - Number(value < -QUIET);
      if (!side) continue;
      this.#crossings += Number(side === -this.#side);
      this.#side = side;
    }
  }

  get seconds() {
    return this.#loud / this.#rate;
  }

  report() {
    if (!this.#loud) return null;
    const level = Math.sqrt(this.#squares / this.#loud) / 32_768;
    return {
      seconds: +this.seconds.toFixed(2), silent: +(this.#silent / this.#rate).toFixed(2), level: +level.toFixed(3),
      toneHz: Math.round(this.#crossings / 2 / this.seconds),
    };
  }
}

/** @param {number} hz @param {number} begin first sample @param {number} count */
export function tone(hz, begin, count) {
  return Int16Array.from({ length: count }, (_, n) => 10_900 * Math.sin((2 * Math.PI * hz * (begin + n)) / SAMPLE_RATE));
}

const ECHO = Buffer.from('echo:');
/** What is sent to and fro: a short one, and one that does not fit a packet. */
export const MESSAGES = [Buffer.from('hello'), Buffer.from(Uint8Array.from({ length: 20_000 }, (_, n) => (n * 7) % 256))];

/** Both ends of the exchange of messages. */
export class Talk {
  #echoes = [];
  #send;

  /** @param {(to: string, payload: Buffer) => void} send */
  constructor(send) {
    this.#send = send;
  }

  /** Somebody said something: an echo is kept, anything else is echoed. @param {string} sender @param {Buffer} payload */
  hear(sender, payload) {
    if (payload.subarray(0, ECHO.length).equals(ECHO)) this.#echoes.push({ sender, payload: payload.subarray(ECHO.length) });
    else this.#send(sender, Buffer.concat([ECHO, payload]));
  }

  /** @param {string} publisher @param {number} limitMs */
  async talk(publisher, limitMs) {
    const end = performance.now() + limitMs;
    let echoed = 0;
    for (const message of MESSAGES) {
      const back = () => this.#echoes.some((echo) => echo.sender === publisher && echo.payload.equals(message));
      // The publisher may not have its channel yet, so it is asked again until it answers.
      while (!back() && performance.now() < end) {
        this.#send(publisher, message);
        for (let i = 0; i < 25 && !back(); i++) await wait(20);
      }
      echoed += Number(back());
    }
    return { echoed };
  }
}

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for something, or gives up and says so. @template T @param {() => T} look @param {number} limitMs */
export async function until(look, limitMs) {
  const end = performance.now() + limitMs;
  while (!look() && performance.now() < end) await wait(10);
  return look();
}

/** Runs `step(n)` for n = 0, 1, 2 … so many times a second, without drifting. Gives what stops it. */
export function paced(perSecond, step) {
  const begun = performance.now();
  let number = 0;
  const timer = setInterval(() => {
    while (number <= ((performance.now() - begun) * perSecond) / 1000) step(number++);
  }, Math.min(10, 500 / perSecond));
  return () => clearInterval(timer);
}
