// A page as the documents of RTCMultiConnection have them: one connection, its events, a few buttons.
(() => {
  /** @param {string} id @returns {any} */
  const byId = (id) => document.getElementById(id);

  /** @type {any} */
  const connection = new /** @type {any} */ (window).RTCMultiConnection();
  /** @type {any} */ (window).connection = connection; // for the console
  connection.socketURL = '/';

  byId('room-id').value = new URLSearchParams(location.search).get('room') || 'lobby';

  // -- what happens ------------------------------------------------------------------------------------------------------

  /** @type {Map<string, HTMLElement>} stream id -> its tile */
  const tiles = new Map();
  const nameOf = (/** @type {any} */ event) => (event.userid === connection.userid ? 'you' : event.extra?.name || event.userid);

  connection.onstream = (/** @type {any} */ event) => {
    const { stream, mediaElement, type, streamid } = event;
    mediaElement.controls = false;
    const tile = document.createElement('figure');
    tile.dataset.userid = event.userid;
    tile.dataset.initials = nameOf(event).slice(0, 1).toUpperCase();
    tile.className = stream.isScreen ? 'screen' : stream.isAudio ? 'sound' : type; // who looks at themselves expects a mirror
    const caption = document.createElement('figcaption');
    caption.textContent = `${nameOf(event)}${stream.isScreen ? ' · screen' : stream.isAudio ? ' · sound only' : ''}`;
    tile.append(mediaElement, caption);
    tiles.set(streamid, tile);
    byId('videos').append(tile);
    byId('empty').hidden = true;
  };
  connection.onstreamended = (/** @type {any} */ { streamid }) => {
    tiles.get(streamid)?.remove();
    tiles.delete(streamid);
    byId('empty').hidden = tiles.size > 0;
  };
  const speaks = (/** @type {any} */ { userid }, /** @type {boolean} */ now) => {
    for (const tile of tiles.values()) if (tile.dataset.userid === userid) tile.classList.toggle('speaking', now);
  };
  connection.onspeaking = (/** @type {any} */ event) => speaks(event, true);
  connection.onsilence = (/** @type {any} */ event) => speaks(event, false);

  connection.onopen = (/** @type {any} */ event) => {
    note(`${nameOf(event)} can be written to`);
    show();
  };
  connection.onclose = show;
  connection.onmessage = (/** @type {any} */ event) => write(`${nameOf(event)}: ${event.data}`);
  connection.onleave = (/** @type {any} */ event) => note(`${nameOf(event)} left`);
  connection.onUserStatusChanged = (/** @type {any} */ event) => event.status === 'online' && note(`${nameOf(event)} is here`);
  connection.onOwnerChanged = (/** @type {any} */ { userid, isInitiator }) => {
    note(isInitiator ? 'the room is yours now' : `the room is ${userid}’s now`);
    show();
  };
  connection.onEntireSessionClosed = () => {
    note('the room was closed for all');
    stop();
  };
  connection.onSocketDisconnect = (/** @type {any} */ { message }) => {
    write(message, 'error');
    stop();
  };
  connection.onMediaError = (/** @type {any} */ error) => write(error.message, 'error');
  connection.onSocketError = () => {};
  connection.onerror = (/** @type {any} */ { message }) => write(message, 'error');
  connection.onReConnecting = () => note('reconnecting…');

  // -- what the buttons do -------------------------------------------------------------------------------------------------

  function prepare() {
    connection.extra = { name: byId('user-name').value.trim() };
    connection.password = byId('password').value || null;
    connection.autoCloseEntireSession = byId('plan-close').checked;
    connection.session = { audio: true, video: byId('plan-video').checked, data: true, oneway: byId('plan-oneway').checked };
    return byId('room-id').value.trim();
  }
  const entered = (/** @type {string} */ done) => (/** @type {boolean} */ succeeded, /** @type {string} */ roomid, /** @type {string} */ error, /** @type {any} */ detail) => {
    if (!succeeded) write(`${error} (${detail.code})`, 'error');
    else note(`${detail.created ? 'opened' : done} ${roomid}`);
    show();
  };
  byId('open-room').onclick = () => connection.open(prepare(), entered('opened'));
  byId('join-room').onclick = () => connection.join(prepare(), entered('joined'));
  byId('room-form').onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    connection.openOrJoin(prepare(), entered('joined'));
  };
  byId('check-presence').onclick = () =>
    connection.checkPresence(prepare(), (/** @type {boolean} */ exists, /** @type {string} */ roomid, /** @type {any} */ extra) => {
      const { isFull, isPasswordProtected } = extra._room;
      note(exists ? `${roomid} is there${isPasswordProtected ? ', with a password' : ''}${isFull ? ', and full' : ''}${extra.name ? `; it is ${extra.name}’s` : ''}` : `nobody is in ${roomid}`);
    });
  byId('leave-room').onclick = () => {
    connection.leave();
    stop();
  };
  byId('close-session').onclick = () => connection.closeEntireSession((/** @type {boolean} */ ok, /** @type {string} */ _, /** @type {string} */ error) => ok || write(error, 'error'));
  for (const kind of ['audio', 'video']) {
    const button = byId(`mute-${kind}`);
    button.onclick = () => {
      const mute = button.getAttribute('aria-pressed') !== 'true';
      for (const { stream } of connection.streamEvents.selectAll('local')) if (!stream.isScreen) stream[mute ? 'mute' : 'unmute'](kind);
      pressed(kind, mute);
    };
  }
  byId('share-screen').onclick = () => {
    const [shared] = connection.streamEvents.selectAll({ local: true, screen: true });
    if (shared) shared.stream.stop();
    else connection.addStream({ screen: true });
  };
  byId('chat-form').onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const text = byId('chat-text').value.trim();
    if (!text) return;
    connection.send(text);
    write(`you: ${text}`);
    byId('chat-text').value = '';
  };

  /** @param {string} kind @param {boolean} muted */
  function pressed(kind, muted) {
    const button = byId(`mute-${kind}`);
    button.setAttribute('aria-pressed', String(muted));
    button.textContent = `${muted ? 'unmute' : 'mute'} ${kind === 'audio' ? 'sound' : 'picture'}`;
  }

  // -- what is shown -------------------------------------------------------------------------------------------------------

  /** We are in no room: the devices are closed too. */
  function stop() {
    for (const stream of [...connection.attachStreams]) stream.stop();
    show();
  }

  function show() {
    const inside = connection.isOnline;
    byId('status').className = inside ? 'in' : '';
    byId('status').textContent = inside ? `in ${connection.sessionid}${connection.isInitiator ? ' · yours' : ''}` : 'not in a room';
    byId('entry').hidden = inside;
    byId('in-room').hidden = !inside;
    if (!inside) for (const kind of ['audio', 'video']) pressed(kind, false);
    byId('close-session').disabled = !connection.isInitiator;
    byId('chat-text').disabled = byId('chat-send').disabled = !inside;
  }

  /** @param {string} text @param {string} [kind] */
  function write(text, kind = '') {
    const line = document.createElement('li');
    line.className = kind;
    line.textContent = text;
    byId('log').append(line);
    line.scrollIntoView({ block: 'nearest' });
  }
  /** @param {string} text */
  function note(text) {
    write(text, 'note');
  }
})();
