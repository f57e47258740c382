import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/** Frames of an IVF file; recorder.py makes and reads them, for Opus as well. @param {string} path @returns {Buffer[]} */
export function readIvf(path) {
  const file = readFileSync(path);
  const frames = [];
  for (let at = 32; at + 12 <= file.length; ) {
    const length = file.readUInt32LE(at);
    frames.push(file.subarray(at + 12, at + 12 + length));
    at += 12 + length;
  }
  return frames;
}

/** @param {string} path @param {Buffer[]} frames */
export function writeIvf(path, frames) {
  const header = Buffer.alloc(32);
  header.write('DKIF\0\0 \0', 'latin1');
  header.writeUInt32LE(frames.length, 24);
  const file = openSync(path, 'w');
  writeSync(file, header);
  frames.forEach((frame, number) => {
    const head = Buffer.alloc(12);
    head.writeUInt32LE(frame.length);
    head.writeUInt32LE(number, 4);
    writeSync(file, head);
    writeSync(file, frame);
  });
  closeSync(file);
}

/** A recorded picture that goes round and round, and on to the next keyframe when one is asked for. */
export class Replay {
  #frames;
  #keyframes;
  #at = 0;
  #hurry = false;

  /** @param {Buffer[]} frames @param {number[]} keyframes which of them */
  constructor(frames, keyframes) {
    this.#frames = frames;
    this.#keyframes = keyframes;
  }

  askKeyframe() {
    this.#hurry = true;
  }

  next() {
    if (this.#hurry) this.#at = this.#keyframes.find((at) => at >= this.#at) ?? this.#keyframes[0];
    this.#hurry = false;
    const made = { frame: this.#frames[this.#at], isKeyframe: this.#keyframes.includes(this.#at) };
    this.#at = (this.#at + 1) % this.#frames.length;
    return made;
  }
}
