import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship.agent import compress
from transship.agent.compress import NONE, THOROUGH, ZLIB, ZSTD, Chooser
from transship.agent.frames import MAX_PAYLOAD

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


def test_a_link_that_is_much_slower_than_the_compressor_gets_more_thorough_work() -> None:
    chooser = Chooser(ZLIB, link=1 * MB)
    send(chooser, TEXT, 1 * MB, 64)
    assert chooser.chosen == THOROUGH


def test_thorough_work_is_given_up_where_it_would_hold_up_the_link() -> None:
    chooser = Chooser(ZLIB, link=1 * MB)
    send(chooser, TEXT, 1 * MB, 64)
    send(chooser, TEXT, 60 * MB, 600)
    assert chooser.chosen != THOROUGH


@pytest.mark.parametrize("data", [b"", b"a", os.urandom(1000), b"words " * 100_000])
def test_the_systems_own_zstd_is_the_same_zstd(data: bytes) -> None:
    library = compress._Library()
    assert library.decompress(library.compress(data, 1)) == data
    assert compress.decompress(ZSTD, library.compress(data, 9)) == data
    with pytest.raises(ValueError, match="refuses"):
        library.decompress(b"not zstd at all")


def test_a_zstd_frame_that_claims_too_much_is_refused() -> None:
    library = compress._Library()
    bomb = library.compress(bytes(MAX_PAYLOAD + 10), 1)
    with pytest.raises(ValueError, match="refuses"):
        library.decompress(bomb)


@given(st.binary(max_size=5000), st.sampled_from(compress.available()))
def test_every_payload_comes_back(payload: bytes, codec: int) -> None:
    assert compress.decompress(codec, compress.compress(codec, payload)) == payload
