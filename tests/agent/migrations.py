"""Records of migrations as coordinators write them."""

import json
from dataclasses import asdict, replace
from typing import Any

from transship.hosts.base import Json
from transship.plan.record import End, Made, Record

CONTAINER = "c0ffee" + "0" * 58
RECORD = Record(
    id="20261122-1200-web",
    begun="2026-11-22T12:00:00Z",
    coordinator="ann@desk",
    since="2026-11-22T12:00:00Z",
    strategy="sync",
    container="web",
    container_id=CONTAINER,
    arriving="web",
    running=True,
    restart_policy={"Name": "always", "MaximumRetryCount": 0},
    freeze=False,
    retire="keep",
    retired_name="web-moved-to-h2",
    source=End("h1", ""),
    target=End("h2", ""),
)


def a_record(*, made: str = "", **changes: Any) -> Json:
    """A record as JSON. `made` is the container's id on the target."""
    found: Json = json.loads(json.dumps(asdict(replace(RECORD, made=Made(container=made), **changes))))
    return found
