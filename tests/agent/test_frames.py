import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transship.agent import frames
from transship.agent.faults import ProtocolError
from transship.agent.frames import MAX_PAYLOAD, RECORDS, REPLY, Frame

WHOLE = frames.encode(Frame(RECORDS, 1, b"some payload"))


def read(data: bytes) -> Frame | None:
    return frames.read(io.BytesIO(data).read)


@given(st.integers(frames.REQUEST, frames.STATE), st.integers(0, 255), st.binary(max_size=5000))
def test_a_frame_arrives_as_it_was_sent(kind: int, codec: int, payload: bytes) -> None:
    frame = Frame(kind, codec, payload)
    assert read(frames.encode(frame) + b"next") == frame


def test_frames_arrive_in_pieces_of_any_size() -> None:
    stream = io.BytesIO(WHOLE * 2)

    def one_byte(limit: int) -> bytes:
        return stream.read(min(limit, 1))

    assert [frames.read(one_byte) for _ in range(3)] == [Frame(RECORDS, 1, b"some payload")] * 2 + [None]


@pytest.mark.parametrize("length", range(1, len(WHOLE)))
def test_a_truncated_frame_is_refused(length: int) -> None:
    with pytest.raises(ProtocolError, match="ends inside"):
        read(WHOLE[:length])


@pytest.mark.parametrize("position", range(len(WHOLE)))
def test_any_changed_byte_is_noticed(position: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[position] ^= 0x41
    with pytest.raises(ProtocolError):
        read(bytes(damaged))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Welcome to this host!", "Welcome"),
        (frames.HEADER.pack(b"TS", 9, REPLY, 0, 0, 0), "version 9"),
        (frames.HEADER.pack(b"TS", 1, REPLY, 0, MAX_PAYLOAD + 1, 0), "none of this protocol"),
        (frames.HEADER.pack(b"TS", 1, 77, 0, 0, 0), "type 77"),
    ],
)
def test_what_is_no_frame_is_refused_with_a_reason(data: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        read(data)


def test_a_claimed_length_allocates_nothing() -> None:
    claims = frames.HEADER.pack(b"TS", 1, REPLY, 0, MAX_PAYLOAD, 0) + b"but this is all"
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            read(claims)
        assert tracemalloc.get_traced_memory()[1] < 50_000
    finally:
        tracemalloc.stop()


def test_too_much_for_a_frame_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match="longer"):
        frames.encode(Frame(REPLY, 0, bytes(MAX_PAYLOAD + 1)))
