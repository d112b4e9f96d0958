"""A real browser, driven over its own debugging pipe: Chromium without a window."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from base64 import b64decode
from pathlib import Path
from typing import Any, Self

CHROMIUM = shutil.which("chromium")

_PATIENCE_S = 120.0

_LAUNCH = """
import os, sys
for wanted, given in enumerate(sys.argv[1:3], 3):
    os.dup2(int(given), wanted)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium expects its pipe at the descriptors 3 and 4."""


class Browser:
    """One page at a time. `problems` are the exceptions, errors and failed requests of the page that is open."""

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        to_browser, self._write = _pipe()
        self._read, from_browser = _pipe()
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        words += ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _LAUNCH,
                str(to_browser),
                str(from_browser),
                CHROMIUM,
                *words,
                "--remote-debugging-pipe",
            ],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._number, self._received, self._session = 0, b"", ""
        self.problems: list[str] = []
        self.loaded = False

    def __enter__(self) -> Self:
        try:
            target = self._ask("Target.createTarget", url="about:blank")["targetId"]
            self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self._ask(f"{domain}.enable")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(_PATIENCE_S)
        os.close(self._write)
        os.close(self._read)

    def open(self, page: Path, *, width: int) -> None:
        """Load a page as on a screen of this width, and wait until it is complete."""
        self.problems, self.loaded = [], False
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 600
        )
        self._ask("Page.navigate", url=page.resolve().as_uri())
        deadline = time.monotonic() + _PATIENCE_S
        while not self.loaded:
            self._heed(self._message(deadline))

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self) -> bytes:
        """What the whole page looks like, as PNG."""
        return b64decode(self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"])

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._write, json.dumps(asked).encode() + b"\0")
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            message = self._message(deadline)
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._heed(message)

    def _heed(self, message: dict[str, Any]) -> None:
        method, about = message.get("method", ""), message.get("params", {})
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.exceptionThrown":
            self.problems.append(str(about["exceptionDetails"]))
        elif method == "Log.entryAdded" and about["entry"]["level"] in {"error", "warning"}:
            self.problems.append(about["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not about["request"]["url"].startswith(("file:", "data:")):
            self.problems.append(f"asked the network for {about['request']['url']}")

    def _message(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(self._read, 1 << 16) if ready else b""
            assert chunk, "the browser said nothing more"
            self._received += chunk
        text, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are out of the way of the descriptors that Chromium expects."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
