from dataclasses import replace

import pytest

from tests.plan.observed import SEEN, seen
from transship.plan.options import MoveOptions, StrategyName
from transship.plan.steps import Plan
from transship.spec.model import Mount, NetworkAttachment, NetworkSpec, VolumeSpec
from transship.strategies.choose import STRATEGIES, choose

ID = "0badcafe"
VOLUME = VolumeSpec("data", "local", anonymous=False, destination="/data", options={}, labels={})


STOPPING = [name for name in STRATEGIES if name != "live"]
"""Those after which the container begins anew."""


def words(plan: Plan) -> list[str]:
    return [type(step).__name__ for step in (*plan.prepare, *plan.cutover, *plan.retire)]


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_equal_observations_give_equal_plans(strategy: object) -> None:
    name = getattr(strategy, "name")  # noqa: B009 - the port's attribute
    options = MoveOptions(strategy=name)
    assert choose(SEEN, options, ID) == choose(replace(SEEN), replace(options), ID)


@pytest.mark.parametrize("strategy", STOPPING)
def test_every_strategy_fences_before_it_stops_and_stops_before_it_starts(strategy: StrategyName) -> None:
    plan = STRATEGIES[strategy].plan(SEEN, MoveOptions(), ID)
    order = words(plan)
    assert order.index("Fence") < order.index("StopSource") < order.index("StartTarget") < order.index("ProveHealthy")
    assert order[-1] == "Retire"
    assert {type(step).__name__ for step in plan.cutover} >= {"Fence", "StopSource", "StartTarget", "ProveHealthy"}


@pytest.mark.parametrize("strategy", STOPPING)
def test_the_source_is_out_of_hands_before_the_target_starts_and_all_is_proven_by_then(strategy: StrategyName) -> None:
    order = words(STRATEGIES[strategy].plan(SEEN, MoveOptions(), ID))
    assert order[order.index("StartTarget") - 1] == "Release"
    assert not {"LastRound", "VerifyTrees", "CopyFilesystem", "CreateContainer"} & set(order[order.index("Release") :])


def test_stop_start_does_everything_but_stop_and_start_before_the_stop() -> None:
    plan = STRATEGIES["stop-start"].plan(SEEN, MoveOptions(), ID)
    cutover = [type(step).__name__ for step in plan.cutover]
    assert cutover == ["Fence", "StopSource", "ProveStopped", "Release", "StartTarget", "ProveHealthy", "ProveStopped"]


def test_a_frozen_source_stays_so_until_it_is_killed_after_the_point_of_no_return() -> None:
    plan = choose(SEEN, MoveOptions(freeze=True), ID)
    assert plan.strategy == "sync"
    cutover = [type(step).__name__ for step in plan.cutover]
    assert cutover[:3] == ["Fence", "FreezeSource", "LastRound"]
    assert not {"StopSource", "KillSource"} & set(cutover)
    assert [type(step).__name__ for step in plan.retire] == ["KillSource", "Retire"]
    assert "power cut" in plan.findings[0].message


def test_live_hands_over_when_memory_and_files_are_there_and_ends_when_all_memory_is() -> None:
    plan = STRATEGIES["live"].plan(SEEN, MoveOptions(strategy="live"), ID)
    order = words(plan)
    assert order.index("CreateSandbox") < order.index("CreateContainer") < order.index("PreCopy")
    cutover = [type(step).__name__ for step in plan.cutover]
    assert cutover[:5] == ["Fence", "FreezeMemory", "CarryOver", "ProveStopped", "Release"]
    assert cutover[5:] == ["GoOn", "ProveHealthy", "AwaitMemory", "ProveStopped"]
    assert [type(step).__name__ for step in plan.retire] == ["CloseConnections", "KillSource", "Retire"]


def test_live_is_considered_only_where_it_is_named() -> None:
    plan = choose(SEEN, MoveOptions(), ID)
    assert plan.advice
    assert "live" not in {each.strategy for each in plan.advice.judged}
    named = choose(SEEN, MoveOptions(strategy="live"), ID)
    assert named.strategy == "live"
    assert "no-live" in {finding.code for finding in named.findings}


def test_only_sync_freezes() -> None:
    plan = choose(SEEN, MoveOptions(strategy="stop-start", freeze=True), ID)
    assert [(finding.severity, finding.code) for finding in plan.findings] == [("error", "freeze")]


