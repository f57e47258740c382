/** @typedef {import('./engine.js').Engine} Engine */
/** @typedef {import('./frames.js').Header} Header */

/** What is told of files that are sent and received. */
export class Files {
  #engine;

  /** @param {Engine} engine */
  constructor(engine) {
    this.#engine = engine;
  }

  /**
   * @param {File | Blob} file
   * @param {string | undefined} to
   * @param {number} chunkSize
   * @param {(header: Header, told: (index: number, count: number) => void) => Promise<void>} send
   */
  async sending(file, to, chunkSize, send) {
    const { connection, platform } = this.#engine;
    const uuid = Array.from({ length: 4 }, () => Math.floor(platform.random() * 0x100000000).toString(36)).join('');
    const name = ('name' in file && file.name) || `${uuid}`;
    const header = { kind: /** @type {const} */ ('file'), uuid, name: name.slice(0, 500), size: file.size, type: file.type };
    const about = { ...header, userid: connection.userid, extra: connection.extra, remoteUserId: to ?? null, maxChunks: 0, chunkSize };
    let started = false;
    await send(header, (index, maxChunks) => {
      about.maxChunks = maxChunks;
      if (!started) this.#engine.tell('onFileStart', { ...about });
      started = true;
      this.#engine.tell('onFileProgress', { ...about, currentPosition: index + 1 });
    });
    this.#engine.tell('onFileEnd', { ...about, file, url: platform.blobUrl(file) });
  }

  /**
   * @param {string} userid
   * @param {Header} header
   * @param {number} index
   * @param {number} maxChunks
   * @param {Uint8Array | null} content when it is complete
   */
  arriving(userid, header, index, maxChunks, content) {
    const { connection, platform, users } = this.#engine;
    const { uuid, name, size, type } = header;
    const about = { uuid, name, size, type, userid, extra: users.extraOf(userid), remoteUserId: connection.userid, maxChunks };
    if (index === 0) this.#engine.tell('onFileStart', { ...about });
    this.#engine.tell('onFileProgress', { ...about, currentPosition: index + 1 });
    if (!content) return;
    const file = new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (content)], { type: typeof type === 'string' ? type : '' });
    this.#engine.tell('onFileEnd', { ...about, file, url: platform.blobUrl(file) });
  }
}
