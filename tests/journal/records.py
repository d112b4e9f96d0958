from dataclasses import replace
from typing import Any

from tests import custody
from transship.plan.record import End, Loading, Made, Provided, Record

SOURCE_ID, TARGET_ID, NETWORK_ID = "a" * 64, "b" * 64, "c" * 64


def made() -> Made:
    return Made(
        image="sha256:" + "d" * 64,
        loading=Loading(("sha256:" + "1" * 64,), ("sha256:" + "2" * 64,)),
        tags=["web:1"],
        networks={"front": NETWORK_ID, "back": ""},
        volumes={"data": "2026-11-22T12:00:02Z", "more": ""},
        provided=[Provided("/srv/web/data", ("/srv/web", "/srv/web/data"), (0, 0, 0o755))],
        container=TARGET_ID,
    )


def record(**changes: Any) -> Record:
    """A record in which everything was made that can be."""
    basic = custody.record(
        begun="2026-11-22T12:00:00+00:00",
        coordinator="ann@laptop",
        container_id=SOURCE_ID,
        retired_name="web.moved-to.b.0badcafe",
        source=End("ssh://a", "daemon-a"),
        target=End("ssh://b", "daemon-b"),
        made=made(),
    )
    return replace(basic, **changes)
