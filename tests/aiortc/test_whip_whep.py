"""aiortc as a third WebRTC engine: it publishes through WHIP and watches through WHEP, and what comes out is what went in."""

import asyncio
import fractions
import math
import struct

import aiohttp
import av
import pytest
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack

from conftest import token

WIDTH, HEIGHT = 320, 240
# Luma, blue and red difference of the four quarters of the picture: red, green, blue and white, roughly.
QUARTERS = [(82, 90, 240), (145, 54, 34), (41, 240, 110), (210, 128, 128)]
SAMPLE_RATE = 48_000
TONE_HZ = 440
PATIENCE = 20


def plane_bytes(plane, value_at):
    """Fills a plane of a picture, whose lines may be longer than what is seen of them."""
    line = bytearray(plane.line_size)
    out = bytearray()
    for y in range(plane.height):
        for x in range(plane.width):
            line[x] = value_at(x, y)
        out += line
    return bytes(out)


def pattern():
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for component, plane in enumerate(frame.planes):

        def value_at(x, y, plane=plane, component=component):
            quarter = 2 * (2 * y >= plane.height) + (2 * x >= plane.width)
            return QUARTERS[quarter][component]

        plane.update(plane_bytes(plane, value_at))
    return frame


class Pattern(VideoStreamTrack):
    """Four coloured quarters and a bar that moves, so that a frozen picture can be told from a living one."""

    def __init__(self):
        super().__init__()
        self.base = [bytes(plane) for plane in pattern().planes]
        self.count = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, content in zip(frame.planes, self.base):
            plane.update(content)
        luma = frame.planes[0]
        lines = bytearray(bytes(luma))
        bar = (self.count * 4) % (WIDTH // 2 - 16)
        for y in range(HEIGHT // 2 - 8, HEIGHT // 2 + 8):
            start = y * luma.line_size + WIDTH // 4 + bar
            lines[start : start + 16] = bytes([16]) * 16
        luma.update(bytes(lines))
        self.count += 1
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(AudioStreamTrack):
    """A sine at half of full scale."""

    def __init__(self):
        super().__init__()
        self.sample = 0
        self.begun = None

    async def recv(self):
        count = SAMPLE_RATE // 50
        loop = asyncio.get_running_loop()
        self.begun = self.begun or loop.time()
        await asyncio.sleep(max(0.0, self.begun + self.sample / SAMPLE_RATE - loop.time()))
        samples = (
            int(16_000 * math.sin(2 * math.pi * TONE_HZ * (self.sample + n) / SAMPLE_RATE)) for n in range(count)
        )
        frame = av.AudioFrame(format="s16", layout="mono", samples=count)
        frame.planes[0].update(struct.pack(f"<{count}h", *samples))
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = self.sample, fractions.Fraction(1, SAMPLE_RATE)
        self.sample += count
        return frame


async def offered(connection, url, secret):
    """Posts an offer and takes the answer. The address of the resource, or the status of the refusal."""
    await connection.setLocalDescription(await connection.createOffer())
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/sdp"}
    async with aiohttp.ClientSession() as http:
        async with http.post(url, data=connection.localDescription.sdp, headers=headers) as answer:
            if answer.status != 201:
                return answer.status
            sdp = await answer.text()
            location = answer.headers["Location"]
    await connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="answer"))
    return location


async def connected(connection):
    async def wait():
        while connection.connectionState != "connected":
            assert connection.connectionState not in ("failed", "closed"), connection.connectionState
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), PATIENCE)


async def publisher(server, room, name):
    connection = RTCPeerConnection()
    connection.addTrack(Tone())
    connection.addTrack(Pattern())
    location = await offered(connection, f"{server}/whip/{room}", token(room, name))
    assert isinstance(location, str), f"refused with {location}"
    await connected(connection)
    return connection, location


async def viewer(server, room, whom, name):
    connection = RTCPeerConnection()
    tracks = {}
    connection.on("track", lambda track: tracks.__setitem__(track.kind, track))
    connection.addTransceiver("audio", direction="recvonly")
    connection.addTransceiver("video", direction="recvonly")
    location = await offered(connection, f"{server}/whep/{room}/{whom}", token(room, name))
    assert isinstance(location, str), f"refused with {location}"
    await connected(connection)
    return connection, tracks


