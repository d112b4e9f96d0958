import json
from dataclasses import replace

import pytest

from tests.bench.results import CELL, a_run
from transship.bench.result import from_text, to_text
from transship.bench.sealed import ResultError


def test_what_is_stored_is_read_as_it_was() -> None:
    assert from_text(to_text(a_run()), "it") == a_run()


def test_one_altered_number_is_noticed() -> None:
    text = to_text(a_run())
    altered = text.replace('"total_s":4.5', '"total_s":3.5')
    assert altered != text
    with pytest.raises(ResultError, match=r"^runs/1 was altered"):
        from_text(altered, "runs/1")


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.99])
def test_one_that_was_cut_short_is_refused(kept: float) -> None:
    text = to_text(a_run())
    with pytest.raises(ResultError, match="damaged or cut short"):
        from_text(text[: int(kept * len(text))], "it")


def test_another_version_is_refused_by_its_number() -> None:
    members = {**json.loads(to_text(a_run())), "format": 2}
    with pytest.raises(ResultError, match="has format 2, and this version of transship reads 1"):
        from_text(json.dumps(members), "it")


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"format":1}'])
def test_what_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(ResultError, match="was not written by transship bench"):
        from_text(text, "it")


def test_what_could_not_be_read_back_is_not_stored() -> None:
    with pytest.raises(ResultError, match="without loss"):
        to_text(a_run(cell=replace(CELL, options={"words": ("a", "tuple")})))


def test_a_cell_is_known_by_all_that_it_is() -> None:
    assert CELL.id == replace(CELL).id
    assert CELL.id != replace(CELL, link_mbit=None).id


def test_names_sort_in_the_order_of_the_runs() -> None:
    names = [a_run(number).name for number in (1, 2, 10, 100)]
    assert names == sorted(names)
