import pytest

from tests.plan.observed import found, seen
from transship.hosts.facts_script import Listener
from transship.plan.observation import Observation
from transship.plan.port_checks import PORT_RULES

ON_HOST = {"network_mode": "host"}
WEB = Listener("tcp", "0.0.0.0", 80)  # noqa: S104 - nothing is bound here
LOCAL_WEB = Listener("tcp", "127.0.0.1", 80)


def publishing(address: str, port: str = "8080") -> dict[str, object]:
    return {"host_config": {"PortBindings": {"80/tcp": [{"HostIp": address, "HostPort": port}]}}}


@pytest.mark.parametrize(
    ("wanted", "observed"),
    [
        ([], seen(spec=publishing("10.0.0.5"), target={"addresses": ("10.0.0.5", "127.0.0.1")})),
        (["error host-address"], seen(spec=publishing("10.0.0.5"), target={"addresses": ("127.0.0.1",)})),
        ([], seen(spec=publishing("10.0.0.5"))),
        ([], seen(spec=publishing("127.0.0.2"), target={"addresses": ("127.0.0.1",)})),
        ([], seen(spec=publishing("::"), target={"addresses": ()})),
        ([], seen(spec=publishing("", "80"))),
        (["warning rootless-port"], seen(spec=publishing("", "80"), target={"rootless": True})),
        ([], seen(spec=publishing("", "8080"), target={"rootless": True})),
        ([], seen(spec=publishing("", "8000-9000"), target={"rootless": True})),
        ([], seen(spec=ON_HOST, state={"listeners": (WEB,)})),
        (["error port-taken"], seen(spec=ON_HOST, state={"listeners": (WEB,)}, target={"listeners": (LOCAL_WEB,)})),
        ([], seen(spec=ON_HOST, state={"listeners": (WEB,), "status": "exited"}, target={"listeners": (WEB,)})),
        (["warning host-network-unseen"], seen(spec=ON_HOST)),
        (["warning host-network-unseen"], seen(spec=ON_HOST, state={"listeners": ()}, target={"listeners": None})),
    ],
)
def test_what_the_rules_find(wanted: list[str], observed: Observation) -> None:
    assert found(observed, PORT_RULES) == wanted
