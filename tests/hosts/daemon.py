"""A daemon that answers as it is told: what a real one does too seldom to wait for."""

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Said:
    """One answer. `cut` ends the connection before the body's end; `nothing` before the answer's beginning."""

    status: int = 200
    body: bytes = b"{}"
    cut: bool = False
    nothing: bool = False


@dataclass
class Script:
    """Answers by method and path, used one by one, the last for ever; and what was asked."""

    answers: dict[str, list[Said]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def on(self, request: str, *answers: Said) -> None:
        self.answers[request] = list(answers)


def lines(*objects: dict[str, Any]) -> bytes:
    return b"\r\n".join(json.dumps(each).encode() for each in objects)


def _handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            path = self.path.partition("?")[0].removeprefix("/v1.51")
            script.asked.append(f"{self.command} {path}")
            script.headers.append(dict(self.headers))
            script.bodies.append(self.body())
            left = script.answers.get(f"{self.command} {path}", [Said(404, b'{"message": "no such thing"}')])
            said = left.pop(0) if len(left) > 1 else left[0]
            if path == "/_ping":
                said = Said(body=b"OK")
            if not said.nothing:
                self.send_response(said.status)
                self.send_header("Api-Version", "1.51")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(said.body), said.body) if said.body else b"")
                self.wfile.write(b"" if said.cut else b"0\r\n\r\n")
            self.close_connection = said.cut or said.nothing

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 — the base's names

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content

        def address_string(self) -> str:
            return "test"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the base's name
            return

    return Handler


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class _TlsServer(ThreadingHTTPServer):
    def __init__(self, context: ssl.SSLContext, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._context = context

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        return self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up on a certificate is what some tests are about."""


@contextmanager
def scripted(path: Path) -> Iterator[Script]:
    """Serve at the socket `path` while the block runs."""
    script = Script()
    with _Server(str(path), _handler(script)) as server, _serving(server):
        yield script


@contextmanager
def scripted_tls(context: ssl.SSLContext) -> Iterator[tuple[Script, int]]:
    """Serve with TLS at a loopback port, which is the second that comes."""
    script = Script()
    with _TlsServer(context, _handler(script)) as server, _serving(server):
        yield script, server.server_port


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield
    finally:
        server.shutdown()
        serving.join()
