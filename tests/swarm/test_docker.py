"""What a manager's answers mean."""

from typing import Any

import pytest

from transship.errors import DockerDownError, DockerError, HostError
from transship.hosts.daemon_requests import Api, DaemonRequests
from transship.hosts.docker_errors import refusal
from transship.swarm.docker import ApiSwarm


class NoWay:
    """To no daemon: what it would answer is given."""

    name = "h1"

    def api(self) -> Api:
        raise NotImplementedError

    def trouble(self) -> None:
        return


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("rpc error: code = Unknown desc = The swarm does not have a leader.", DockerDownError),
        ("rpc error: code = DeadlineExceeded desc = context deadline exceeded", DockerDownError),
        ("rpc error: code = 4 desc = context deadline exceeded", DockerDownError),
        ("rpc error: code = Unavailable desc = transport is closing", DockerDownError),
        ("rpc error: code = Unknown desc = raft: failed to process the request: node lost leader status",
         DockerDownError),
        ("rpc error: code = Unknown desc = raft: failed to process the request: node is stopped", DockerDownError),
        ("This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster.",
         DockerDownError),
        ("This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state.", DockerError),
        ("rpc error: code = Unknown desc = update out of sequence", DockerError),
        ("no suitable node", DockerError),
    ],
)  # fmt: skip
def test_a_swarm_without_a_leader_is_a_manager_that_is_gone_for_a_moment(
    monkeypatch: pytest.MonkeyPatch, message: str, kind: type[Exception]
) -> None:
    def answer(_self: DaemonRequests, _method: str, _path: str, *, what: str, **_words: Any) -> None:
        raise refusal(what, "h1", message, 503)

    monkeypatch.setattr(DaemonRequests, "_request", answer)
    with pytest.raises(kind) as caught:
        ApiSwarm(NoWay()).update_service("web", 1, {})
    assert type(caught.value) is kind
    assert isinstance(caught.value, HostError) is (kind is DockerDownError), "host errors are waited for"
    assert message.rstrip(".") in str(caught.value)
