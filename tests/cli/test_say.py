import subprocess
import sys

from transship.cli.say import printable


def test_names_from_hosts_cannot_speak_to_the_terminal() -> None:
    assert printable("web\x1b[2J\nmoved\x9b1m\u202eé ✗") == "web?[2J?moved?1m?é ✗"


def test_a_command_that_nobody_listens_to_ends_with_its_own_code() -> None:
    words = ["move", "web", "--to", "local", "--probe", "none of these", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "transship", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        assert process.wait(60) == 2
