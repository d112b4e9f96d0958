from dataclasses import replace

import pytest

from tests.plan.observed import SEEN, SPEC, seen
from transship.hosts.paths import TreeSize
from transship.metrics.downtime import Probe
from transship.plan.interval import Interval
from transship.plan.observation import Observation
from transship.plan.options import MoveOptions
from transship.plan.predict import Correction, Model, Prediction, predict
from transship.spec.model import Mount, VolumeSpec

STRATEGIES = ("stop-start", "export-import", "sync")
VOLUME = VolumeSpec("data", "local", anonymous=False, destination="/data", options={}, labels={})
BIND = Mount("bind", "/srv/data", "/data", read_only=False, form="string")
DATA = {"sizes": {"data": TreeSize(size=200_000_000, stored=200_000_000, names=2_000)}}
WITH_DATA = seen(spec={"volumes": (VOLUME,)}, state=DATA)


def of(strategy: str, observed: Observation = SEEN, options: MoveOptions | None = None) -> Prediction:
    return predict(observed, options or MoveOptions(), strategy)


def likely(value: Interval | None) -> float:
    assert value is not None
    assert 0 <= value.low <= value.likely <= value.high
    return value.likely


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_everything_is_predicted_with_bounds(strategy: str) -> None:
    prediction = of(strategy)
    assert 0 < likely(prediction.downtime_s) < likely(prediction.total_s)
    assert likely(prediction.wire_bytes) > 0


def test_only_a_copy_after_the_stop_makes_the_downtime_grow_with_the_data() -> None:
    large = seen(state={"image_bytes": 10**9})
    for strategy in ("stop-start", "sync"):
        assert likely(of(strategy, large).downtime_s) == likely(of(strategy).downtime_s)
        assert likely(of(strategy, large).total_s) > likely(of(strategy).total_s) + 10
    assert likely(of("export-import", large).downtime_s) > likely(of("export-import").downtime_s) + 10


def test_a_slower_link_takes_longer() -> None:
    slow = replace(SEEN, link=1_000_000.0)
    for strategy in STRATEGIES:
        assert likely(of(strategy, slow).total_s) > likely(of(strategy).total_s) + 10


def test_an_image_that_is_there_is_not_sent() -> None:
    there = seen(there={"image": "sha256:1"})
    assert likely(of("stop-start", there).wire_bytes) == 0
    assert of("sync", there).sizes["image"] == 0


def test_of_an_image_only_the_layers_that_are_missing_are_sent() -> None:
    layers = {"image": replace(SPEC.image, diff_ids=("sha256:a", "sha256:b", "sha256:c"))}
    known = {"image_layers": (90_000_000, 7_000_000, 3_000_000)}
    assert of("sync", seen(spec=layers, state=known, there={"shared_layers": 1})).sizes["image"] == 10_000_000
    assert of("sync", seen(spec=layers, there={"shared_layers": 2})).sizes["image"] == 33_333_333
    assert of("sync", seen(spec=layers, state=known)).sizes["image"] == 100_000_000


def test_volumes_are_sent_by_sync_alone() -> None:
    assert of("sync", WITH_DATA).sizes["volumes"] == 200_000_000
    assert of("sync", WITH_DATA, MoveOptions(without_volumes=True)).sizes["volumes"] == 0
    assert "volumes" not in of("stop-start", WITH_DATA).sizes


def test_a_size_that_nobody_knows_is_not_invented() -> None:
    for observed, options in (
        (seen(spec={"volumes": (VOLUME,)}), MoveOptions()),
        (seen(spec={"mounts": (BIND,)}), MoveOptions(binds="copy")),
        (
            seen(spec={"volumes": (VOLUME,)}, state={"sizes": {"data": TreeSize(1, 1, 1, complete=False)}}),
            MoveOptions(),
        ),
    ):
        prediction = of("sync", observed, options)
        assert None in prediction.sizes.values()
        assert (prediction.wire_bytes, prediction.total_s, prediction.downtime_s) == (None, None, None)


def test_without_a_measured_link_only_what_hangs_on_it_is_unknown() -> None:
    alone = replace(SEEN, link=None)
    assert of("stop-start", alone).total_s is None
    assert of("export-import", alone).downtime_s is None
    assert likely(of("stop-start", alone).downtime_s) > 0
    assert likely(of("stop-start", replace(seen(there={"image": "sha256:1"}), link=None)).total_s) > 0


def test_the_number_of_files_makes_the_downtime_of_sync_longer() -> None:
    many = {"sizes": {"data": TreeSize(200_000_000, 200_000_000, names=200_000)}}
    observed = seen(spec={"volumes": (VOLUME,)}, state=many)
    assert likely(of("sync", observed).downtime_s) > likely(of("sync", WITH_DATA).downtime_s) + 1
    unknown = {"sizes": {"data": TreeSize(200_000_000, 200_000_000)}}
    prediction = of("sync", seen(spec={"volumes": (VOLUME,)}, state=unknown)).downtime_s
    assert prediction is not None
    assert prediction.high > prediction.likely + 1


def test_a_program_that_does_not_hear_its_signal_takes_all_the_time_that_it_is_given() -> None:
    grace = {"config": {"StopTimeout": 30}}
    deaf, heard, unseen = (
        of("stop-start", seen(spec=grace, state={"stop_heard": said})).downtime_s for said in (False, True, None)
    )
    assert likely(deaf) > 30 > likely(heard)
    assert unseen is not None
    assert unseen.high > 30 > unseen.likely
    assert likely(of("sync", seen(state={"stop_heard": False}), MoveOptions(freeze=True)).downtime_s) < 2


def test_a_health_check_passes_no_earlier_than_it_is_asked() -> None:
    checked = seen(spec={"config": {"Healthcheck": {"Test": ["CMD", "true"], "Interval": 20 * 10**9}}})
    assert likely(of("stop-start", checked).downtime_s) > 20


def test_who_tells_the_neighbours_where_it_is_now_answers_sooner() -> None:
    asked = MoveOptions(probe=Probe("tcp", 80))
    alone, announced = (likely(of(strategy, SEEN, asked).downtime_s) for strategy in ("stop-start", "sync"))
    unasked = [likely(of(strategy).downtime_s) for strategy in ("stop-start", "sync")]
    assert alone > unasked[0] + 0.3
    assert announced < unasked[1] + 0.1


def test_a_stopped_container_has_no_downtime() -> None:
    stopped = seen(state={"status": "exited"})
    assert likely(of("export-import", stopped).downtime_s) == 0
    assert likely(of("export-import", stopped).total_s) > 5


def test_a_limit_of_the_rate_is_obeyed_by_the_rounds() -> None:
    limited = MoveOptions(limit_rate=1_000_000.0)
    assert likely(of("sync", WITH_DATA, limited).total_s) > likely(of("sync", WITH_DATA).total_s) + 100


def test_what_was_learned_multiplies_what_is_predicted() -> None:
    learned = Model(corrections={"sync": Correction(total=2.0, downtime=3.0, wire=0.5)})
    plain, other = of("sync"), predict(SEEN, MoveOptions(), "sync", learned)
    assert likely(other.total_s) == pytest.approx(likely(plain.total_s) * 2)
    assert likely(other.downtime_s) == pytest.approx(likely(plain.downtime_s) * 3)
    assert likely(other.wire_bytes) == pytest.approx(likely(plain.wire_bytes) * 0.5)
    assert predict(SEEN, MoveOptions(), "stop-start", learned) == of("stop-start")
