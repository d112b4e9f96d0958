import signal
from dataclasses import replace

import pytest

from tests.plan.observed import SPEC
from transship.hosts.processes import Inside
from transship.observe.source import changed_paths, is_heard, stop_signal

DEAF = Inside(frozenset(), frozenset({signal.SIGHUP}), waits=False, listeners=None)
HANDLES = replace(DEAF, handled=frozenset({signal.SIGTERM}))
HIDDEN = replace(DEAF, waits=None)
WAITS = replace(DEAF, waits=True)


@pytest.mark.parametrize(
    ("inside", "number", "pid_mode", "wanted"),
    [
        (HANDLES, signal.SIGTERM, "", True),
        (HANDLES, signal.SIGQUIT, "", False),
        (DEAF, signal.SIGTERM, "", False),
        (DEAF, signal.SIGKILL, "", True),
        (WAITS, signal.SIGTERM, "", True),
        (HIDDEN, signal.SIGTERM, "", None),
        (replace(HANDLES, waits=None), signal.SIGTERM, "", True),
        (DEAF, signal.SIGTERM, "host", True),
        (DEAF, signal.SIGHUP, "host", False),
    ],
)
def test_a_first_process_is_ended_by_what_it_handles_or_waits_for(
    inside: Inside, number: int, pid_mode: str, wanted: bool | None
) -> None:
    spec = replace(SPEC, host_config={"PidMode": pid_mode} if pid_mode else {})
    assert is_heard(spec, inside, number) is wanted


@pytest.mark.parametrize(
    ("word", "number"),
    [("SIGTERM", 15), ("quit", 3), ("9", 9), ("SIGRTMIN+3", 37), ("RTMIN", 34), ("SIGNONE", None), ("", 15)],
)
def test_a_signal_to_stop_is_read_as_docker_takes_it(word: str, number: int | None) -> None:
    assert stop_signal(replace(SPEC, config={"StopSignal": word})) == number


def test_the_image_may_name_the_signal() -> None:
    image = replace(SPEC.image, config={"StopSignal": "SIGQUIT"})
    assert stop_signal(replace(SPEC, image=image)) == signal.SIGQUIT


def test_what_docker_made_itself_is_nothing_that_the_container_wrote() -> None:
    spec = replace(SPEC, host_config={"Init": True, "Tmpfs": {"/scratch/a": ""}})
    paths = ("/sbin", "/sbin/docker-init", "/scratch", "/scratch/a", "/sbin/mine")
    assert changed_paths([{"Path": path, "Kind": 1} for path in paths], spec) == 1
