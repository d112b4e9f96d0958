import pytest

from transship.errors import UsageError
from transship.lab import HostOptions, LabOptions
from transship.lab.netns import bits_per_second
from transship.lab.options import disk_bytes, parse_hosts


def test_hosts_are_a_number_or_a_mix_of_suites() -> None:
    like = HostOptions(rate="1gbit")
    assert parse_hosts("2", like) == (like, like)
    assert [host.suite for host in parse_hosts("2:trixie,1:sid", like)] == ["trixie", "trixie", "sid"]
    assert parse_hosts("1:sid", like)[0].rate == "1gbit"


@pytest.mark.parametrize("text", ["", "two", "2:", "-1", "2;trixie", "1:warty"])
def test_other_words_for_hosts_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_hosts(text, HostOptions())


@pytest.mark.parametrize("name", ["", "Lab", "1lab", "a/b", "a.b", "-a", "a" * 21])
def test_names_that_would_not_do_for_a_host_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a lab"):
        LabOptions(name=name)


def test_a_lab_needs_a_host() -> None:
    with pytest.raises(UsageError, match="from 1 to"):
        LabOptions(hosts=())


def test_sizes_and_rates_are_read_with_their_units() -> None:
    assert disk_bytes("2G") == 2 * 1024**3
    assert bits_per_second("100mbit") == 100_000_000
    for size in ("2", "2T", "1M", "G"):
        with pytest.raises(UsageError):
            disk_bytes(size)
    for rate in ("100", "100mb", "0mbit", "-1mbit"):
        with pytest.raises(UsageError):
            bits_per_second(rate)


def test_old_docker_has_no_containerd_store() -> None:
    with pytest.raises(UsageError, match="no containerd store"):
        HostOptions(suite="bookworm", store="containerd")


def test_options_survive_being_written_down() -> None:
    options = LabOptions(name="x", hosts=(HostOptions(sshd={"MaxSessions": "2"}), HostOptions(daemon={"mtu": 1400})))
    assert LabOptions.from_json(options.as_json()) == options
