"""What runs on a host to read there, beside the daemon, what Docker gives only as a whole.

`contents IMAGE` prints what the archive of an image holds, as JSON. `save IMAGE EDIT` writes the edited archive (EDIT
is an `Edit` as JSON), gzipped. `manifest CONTAINER meta|full` prints the manifest of a container's filesystem.
"""

from __future__ import annotations

import json
import sys
from typing import IO, cast

from .docker_socket import exported, saved
from .faults import AgentError
from .image_filter import Edit, contents, shorten
from .squeeze import Squeeze
from .tar_manifest import manifest


def run() -> None:
    """Do what the command line says. A failure is one sentence on standard error and status 1."""
    try:
        _do(*sys.argv[1:])
    except AgentError as error:
        sys.exit(str(error))
    except BrokenPipeError:
        sys.exit(1)


def _do(action: str, name: str, how: str = "") -> None:
    if action == "manifest":
        with exported(name) as stream:
            sys.stdout.write(json.dumps(manifest(stream, contents=how == "full")))
        return
    with saved(name) as stream:
        if action == "contents":
            sys.stdout.write(json.dumps(contents(stream)))
        else:
            drop, rename, add = json.loads(how)
            shorten(stream, cast("IO[bytes]", Squeeze(sys.stdout.fileno())), Edit(frozenset(drop), rename, add))