def mean(plane, left, top, width, height):
    content = bytes(plane)
    total = sum(
        sum(content[y * plane.line_size + left : y * plane.line_size + left + width]) for y in range(top, top + height)
    )
    return total / (width * height)


def assert_pattern(frame):
    frame = frame.reformat(format="yuv420p")
    assert (frame.width, frame.height) == (WIDTH, HEIGHT)
    for number, colour in enumerate(QUARTERS):
        for component, plane in enumerate(frame.planes):
            width, height = plane.width // 2, plane.height // 2
            left, top = (number % 2) * width, (number // 2) * height
            # The outer half of the quarter: the bar moves through the middle of the picture.
            part = (left + width // 8, top + (0 if number < 2 else height // 2) + height // 16)
            seen = mean(plane, *part, width * 3 // 4, height * 3 // 8)
            assert abs(seen - colour[component]) < 16, f"quarter {number}, component {component}: {seen}"


async def pictures(track, count):
    frames = []
    while len(frames) < count:
        frames.append(await asyncio.wait_for(track.recv(), PATIENCE))
    return frames


async def loudness(track, seconds):
    """Root of the mean square and zero crossings per second of what is heard."""
    squares, samples, crossings, last = 0.0, 0, 0, 0
    while samples < seconds * SAMPLE_RATE:
        frame = await asyncio.wait_for(track.recv(), PATIENCE)
        channels = len(frame.layout.channels)
        # Packed samples of all channels; the buffer may be longer than the sound.
        values = struct.unpack_from(f"<{frame.samples * channels}h", bytes(frame.planes[0]))[::channels]
        for value in values:
            squares += value * value
            crossings += (value >= 0) != (last >= 0)
            last = value
        samples += len(values)
    return math.sqrt(squares / samples), crossings * SAMPLE_RATE / samples


async def assert_seen_and_heard(tracks):
    frames = await pictures(tracks["video"], 20)
    assert_pattern(frames[-1])
    assert bytes(frames[0].planes[0]) != bytes(frames[-1].planes[0]), "the picture is frozen"
    # What was not heard while the pictures were looked at waits in the track's queue.
    level, crossings = await loudness(tracks["audio"], 1.0)
    assert level > 5_000, f"only {level} of 11300"
    assert abs(crossings - 2 * TONE_HZ) < 60, f"{crossings / 2} Hz"


@pytest.mark.asyncio
async def test_what_is_published_is_seen_and_heard(server):
    camera, _ = await publisher(server, "studio", "camera")
    watching, tracks = await viewer(server, "studio", "camera", "viewer")
    await assert_seen_and_heard(tracks)
    await watching.close()
    await camera.close()


@pytest.mark.asyncio
async def test_a_viewer_waits_for_the_publisher(server):
    watching, tracks = await viewer(server, "early", "camera", "viewer")
    camera, _ = await publisher(server, "early", "camera")
    await assert_seen_and_heard(tracks)
    await watching.close()
    await camera.close()


@pytest.mark.asyncio
async def test_two_viewers_and_the_end(server):
    camera, resource = await publisher(server, "end", "camera")
    viewers = [await viewer(server, "end", "camera", f"viewer-{number}") for number in range(2)]
    for _, tracks in viewers:
        assert_pattern((await pictures(tracks["video"], 5))[-1])
    headers = {"Authorization": f"Bearer {token('end', 'camera')}"}
    url = resource if resource.startswith("http") else server + resource
    async with aiohttp.ClientSession() as http:
        async with http.delete(url, headers=headers) as answer:
            assert answer.status in (200, 204)
        async with http.delete(url, headers=headers) as answer:
            assert answer.status == 404
    for connection in [camera, *(connection for connection, _ in viewers)]:
        await connection.close()


@pytest.mark.asyncio
async def test_wrong_tokens_are_refused(server):
    for secret, statuses in [("nonsense", (401,)), (token("elsewhere", "camera"), (401, 403))]:
        connection = RTCPeerConnection()
        connection.addTrack(Tone())
        assert await offered(connection, f"{server}/whip/guarded", secret) in statuses
        await connection.close()
