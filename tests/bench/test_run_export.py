import csv
import io
import json

from tests.bench.results import a_run
from transship.bench.export import row, to_csv, to_json


def test_csv_and_json_say_the_same() -> None:
    runs = [a_run(1), a_run(2, outcome="failed")]
    rows = list(csv.DictReader(io.StringIO(to_csv(runs))))
    objects = json.loads(to_json(runs))
    assert [list(each) for each in rows] == [list(each) for each in objects]
    assert [each["total_s"] for each in rows] == ["4.5", "4.5"]
    assert [each["outcome"] for each in objects] == ["moved", "failed"]


def test_what_was_not_measured_is_empty_and_never_zero() -> None:
    told = next(csv.DictReader(io.StringIO(to_csv([a_run()]))))
    assert (told["freeze_s"], told["target_peak_memory_bytes"], told["source_cpu_s"]) == ("", "", "")
    assert row(a_run())["freeze_s"] is None


def test_truth_is_a_word() -> None:
    told = next(csv.DictReader(io.StringIO(to_csv([a_run()]))))
    assert (told["kept_volume"], told["kept_memory"], told["kept_layer"]) == ("true", "false", "")


def test_no_runs_are_an_empty_table() -> None:
    assert (to_csv([]), to_json([])) == ("", "[]\n")
