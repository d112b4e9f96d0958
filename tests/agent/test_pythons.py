"""The agent runs on every Python from 3.8 on, also where only a minimal one is installed."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import transship.agent
from tests.agent.local_pair import attributes, local_pair, opened
from transship.agent import control
from transship.agent.faults import ProtocolError
from transship.hosts.agent import archive

FOLDER = Path(transship.agent.__file__).parent
FILES = sorted(FOLDER.glob("*.py"))

# What the agent's main program imports must be in Debian's python3-minimal, which is all that a small server may have.
# `json`, `ctypes`, `dataclasses`, `queue` and `multiprocessing` are not in it.
MINIMAL = frozenset(
    {
        "__future__",
        "ast",
        "collections",
        "contextlib",
        "errno",
        "fcntl",
        "functools",
        "hashlib",
        "importlib",
        "ipaddress",
        "itertools",
    }
    | {
        "marshal",
        "os",
        "re",
        "select",
        "signal",
        "socket",
        "stat",
        "struct",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
    }
    | {"typing", "zlib"}
)


def pythons() -> Iterator[str]:
    """Every Python that is on this machine under its usual name or pyenv's."""
    for minor in range(8, 15):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            yield found
    yield from map(str, sorted(Path.home().glob(".pyenv/versions/3.[89].*/bin/python")))
    yield from map(str, sorted(Path.home().glob(".pyenv/versions/3.1[0-9].*/bin/python")))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_source_is_python_3_8(file: Path) -> None:
    ast.parse(file.read_text(), feature_version=(3, 8))


def imports(file: Path) -> set[tuple[int, str]]:
    found: set[tuple[int, str]] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for inner in node.body:
                inner.lineno = -1
        if isinstance(node, ast.Import):
            found |= {(node.lineno, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {(node.lineno, "." * node.level + name) for name in names}
    return {(line, name) for line, name in found if line > 0}


def reached() -> set[str]:
    """The modules of the agent that its main program imports."""
    found: set[str] = set()
    pending = ["main"]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += [each.strip(".") for _, each in imports(FOLDER / f"{name}.py") if each.startswith(".")]
    return found


@pytest.mark.parametrize("name", sorted(reached()))
def test_a_minimal_python_has_all_that_is_imported(name: str) -> None:
    wanted = {each.split(".")[0] for _, each in imports(FOLDER / f"{name}.py") if not each.startswith(".")}
    assert wanted <= MINIMAL


def test_the_archive_is_the_same_each_time() -> None:
    code = "import hashlib, transship.hosts.agent as a; print(hashlib.sha256(a.archive()).hexdigest())"
    digests = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(digests) == 1
    assert len(archive()) < 110_000


@pytest.mark.parametrize("python", [pytest.param(each, id=each) for each in pythons()])
def test_rounds_run_on_every_python_of_this_machine(python: str, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "folder").mkdir(parents=True)
    target.mkdir()
    (source / "folder" / "small").write_bytes(b"text " * 1000)
    (source / "large").write_bytes(os.urandom(300_000))
    (source / "first").write_bytes(b"two names")
    os.link(source / "first", source / "folder" / "link")
    with local_pair(python) as pair:
        tree = opened(pair, source, target)
        tree.round()
        with (source / "large").open("r+b") as file:
            file.write(b"changed")
        assert tree.round(last=True).bytes_logical == 4096
        assert tree.verify() == tree.verify(full=True) == 6
        assert attributes(source) == attributes(target)
        (target / "folder" / "small").write_bytes(b"spoilt")
        again = opened(pair, source, target, 1, empty=False)
        again.adopt(contents=True)
        assert again.round(last=True).bytes_logical == 5000 + 9
    assert attributes(source) == attributes(target)


@given(
    st.recursive(
        st.one_of(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    )
)
def test_what_the_agent_writes_is_json(value: object) -> None:
    assert json.loads(control.dumps(value)) == value


@given(
    st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
)
def test_the_agent_reads_json_of_text_and_numbers(fields: dict[str, str | int | float]) -> None:
    message = {**fields, "do": "something"}
    assert control.request(json.dumps(message, ensure_ascii=False).encode()) == message


@given(st.binary(max_size=60))
def test_noise_is_no_request(noise: bytes) -> None:
    with pytest.raises(ProtocolError, match="a request"):
        control.request(noise)
