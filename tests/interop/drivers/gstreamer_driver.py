"""The engine webrtcbin of GStreamer: libnice, OpenSSL, libsrtp, usrsctp, and GStreamer's own RTP and codecs. Runs on the system's
Python, whose packages are GStreamer's binding and nothing else."""

import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

import scene  # noqa: E402
from lines import orders, reply  # noqa: E402

# What webrtcbin offers besides the codec: repair, keyframe requests, congestion feedback.
FEEDBACK = "rtcp-fb-nack=true,rtcp-fb-nack-pli=true,rtcp-fb-ccm-fir=true,rtcp-fb-transport-cc=true"
VIDEO = {
    "vp8": f"application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000,{FEEDBACK}",
    "vp9": f"application/x-rtp,media=video,encoding-name=VP9,payload=98,clock-rate=90000,{FEEDBACK}",
    "h264": "application/x-rtp,media=video,encoding-name=H264,payload=102,clock-rate=90000,packetization-mode=(string)1,"
    f"profile-level-id=(string)42e01f,{FEEDBACK}",
}
ENCODE = {
    "vp8": "vp8enc deadline=1 cpu-used=8 target-bitrate=250000 keyframe-max-dist=150 error-resilient=default ! "
    "rtpvp8pay pt=96 picture-id-mode=15-bit",
    "vp9": "vp9enc deadline=1 cpu-used=8 target-bitrate=250000 keyframe-max-dist=150 ! rtpvp9pay pt=98 picture-id-mode=15-bit",
    "h264": "openh264enc bitrate=250000 gop-size=150 complexity=low ! h264parse config-interval=-1 ! "
    "rtph264pay pt=102 aggregate-mode=zero-latency",
}
DECODE = {
    "OPUS": "rtpopusdepay ! opusdec ! audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate=48000,channels=1",
    "VP8": "rtpvp8depay ! vp8dec ! videoconvert ! video/x-raw,format=I420",
    "VP9": "rtpvp9depay ! vp9dec ! videoconvert ! video/x-raw,format=I420",
    "H264": "rtph264depay ! h264parse ! openh264dec ! videoconvert ! video/x-raw,format=I420",
}
OPUS = "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2,rtcp-fb-transport-cc=true"


