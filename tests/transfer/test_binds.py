"""Which mounted paths move on their own, and which with another."""

import pytest

from transship.errors import TransferError
from transship.plan.sync_checks import belongs_to_host
from transship.transfer.binds import Place, apart

SITE = Place("/srv/site", "/srv/site", "/srv/site")
DEEP = Place("/srv/site/deep", "/srv/site/deep", "/srv/site/deep")
SIBLING = Place("/srv/site2", "/srv/site2", "/srv/site2")
VOLUME = Place("volume data", "/mnt/docker/volumes/data/_data", "/var/lib/docker/volumes/data/_data")


def test_a_path_inside_another_goes_with_it() -> None:
    assert apart([], [DEEP, SIBLING, SITE]) == [SIBLING, SITE]


def test_a_path_inside_a_volume_goes_with_that() -> None:
    inside = Place("/x", f"{VOLUME.source}/sub", f"{VOLUME.target}/sub")
    assert apart([VOLUME], [inside, SITE]) == [SITE]


def test_a_linked_path_is_moved_from_where_it_leads() -> None:
    linked = Place("/srv/current", "/data/releases/3", "/srv/current")
    assert apart([], [linked, SITE]) == [linked, SITE]


@pytest.mark.parametrize(
    "other",
    [
        Place("/srv/link", "/srv/site", "/srv/link"),
        Place("/srv/link", "/srv/site/deep", "/srv/link"),
        Place("/srv/site/out", "/data", "/srv/site/out"),
    ],
)
def test_what_is_one_on_the_source_and_two_on_the_target_is_refused(other: Place) -> None:
    with pytest.raises(TransferError, match="on one host and beside it on the other"):
        apart([], [SITE, other])
    with pytest.raises(TransferError):
        apart([], [other, SITE])


@pytest.mark.parametrize(
    "path", ["/", "/etc", "/usr", "/var/lib", "/var/lib/docker", "/run/app", "/boot/grub", "/data"]
)
def test_the_hosts_own_system_is_never_copied(path: str) -> None:
    assert belongs_to_host(path, "/data/docker" if path == "/data" else "/var/lib/docker")


@pytest.mark.parametrize("path", ["/srv", "/etc/nginx", "/home/me", "/var/lib/app", "/var/lib/docker2", "/opt/run"])
def test_other_folders_may_be(path: str) -> None:
    assert not belongs_to_host(path, "/var/lib/docker")
