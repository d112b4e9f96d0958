import re

from transship.errors import AccessDeniedError, DockerDownError, HostError, HostKeyError, UnreachableError, UsageError

Failure = HostError | UsageError

_ACCESS_HINT = "try: ssh {host} — the key may be missing there (ssh-copy-id {host}), locked, or not loaded (ssh-add)"
_CLOSED_HINT = "the host's sshd log says why; too many logins at once (MaxStartups) and bans look like this"
_CLI_HINT = "install Docker's command line on the host, or allow AllowStreamLocalForwarding in its sshd_config"
_KEY_HINT = "connect once with: ssh {host} — and compare the fingerprint with one from a source that you trust"
_CHANGED_HINT = (
    "if the host was set up anew: ssh-keygen -R {host}, then connect once with ssh and compare the fingerprint; "
    "if not, somebody may stand between you and it"
)

# The first that fits counts: a changed key also says "verification failed", a jump host's refusal also "closed".
_LOGIN: tuple[tuple[str, type[Failure], str, str], ...] = (
    (r"Bad configuration option|terminating, \d+ bad|Can't open user config|Bad owner or permissions on .*config",
     UsageError, "ssh does not accept its configuration", "ssh -G {host} shows what it reads"),
    (r"ssh: (?:command )?not found", UnreachableError, "there is no ssh here", "apt-get install openssh-client"),
    (r"HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed|differs from the key for the IP address",
     HostKeyError, "the host's key is not the one that is known for it", _CHANGED_HINT),
    (r"No \S+ host key is known|Host key verification failed|host key .*revoked",
     HostKeyError, "the host's key is not known here", _KEY_HINT),
    (r"Permission denied|Too many authentication failures|Authentication failed|Permissions .* are too open",
     AccessDeniedError, "the login was refused", _ACCESS_HINT),
    (r"account is not available|account has expired|nologin",
     AccessDeniedError, "the user may not log in", "use another user: ssh://user@host"),
    (r"Could not resolve hostname|Name or service not known|nodename nor servname",
     UnreachableError, "no address is known for this name", "check the name, or add it to ~/.ssh/config"),
    (r"Connection refused", UnreachableError, "nothing listens there", "check the port, and that sshd runs"),
    (r"timed out|Timeout, server", UnreachableError, "it does not answer", "check the address, and firewalls between"),
    (r"No route to host|Network is unreachable|Host is down",
     UnreachableError, "there is no way to its network", "check that the host is up and the network reaches it"),
    (r"kex_exchange_identification|Connection closed|Connection reset|Broken pipe|closed by remote host",
     UnreachableError, "the connection was closed from there", _CLOSED_HINT),
)  # fmt: skip

_DAEMON: tuple[tuple[str, type[HostError], str, str], ...] = (
    (r"permission denied", AccessDeniedError, "the user may not speak to Docker there",
     "put the user into the group: sudo usermod -aG docker USER, and log in anew; or log in as root"),
    (r"docker: (?:command )?not found|docker: No such file|unknown command.*docker",
     DockerDownError, "there is no docker command there", _CLI_HINT),
    (r"Cannot connect to the Docker daemon|connection refused|no such file or directory|Is the docker daemon running",
     DockerDownError, "no Docker daemon answers there", "start it: sudo systemctl start docker"),
)  # fmt: skip


def login_failure(name: str, host: str, stderr: str) -> Failure:
    """Say from ssh's own words why there is no connection to `name`; `host` is what one would give to ssh."""
    for pattern, kind, why, hint in _LOGIN:
        if re.search(pattern, stderr):
            return kind(f"cannot connect to {name}: {why}", hint=hint.format(host=host))
    return UnreachableError(f"cannot connect to {name}: {last_line(stderr) or 'ssh ended without a word'}")


def daemon_failure(name: str, words: str) -> HostError:
    """Say from what the Docker command line or the system wrote why the daemon of `name` cannot be spoken to."""
    for pattern, kind, why, hint in _DAEMON:
        if re.search(pattern, words, re.IGNORECASE):
            return kind(f"cannot use Docker on {name}: {why}", hint=hint)
    return DockerDownError(f"cannot use Docker on {name}: {last_line(words) or 'the daemon closed the connection'}")


def last_line(text: str) -> str:
    """The last line that says something, short, without what a terminal would obey."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "".join(each for each in lines[-1].strip() if each.isprintable())[:200].rstrip(".") if lines else ""
