"""The rules by which `bench compat` judges, its table and its words; no hosts."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.test_commands import say
from transship.bench import compat_run
from transship.bench.compat import (
    MODES,
    Afterwards,
    Asked,
    Ended,
    Looked,
    ModeName,
    Process,
    Subject,
    Tried,
    Versions,
    faults,
    judge,
    untried,
)
from transship.bench.compat_table import markdown, tabulate
from transship.bench.conversations import Counted
from transship.bench.programs import IMAGES, PROGRAMS
from transship.bench.sealed import ResultError
from transship.errors import UsageError
from transship.lab.images import NAMES, ImageStore
from transship.metrics.events import Recorder

VERSIONS = Versions("7.2", ("28.5.2", "28.5.2"), ("4.2.1", "4.2.1"), ("1.3.6", "1.3.6"), "6.18", "abc")
SERVER, CHILD = Process(1, "server", "aa"), Process(7, "child", "bb")
BEFORE = Looked(frozenset({SERVER, CHILD}), Counted(5, "x"))
MOVED = Ended("moved", "", 0.5)
UNDONE = Ended("rolled-back", "CRIU cannot dump it: Unseizable", 0.4)


def subject(program: str = "redis", mode: ModeName = "live") -> Subject:
    return Subject(program, "redis-server", "root", mode, VERSIONS, "2026-01-01T00:00:00+00:00")


def counted(*numbers: int, start: str = "x") -> tuple[Asked, ...]:
    return tuple(Asked(Counted(number, start)) for number in numbers)


def later(*, held: int | None = 6, fresh: tuple[int, ...] = (7, 8)) -> Afterwards:
    """How a program is that went on."""
    return Afterwards(BEFORE.processes, None if held is None else counted(held)[0], counted(*fresh))


def test_what_counts_on_in_the_same_processes_works() -> None:
    assert faults(BEFORE, later()) == ()
    assert faults(BEFORE, later(held=None, fresh=(6, 7))) == ()
    more = replace(later(), processes=BEFORE.processes | {Process(9, "new", "cc")})
    assert judge(subject(), MOVED, BEFORE, more) == Tried(subject(), "works", "", "moved", None, 2, 0.5)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (later(fresh=(1, 2)), "it counted 1 after 6"),
        (later(held=7), "it counted 7 after 5"),
        (replace(later(), fresh=counted(7, start="y")), "it tells of another start"),
        (replace(later(), held=Asked(None, "reset")), "the open connection got no answer: reset"),
        (replace(later(), fresh=(Asked(None, "refused"),)), "a new connection got no answer: refused"),
        (replace(later(), processes=frozenset({SERVER})), "of 2 processes these are gone or were started anew: child"),
        (replace(later(), processes=frozenset({SERVER, replace(CHILD, start="cc")})), "started anew: child (7)"),
    ],
)
def test_what_was_moved_and_is_not_what_it_was_fails(after: Afterwards, told: str) -> None:
    tried = judge(subject(), MOVED, BEFORE, after)
    assert tried.verdict == "fails"
    assert told in tried.reason
    assert tried.source is None


def test_of_what_was_not_moved_it_is_told_whether_it_goes_on() -> None:
    assert judge(subject(), UNDONE, BEFORE, later()) == Tried(
        subject(), "fails", UNDONE.reason, "rolled-back", "", 2, 0.4
    )
    refused = judge(subject(), Ended("refused", "redis uses io_uring", 0.0), BEFORE, later(held=1))
    assert (refused.verdict, refused.reason, refused.downtime_s) == ("refused", "redis uses io_uring", None)
    assert refused.source is not None
    assert "it counted 1 after 5" in refused.source


def test_hosts_are_not_used_on_when_nobody_knows_what_runs_there() -> None:
    unsure = judge(subject(), Ended("needs-recovery", "cut off", 3.0), BEFORE, None)
    assert (unsure.verdict, unsure.source, unsure.is_certain) == ("fails", None, False)
    assert not untried(subject(), "it does not serve").is_certain
    assert judge(subject(), UNDONE, BEFORE, later()).is_certain


def test_a_source_that_was_not_retired_does_not_count_as_moved_well() -> None:
    tried = judge(subject(), Ended("moved-source-not-retired", "the source was not renamed", 1.0), BEFORE, later())
    assert (tried.verdict, tried.reason) == ("fails", "it was moved, but the source was not renamed")


def test_every_program_can_be_had_and_only_connections_move_with_an_address() -> None:
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS)
    for program in PROGRAMS:
        assert program.image in {*IMAGES, *NAMES}
        suits = {name for name, mode in MODES.items() if mode.suits(program)}
        assert suits == ({*MODES} if program.way == "tcp" else {"live", "post-copy"})
    assert not set(IMAGES) & set(NAMES)


def test_an_image_of_packages_cannot_have_the_name_of_one_of_the_lab() -> None:
    with pytest.raises(UsageError, match="an image redis of its own"):
        ImageStore("", Recorder()).program_archive("redis", IMAGES["haproxy"])


def test_programs_are_chosen_by_name_in_the_order_of_the_table() -> None:
    assert compat_run.chosen(()) == PROGRAMS
    assert [program.name for program in compat_run.chosen(["python", "nginx"])] == ["nginx", "python"]
    with pytest.raises(UsageError, match="no program apache to try") as error:
        compat_run.chosen(["apache"])
    assert "nginx" in error.value.hint


def results() -> tuple[Tried, ...]:
    went_on = judge(subject("redis", "post-copy"), UNDONE, BEFORE, later())
    lost = judge(subject("inotify"), UNDONE, BEFORE, later(held=9))
    return judge(subject(), MOVED, BEFORE, later()), went_on, lost


def test_results_are_kept_and_replaced_by_later_ones(tmp_path: Path) -> None:
    folder = tmp_path / "compat"
    for each in results():
        compat_run.keep(folder, each)
    compat_run.keep(folder, replace(results()[1], verdict="works"))
    assert [each.verdict for each in compat_run.kept(folder)] == ["works", "works", "fails"]
    file = folder / "redis-live.json"
    assert json.loads(file.read_text())["subject"]["versions"]["criu"] == ["4.2.1", "4.2.1"]
    file.write_text(file.read_text().replace("works", "fails"))
    with pytest.raises(ResultError, match="was altered"):
        compat_run.kept(folder)


def test_the_table_has_reasons_as_notes() -> None:
    table = tabulate(results())
    assert table.rows == (
        ("redis", "7.2", "works", "fails (1)", ""),
        ("inotify", "7.2", "fails (2)", "", ""),
    )
    assert table.notes[0] == f"{UNDONE.reason}. After it the source went on as if nothing had happened"
    assert "on the source it counted 9 after 5" in table.notes[1]
    text = markdown(table)
    assert text.startswith("Docker 28.5.2, CRIU 4.2.1, runc 1.3.6, kernel 6.18.\n\n| program | version | live |")
    assert "\n| redis | 7.2 | works | fails (1) |  |\n" in text
    assert f"\n1. {UNDONE.reason}." in text


@pytest.mark.parametrize(
    ("words", "told"), [(("--only", "apache"), "no program apache"), (("--json", "--markdown"), "exclude each other")]
)
def test_wrong_words_are_told_before_there_is_a_lab(
    words: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(monkeypatch, "bench", "compat", *words) == 2
    assert told in capsys.readouterr().err


def test_the_command_shows_what_was_tried_and_fails_for_what_could_not_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pretend(*given: object) -> tuple[Tried, ...]:
        tell = given[2]
        assert callable(tell)
        for each in found:
            tell(each)
        return tuple(found)

    monkeypatch.setattr(compat_run, "try_programs", pretend)
    found = list(results())
    assert say(monkeypatch, "bench", "compat", "--out", str(tmp_path / "kept")) == 0
    told = capsys.readouterr()
    assert "(1) CRIU cannot dump it: Unseizable. After it the source went on" in told.out
    assert "redis, live: works in 0.50 s" in told.err
    found[:] = [untried(subject("python"), "it does not serve")]
    assert say(monkeypatch, "bench", "compat", "--json", "--out", str(tmp_path / "kept")) == 7
    shown, failed = capsys.readouterr().out.splitlines()
    assert [each["verdict"] for each in json.loads(shown)["tried"]] == ["works", "fails", "untried", "fails"]
    assert "these could not be tried: python; the first because it does not serve" in json.loads(failed)["error"]


def test_a_result_that_was_altered_is_told_before_there_is_a_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "redis-live.json").write_text("{}")
    assert say(monkeypatch, "bench", "compat", "--out", str(tmp_path)) == 3
    assert "was not written by transship bench" in capsys.readouterr().err
