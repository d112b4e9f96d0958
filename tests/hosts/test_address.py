import pytest

from transship.errors import UsageError
from transship.hosts.address import Address, SshAddress, TcpAddress, TlsFiles, UnixAddress, parse


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ssh://host", SshAddress("host")),
        ("ssh://me@host:2222", SshAddress("host", "me", 2222)),
        ("ssh://me@host/", SshAddress("host", "me")),
        ("ssh://Alias_1.example", SshAddress("Alias_1.example")),
        ("ssh://[2001:db8::1]:22", SshAddress("2001:db8::1", port=22)),
        ("ssh://root@[fe80::1%eth0]", SshAddress("fe80::1%eth0", "root")),
        ("ssh://user%40corp@host", SshAddress("host", "user@corp")),
        ("ssh://me@host/run/user/1000/docker.sock", SshAddress("host", "me", socket="/run/user/1000/docker.sock")),
        ("unix:///run/docker.sock", UnixAddress("/run/docker.sock")),
        ("tcp://host", TcpAddress("host", 2375)),
        ("tcp://[::1]:99/", TcpAddress("::1", 99)),
    ],
)
def test_address_is_read_and_written_the_same(url: str, address: Address) -> None:
    assert parse(url) == address
    assert parse(str(address).replace("user@corp", "user%40corp")) == address


def test_address_with_certificates_has_their_port() -> None:
    tls = TlsFiles()
    assert parse("tcp://host", tls=tls) == TcpAddress("host", 2376, tls)


@pytest.mark.parametrize(
    "url",
    [
        "ssh://-oProxyCommand=touch%20x",
        "ssh://-oProxyCommand=x@host",
        "ssh://me@-oProxyCommand=x",
        "ssh://%2DoProxyCommand=x@host",
        "ssh://$(id)@host",
        "ssh://me@$(id)",
        "ssh://`id`",
        "ssh://ho;st",
        "ssh://me@",
        "ssh://@host",
        "ssh://",
        "ssh://host name",
        "ssh://host\n",
        "ssh://ho\tst",
        "ssh://host\x00",
        "ssh://me%0Aroot@host",
        "ssh://host:0",
        "ssh://host:65536",
        "ssh://host:-1",
        "ssh://host:ssh",
        "ssh://[::1",
        "ssh://host?x",
        "ssh://host#x",
        "ssh://host/a b",
        "ssh://host/$(id)",
        "ssh://host/a:/b",
        "unix://",
        "unix://run/docker.sock",
        "unix:///",
        "tcp://",
        "tcp://me@host",
        "tcp://host/path",
        "npipe:////./pipe/docker_engine",
        "fd://",
        "://",
        "host",
    ],
)
def test_address_that_is_none_is_refused_in_one_clear_sentence(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(url)
    assert str(raised.value).isprintable()
    assert not str(raised.value).endswith(".")
    assert raised.value.hint


def test_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="password") as raised:
        parse("ssh://me:s3cret@host")
    assert "s3cret" not in str(raised.value) + raised.value.hint
