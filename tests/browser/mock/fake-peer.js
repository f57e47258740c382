/** Stands in for RTCPeerConnection where there is no server: agrees to everything, and each receiver shows a painting. */
(() => {
  let painted = 0;
  function painting() {
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const context = canvas.getContext('2d');
    const hue = (painted++ * 47) % 360;
    let t = 0;
    const paint = () => {
      const sky = context.createLinearGradient(0, 0, 0, 360);
      sky.addColorStop(0, `hsl(${hue} 35% 62%)`);
      sky.addColorStop(1, `hsl(${(hue + 40) % 360} 30% 34%)`);
      context.fillStyle = sky;
      context.fillRect(0, 0, 640, 360);
      context.fillStyle = `hsl(${hue} 25% 26%)`;
      context.beginPath();
      context.ellipse(320, 420, 190, 180, 0, 0, 7);
      context.fill();
      context.fillStyle = `hsl(${(hue + 20) % 360} 40% 72%)`;
      context.beginPath();
      context.ellipse(320 + Math.sin(t++ / 5) * 4, 165, 66, 82, 0, 0, 7);
      context.fill();
    };
    paint();
    setInterval(paint, 200);
    return canvas.captureStream(5).getVideoTracks()[0];
  }
  const silence = () => new AudioContext().createMediaStreamDestination().stream.getAudioTracks()[0];

  window.RTCPeerConnection = class {
    transceivers = [];
    signalingState = 'stable';
    iceConnectionState = 'new';
    connectionState = 'new';
    localDescription = null;
    addTransceiver(what, init) {
      const kind = what.kind ?? what;
      const receiver = {};
      let track = null;
      Object.defineProperty(receiver, 'track', { get: () => (track ??= kind === 'video' ? painting() : silence()) });
      const transceiver = {
        kind, mid: null, direction: init.direction, setCodecPreferences() {}, stop() {},
        receiver: init.direction === 'recvonly' ? receiver : {},
        sender: { replaceTrack: async () => {}, getParameters: () => ({ encodings: init.sendEncodings ?? [{}] }), setParameters: async () => {} },
      };
      this.transceivers.push(transceiver);
      return transceiver;
    }
    async createOffer() {
      return { type: 'offer' };
    }
    async setLocalDescription() {
      this.transceivers.forEach((t, i) => (t.mid ??= String(i)));
      this.localDescription = { sdp: this.transceivers.map((t) => `m=${t.kind} 9 X\na=mid:${t.mid}\na=${t.direction}\n`).join('') };
    }
    async setRemoteDescription() {
      setTimeout(() => this.ice('connected'), 10);
    }
    ice(state) {
      this.iceConnectionState = this.connectionState = state;
      this.oniceconnectionstatechange?.();
    }
    close() {}
  };
})();
