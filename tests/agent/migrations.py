"""Records of migrations as coordinators write them."""

import json
from dataclasses import asdict, replace
from typing import Any

from tests.custody import record
from transship.hosts.base import Json
from transship.plan.record import End, Made

CONTAINER = "c0ffee" + "0" * 58
RECORD = record(
    id="20261122-1200-web",
    coordinator="ann@desk",
    container_id=CONTAINER,
    retired_name="web-moved-to-h2",
    source=End("h1", ""),
    target=End("h2", ""),
)


def a_record(*, made: str = "", **changes: Any) -> Json:
    """A record as JSON. `made` is the container's id on the target."""
    found: Json = json.loads(json.dumps(asdict(replace(RECORD, made=Made(container=made), **changes))))
    return found
