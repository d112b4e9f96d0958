import pytest

from transship.errors import (
    AccessDeniedError,
    DockerDownError,
    HostKeyError,
    TransshipError,
    UnreachableError,
    UsageError,
)
from transship.hosts.ssh_failures import daemon_failure, last_line, login_failure

UNKNOWN = """No ED25519 host key is known for web and you have requested strict checking.
Host key verification failed.
"""

CONFIG = """config: line 1: Bad configuration option: nosuch
config: terminating, 1 bad configuration options
"""

CHANGED = """@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
Offending ED25519 key in /home/me/.ssh/known_hosts:1
Host key for web has changed and you have requested strict checking.
Host key verification failed.
"""


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        ("ssh: Could not resolve hostname web: Name or service not known", UnreachableError, "no address"),
        ("ssh: connect to host web port 22: Connection refused", UnreachableError, "nothing listens"),
        ("ssh: connect to host web port 22: Connection timed out", UnreachableError, "does not answer"),
        ("Connection timed out during banner exchange\n", UnreachableError, "does not answer"),
        ("ssh: connect to host web port 22: No route to host", UnreachableError, "no way to its network"),
        ("kex_exchange_identification: read: Connection reset by peer", UnreachableError, "closed from there"),
        (UNKNOWN, HostKeyError, "not known here"),
        (CHANGED, HostKeyError, "not the one"),
        ("me@web: Permission denied (publickey,password).", AccessDeniedError, "refused"),
        ("Received disconnect from 192.0.2.1: 2: Too many authentication failures", AccessDeniedError, "refused"),
        (CONFIG, UsageError, "configuration"),
        ("Can't open user config file /x: No such file or directory", UsageError, "configuration"),
        ("", UnreachableError, "without a word"),
        ("something else\n", UnreachableError, "something else"),
    ],
)  # fmt: skip
def test_words_of_ssh_become_the_right_error(words: str, kind: type[TransshipError], says: str) -> None:
    error = login_failure("ssh://web", "web", words)
    assert type(error) is kind
    assert says in str(error)
    assert str(error).startswith("cannot connect to ssh://web: ")


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        ("permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
         AccessDeniedError, "may not"),
        ("sh: 1: docker: not found", DockerDownError, "no docker command"),
        ("bash: line 1: docker: command not found", DockerDownError, "no docker command"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
         DockerDownError, "no Docker daemon"),
        ("dial unix /var/run/docker.sock: connect: no such file or directory", DockerDownError, "no Docker daemon"),
        ("", DockerDownError, "closed the connection"),
    ],
)  # fmt: skip
def test_words_of_docker_become_the_right_error(words: str, kind: type[TransshipError], says: str) -> None:
    error = daemon_failure("web", words)
    assert type(error) is kind
    assert says in str(error)


def test_no_word_from_there_reaches_the_terminal_as_a_command() -> None:
    assert last_line("first\n\x1b[31mred\x07\n\n") == "[31mred"
