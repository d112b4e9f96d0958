"""Which of the container's data is taken along."""

import posixpath
import re

from transship.plan.options import MoveOptions
from transship.spec.model import Mount, VolumeSpec

ALWAYS_THERE = re.compile(
    r"/(?:proc|sys|dev)(?:/.*)?|(?:/var)?/run/docker\.sock|/etc/(?:localtime|timezone|hosts|resolv\.conf|ssl/certs(?:/.*)?)"
)
"""Paths that every host has of its own: they are mounted there again, never copied."""


def is_copied(volume: VolumeSpec) -> bool:
    """Whether a volume's data lies on its host. With options (nfs, tmpfs, a device) or a plugin it lies elsewhere."""
    return volume.driver == "local" and not volume.options


def copied_binds(mounts: tuple[Mount, ...], options: MoveOptions) -> tuple[str, ...]:
    """The host paths of the bind mounts that are taken along."""
    if options.binds != "copy":
        return ()
    paths = {posixpath.normpath(mount.source) for mount in mounts if mount.type == "bind"}
    return tuple(sorted(path for path in paths if not ALWAYS_THERE.fullmatch(path)))
