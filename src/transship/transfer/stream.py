import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from typing import TypeVar

from transship.metrics.events import Recorder

Answer = TypeVar("Answer")

LATE_S = 5.0
_LOOK_S = 0.1


def relay(
    recorder: Recorder,
    chunks: Iterator[bytes],
    consume: Callable[[Iterator[bytes]], Answer],
    *,
    total: int | None = None,
) -> tuple[Answer, int]:
    """Let `consume` read what `chunks` yields, and return its answer and the number of bytes that passed.

    Measures three phases: `export` until the first chunk is there, `transfer` until the last one was taken, `import`
    until the answer. Nothing is held but the chunk in hand. `chunks` is closed, whatever happens.
    """
    passed = 0
    with closing(as_generator(chunks)) as source, ExitStack() as phase:
        phase.enter_context(recorder.phase("export"))

        def passing() -> Iterator[bytes]:
            nonlocal passed
            first = next(source, b"")
            phase.close()
            transfer = phase.enter_context(recorder.phase("transfer", total=total))
            chunk: bytes | None = first
            while chunk is not None:
                yield chunk
                transfer.advance(len(chunk))
                passed += len(chunk)
                chunk = next(source, None)
            phase.close()
            phase.enter_context(recorder.phase("import"))

        return consume(passing()), passed


def as_generator(chunks: Iterator[bytes]) -> Generator[bytes, None, None]:
    """The same, as something that can be closed."""
    yield from chunks


def await_late(recorder: Recorder, is_there: Callable[[], bool]) -> None:
    """Wait a little for what a daemon may be about to finish.

    Where all of a stream was sent and the answer did not come (Ctrl-C, a lost connection), the daemon goes on, and what
    it makes of the stream appears after the undo has looked for it. Where that did not happen, nothing is waited for.
    """
    ended = Counter(phase.name for phase in recorder.phases if not phase.failed)
    deadline = time.monotonic() + (LATE_S if ended["transfer"] > ended["import"] else 0.0)
    while time.monotonic() < deadline and not is_there():
        threading.Event().wait(_LOOK_S)
