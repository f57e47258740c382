/**
 * Runs in the browser, as a page of an application of RTCMultiConnection would: makes connections and writes down what they
 * are told. A classic script, after /sdk/rtcmulticonnection.js.
 */
(() => {
  const connections = new Map();

  /** What a test can be told of an event. */
  const told = (name, args) => {
    const [event] = args;
    const { userid, status, type, streamid, data, extra, isInitiator, sessionid, muteType, unmuteType, name: file, size, code, message } = event ?? {};
    const seen = { userid, status, type, streamid, extra, isInitiator, sessionid, muteType, unmuteType, file, size, code, message };
    if (data !== undefined) seen.data = data instanceof ArrayBuffer ? { bytes: data.byteLength } : typeof data === 'string' && data.length > 1000 ? { characters: data.length } : data;
    return [name, Object.fromEntries(Object.entries(seen).filter(([, value]) => value !== undefined))];
  };

  const EVENTS = [
    'onstreamended', 'onmute', 'onunmute', 'onopen', 'onclose', 'onmessage', 'onerror', 'onleave', 'onUserStatusChanged', 'onExtraDataUpdated',
    'onEntireSessionClosed', 'onOwnerChanged', 'onSocketDisconnect', 'onMediaError', 'onFileEnd',
  ];

  window.rmc = {
    /** @param {string} userid @param {object} properties of the connection */
    make(userid, properties = {}) {
      const connection = new window.RTCMultiConnection();
      Object.assign(connection, { userid, socketURL: '/' }, properties);
      const events = [];
      const show = connection.onstream;
      connection.onstream = (event) => {
        events.push(told('onstream', [event]));
        show.call(connection, event); // puts the element into the page
      };
      for (const name of EVENTS) {
        const usual = name === 'onstreamended' ? connection[name] : null;
        connection[name] = (...args) => {
          events.push(told(name, args));
          usual?.apply(connection, args);
        };
      }
      connections.set(userid, { connection, events });
    },

    /** Calls a method and gives what its callback gets. */
    ask: (userid, method, ...args) => new Promise((resolve) => connections.get(userid).connection[method](...args, (...answer) => resolve(answer))),
    call: (userid, method, ...args) => void connections.get(userid).connection[method](...args),
    get: (userid, name) => connections.get(userid).connection[name],
    participants: (userid) => connections.get(userid).connection.getAllParticipants(),
    events: (userid, name) => connections.get(userid).events.filter(([event]) => !name || event === name).map(([, event]) => event),

    /** Many at once into one room, without media. */
    async crowd(count, roomid) {
      const ids = Array.from({ length: count }, (_, i) => `crowd-${i}`);
      for (const id of ids) this.make(id, { session: { data: true } });
      const answers = await Promise.all(ids.map((id) => this.ask(id, 'openOrJoin', roomid)));
      return answers.map(([succeeded, , error, { created, ownerId, sid }], i) => ({
        succeeded, error, created, ownerId, sid, isInitiator: connections.get(ids[i]).connection.isInitiator,
      }));
    },

    shareFile(userid, name, size) {
      connections.get(userid).connection.shareFile(new File([new Uint8Array(size).fill(5)], name, { type: 'text/plain' }));
    },

    stream(userid, wish, method, kind) {
      connections.get(userid).connection.streamEvents.selectFirst(wish).stream[method](kind);
    },
  };

  /** The pictures of the page as one number each; they change while something moves. */
  window.pictures = () =>
    [...document.querySelectorAll('video')].map((video) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 80, height: 45 });
      const context = canvas.getContext('2d', { willReadFrequently: true });
      context.drawImage(video, 0, 0, 80, 45);
      return context.getImageData(0, 0, 80, 45).data.reduce((sum, v, i) => sum + (i % 4 === 3 ? 0 : v * (1 + (i % 251))), 0);
    });
})();
