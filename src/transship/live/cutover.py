"""How the processes get from one host to the other while nobody serves."""

from concurrent.futures import ThreadPoolExecutor

from transship.hosts.pair import Pair
from transship.live.source import LiveSource
from transship.live.target import LiveTarget
from transship.metrics.events import Recorder


def stop_and_copy(source: LiveSource, target: LiveTarget, pair: Pair, recorder: Recorder) -> None:
    """Freeze the source, carry all of its memory over, and have it go on; both sides are prepared.

    `pair` are the two agents of the sides. Raises what those raise; then `target.abandon` and `source.thaw`, in this
    order, have the source go on as if nothing had happened.
    """
    with ThreadPoolExecutor(1) as pool:
        with recorder.phase("freeze"):
            source.freeze()
        connecting = pool.submit(_connect, target, recorder)  # on the other host, while this one is busy
        with recorder.phase("dump") as phase:
            phase.advance(source.dump())
        connecting.result()
    with recorder.phase("memory") as phase:
        phase.advance(pair.forth({"do": "deliver", "codec": pair.codec}, {"do": "collect"}).bytes)
    with recorder.phase("restore"):
        target.restore()
    with recorder.phase("open"):
        target.open()


def _connect(target: LiveTarget, recorder: Recorder) -> None:
    with recorder.phase("connect"):
        target.connect()
