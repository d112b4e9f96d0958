from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PARAMETERS = "/sys/module/overlay/parameters/"
# What overlayfs notes in a writable layer, and the settings of which one must be on where that layer is used. Docker
# leaves them as the kernel has them.
_FOLLOWED = {
    "trusted.overlay.metacopy": ("metacopy",),
    "trusted.overlay.redirect": ("redirect_dir", "redirect_always_follow"),
}


def not_followed(xattrs: Iterable[tuple[str, bytes]]) -> str:
    """The note among `xattrs` that overlayfs on this host refuses to follow, '' if there is none.

    A metacopy is a file of which only owner, mode or times were changed: its content is in a layer below. A redirect
    says what a renamed folder was called there. Where they are not followed the kernel denies access to all that
    depends on them.
    """
    for name, _ in xattrs:
        if name in _FOLLOWED and not any(map(_is_on, _FOLLOWED[name])):
            return name
    return ""


def _is_on(parameter: str) -> bool:
    """Where overlayfs is not loaded nothing is known, and nothing refused; where it lacks the setting it is too old."""
    try:
        with open(_PARAMETERS + parameter, encoding="ascii") as file:
            return file.read(1) == "Y"
    except FileNotFoundError:
        return not os.path.isdir(_PARAMETERS)
