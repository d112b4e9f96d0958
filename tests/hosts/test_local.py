import ssl
import subprocess
from pathlib import Path

import pytest
from urllib3.exceptions import InsecureRequestWarning

from tests.hosts.daemon import Said, scripted_tls
from transship.errors import CommandError, DockerDownError, TransshipError, UsageError
from transship.hosts.address import TcpAddress, TlsFiles, UnixAddress
from transship.hosts.local import LocalHost
from transship.hosts.open import connect


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A key, and a certificate for 127.0.0.1 that vouches for itself."""
    cert, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(cert)]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *kind, *subject, *files], check=True, capture_output=True)
    return cert, key


def test_daemon_is_reached_with_tls_and_both_sides_prove_themselves(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "server"), certificate(tmp_path, "client")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(client[0]))
    context.load_cert_chain(*server)
    context.verify_mode = ssl.CERT_REQUIRED
    with scripted_tls(context) as (script, port):
        script.on("GET /info", Said(body=b'{"Name": "box"}'))
        trusted = TlsFiles(server[0], *client)
        with connect("box", TcpAddress("127.0.0.1", port, trusted)) as host:
            assert host.docker.info() == {"Name": "box"}
            assert (host.can_run, host.network_address) == (False, "127.0.0.1")
            with pytest.raises(CommandError, match="API alone"):
                host.run(["true"])
        for files in (TlsFiles(server[0]), TlsFiles(client[0], *client), TlsFiles(None, *client), None):
            with pytest.raises(DockerDownError, match="not as Docker does"):
                connect("box", TcpAddress("127.0.0.1", port, files))
        unverified = TcpAddress("127.0.0.1", port, TlsFiles(None, *client, verify=False))
        with pytest.warns(InsecureRequestWarning), connect("box", unverified) as host:
            host.docker.ping()


def test_certificate_that_is_missing_is_a_wrong_word(tmp_path: Path) -> None:
    cert, _ = certificate(tmp_path, "server")
    with pytest.raises(UsageError, match="certificates"):
        connect("box", TcpAddress("127.0.0.1", 9, TlsFiles(cert, cert, tmp_path / "missing")))


def test_local_programs_are_run_here(tmp_path: Path) -> None:
    host = LocalHost("here", UnixAddress(str(tmp_path / "none")))
    assert host.run(["echo", "a b"]).stdout == b"a b\n"
    with pytest.raises(CommandError, match="cannot be run"):
        host.run(["transship-no-such-program"])


def test_closed_host_is_not_opened_by_a_late_call(tmp_path: Path) -> None:
    host = LocalHost("here", UnixAddress(str(tmp_path / "none")))
    host.close()
    host.close()
    with pytest.raises(TransshipError, match="was closed"):
        host.docker.ping()