class Session:
    def __init__(self, order):
        self.media, self.seen, self.heard = order["media"], scene.Seen(), scene.Heard()
        self.codec, self.echoes, self.channel, self.failure, self.stopped = None, [], None, None, threading.Event()
        self.pipeline = Gst.Pipeline.new(None)
        self.bin = Gst.ElementFactory.make("webrtcbin")
        self.bin.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.bin)
        # Without it libnice looks for a home router for seconds before it has gathered its candidates.
        self.ice = self.bin.get_property("ice-agent")
        self.ice.get_property("agent").set_property("upnp", False)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)
        direction = GstWebRTC.WebRTCRTPTransceiverDirection
        self.bin.connect("pad-added", self.on_pad)
        if order["media"] and order["role"] == "subscribe":
            self.receive(direction.RECVONLY)
        elif order["media"]:
            self.send(order, direction.SENDRECV if order["role"] == "call" else direction.SENDONLY)
        # A data channel can be made once the bin is ready, and must be before the offer.
        self.pipeline.set_state(Gst.State.READY)
        if order["data"]:
            options = Gst.Structure.new_empty("options")
            options.set_value("protocol", "enfilade.data.v1")
            self.channel = self.bin.emit("create-data-channel", "interop", options)
            self.channel.connect("on-message-data", lambda _, data: self.hear(data.get_data()))
        self.pipeline.set_state(Gst.State.PLAYING)

    def on_error(self, _, message):
        self.failure = message.parse_error()[0].message

    def until(self, look, seconds):
        """Waits for something, looking again and again: to be told by the bin would be to be called under its locks."""
        end = time.monotonic() + seconds
        while not look() and not self.failure and time.monotonic() < end:
            time.sleep(0.01)
        return look()

    def send(self, order, direction):
        picture, codec = order["picture"], order["codec"]
        video = Gst.parse_bin_from_description(
            f"appsrc name=picture is-live=true do-timestamp=true format=time caps=video/x-raw,format=I420,width={picture['width']},"
            f"height={picture['height']},framerate={picture['fps']}/1 ! queue max-size-buffers=4 leaky=downstream ! "
            f"{ENCODE[codec]} ! capssetter name=caps join=true",
            True,
        )
        audio = Gst.parse_bin_from_description(
            f"audiotestsrc is-live=true wave=sine freq={order['toneHz']} volume=0.33 samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=1 ! "
            f"opusenc bitrate=32000 ! rtpopuspay pt=111 ! capsfilter caps={OPUS}",
            True,
        )
        video.get_by_name("caps").set_property("caps", Gst.Caps.from_string(VIDEO[codec]))
        for part in (audio, video):
            self.pipeline.add(part)
            pad = self.bin.request_pad_simple("sink_%u")
            part.get_static_pad("src").link(pad)
            transceiver = pad.get_property("transceiver")
            transceiver.set_property("direction", direction)
            transceiver.set_property("do-nack", True)
        source, pictures = video.get_by_name("picture"), scene.Scene(picture["width"], picture["height"], picture["colour"])
        threading.Thread(target=self.draw, args=(source, pictures, picture["fps"]), daemon=True).start()

    def draw(self, source, pictures, fps):
        begun, number = time.monotonic(), 0
        while not self.stopped.wait(max(0.0, begun + number / fps - time.monotonic())):
            source.emit("push-buffer", Gst.Buffer.new_wrapped(b"".join(pictures.planes(number))))
            number += 1

    def receive(self, direction):
        for caps in (OPUS, ";".join(VIDEO.values())):
            transceiver = self.bin.emit("add-transceiver", direction, Gst.Caps.from_string(caps))
            transceiver.set_property("do-nack", True)

    def on_pad(self, _, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        caps = pad.get_current_caps().get_structure(0)
        codec = caps.get_string("encoding-name")
        take = self.take_sound if caps.get_string("media") == "audio" else self.take_picture
        part = Gst.parse_bin_from_description(f"queue ! {DECODE[codec]} ! appsink name=out emit-signals=true sync=false", True)
        if caps.get_string("media") == "video":
            self.codec = codec.lower()
        part.get_by_name("out").connect("new-sample", take)
        self.pipeline.add(part)
        part.sync_state_with_parent()
        pad.link(part.get_static_pad("sink"))

    def take_picture(self, sink):
        sample = sink.emit("pull-sample")
        caps = sample.get_caps().get_structure(0)
        width, height = caps.get_value("width"), caps.get_value("height")
        content = sample.get_buffer().extract_dup(0, sample.get_buffer().get_size())
        # The layout of an I420 buffer in GStreamer: lines rounded up to four bytes.
        stride, half = (width + 3) // 4 * 4, ((width + 1) // 2 + 3) // 4 * 4
        first = stride * ((height + 1) // 2 * 2)
        second = first + half * ((height + 1) // 2)
        planes = ((content, stride), (content[first:second], half), (content[second:], half))
        self.seen.look(width, height, *planes)
        return Gst.FlowReturn.OK

    def take_sound(self, sink):
        buffer = sink.emit("pull-sample").get_buffer()
        self.heard.listen(buffer.extract_dup(0, buffer.get_size()), 1)
        return Gst.FlowReturn.OK

    def offer(self):
        promise = Gst.Promise.new()
        self.bin.emit("create-offer", None, promise)
        promise.wait()
        made = promise.get_reply()  # it owns the description
        self.bin.emit("set-local-description", made.get_value("offer"), None)
        complete = GstWebRTC.WebRTCICEGatheringState.COMPLETE
        if not self.until(lambda: self.bin.get_property("ice-gathering-state") == complete, 5):
            raise RuntimeError("candidates are still gathered")
        return self.bin.get_property("local-description").sdp.as_text()

    def answer(self, sdp, limit_ms):
        _, message = GstSdp.SDPMessage.new_from_text(sdp)
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        promise = Gst.Promise.new()
        self.bin.emit("set-remote-description", answer, promise)
        promise.wait()
        connected = GstWebRTC.WebRTCPeerConnectionState.CONNECTED
        state = lambda: self.bin.get_property("connection-state")  # noqa: E731
        if not self.until(lambda: state() == connected, limit_ms / 1000) or self.failure:
            raise RuntimeError(self.failure or f"the connection is {state().value_nick}")

    def hear(self, message):
        sender, payload = scene.opened(message)
        if payload.startswith(scene.ECHO):
            self.echoes.append((sender, payload[len(scene.ECHO) :]))
        else:
            self.say(sender, scene.ECHO + payload)

    def say(self, to, payload):
        if self.channel.get_property("ready-state") == GstWebRTC.WebRTCDataChannelState.OPEN:
            self.channel.emit("send-data", GLib.Bytes.new(scene.envelope(to, payload)))

    def watch(self, order):
        end = time.monotonic() + order["limitMs"] / 1000
        self.seen, self.heard = scene.Seen(), scene.Heard()
        data = self.talk(order["from"]["data"], end) if self.channel and order["from"]["data"] else None
        if not self.media:
            return {"video": None, "audio": None, "data": data}
        enough = lambda: self.seen.pictures >= order["pictures"] and self.heard.seconds() >= order["seconds"]  # noqa: E731
        self.until(enough, max(0.0, end - time.monotonic()))
        if self.failure:
            raise RuntimeError(self.failure)
        return {"video": {**self.seen.report(), "codec": self.codec}, "audio": self.heard.report(), "data": data}

    def talk(self, publisher, end):
        echoed = 0
        for message in scene.MESSAGES:
            back = lambda: (publisher, message) in self.echoes  # noqa: B023, E731
            # The publisher may not have its channel yet, so it is asked again until it answers.
            while not back() and time.monotonic() < end:
                self.say(publisher, message)
                self.until(back, 0.5)
            echoed += back()
        return {"echoed": echoed}

    def end(self):
        self.stopped.set()
        self.pipeline.get_bus().remove_signal_watch()
        self.pipeline.set_state(Gst.State.NULL)


def obey(order, sessions):
    name, number = order["session"], order["id"]
    try:
        if order["do"] == "offer":
            sessions[name] = Session(order)
            reply(number, ok={"sdp": sessions[name].offer()})
        elif order["do"] == "answer":
            sessions[name].answer(order["sdp"], order["limitMs"])
            reply(number, ok={})
        elif order["do"] == "watch":
            reply(number, ok=sessions[name].watch(order))
        elif order["do"] == "end":
            session = sessions.pop(name, None)
            if session:
                session.end()
            reply(number, ok={})
        else:
            reply(number, error=f"{order['do']} is not known")
    except Exception as error:  # whatever it is, the other side must hear of it
        reply(number, error=f"{type(error).__name__}: {error}")


Gst.init(None)
loop, running = GLib.MainLoop(), {}
threading.Thread(target=loop.run, daemon=True).start()
for one in orders():
    threading.Thread(target=obey, args=(one, running), daemon=True).start()
