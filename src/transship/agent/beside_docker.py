"""What runs on a host to look into an image's archive there, beside the daemon.

`contents IMAGE` prints what the archive holds, as JSON. `save IMAGE EDIT` writes the edited archive (EDIT is an `Edit`
as JSON), gzipped.
"""

from __future__ import annotations

import json
import sys
from typing import IO, cast

from .docker_socket import saved
from .faults import AgentError
from .image_filter import Edit, contents, shorten
from .squeeze import Squeeze


def run() -> None:
    """Do what the command line says. A failure is one sentence on standard error and status 1."""
    try:
        _do(*sys.argv[1:])
    except AgentError as error:
        sys.exit(str(error))
    except BrokenPipeError:
        sys.exit(1)


def _do(action: str, image: str, edit: str = "") -> None:
    with saved(image) as stream:
        if action == "contents":
            sys.stdout.write(json.dumps(contents(stream)))
            return
        drop, rename, add = json.loads(edit)
        shorten(stream, cast("IO[bytes]", Squeeze(sys.stdout.fileno())), Edit(frozenset(drop), rename, add))
