"""Encodes for engines that have no encoder and decodes for those that have no decoder, with the codecs of FFmpeg. What
goes to and fro are IVF files, for Opus as well: a header of 32 bytes, then each frame behind its length and time."""

import base64
import fractions
import io
import struct

import av

import scene
from lines import orders, reply


def write(path, fourcc, width, height, rate, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, fourcc, width, height, rate, 1, len(frames), 0))
        for number, frame in enumerate(frames):
            file.write(struct.pack("<IQ", len(frame), number) + frame)


def read(path):
    with open(path, "rb") as file:
        file.read(32)
        while len(head := file.read(12)) == 12:
            yield file.read(struct.unpack("<IQ", head)[0])


# How each codec is made to encode as for a call: no frame waits for a later one.
ENCODERS = {
    "vp8": ("libvpx", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "auto-alt-ref": "0", "error-resilient": "1"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "auto-alt-ref": "0"}),
    "h264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "x264-params": "scenecut=0"}),
    "av1": ("libsvtav1", {"preset": "10", "crf": "40", "svtav1-params": "pred-struct=1:lookahead=0:scd=0:lp=1"}),
}
DECODERS = {"vp8": "vp8", "vp9": "vp9", "h264": "h264", "av1": "libdav1d"}


def record(order):
    """Writes the files `video` and `audio`, and says where keyframes are."""
    picture = order["picture"]
    width, height, fps = picture["width"], picture["height"], picture["fps"]
    pictures = scene.Scene(width, height, picture["colour"])
    name, options = ENCODERS[order["codec"]]
    video = av.CodecContext.create(name, "w")
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    video.time_base, video.framerate, video.bit_rate = fractions.Fraction(1, fps), fps, 0 if "crf" in options else 250_000
    video.gop_size = order["keyframeEvery"]
    video.options = options
    packets = []
    for number in range(order["seconds"] * fps):
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane, content in zip(frame.planes, pictures.planes(number)):
            rest = bytes(plane.line_size - plane.width)
            plane.update(b"".join(content[at : at + plane.width] + rest for at in range(0, len(content), plane.width)))
        frame.pts, frame.time_base = number, fractions.Fraction(1, fps)
        packets += video.encode(frame)
    packets += video.encode(None)
    frames = [bytes(packet) for packet in packets]
    keyframes = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    write(order["video"], order["codec"].encode().ljust(4), width, height, fps, frames)

    audio = av.CodecContext.create("libopus", "w")
    audio.sample_rate, audio.layout, audio.format, audio.bit_rate = scene.SAMPLE_RATE, "mono", "s16", 32_000
    audio.options = {"frame_duration": "20", "application": "voip"}
    count, packets = scene.SAMPLE_RATE // 50, []
    for number in range(order["seconds"] * 50):
        frame = av.AudioFrame(format="s16", layout="mono", samples=count)
        frame.planes[0].update(scene.tone(order["toneHz"], number * count, count))
        frame.sample_rate, frame.pts = scene.SAMPLE_RATE, number * count
        packets += [bytes(packet) for packet in audio.encode(frame)]
    write(order["audio"], b"OPUS", 0, 0, 50, packets)
    return {"keyframes": keyframes}


def decode(order):
    """What was taken apart (`video`, `audio`: IVF), or what a browser recorded (`recorded`: Ogg or WebM)."""
    seen, heard = scene.Seen(), scene.Heard()
    if "video" in order:
        video = av.CodecContext.create(DECODERS[order["codec"]], "r")
        for frame in read(order["video"]):
            try:
                look(seen, video.decode(av.Packet(frame)))
            except av.error.InvalidDataError:
                # The VP9 payloader of the crate webrtc says of every picture that it needs no other, so that a subscriber may
                # begin with one that does.
                if seen.pictures:
                    raise
        look(seen, video.decode(None))
    resampler = av.AudioResampler(format="s16", layout="mono", rate=scene.SAMPLE_RATE)
    for sound in sounds(order):
        for mono in resampler.resample(sound):
            heard.listen(bytes(mono.planes[0])[: mono.samples * 2], 1)
    return {"video": seen.report(), "audio": heard.report()}


def look(seen, pictures):
    for picture in pictures:
        picture = picture.reformat(format="yuv420p")
        seen.look(picture.width, picture.height, *((bytes(plane), plane.line_size) for plane in picture.planes))


def sounds(order):
    if "recorded" in order:
        with av.open(io.BytesIO(base64.b64decode(order["recorded"]))) as container:
            yield from container.decode(audio=0)
        return
    audio = av.CodecContext.create("libopus", "r")
    for packet in read(order["audio"]):
        yield from audio.decode(av.Packet(packet))


for order in orders():
    try:
        reply(order["id"], ok={"record": record, "decode": decode}[order["do"]](order))
    except Exception as error:  # whatever it is, the other side must hear of it
        reply(order["id"], error=f"{type(error).__name__}: {error}")
