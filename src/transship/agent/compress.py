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
FAST, THOROUGH = 0, 1
_LEVELS = {NONE: (0, 0), ZLIB: (1, 6), ZSTD: (1, 9)}
"""The compressors' own levels by effort."""
_PROBE_EVERY = 32
_WINDOW_SECONDS = 0.25
_WINDOW_BYTES = 4 << 20
_BUFFERS = 4 << 20
_FULL_SECONDS = 0.05
_UNSURE_FRAMES = 64
_IDLE_LINK = 0.05


class _Library:
    """The system's own libzstd, which package managers bring along nearly everywhere, for a Python without a module.

    Raises `ImportError` or `OSError` where there is none.
    """

    def __init__(self) -> None:
        self._ctypes: Any = importlib.import_module("ctypes")
        self._zstd: Any = self._ctypes.CDLL("libzstd.so.1")
        for name in ("ZSTD_compressBound", "ZSTD_compress", "ZSTD_decompress"):
            getattr(self._zstd, name).restype = self._ctypes.c_size_t

    def compress(self, data: bytes, level: int) -> bytes:
        return self._call("compress", self._zstd.ZSTD_compressBound(self._size(data)), data, level)

    def decompress(self, data: bytes) -> bytes:
        return self._call("decompress", MAX_PAYLOAD + 1, data)

    def _call(self, name: str, room: int, data: bytes, *more: int) -> bytes:
        out = self._ctypes.create_string_buffer(room)
        size = self._ctypes.c_size_t
        count = getattr(self._zstd, f"ZSTD_{name}")(out, size(room), data, self._size(data), *more)
        if self._zstd.ZSTD_isError(size(count)):
            raise ValueError("libzstd refuses it")
        return bytes(memoryview(out)[:count])

    def _size(self, data: bytes) -> Any:
        return self._ctypes.c_size_t(len(data))


def _zstd() -> tuple[Callable[[bytes, int], bytes], Callable[[bytes], bytes]] | None:
    """Compress and decompress with whichever zstd there is: Python's own from 3.14 on, `zstandard`, or the system's."""
    try:
        module: Any = importlib.import_module("compression.zstd")
    except ImportError:
        pass
    else:
        return (
            lambda data, level: bytes(module.compress(data, level)),
            lambda data: bytes(module.ZstdDecompressor().decompress(data, MAX_PAYLOAD + 1)),
        )
    try:
        module = importlib.import_module("zstandard")
    except ImportError:
        try:
            library = _Library()
        except (ImportError, OSError, AttributeError):
            return None
        return library.compress, library.decompress
    return (
        lambda data, level: bytes(module.ZstdCompressor(level=level).compress(data)),
        # Through a reader: a plain decompress() would allocate whatever size the frame claims to have.
        lambda data: bytes(module.ZstdDecompressor().stream_reader(data).read(MAX_PAYLOAD + 1)),
    )


def _unzlib(data: bytes) -> bytes:
    worker = zlib.decompressobj()
    found = worker.decompress(data, MAX_PAYLOAD + 1)
    if not worker.eof and len(found) <= MAX_PAYLOAD:
        raise zlib.error("incomplete")
    return found


_PACK: dict[int, Callable[[bytes, int], bytes]] = {NONE: lambda data, _: data, ZLIB: zlib.compress}
_UNPACK: dict[int, Callable[[bytes], bytes]] = {NONE: lambda data: data, ZLIB: _unzlib}
_FOUND = _zstd()
if _FOUND:
    _PACK[ZSTD], _UNPACK[ZSTD] = _FOUND


def available() -> list[int]:
    """The codecs of this Python, the best last."""
    return sorted(_PACK)


def compress(codec: int, data: bytes, effort: int = FAST) -> bytes:
    return _PACK[codec](data, _LEVELS[codec][effort])


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
    """Decides frame by frame whether and how hard to compress, from the speeds of link and compressor, and the ratio.

    Compressor and link work at the same time, so a frame costs what the slower of the two takes. Every few frames one
    is compressed in a way that was not chosen, to see whether the data has changed its nature. All speeds in bytes per
    second; `link` is what is known of it from before, 0 for nothing: then a slow link is assumed until one was seen.
    """

    def __init__(self, codec: int, link: float = 0.0, clock: Callable[[], float] = time.perf_counter) -> None:
        self._codec = codec
        self._clock = clock
        self._link = link
        self._speed = [0.0, 0.0]
        self._ratio = [0.0, 0.0]
        self._frames = 0
        self._pack_seconds = 0.0
        self._sent_seconds = 0.0
        self._unseen = _BUFFERS
        self._window_bytes = 0
        self._window_seconds = 0.0

    @property
    def chosen(self) -> int | None:
        """The effort for the next frame, if it is not one that probes; None for sending it as it is."""
        if self._codec == NONE:
            return None
        if not self._speed[FAST]:
            return FAST
        if not self._link:
            # A link that never made us wait may be a fast one: only more bytes than it can take will tell.
            waited = self._sent_seconds >= _IDLE_LINK * self._pack_seconds
            return FAST if self._ratio[FAST] < 1 and (waited or self._frames < _UNSURE_FRAMES) else None
        best = min((FAST, THOROUGH), key=self._cost)
        return best if self._cost(best) < 1 / self._link else None

    def _cost(self, effort: int) -> float:
        """Seconds that a byte takes, by the slower of compressor and link; no end where that was not tried yet."""
        speed = self._speed[effort]
        return max(1 / speed, self._ratio[effort] / self._link) if speed else float("inf")

    def _effort(self) -> int | None:
        """How to treat the next frame: as chosen, or now and then in another way, to see what that would give."""
        turn = self._frames % _PROBE_EVERY
        if self._codec != NONE and turn == 0:
            return FAST
        if self._codec != NONE and turn == _PROBE_EVERY // 2 and self._link and self.chosen is not None:
            return THOROUGH
        return self.chosen

    def pack(self, payload: bytes) -> Packed:
        """Compress a payload, or leave it as it is."""
        effort = self._effort()
        self._frames += 1
        if effort is None:
            return Packed(NONE, payload)
        began = self._clock()
        packed = compress(self._codec, payload, effort)
        seconds = max(self._clock() - began, 1e-9)
        self._pack_seconds += seconds
        self._speed[effort] = _smooth(self._speed[effort], len(payload) / seconds)
        self._ratio[effort] = _smooth(self._ratio[effort], len(packed) / len(payload))
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
