"""What the daemon's own settings do to its containers, where its API does not tell."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_LISTS = frozenset(
    {"default-address-pools", "default-network-opts", "default-ulimits", "dns", "dns-opts", "dns-search"}
)
_SWITCHES = frozenset({"icc", "init", "ipv6", "no-new-privileges", "userland-proxy"})
_WORDS = frozenset(
    {"bip", "default-cgroupns-mode", "default-ipc-mode", "default-shm-size", "ip", "mtu", "seccomp-profile"}
)
KNOWN = _LISTS | _SWITCHES | _WORDS
"""The settings that are read; others, which may hold secrets, are never kept."""

_FLAGS = {f"--{name}": name for name in KNOWN} | {
    f"--{name.removesuffix('s')}": name for name in _LISTS if name.endswith("s") and name != "dns"
}


def read_settings(file: str, words: str) -> Mapping[str, str] | None:
    """The known settings of `daemon.json` and of the daemon's command line, whose words are parted by tabs, as JSON.

    None where the file is no object, or where several daemons run: then nothing is certain.
    """
    if "\n" in words:
        return None
    try:
        said = json.loads(file) if file.strip() else {}
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    found = {name: str(value) if name in _WORDS else value for name, value in said.items() if name in KNOWN}
    found |= _from_flags(words.split("\t"))
    return {name: json.dumps(found[name], sort_keys=True) for name in sorted(found)}


def _from_flags(words: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in _flags(iter(words)):
        if name in _LISTS:
            found[name] = [*found.get(name, []), value]
        else:
            found[name] = value != "false" if name in _SWITCHES else value
    return found


def _flags(words: Iterator[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        flag, equals, value = word.partition("=")
        if name := _FLAGS.get(flag):
            yield name, value if equals or name in _SWITCHES else next(words, "")
