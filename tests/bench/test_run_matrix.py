from collections import Counter
from itertools import pairwise

import pytest

from transship.bench.matrix import Matrix
from transship.bench.run import read_matrix, shipped
from transship.errors import UsageError

SMALL = """
name = "small"
seed = 7
repetitions = 3
{more}
[[image]]
name = "busybox"
[[state]]
name = "none"
[[state]]
name = "1MB"
bytes = 1_000_000
files = 4
where = "volume"
[[strategy]]
name = "sync"
[[strategy]]
name = "by hand"
method = "commit-save-load"
"""


def small(more: str = "", end: str = "") -> Matrix:
    return Matrix.read(SMALL.format(more=more) + end)


def test_a_cell_is_every_combination_of_the_factors() -> None:
    cells = small('cache = ["cold", "warm"]', "[[link]]\nmbit = 100\n[[link]]\n").cells()
    assert len({cell.id for cell in cells}) == len(cells) == 2 * 2 * 2 * 2
    assert {cell.link_mbit for cell in cells} == {100.0, None}


def test_each_block_has_every_cell_once_in_an_order_of_its_own() -> None:
    schedule = small('cache = ["cold", "warm"]').schedule()
    blocks = [[planned.cell.id for planned in schedule if planned.repetition == number] for number in (1, 2, 3)]
    assert all(set(block) == set(blocks[0]) and len(block) == 8 for block in blocks)
    assert len({tuple(block) for block in blocks}) == 3
    assert [planned.run for planned in schedule] == list(range(1, 25))


def test_the_order_hangs_on_the_seed_alone() -> None:
    assert small().schedule() == small().schedule()
    other = Matrix.read(SMALL.format(more="").replace("seed = 7", "seed = 8"))
    assert [each.cell for each in other.schedule()] != [each.cell for each in small().schedule()]


def test_warm_ups_come_first_and_are_counted_apart() -> None:
    schedule = small("warm_ups = 1").schedule()
    assert [planned.warm_up for planned in schedule] == [True] * 4 + [False] * 12
    assert Counter(planned.repetition for planned in schedule if planned.warm_up) == {1: 4}


def test_hosts_of_one_kind_stay_together_in_a_block() -> None:
    schedule = small("", '[[hosts]]\nsuite = "trixie"\n[[hosts]]\nsuite = "sid"\n').schedule()
    for number in (1, 2, 3):
        suites = [planned.cell.suite for planned in schedule if planned.repetition == number]
        assert sum(a != b for a, b in pairwise(suites)) == 1


def test_what_is_left_out_is_no_cell() -> None:
    cells = small("", '[[leave_out]]\nstrategy = "by hand"\nstate = "1MB"\n').cells()
    assert {(cell.strategy, cell.state) for cell in cells} == {("sync", "none"), ("sync", "1MB"), ("by hand", "none")}


@pytest.mark.parametrize(
    ("more", "end", "message"),
    [
        ("repetitions = ", "", "no TOML"),
        ("colour = 1", "", "a field that does not belong there"),
        ('cache = ["luke"]', "", r"cache\[0\] is none of cold, warm"),
        ("warm_ups = -1", "", "at least one repetition"),
        ("memory_bytes = [-1]", "", "memory_bytes"),
        ("port = 0", "", "no probe"),
        ("", '[[image]]\nname = "postfix"\n', "image postfix says `of` which of"),
        ("", '[[image]]\nname = "big"\nof = "nginx"\nadd_mb = [1]\n', "adds layers to busybox alone"),
        ("", '[[state]]\nname = "none"\n', "every state has a name of its own"),
        ("", '[[state]]\nname = "x"\nbytes = 1\n', "where"),
        ("", '[[state]]\nname = "x"\nbytes = 1\nfiles = 2\nwhere = "layer"\n', "at least a byte in each file"),
        ("", '[[strategy]]\nname = "teleport"\n', "no way to move called teleport"),
        ("", '[[strategy]]\nname = "x"\nmethod = "sync"\noptions = {speed = 1}\n', "does not belong there"),
        ("", '[[strategy]]\nname = "x"\nmethod = "sync"\noptions = {path = "fly"}\n', "path is none of"),
        ("", '[[strategy]]\nname = "x"\nmethod = "sync"\noptions = {probe = "tcp:1"}\n', "cannot hold probe"),
        ("", '[[strategy]]\nname = "x"\nmethod = "rsync-volumes"\noptions = {a = 1}\n', "takes no options"),
        ("", '[[strategy]]\nname = "swarm-drain"\noptions = {method = "drain"}\n', "cannot hold method"),
        ("", '[[strategy]]\nname = "swarm-drain"\noptions = {fast = true}\n', "a drain is none"),
        ("", '[[strategy]]\nname = "again"\nmethod = "sync"\n[[leave_out]]\nwind = 1\n', "leave_out knows cache"),
        ("", '[[leave_out]]\nimage = "busybox"\n', "at least one cell"),
        ("", "[[link]]\nmbit = 0\n", "link.mbit is at least 1"),
        ("", '[[hosts]]\nsuite = "sarge"\n', "hosts.suite is one of"),
    ],
)
def test_what_is_wrong_is_named(more: str, end: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        small(more, end)


def test_the_matrices_that_ship_can_be_read() -> None:
    sizes = {name: len(Matrix.read(text).schedule()) for name, text in shipped().items()}
    assert sizes == {"live": 130, "prototype": 1130, "smoke": 6}


def test_a_matrix_that_is_not_there_names_those_that_ship() -> None:
    with pytest.raises(UsageError, match="there is no matrix nothing") as caught:
        read_matrix("nothing")
    assert "live, prototype, smoke" in caught.value.hint
