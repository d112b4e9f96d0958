import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from transship.errors import UsageError
from transship.metrics.downtime import Probe, Prober

DEADLINE_S = 10.0


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        threading.Event().wait(0.005)


@contextmanager
def listening(port: int = 0) -> Iterator[int]:
    """A server that accepts connections on loopback and closes them."""
    server = socket.create_server(("127.0.0.1", port), reuse_port=False, backlog=64)
    end = threading.Event()

    def accept() -> None:
        while not end.is_set():
            try:
                server.accept()[0].close()
            except OSError:
                return

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        end.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


@pytest.mark.parametrize(
    ("text", "kind", "port", "path"),
    [
        ("tcp:80", "tcp", 80, "/"),
        ("http:8080", "http", 8080, "/"),
        ("http:8080/health?x=1", "http", 8080, "/health?x=1"),
    ],
)
def test_a_probe_is_read_from_its_text(text: str, kind: str, port: int, path: str) -> None:
    probe = Probe.parse(text)
    assert (probe.kind, probe.port, probe.path) == (kind, port, path)


@pytest.mark.parametrize(
    "text", ["", "tcp", "tcp:0", "tcp:65536", "udp:53", "http:80/a b", "http:80\n", "tcp:80/x", "http:/"]
)
def test_what_is_no_probe_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Probe.parse(text)
    assert caught.value.hint


def test_an_http_probe_takes_errors_of_the_server_for_no_answer() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/good" else 503)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            port = server.server_address[1]
            assert Probe.parse(f"http:{port}/good").answers("127.0.0.1")
            assert not Probe.parse(f"http:{port}/bad").answers("127.0.0.1")
        finally:
            server.shutdown()
            thread.join()


def test_nobody_listening_is_no_answer() -> None:
    with listening() as port:
        pass
    assert not Probe("tcp", port).answers("127.0.0.1")


def test_a_service_that_never_stops_has_no_outage() -> None:
    with listening() as port, Prober(Probe("tcp", port), {"only": "127.0.0.1"}) as prober:
        wait_for(lambda: prober.report().answers["only"] >= 20)
    report = prober.report()
    assert report.outages == ()
    assert report.downtime_s == 0
    assert report.answers == report.attempts


def test_the_outage_is_measured_from_last_answer_to_first_answer() -> None:
    with listening() as port:
        pass
    prober = Prober(Probe("tcp", port), {"only": "127.0.0.1"})
    with prober:
        with listening(port):
            wait_for(lambda: prober.report().answers["only"] >= 5)
        down = time.monotonic()
        wait_for(lambda: prober.report().downtime_s > 0.1)
        up = time.monotonic()
        with listening(port):
            wait_for(lambda: len(prober.report().outages) == 1 and prober.report().answers["only"] >= 10)
    (outage,) = prober.report().outages
    assert outage.seconds >= up - down - 0.05
    assert prober.report().downtime_s == outage.seconds


def test_one_of_two_hosts_answering_is_enough() -> None:
    with listening() as port:
        prober = Prober(Probe("tcp", port), {"here": "127.0.0.1", "there": "127.0.0.2"})
        with prober:
            wait_for(lambda: prober.report().answers["here"] >= 10 and prober.report().attempts["there"] >= 10)
    report = prober.report()
    assert report.answers["there"] == 0
    assert report.downtime_s == 0


def test_silence_from_the_start_is_no_outage_of_something_that_never_served() -> None:
    with listening() as port:
        pass
    with Prober(Probe("tcp", port), {"only": "127.0.0.1"}) as prober:
        wait_for(lambda: prober.report().attempts["only"] >= 5)
    assert prober.report().outages == ()
