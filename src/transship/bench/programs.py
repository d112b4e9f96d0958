"""The programs that `transship bench compat` moves: each is data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from transship.bench import conversations, program_files
from transship.bench.conversations import Lines, Speak
from transship.lab.images import PATH, Image

Way = Literal["tcp", "stdin", "terminal"]
"""How a client speaks to it: over a connection to its port, or over what `docker attach` gives."""

_CONFIG: Mapping[str, Any] = {"Cmd": ["sh"], "Env": [PATH]}


@dataclass(frozen=True, slots=True)
class Program:
    """A program, and how to know that it serves and that its memory is still there.

    It runs as root where it lets one: on some machines root may not look into the processes of others, which says
    nothing of the program.
    """

    name: str
    image: str
    """One of the lab's, or of `IMAGES`."""
    package: str
    """The Debian package whose version counts."""
    argv: tuple[str, ...]
    speak: Speak = Lines
    port: int = 7000
    way: Way = "tcp"
    user: str = "root"
    """As whom its processes run."""
    options: tuple[str, ...] = ()
    """Words of `docker create`."""
    files: Mapping[str, str] = field(default_factory=dict)
    """What lies in the container before it starts, by path."""


IMAGES: Mapping[str, Image] = {
    "haproxy": Image(("haproxy",), _CONFIG),
    "java": Image(("bsh",), _CONFIG),
    "mariadb": Image(("mariadb-server-core", "mariadb-client-core"), _CONFIG),
    "memcached": Image(("memcached",), _CONFIG, removed=("usr/lib/*/perl/**/*", "usr/share/perl/**/*")),
    "mosquitto": Image(("mosquitto",), _CONFIG),
    "node": Image(("nodejs",), _CONFIG),
    "rabbitmq": Image(("rabbitmq-server",), _CONFIG),
}


def _own(name: str, kind: str, *options: str) -> Program:
    """A small program that counts by way of what a move has to take along."""
    return Program(
        name,
        "python",
        "python3",
        ("python3", "/srv/subject.py", kind),
        options=options,
        files={"/srv/subject.py": program_files.PYTHON},
    )


PROGRAMS: tuple[Program, ...] = (
    Program(
        "nginx",
        "nginx",
        "nginx",
        ("nginx", "-g", "daemon off;"),
        conversations.nginx,
        80,
        files={"/etc/nginx/nginx.conf": program_files.NGINX},
    ),
    Program(
        "redis",
        "redis",
        "redis-server",
        ("redis-server", "--save", "", "--protected-mode", "no"),
        conversations.Redis,
        6379,
    ),
    Program(
        "postgresql",
        "postgres",
        "postgresql-17",
        ("/usr/local/bin/entrypoint", "postgres"),
        conversations.Postgres,
        5432,
        user="postgres",
    ),
    Program(
        "mariadb", "mariadb", "mariadb-server-core", ("sh", "-c", program_files.MARIADB), conversations.MariaDB, 3306
    ),
    Program(
        "memcached",
        "memcached",
        "memcached",
        ("memcached", "-u", "root", "-l", "0.0.0.0"),  # noqa: S104 - in a container
        conversations.Memcached,
        11211,
    ),
    Program(
        "haproxy",
        "haproxy",
        "haproxy",
        ("haproxy", "-db", "-f", "/srv/haproxy.cfg"),
        conversations.haproxy,
        8080,
        files={"/srv/haproxy.cfg": program_files.HAPROXY},
    ),
    Program(
        "mosquitto",
        "mosquitto",
        "mosquitto",
        ("mosquitto", "-c", "/srv/mosquitto.conf"),
        conversations.Mqtt,
        1883,
        files={"/srv/mosquitto.conf": program_files.MOSQUITTO},
    ),
    Program(
        "rabbitmq",
        "rabbitmq",
        "rabbitmq-server",
        ("/usr/lib/rabbitmq/bin/rabbitmq-server",),
        conversations.Mqtt,
        1883,
        options=("--env", "RABBITMQ_NODENAME=rabbit@localhost", "--env", "HOME=/var/lib/rabbitmq"),
        files={
            "/etc/rabbitmq/enabled_plugins": "[rabbitmq_mqtt].\n",
            "/etc/rabbitmq/rabbitmq.conf": program_files.RABBITMQ,
        },
    ),
    Program(
        "java",
        "java",
        "openjdk-21-jre-headless",
        ("java", "-Xmx64m", "-cp", "/usr/share/java/bsh.jar", "bsh.Interpreter", "/srv/subject.bsh"),
        files={"/srv/subject.bsh": program_files.BEANSHELL},
    ),
    Program("node", "node", "nodejs", ("node", "/srv/subject.js"), files={"/srv/subject.js": program_files.JAVASCRIPT}),
    _own("python", "plain"),
    _own("children", "children"),
    _own("threads", "threads"),
    _own("unix-sockets", "unix"),
    _own("inotify", "inotify"),
    _own("timerfd", "timerfd"),
    _own("setitimer", "setitimer"),
    _own("pty", "terminal"),
    _own("io_uring", "io_uring", "--security-opt", "seccomp=unconfined"),
    Program("shell", "python", "dash", ("sh",), conversations.shell, way="stdin", options=("--interactive",)),
    Program(
        "shell-terminal",
        "python",
        "dash",
        ("sh",),
        conversations.shell,
        way="terminal",
        options=("--interactive", "--tty"),
    ),
)
"""In the order of the table."""
