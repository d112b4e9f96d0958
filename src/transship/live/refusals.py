"""CRIU's own words for why it cannot, in one sentence for the user."""

import re

_KNOWN: tuple[tuple[str, str], ...] = (
    (r"Can't get 1:(?:16|34) opt", "CRIU there is older than the kernel and cannot read sockets, CRIU 4.2 can"),
    (r"Unexpected rt vDSO", "CRIU there is older than the kernel"),
    (r"Can't get rlimit", "root there lacks CAP_SYS_RESOURCE and may not read the limits of other users' processes"),
    (r"page-pipe: tee", "root there lacks CAP_SYS_RESOURCE, and fs.pipe-max-size is too small for CRIU's pages"),
    (r"Network is unreachable|Cannot assign requested address", "a connection's own address is not there"),
    (r"has bad size", "a file that is open is not the same on both hosts"),
)
"""What has been seen, and why it was so; the words of others are passed on as they are."""


def explained(line: str) -> str:
    """A line of CRIU's log with what it means, where that is known."""
    for pattern, words in _KNOWN:
        if re.search(pattern, line):
            return f"{line} ({words})"
    return line
