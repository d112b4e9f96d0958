import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from transship.errors import UsageError
from transship.hosts.address import SshAddress, TcpAddress, TlsFiles, UnixAddress
from transship.hosts.contexts import default_source, list_contexts, resolve

Env = dict[str, str]


@pytest.fixture
def env(tmp_path: Path) -> Env:
    """An environment whose Docker configuration is empty."""
    return {"DOCKER_CONFIG": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


def folder(env: Env, kind: str, name: str) -> Path:
    made = Path(env["DOCKER_CONFIG"]) / "contexts" / kind / hashlib.sha256(name.encode()).hexdigest()
    made.mkdir(parents=True, exist_ok=True)
    return made


def context(env: Env, name: str, host: str, *, skip: bool = False) -> Path:
    """A context as `docker context create` of 28.2 writes it."""
    document: dict[str, Any] = {
        "Name": name,
        "Metadata": {"Description": f"the host {name}"},
        "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": skip}},
    }
    path = folder(env, "meta", name) / "meta.json"
    path.write_text(json.dumps(document))
    return path


def configure(env: Env, **words: str) -> None:
    (Path(env["DOCKER_CONFIG"]) / "config.json").write_text(json.dumps(words))


def test_words_of_their_own(env: Env) -> None:
    assert resolve("local", {**env, "DOCKER_HOST": "tcp://elsewhere"}) == UnixAddress("/var/run/docker.sock")
    assert resolve("default", env) == UnixAddress("/var/run/docker.sock")
    assert resolve("default", {**env, "DOCKER_HOST": "ssh://me@there"}) == SshAddress("there", "me")
    assert resolve("ssh://me@there", env) == SshAddress("there", "me")


def test_contexts_of_every_kind_are_found_by_name(env: Env) -> None:
    context(env, "web.1", "ssh://me@web:2222")
    context(env, "rootless", "unix:///run/user/1000/docker.sock")
    context(env, "plain", "tcp://old:2375")
    assert resolve("web.1", env) == SshAddress("web", "me", 2222)
    assert resolve("rootless", env) == UnixAddress("/run/user/1000/docker.sock")
    assert resolve("plain", env) == TcpAddress("old", 2375)


def test_certificates_of_a_context_are_found(env: Env) -> None:
    context(env, "tls", "tcp://secure:2376")
    files = folder(env, "tls", "tls") / "docker"
    files.mkdir()
    for name in ("ca", "cert", "key"):
        (files / f"{name}.pem").write_text("pem")
    wanted = TlsFiles(files / "ca.pem", files / "cert.pem", files / "key.pem")
    assert resolve("tls", env) == TcpAddress("secure", 2376, wanted)
    context(env, "lax", "tcp://lax:2376", skip=True)
    assert resolve("lax", env) == TcpAddress("lax", 2376, TlsFiles(verify=False))


def test_certificates_of_the_environment_are_found(env: Env, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("pem")
    wanted = TcpAddress("h", 2376, TlsFiles(tmp_path / "ca.pem"))
    asked = {**env, "DOCKER_HOST": "tcp://h:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    assert resolve("default", asked) == wanted


def test_source_is_what_the_docker_command_would_speak_to(env: Env) -> None:
    assert default_source(env) == "local"
    configure(env, currentContext="here")
    assert default_source(env) == "here"
    assert default_source({**env, "DOCKER_CONTEXT": "there"}) == "there"
    assert default_source({**env, "DOCKER_CONTEXT": "there", "DOCKER_HOST": "ssh://x"}) == "default"
    configure(env, currentContext="default")
    assert default_source(env) == "local"


def test_unknown_name_tells_the_near_ones(env: Env) -> None:
    context(env, "production", "ssh://p")
    context(env, "staging", "ssh://s")
    with pytest.raises(UsageError, match="no Docker context 'prodution'") as raised:
        resolve("prodution", env)
    assert raised.value.hint == "did you mean production?"
    with pytest.raises(UsageError) as raised:
        resolve("zzzzzz", env)
    assert "production" in raised.value.hint
    assert "staging" in raised.value.hint


@pytest.mark.parametrize("name", ["", "-x", "a b", "../x", "a/b", "x\n", "\x1b[31m", "host:22", "me@host"])
def test_name_that_no_context_can_have_is_refused(env: Env, name: str) -> None:
    with pytest.raises(UsageError) as raised:
        resolve(name, env)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "\x00\xff",
        '{"Name": "bad"}',
        '{"Name": 1, "Endpoints": {"docker": {}}}',
        '{"Name": "bad", "Endpoints": []}',
        '{"Name": "bad", "Endpoints": {"docker": "x"}}',
        '{"Name": "bad", "Endpoints": {"docker": {"Host": 5}}}',
        '{"Name": "bad", "Metadata": [], "Endpoints": {"docker": {"Host": "ssh://-oProxyCommand=x"}}}',
        '{"Name": "other", "Endpoints": {"docker": {"Host": "ssh://x"}}}',
    ],
)
def test_spoilt_context_is_refused_and_listed_with_its_problem(env: Env, content: str) -> None:
    context(env, "good", "ssh://good")
    (folder(env, "meta", "bad") / "meta.json").write_text(content)
    with pytest.raises(UsageError) as raised:
        resolve("bad", env)
    assert not str(raised.value).endswith(".")
    problems = {each.name: each.problem for each in list_contexts(env)}
    assert problems["good"] == problems["default"] == ""
    assert sum(bool(problem) for problem in problems.values()) == 1


def test_unreadable_configuration_is_told(env: Env) -> None:
    (Path(env["DOCKER_CONFIG"]) / "config.json").write_text("{")
    with pytest.raises(UsageError, match="not JSON"):
        default_source(env)


def test_list_marks_the_current_one(env: Env) -> None:
    context(env, "b", "ssh://b")
    context(env, "a", "ssh://a")
    configure(env, currentContext="b")
    listed = list_contexts(env)
    assert [(each.name, each.current) for each in listed] == [("default", False), ("a", False), ("b", True)]
    assert listed[2].description == "the host b"
    assert [each.current for each in list_contexts({**env, "DOCKER_HOST": "ssh://x"})] == [True, False, False]
