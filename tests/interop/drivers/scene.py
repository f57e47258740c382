"""What every engine publishes, how it is recognised, and the envelope of data messages. Standard library only: the
interpreter that has GStreamer's binding is the system's, and has nothing else.

The picture is one colour, the publisher's own, with a white square that wanders through the middle. The sound is a sine
of the publisher's own frequency.
"""

import array
import functools
import math

SAMPLE_RATE = 48_000
# Luma above which a pixel belongs to the square; every background is darker.
WHITE_FROM = 190
# Pixels that the square moves from one picture to the next.
STEP = 4
# Samples nearer to zero than this are neither above nor below it.
QUIET = 500
# Samples that are looked at together, and how loud they must be (root of the mean square).
WINDOW = SAMPLE_RATE // 100
LOUD = 800


class Scene:
    """Pictures of one size and colour as planes of I420."""

    def __init__(self, width, height, colour):
        self.width, self.height = width, height
        red, green, blue = colour
        # ITU-R BT.601, limited range.
        self.luma = round(16 + 0.257 * red + 0.504 * green + 0.098 * blue)
        cb = round(128 - 0.148 * red - 0.291 * green + 0.439 * blue)
        cr = round(128 + 0.439 * red - 0.368 * green - 0.071 * blue)
        quarter = (width // 2) * (height // 2)
        self.chroma = (bytes([cb]) * quarter, bytes([cr]) * quarter)
        self.side = height // 6

    def planes(self, number):
        """Y, U and V of a picture by its number, without padding."""
        luma = bytearray([self.luma]) * (self.width * self.height)
        cb, cr = (bytearray(plane) for plane in self.chroma)
        left = number * STEP % (self.width - self.side)
        for row in range((self.height - self.side) // 2, (self.height + self.side) // 2):
            at = row * self.width + left
            luma[at : at + self.side] = bytes([235]) * self.side
        half = self.width // 2
        for row in range((self.height - self.side) // 4, (self.height + self.side) // 4):
            at = row * half + left // 2
            for plane in (cb, cr):
                plane[at : at + self.side // 2] = bytes([128]) * (self.side // 2)
        return bytes(luma), bytes(cb), bytes(cr)


class Seen:
    """Collects decoded pictures. Planes are given as (bytes, length of a line)."""

    def __init__(self):
        self.pictures = 0
        self.size = (0, 0)
        self.colour = None
        self.places = set()

    def look(self, width, height, luma, cb, cr):
        self.pictures += 1
        self.size = (width, height)
        y, u, v = (
            mean(plane, w, h // 4)
            for plane, w, h in ((luma, width, height), (cb, width // 2, height // 2), (cr, width // 2, height // 2))
        )
        y, u, v = 1.164 * (y - 16), u - 128, v - 128
        rgb = (y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u)
        self.colour = [min(255, max(0, round(part))) for part in rgb]
        content, stride = luma
        row = content[height // 2 * stride : height // 2 * stride + width]
        white = [x for x, value in enumerate(row) if value > WHITE_FROM]
        if white:
            self.places.add(round(100 * sum(white) / len(white) / width))

    def report(self):
        return {
            "width": self.size[0],
            "height": self.size[1],
            "pictures": self.pictures,
            "places": len(self.places),
            "colour": self.colour,
        }


def mean(plane, width, rows):
    """Mean of the top rows of a plane; every fourth row will do."""
    content, stride = plane
    chosen = range(0, max(rows, 1), 4)
    return sum(sum(content[row * stride : row * stride + width]) for row in chosen) / (width * len(chosen))


class Heard:
    """Collects decoded sound: loudness and, by its zero crossings, pitch. Silence, before the publisher began to speak or
    between, does not count: only windows that are loud are looked at."""

    def __init__(self):
        self.loud, self.silent, self.squares, self.crossings, self.side = 0, 0, 0.0, 0, 0
        self.rest = array.array("h")

    def listen(self, pcm, channels):
        """Signed 16 bit samples of all channels in turn; the first channel is looked at."""
        self.rest += array.array("h", pcm)[::channels]
        while len(self.rest) >= WINDOW:
            window, self.rest = self.rest[:WINDOW], self.rest[WINDOW:]
            squares = sum(value * value for value in window)
            if squares < LOUD * LOUD * WINDOW:
                self.silent += WINDOW
                self.side = 0
                continue
            self.loud += WINDOW
            self.squares += squares
            for value in window:
                # Only what is louder than noise has a side, and the sound crosses when it changes it.
                side = (value > QUIET) - (value < -QUIET)
                if side:
                    self.crossings += side == -self.side
                    self.side = side

    def seconds(self):
        return self.loud / SAMPLE_RATE

    def report(self):
        if not self.loud:
            return None
        return {
            "seconds": round(self.seconds(), 2),
            "silent": round(self.silent / SAMPLE_RATE, 2),
            "level": round(math.sqrt(self.squares / self.loud) / 32_768, 3),
            "toneHz": round(self.crossings / 2 / self.seconds()),
        }


@functools.cache
def second(hz):
    """A second of a sine at a third of full scale, which fits behind itself."""
    step = 2 * math.pi * hz / SAMPLE_RATE
    return array.array("h", (round(10_900 * math.sin(step * n)) for n in range(SAMPLE_RATE)))


def tone(hz, begin, count):
    """`count` samples of the sine from sample `begin`, as bytes; no more than what is left of that second."""
    begin %= SAMPLE_RATE
    return second(hz)[begin : begin + count].tobytes()


def envelope(participant, payload):
    """A message of a data channel with protocol enfilade.data.v1."""
    name = participant.encode()
    return bytes([len(name)]) + name + payload


def opened(message):
    """Participant and payload of such a message."""
    length = message[0]
    return message[1 : 1 + length].decode(), message[1 + length :]


ECHO = b"echo:"
# What is sent to and fro: a short one, and one that does not fit a packet.
MESSAGES = (b"hello", bytes(n * 7 % 256 for n in range(20_000)))