def test_an_image_that_is_there_is_not_sent() -> None:
    plan = STRATEGIES["stop-start"].plan(seen(there={"image": "sha256:1"}), MoveOptions(), ID)
    assert "KeepImage" in words(plan)
    assert "ProvideImage" not in words(plan)


def test_export_import_copies_after_the_stop() -> None:
    order = words(STRATEGIES["export-import"].plan(SEEN, MoveOptions(), ID))
    assert order.index("StopSource") < order.index("CopyFilesystem") < order.index("VerifyFilesystem")
    assert order.index("VerifyFilesystem") < order.index("StartTarget")


def test_without_python_on_the_target_the_archive_is_the_only_proof_and_that_is_said() -> None:
    observed = seen(target={"python_path": None})
    plan = choose(observed, MoveOptions(strategy="export-import"), ID)
    assert "VerifyFilesystem" not in words(plan)
    assert [finding.code for finding in plan.findings] == ["filesystem-not-compared"]


def test_a_stopped_container_is_neither_stopped_nor_started() -> None:
    order = words(STRATEGIES["stop-start"].plan(seen(state={"status": "exited"}), MoveOptions(), ID))
    assert "Fence" in order
    assert not {"StopSource", "StartTarget", "ProveHealthy"} & set(order)


def test_networks_and_volumes_are_made_only_where_they_are_missing() -> None:
    networks = tuple(NetworkAttachment(NetworkSpec(name, "bridge")) for name in ("back", "bridge", "front"))
    observed = seen(
        spec={"networks": networks, "volumes": (VOLUME,)}, there={"networks": {"front": NetworkSpec("front", "bridge")}}
    )
    plan = STRATEGIES["stop-start"].plan(observed, MoveOptions(without_volumes=True), ID)
    described = [step.describe() for step in plan.prepare]
    assert described[:2] == ["create the network back", "create the empty volume data"]
    assert not any("front" in text for text in described)


def test_a_network_of_the_target_is_used_as_it_is_there() -> None:
    here, there = (NetworkSpec("back", "bridge", ipam={"Config": [{"Subnet": f"10.{n}.0.0/16"}]}) for n in (8, 9))
    observed = seen(spec={"networks": (NetworkAttachment(here, aliases=("db",)),)}, there={"networks": {"back": there}})
    plan = STRATEGIES["stop-start"].plan(observed, MoveOptions(), ID)
    (create,) = (step for step in plan.prepare if type(step).__name__ == "CreateContainer")
    assert getattr(create, "spec").networks == (NetworkAttachment(there, aliases=("db",)),)  # noqa: B009


def test_skipped_bind_mounts_are_left_out() -> None:
    bind = Mount("bind", "/srv", "/srv", read_only=False, form="string")
    kept = Mount("tmpfs", "", "/tmp", read_only=False, form="structured")  # noqa: S108 - a path in a container
    plan = STRATEGIES["stop-start"].plan(seen(spec={"mounts": (bind, kept)}), MoveOptions(binds="skip"), ID)
    (create,) = (step for step in plan.prepare if type(step).__name__ == "CreateContainer")
    assert getattr(create, "spec").mounts == (kept,)  # noqa: B009 - only this step has one


def test_the_retired_source_says_where_it_went_in_a_name_that_docker_takes() -> None:
    observed = replace(seen(spec={"name": "w" * 120}), target_name="ssh://root@[2001:db8::1]:22")
    plan = STRATEGIES["stop-start"].plan(observed, MoveOptions(), ID)
    name = plan.retire[0].describe().removeprefix("rename the source to ")
    assert name.endswith(f".moved-to.2001-db8-1-22.{ID}")
    assert len(name) <= 128


@pytest.mark.parametrize(("changed", "chosen"), [(0, "stop-start"), (3, "sync")])
def test_auto_takes_what_loses_nothing(changed: int, chosen: str) -> None:
    plan = choose(seen(state={"changed_paths": changed}), MoveOptions(), ID)
    assert plan.strategy == chosen
    assert plan.reason
    assert plan.findings == ()


def test_stop_start_warns_of_what_it_leaves_behind() -> None:
    plan = choose(seen(state={"changed_paths": 3}), MoveOptions(strategy="stop-start"), ID)
    assert [(finding.severity, finding.code) for finding in plan.findings] == [("warning", "writable-layer-stays")]
