"""How the processes get from one host to the other while nobody serves."""

from concurrent.futures import ThreadPoolExecutor

from transship.hosts.pair import Pair
from transship.live.pages import PageWay
from transship.live.source import LiveSource
from transship.live.target import LiveTarget
from transship.metrics.events import Recorder


def stop_and_copy(source: LiveSource, target: LiveTarget, pair: Pair, recorder: Recorder) -> None:
    """Freeze the source, carry all of its memory over, and have it go on; both sides are prepared.

    `pair` are the two agents of the sides. Raises what those raise; then `target.abandon` and `source.thaw`, in this
    order, have the source go on as if nothing had happened.
    """
    _move(source, target, pair, recorder, way=None)


def post_copy(source: LiveSource, target: LiveTarget, pair: Pair, way: PageWay, recorder: Recorder) -> None:
    """As `stop_and_copy`, but the processes go on before their memory has come, which follows over `way`.

    From the moment when they go on neither host has all of them: losing a host, or the way, before `target.finish`
    has returned loses the processes. The source keeps what it had until then.
    """
    _move(source, target, pair, recorder, way=way)


def _move(source: LiveSource, target: LiveTarget, pair: Pair, recorder: Recorder, *, way: PageWay | None) -> None:
    with ThreadPoolExecutor(1) as pool:
        with recorder.phase("freeze"):
            source.freeze()
        connecting = pool.submit(_connect, target, recorder)  # on the other host, while this one is busy
        with recorder.phase("dump") as phase:
            phase.advance(source.dump(lazily=way is not None))
        connecting.result()
    with recorder.phase("memory") as phase:
        phase.advance(pair.forth({"do": "deliver", "codec": pair.codec}, {"do": "collect"}).bytes)
    with recorder.phase("restore"):
        target.serve(remote=way is not None)
        if way:
            way.open()
        target.restore()
    with recorder.phase("open"):
        target.open()


def _connect(target: LiveTarget, recorder: Recorder) -> None:
    with recorder.phase("connect"):
        target.connect()
