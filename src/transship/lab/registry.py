"""An image registry on a host of its own: Debian's docker-registry, trusted by the other hosts."""

from collections.abc import Mapping
from typing import Any

from transship.lab import programs
from transship.lab.node import Node
from transship.lab.options import HostOptions
from transship.lab.record import LabRecord

NAME = "registry"
PORT = 5000
CONFIG = "etc/docker/registry/lab.yml"
CERTIFICATE = "etc/docker/registry/lab.crt"
KEY = "etc/docker/registry/lab.key"
DAYS = "365"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def node_of(lab: LabRecord) -> Node | None:
    """The registry's host, or None where the lab has no registry."""
    if lab.options.registry == "none":
        return None
    return Node(lab, NAME, len(lab.options.hosts) + 1, HostOptions(suite=lab.options.hosts[0].suite))


def address_of(node: Node) -> str:
    """What stands before the first slash of an image's reference."""
    return f"{node.address}:{PORT}"


def make_certificates(node: Node) -> None:
    """Make an authority for the lab, and the registry's certificate from it, in the lab's folder; not without TLS."""
    if not _tls(node):
        return
    folder = node.record.folder
    authority = ["-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.crt")]
    own = ["-keyout", str(folder / "registry.key"), "-out", str(folder / "registry.crt")]
    signer = ["-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key")]
    names = ["-addext", f"subjectAltName=IP:{node.address}", "-addext", "basicConstraints=critical,CA:FALSE"]
    request = ["openssl", "req", "-x509", *NEW_KEY, "-days", DAYS]
    programs.run([*request, "-subj", f"/CN=transship lab {node.record.name}", *authority])
    programs.run([*request, "-subj", f"/CN={node.address}", *own, *signer, *names])


def server_files(node: Node) -> dict[str, str]:
    """What the registry's own host needs."""
    lines = [
        "version: 0.1",
        "storage: {filesystem: {rootdirectory: /var/lib/docker-registry}, delete: {enabled: true}}",
        f"http: {{addr: ':{PORT}'" + (f", tls: {{certificate: /{CERTIFICATE}, key: /{KEY}}}}}" if _tls(node) else "}"),
    ]
    files = {CONFIG: "\n".join(lines) + "\n"}
    if _tls(node):
        folder = node.record.folder
        files[CERTIFICATE] = (folder / "registry.crt").read_text()
        files[KEY] = (folder / "registry.key").read_text()
    return files


def client_files(node: Node | None) -> dict[str, str]:
    """What a host needs in order to trust the registry's certificate."""
    if node is None or not _tls(node):
        return {}
    return {f"etc/docker/certs.d/{address_of(node)}/ca.crt": (node.record.folder / "ca.crt").read_text()}


def client_daemon(node: Node | None) -> Mapping[str, Any]:
    """What a host's daemon.json says about a registry that speaks no TLS."""
    return {"insecure-registries": [address_of(node)]} if node and not _tls(node) else {}


def start(node: Node) -> None:
    """Start the registry on its host and wait until it listens."""
    node.spawn(["/usr/bin/docker-registry", "serve", f"/{CONFIG}"])
    node.wait_port(PORT)


def _tls(node: Node) -> bool:
    return node.record.options.registry == "tls"
