from __future__ import annotations

import importlib
import time
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from .faults import ProtocolError
from .frames import MAX_PAYLOAD

if TYPE_CHECKING:
    from collections.abc import Callable

NONE, ZLIB, ZSTD = 0, 1, 2
NAMES = {NONE: "none", ZLIB: "zlib", ZSTD: "zstd"}
_PROBE_EVERY = 32
_WINDOW_SECONDS = 0.25
_WINDOW_BYTES = 4 << 20
_BUFFERS = 4 << 20
_FULL_SECONDS = 0.05
_UNSURE_FRAMES = 64
_IDLE_LINK = 0.05


def _zstd() -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]] | None:
    """Compress and decompress with whichever zstd this Python has: its own from 3.14 on, or the `zstandard` package."""
    try:
        module: Any = importlib.import_module("compression.zstd")
    except ImportError:
        pass
    else:
        return (
            lambda data: bytes(module.compress(data, 1)),
            lambda data: bytes(module.ZstdDecompressor().decompress(data, MAX_PAYLOAD + 1)),
        )
    try:
        module = importlib.import_module("zstandard")
    except ImportError:
        return None
    packer = module.ZstdCompressor(level=1)
    # Through a reader: a plain decompress() would allocate whatever size the frame claims to have.
    return packer.compress, lambda data: bytes(module.ZstdDecompressor().stream_reader(data).read(MAX_PAYLOAD + 1))


def _unzlib(data: bytes) -> bytes:
    worker = zlib.decompressobj()
    found = worker.decompress(data, MAX_PAYLOAD + 1)
    if not worker.eof and len(found) <= MAX_PAYLOAD:
        raise zlib.error("incomplete")
    return found


_PACK: dict[int, Callable[[bytes], bytes]] = {NONE: lambda data: data, ZLIB: lambda data: zlib.compress(data, 1)}
_UNPACK: dict[int, Callable[[bytes], bytes]] = {NONE: lambda data: data, ZLIB: _unzlib}
_FOUND = _zstd()
if _FOUND:
    _PACK[ZSTD], _UNPACK[ZSTD] = _FOUND


def available() -> list[int]:
    """The codecs of this Python, the best last."""
    return sorted(_PACK)


def compress(codec: int, data: bytes) -> bytes:
    return _PACK[codec](data)


def decompress(codec: int, data: bytes) -> bytes:
    """The payload. Raises `ProtocolError` for what cannot be decompressed and for more than `MAX_PAYLOAD` bytes."""
    unpack = _UNPACK.get(codec)
    if unpack is None:
        raise ProtocolError(f"a frame uses codec {codec}, which is not available here")
    try:
        found = unpack(data)
    except Exception as error:
        raise ProtocolError(f"a frame cannot be decompressed: {error}") from error
    if len(found) > MAX_PAYLOAD:
        raise ProtocolError("a frame decompresses to more than a frame may hold")
    return found


class Packed(NamedTuple):
    """A payload as it goes out."""

    codec: int
    data: bytes


class Chooser:
    """Decides frame by frame whether to compress, from the speeds of the link and of the compressor, and the ratio.

    Compressor and link work at the same time, so a frame costs what the slower of the two takes. Every few frames one
    is compressed, whatever the choice, to see whether the data has changed its nature. All speeds in bytes per second;
    `link` is what is known of it from before, 0 for nothing: then a slow link is assumed until one was seen.
    """

    def __init__(self, codec: int, link: float = 0.0, clock: Callable[[], float] = time.perf_counter) -> None:
        self._codec = codec
        self._clock = clock
        self._link = link
        self._speed = 0.0
        self._ratio = 1.0
        self._frames = 0
        self._pack_seconds = 0.0
        self._sent_seconds = 0.0
        self._unseen = _BUFFERS
        self._window_bytes = 0
        self._window_seconds = 0.0

    @property
    def chosen(self) -> int:
        """The codec for the next frame, if it is not one that probes."""
        if self._codec == NONE or not self._speed:
            return self._codec
        if not self._link:
            # A link that never made us wait may be a fast one: only more bytes than it can take will tell.
            waited = self._sent_seconds >= _IDLE_LINK * self._pack_seconds
            return self._codec if self._ratio < 1 and (waited or self._frames < _UNSURE_FRAMES) else NONE
        cost = max(1 / self._speed, self._ratio / self._link)
        return self._codec if cost < 1 / self._link else NONE

    def pack(self, payload: bytes) -> Packed:
        """Compress a payload, or leave it as it is."""
        probe = self._frames % _PROBE_EVERY == 0
        self._frames += 1
        if self._codec == NONE or not (probe or self.chosen != NONE):
            return Packed(NONE, payload)
        began = self._clock()
        packed = compress(self._codec, payload)
        seconds = max(self._clock() - began, 1e-9)
        self._pack_seconds += seconds
        self._speed = _smooth(self._speed, len(payload) / seconds)
        self._ratio = _smooth(self._ratio if self._frames > 1 else 0.0, len(packed) / len(payload))
        if len(packed) >= len(payload):
            return Packed(NONE, payload)
        return Packed(self._codec, packed)

    def sent(self, count: int, seconds: float) -> None:
        """So many bytes took so long to hand over. The first ones, which buffers on the way swallow, say nothing."""
        self._sent_seconds += seconds
        if self._unseen > 0:
            self._unseen -= count if seconds < _FULL_SECONDS else _BUFFERS
            return
        self._window_bytes += count
        self._window_seconds += seconds
        if self._window_seconds >= _WINDOW_SECONDS or self._window_bytes >= _WINDOW_BYTES:
            self._link = _smooth(self._link, self._window_bytes / max(self._window_seconds, 1e-9))
            self._window_bytes, self._window_seconds = 0, 0.0

    @property
    def link(self) -> float:
        """The link's speed as it was seen, 0 while it was never what one waited for."""
        return self._link


def _smooth(old: float, new: float) -> float:
    return new if not old else 0.7 * old + 0.3 * new
