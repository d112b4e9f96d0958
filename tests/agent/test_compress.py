import os

from hypothesis import given
from hypothesis import strategies as st

from transship.agent import compress
from transship.agent.compress import NONE, ZLIB, Chooser

MB = 1_000_000
FRAME = 250_000


class Clock:
    """Time as a compressor of a given speed makes it pass: each second reading comes after a frame."""

    def __init__(self, speed: float) -> None:
        self.now = 0.0
        self._step = FRAME / speed
        self._inside = False

    def __call__(self) -> float:
        self.now += self._step if self._inside else 0.0
        self._inside = not self._inside
        return self.now


def send(chooser: Chooser, payload: bytes, link: float, frames: int) -> list[int]:
    """What a link of a given speed makes of frames; its buffers swallow nothing."""
    codecs = []
    for _ in range(frames):
        codec, data = chooser.pack(payload)
        chooser.sent(len(data), len(data) / link)
        codecs.append(codec)
    return codecs


NOISE = os.urandom(FRAME)
TEXT = NOISE[: FRAME // 2] + b"words that come again " * (FRAME // 44)


def test_text_is_compressed_for_a_slow_link() -> None:
    assert set(send(Chooser(ZLIB, clock=Clock(80 * MB)), TEXT, 10 * MB, 200)) == {ZLIB}


def test_a_link_that_is_faster_than_the_compressor_gets_frames_as_they_are() -> None:
    codecs = send(Chooser(ZLIB, clock=Clock(80 * MB)), TEXT, 1000 * MB, 400)
    assert codecs.count(NONE) > 250
    assert codecs[-30:].count(ZLIB) <= 1


def test_what_does_not_shrink_is_left_alone_after_a_first_try() -> None:
    assert set(send(Chooser(ZLIB, clock=Clock(80 * MB)), NOISE, 10 * MB, 100)) == {NONE}


def test_the_choice_follows_the_data() -> None:
    chooser = Chooser(ZLIB, clock=Clock(80 * MB))
    send(chooser, NOISE, 10 * MB, 200)
    codecs = send(chooser, TEXT, 10 * MB, 400)
    assert codecs[-100:].count(ZLIB) == 100


def test_the_choice_follows_the_link() -> None:
    chooser = Chooser(ZLIB, clock=Clock(80 * MB))
    send(chooser, TEXT, 1000 * MB, 400)
    assert set(send(chooser, TEXT, 5 * MB, 200)[-50:]) == {ZLIB}


def test_a_known_fast_link_is_not_made_to_wait() -> None:
    assert send(Chooser(ZLIB, link=1000 * MB, clock=Clock(80 * MB)), TEXT, 1000 * MB, 20)[1:] == [NONE] * 19


@given(st.binary(max_size=5000), st.sampled_from(compress.available()))
def test_every_payload_comes_back(payload: bytes, codec: int) -> None:
    assert compress.decompress(codec, compress.compress(codec, payload)) == payload
