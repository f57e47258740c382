"""The engine aiortc: its own ICE, SRTP through libsrtp, DTLS through OpenSSL, SCTP in Python, codecs of FFmpeg."""

import asyncio
import contextlib
import fractions
import sys
import threading

import av
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack

from aiortc.mediastreams import MediaStreamError

import scene
from lines import orders, reply


class Picture(VideoStreamTrack):
    def __init__(self, width, height, fps, colour):
        super().__init__()
        self.scene = scene.Scene(width, height, colour)
        self.fps, self.number, self.begun = fps, 0, None

    async def recv(self):
        await self.pace()
        frame = av.VideoFrame(self.scene.width, self.scene.height, "yuv420p")
        for plane, content in zip(frame.planes, self.scene.planes(self.number)):
            plane.update(padded(content, plane))
        frame.pts, frame.time_base = self.number, fractions.Fraction(1, self.fps)
        self.number += 1
        return frame

    async def pace(self):
        now = asyncio.get_running_loop().time()
        self.begun = self.begun or now
        await asyncio.sleep(max(0.0, self.begun + self.number / self.fps - now))


def padded(content, plane):
    """Lines in the picture's memory may be longer than what is seen of them."""
    if plane.line_size == plane.width:
        return content
    rest = bytes(plane.line_size - plane.width)
    rows = range(0, len(content), plane.width)
    return b"".join(content[at : at + plane.width] + rest for at in rows)


class Tone(AudioStreamTrack):
    def __init__(self, hz):
        super().__init__()
        self.hz, self.sample, self.begun = hz, 0, None

    async def recv(self):
        count = scene.SAMPLE_RATE // 50
        now = asyncio.get_running_loop().time()
        self.begun = self.begun or now
        await asyncio.sleep(max(0.0, self.begun + self.sample / scene.SAMPLE_RATE - now))
        frame = av.AudioFrame(format="s16", layout="mono", samples=count)
        frame.planes[0].update(scene.tone(self.hz, self.sample, count))
        frame.sample_rate = scene.SAMPLE_RATE
        frame.pts, frame.time_base = self.sample, fractions.Fraction(1, scene.SAMPLE_RATE)
        self.sample += count
        return frame


class Session:
    def __init__(self, order):
        self.connection, self.media = RTCPeerConnection(), order["media"]
        self.seen, self.heard = scene.Seen(), scene.Heard()
        self.tasks, self.channel, self.echoes, self.news = [], None, [], asyncio.Event()
        self.connection.on("track", self.take)
        direction = {"publish": "sendonly", "subscribe": "recvonly", "call": "sendrecv"}[order["role"]]
        if order["media"]:
            picture = order["picture"]
            for source in ("audio", "video"):
                if order["role"] != "subscribe":
                    source = Tone(order["toneHz"]) if source == "audio" else Picture(**picture)
                line = self.connection.addTransceiver(source, direction=direction)
                if line.kind == "video" and order["role"] != "subscribe":
                    line.setCodecPreferences(only(order["codec"]))
        if order["data"]:
            self.channel = self.connection.createDataChannel("interop", protocol="enfilade.data.v1")
            self.channel.on("message", self.hear)

    async def offer(self):
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def answer(self, sdp):
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))
        while self.connection.connectionState != "connected":
            if self.connection.connectionState in ("failed", "closed"):
                raise RuntimeError(f"the connection is {self.connection.connectionState}")
            await asyncio.sleep(0.01)

    def hear(self, message):
        sender, payload = scene.opened(message)
        if payload.startswith(scene.ECHO):
            self.echoes.append((sender, payload[len(scene.ECHO) :]))
            self.news.set()
        else:
            self.channel.send(scene.envelope(sender, scene.ECHO + payload))

    def take(self, track):
        work = self.listen(track) if track.kind == "audio" else self.see(track)
        self.tasks.append(asyncio.create_task(work))

    async def see(self, track):
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = (await track.recv()).reformat(format="yuv420p")
                planes = ((bytes(plane), plane.line_size) for plane in frame.planes)
                self.seen.look(frame.width, frame.height, *planes)

    async def listen(self, track):
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                channels = len(frame.layout.channels)
                # The buffer may be longer than the sound.
                self.heard.listen(bytes(frame.planes[0])[: frame.samples * channels * 2], channels)

    async def watch(self, order):
        self.seen, self.heard = scene.Seen(), scene.Heard()
        talks, data = self.channel and order["from"]["data"], {"echoed": 0}

        async def enough():
            while self.media and (self.seen.pictures < order["pictures"] or self.heard.seconds() < order["seconds"]):
                await asyncio.sleep(0.01)

        # What there is when time is up will be judged.
        work = asyncio.gather(enough(), self.talk(order["from"]["data"], data) if talks else nothing())
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(work, order["limitMs"] / 1000)
        return {
            "video": self.seen.report() if self.media else None,
            "audio": self.heard.report(),
            "data": data if talks else None,
        }

    async def end(self):
        for task in self.tasks:
            task.cancel()
        await self.connection.close()

    async def talk(self, publisher, data):
        for message in scene.MESSAGES:
            # The publisher may not have its channel yet, so it is asked again until it answers.
            while (publisher, message) not in self.echoes:
                self.news.clear()
                if self.channel.readyState == "open":
                    self.channel.send(scene.envelope(publisher, message))
                try:
                    await asyncio.wait_for(self.news.wait(), 0.5)
                except asyncio.TimeoutError:
                    pass
            data["echoed"] += 1


def only(codec):
    """What aiortc can do with one codec, and its retransmissions."""
    codecs = RTCRtpSender.getCapabilities("video").codecs
    return [one for one in codecs if one.mimeType.lower() in (f"video/{codec}", "video/rtx")]


async def nothing():
    pass


async def obey(order, sessions):
    name, number = order["session"], order["id"]
    try:
        if order["do"] == "offer":
            sessions[name] = Session(order)
            reply(number, ok={"sdp": await sessions[name].offer()})
        elif order["do"] == "answer":
            await asyncio.wait_for(sessions[name].answer(order["sdp"]), order["limitMs"] / 1000)
            reply(number, ok={})
        elif order["do"] == "watch":
            reply(number, ok=await sessions[name].watch(order))
        elif order["do"] == "end":
            session = sessions.pop(name, None)
            if session:
                await session.end()
            reply(number, ok={})
        else:
            reply(number, error=f"{order['do']} is not known")
    except Exception as error:  # whatever it is, the other side must hear of it
        reply(number, error=f"{type(error).__name__}: {error}")


async def main():
    loop, sessions, tasks = asyncio.get_running_loop(), {}, set()

    def read():
        for order in orders():
            asyncio.run_coroutine_threadsafe(begin(order), loop)
        loop.call_soon_threadsafe(done.set)

    async def begin(order):
        task = asyncio.create_task(obey(order, sessions))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    done = asyncio.Event()
    threading.Thread(target=read, daemon=True).start()
    await done.wait()
    await asyncio.gather(*(session.end() for session in sessions.values()), return_exceptions=True)


asyncio.run(main())
sys.exit(0)
