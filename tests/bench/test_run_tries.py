"""What an experiment does when runs cannot be made: hosts that fail now and then, cells that never can, Ctrl-C."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.bench.results import a_run
from tests.bench.synthetic import ENVIRONMENT
from transship.bench import environment, experiment
from transship.bench import run as bench_run
from transship.bench.experiment import Experiment, Progress
from transship.bench.matrix import HostsFactor, Planned
from transship.bench.pair import SceneError
from transship.bench.result import Outcome, Run
from transship.bench.sealed import ResultError, digest
from transship.bench.store import ResultFolder
from transship.bench.trials import Trials
from transship.errors import HostError, LabError, UnreachableError, UsageError

MATRIX = """
name = "it"
seed = 1
repetitions = 2
[[image]]
name = "busybox"
[[image]]
name = "nginx"
[[state]]
name = "none"
[[strategy]]
name = "sync"
"""

Making = Callable[[Planned], None]


class Scripted(Trials):
    """Trials in which a run is made unless `fails` raises."""

    fails: Making

    def __init__(self, *_: object) -> None: ...

    def make(self, planned: Planned, _lock: object) -> Run:
        type(self).fails(planned)
        return _result(planned, "moved", "")

    def impossible(self, planned: Planned, reason: str) -> Run:
        return _result(planned, "impossible", reason)


def _result(planned: Planned, outcome: Outcome, reason: str) -> Run:
    run = a_run(planned.run, cell=planned.cell, repetition=planned.repetition, outcome=outcome)
    return replace(run, reason=reason, setting=replace(run.setting, environment=digest(ENVIRONMENT)))


class Made:
    """An experiment on hosts that are none; `opens` is called for each time that they are opened, `closes` after."""

    def __init__(self, path: Path) -> None:
        self.folder = ResultFolder.create(path, MATRIX)
        self.news: list[Progress | str] = []
        self.opened = 0
        self.opens: Callable[[], None] = lambda: None
        self.closes: Callable[[], None] = lambda: None

    @contextmanager
    def _pair(self, _: HostsFactor) -> Iterator[Any]:
        self.opened += 1
        self.opens()
        try:
            yield None
        finally:
            self.closes()

    def run(self) -> dict[int, tuple[str, str]]:
        with self.folder.locked() as lock:
            Experiment(self.folder, self._pair, self.news.append).run(lock)
        return {run.run: (run.outcome, run.reason) for run in self.folder.runs()}

    def run_of(self, image: str) -> list[int]:
        """The numbers of the runs of an image."""
        return [run.run for run in self.folder.runs() if run.cell.image == image]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setattr(experiment, "Trials", Scripted)
    monkeypatch.setattr(experiment, "_PAUSE_S", 0.0)
    monkeypatch.setattr(Experiment, "_look", lambda *_: ENVIRONMENT)
    monkeypatch.setattr(Scripted, "fails", staticmethod(lambda _: None), raising=False)
    return Made(tmp_path / "results")


def failing(monkeypatch: pytest.MonkeyPatch, fails: Making) -> None:
    monkeypatch.setattr(Scripted, "fails", staticmethod(fails))


def test_a_cell_whose_scene_cannot_be_set_is_a_result_and_the_rest_goes_on(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: Counter[int] = Counter()

    def no_nginx(planned: Planned) -> None:
        tried[planned.run] += 1
        if planned.cell.image == "nginx":
            raise SceneError("nginx does not serve")

    failing(monkeypatch, no_nginx)
    outcomes = made.run()
    first, second = made.run_of("nginx")
    assert outcomes == {
        **dict.fromkeys(made.run_of("busybox"), ("moved", "")),
        **dict.fromkeys((first, second), ("impossible", "nginx does not serve")),
    }
    assert (tried[first], tried[second]) == (3, 1), "once it was hopeless, one try is enough to see that it still is"
    assert sum("once more" in str(each) for each in made.news) == 2


def test_what_fails_once_is_tried_again_on_fresh_hosts(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = iter([UnreachableError("the host is gone"), SceneError("it is not clean")])

    def twice(_: Planned) -> None:
        for error in errors:
            raise error

    failing(monkeypatch, twice)
    assert set(made.run().values()) == {("moved", "")}
    assert made.opened == 3


def test_what_hosts_will_never_do_is_not_tried_again(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: Counter[int] = Counter()

    def never(planned: Planned) -> None:
        tried[planned.run] += 1
        raise UsageError("not here")

    failing(monkeypatch, never)
    assert set(made.run().values()) == {("impossible", "not here")}
    assert set(tried.values()) == {1}


def test_without_hosts_nothing_is_a_result(made: Made) -> None:
    def none() -> None:
        raise LabError("no room for a lab")

    made.opens = none
    with pytest.raises(LabError, match="no room"):
        made.run()
    assert made.opened == 3
    assert made.folder.runs() == ()


def test_ctrl_c_ends_it_also_where_the_hosts_cannot_be_left_in_order(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(_: Planned) -> None:
        raise KeyboardInterrupt

    def gone() -> None:
        raise HostError("the connection is gone, as Ctrl-C ended that too")

    failing(monkeypatch, pressed)
    made.closes = gone
    with pytest.raises(KeyboardInterrupt):
        made.run()
    assert made.opened == 1


def test_a_lab_is_left_alone_as_long_as_somebody_works_in_the_folder(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_down: list[str] = []
    monkeypatch.setattr(bench_run, "remove_abandoned", taken_down.append)
    with made.folder.locked(), pytest.raises(ResultError, match="is working in"):
        bench_run.resume(made.folder.path, None, made.news.append)
    assert taken_down == []


def test_that_the_code_has_changed_since_is_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    for revision, told in (("1.0", False), ("2.0", True)):
        monkeypatch.setattr(environment, "revision", lambda revision=revision: revision)
        made.run()
        assert any("1.0 then, 2.0 now" in str(each) for each in made.news) is told


def test_that_hosts_are_made_is_told(made: Made) -> None:
    made.run()
    assert made.news[0] == "two hosts are made: trixie, overlay2"
