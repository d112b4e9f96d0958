"""Words of the command line, and whatever else is one text."""

import hashlib
import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, seed
from hypothesis import strategies as st

from tests.fuzz import mutations
from tests.fuzz.fuzz import SEED, fuzz, refused
from transship.errors import UsageError
from transship.hosts import contexts
from transship.hosts.address import SshAddress, TcpAddress, UnixAddress, parse
from transship.hosts.facts_script import read_answer
from transship.metrics.downtime import Probe
from transship.plan.options import bytes_per_second, seconds

ADDRESSES = (
    "ssh://root@new.example.org", "ssh://a.b+c@host:22", "ssh://[fd00::1%25eth0]:2222/run/user/1/docker.sock", "ssh://h1",
    "ssh://DOMAIN%5Cuser@host", "ssh://user@1.2.3.4:65535/", "unix:///var/run/docker.sock", "unix:///srv/ä b",
    "tcp://host:2376", "tcp://[::1]", "http://10.0.0.1:1", "https://example.org/", "ssh://user:password@host", "npipe:////./x",
    "ssh://u@h?q#f", "local", "default", "backup-host",
)  # fmt: skip
TIMES = ("500ms", "60s", "2m", "1.5h", "0s", "999999.999999h", "0.000001ms")
RATES = ("20MiB/s", "500kB/s", "1B/s", "999999999GiB/s", "0.5KiB/s", "0MB/s")
PROBES = ("tcp:80", "http:8080/", "http:1/index.html?a=b", "tcp:65535", "http:443", "tcp:0", "http:65536/")
GATHERED = (
    """\
root=root
docker_free=12345
temporary_free=99
python=/usr/bin/python3
python_version=Python 3.11.2
criu=Version: 4.1.1
memory_available=1234
interface=eth0
address=10.0.0.1
daemon_file={"log-driver": "local", "dns": ["10.0.0.1"], "mtu": 1400}
daemon_words=dockerd\t--host\tfd://\t--log-driver=local\t
tcp=00000000:0016
tcp6=00000000000000000000000000000000:0016
udp=0100007F:0035
udp6=B80D0120000000000000000000000001:0222
""",
    "root=sudo\ntcp=0100007F:0035\n",
)


@fuzz(15_000)
def test_addresses(random: Random) -> None:
    text = mutations.text(random, ADDRESSES)
    with refused(UsageError):
        found = parse(text)
        _check_address(found)


def _check_address(found: object) -> None:
    """Nothing of it is an option to ssh or a control character, and it is what it is written as."""
    if isinstance(found, SshAddress):
        assert parse(str(found)) == found or "%" in found.host + found.user or "\\" in found.user
        for word in (found.host, found.user, found.socket):
            assert not word.startswith("-")
            assert word.isprintable()
            assert not set(word) & set("$`'\" ;|&<>()\n")
        assert found.port is None or 0 < found.port < 1 << 16
    elif isinstance(found, UnixAddress):
        assert parse(str(found)) == found
        assert found.path.startswith("/")
    elif isinstance(found, TcpAddress):
        assert 0 < found.port < 1 << 16


@fuzz(10_000)
def test_lengths_of_time(random: Random) -> None:
    with refused(UsageError):
        assert 0 <= seconds(mutations.text(random, TIMES)) < 1e10


@fuzz(10_000)
def test_rates(random: Random) -> None:
    with refused(UsageError):
        assert 0 < bytes_per_second(mutations.text(random, RATES)) < 1e19


@fuzz(10_000)
def test_probes(random: Random) -> None:
    with refused(UsageError):
        probe = Probe.parse(mutations.text(random, PROBES))
        assert 0 < probe.port < 1 << 16
        assert Probe.parse(str(probe)) == probe
        assert probe.path.isascii()
        assert probe.path.isprintable()


@fuzz(5_000)
def test_what_the_program_that_observes_a_host_answers(random: Random) -> None:
    with refused(ValueError):
        _, listeners = read_answer(mutations.text(random, GATHERED))
        assert all(0 <= each.port < 1 << 16 for each in listeners)


@pytest.fixture(scope="module")
def docker_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docker")
    _meta(folder, "good").write_text(json.dumps({"Name": "good", "Endpoints": {"docker": {"Host": "ssh://h"}}}))
    return folder


def _meta(folder: Path, name: str) -> Path:
    place = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


@fuzz(4_000)
def test_what_a_user_may_call_a_host(random: Random, docker_config: Path) -> None:
    env = {"DOCKER_CONFIG": str(docker_config), "HOME": "/nowhere", "DOCKER_HOST": mutations.text(random, ADDRESSES)}
    with refused(UsageError):
        contexts.resolve(mutations.text(random, (*ADDRESSES, "good", "goof")), env)


METAS = mutations.Documents(
    {
        "Name": "web",
        "Metadata": {"Description": "my host"},
        "Endpoints": {"docker": {"Host": "ssh://root@example.org", "SkipTLSVerify": False}},
    },
    {"Name": "web", "Metadata": {}, "Endpoints": {"docker": {"Host": "tcp://10.0.0.1:2376", "SkipTLSVerify": True}}},
    {"Name": "web", "Metadata": {"Description": ""}, "Endpoints": {"docker": {"Host": ""}}},
)
CONFIGS = mutations.Documents({"currentContext": "web", "auths": {"registry": {"auth": "eDp5"}}, "credsStore": "pass"})
DEEP = b"[" * 5000


def stored(random: Random, documents: mutations.Documents) -> bytes:
    """A file that holds a changed document, or what a cut-off write or another program leaves in its place."""
    whole = json.dumps(documents.draw(random), ensure_ascii=random.random() < 0.9).encode("utf-8", "surrogatepass")
    if random.random() < 0.2:
        return mutations.data(random, (whole, b"", b"\0" * 64, b"\xef\xbb\xbf{}", b"[1e999]", b"1" * 5000, DEEP))
    return whole


@fuzz(1_000)
def test_files_of_docker_contexts(random: Random, docker_config: Path) -> None:
    _meta(docker_config, "web").write_bytes(stored(random, METAS))
    (docker_config / "config.json").write_bytes(stored(random, CONFIGS) if random.random() < 0.3 else b"{}")
    env = {"DOCKER_CONFIG": str(docker_config), "HOME": "/nowhere"}
    with refused(UsageError):
        _check_address(contexts.resolve("web", env))
    with refused(UsageError):
        names = [each.name for each in contexts.list_contexts(env)]
        assert names[0] == "default"
        assert "good" in names
    with refused(UsageError):
        contexts.resolve(contexts.default_source(env), env)


@seed(int(SEED) if SEED.isdecimal() else SEED)
@given(st.integers(0, 999_999), st.sampled_from(["ms", "s", "m", "h"]))
def test_a_length_of_time_is_what_it_says(number: int, unit: str) -> None:
    assert seconds(f"{number}{unit}") == pytest.approx(number * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit])
