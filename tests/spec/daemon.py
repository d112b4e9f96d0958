"""A real daemon, spoken to in the bodies that the spec renders."""

import hashlib
import io
import json
import tarfile
from typing import Any

from transship.lab import Node
from transship.spec.extract import Surroundings, extract, network_names, volume_names
from transship.spec.fields import ApiVersion
from transship.spec.model import ContainerSpec
from transship.spec.render import connections, create_body, network_body, volume_body

Document = dict[str, Any]


def tar_of(members: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def image_archive(name: str, config: Document, busybox: bytes) -> bytes:
    """What `docker save` writes of an image of one layer that says `config`."""
    layer = tar_of({"bin/busybox": busybox})
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
    document = {"architecture": "amd64", "os": "linux", "config": config, "rootfs": rootfs, "history": [{}]}
    manifest = [{"Config": "config.json", "RepoTags": [f"{name}:latest"], "Layers": ["layer.tar"]}]
    return tar_of(
        {
            "config.json": json.dumps(document).encode(),
            "layer.tar": layer,
            "manifest.json": json.dumps(manifest).encode(),
        }
    )


class Daemon:
    """Docker on one host of the lab. `clear` removes all that was made through it.

    `busybox` is the program to put into images: hosts that get the same one have the same images.
    """

    def __init__(self, node: Node, busybox: bytes) -> None:
        self.api: Any = node.docker  # half of what we call of it has no types
        self.host_name = str(self.api.info()["Name"])
        self.image = ""
        self._containers: list[str] = []
        self._networks: list[str] = []
        self._volumes: list[str] = []
        self.busybox = busybox

    @property
    def api_version(self) -> ApiVersion:
        major, minor = self.api.api_version.split(".")
        return int(major), int(minor)

    def post(self, path: str, body: Document, **params: str) -> Any:
        response = self.api._post_json(self.api._url(path), data=body, params=params)
        return self.api._result(response, json=response.status_code != 200 or path.endswith("create"))

    def load_image(self, name: str, config: Document) -> None:
        """An image with busybox in it, the same on every host, whose containers are created by its id."""
        self.api.load_image(image_archive(name, config, self.busybox))
        self.image = str(self.api.inspect_image(name)["Id"])

    def network(self, body: Document) -> None:
        self._networks.append(body["Name"])
        self.post("/networks/create", body)

    def volume(self, body: Document) -> None:
        self._volumes.append(body["Name"])
        self.post("/volumes/create", body)

    def container(self, name: str, body: Document) -> str:
        made = self.post("/containers/create", body, name=name)
        self._containers.append(made["Id"])
        return str(made["Id"])

    def connect(self, container: str, network: str, endpoint: Document) -> None:
        response = self.api._post_json(
            self.api._url("/networks/{0}/connect", network), data={"Container": container, "EndpointConfig": endpoint}
        )
        self.api._raise_for_status(response)

    def recreate(self, spec: ContainerSpec, *, image: str = "", flat: bool = False) -> str:
        """Make what the spec says, networks and volumes first, and return the container's id."""
        for item in spec.networks:
            if not item.network.predefined:
                self.network(network_body(item.network))
        for volume in spec.volumes:
            self.volume(volume_body(volume))
        body = create_body(spec, image=image or self.image, api_version=self.api_version, flat=flat)
        container = self.container(spec.name, body)
        for network, endpoint in connections(spec, self.api_version):
            self.connect(container, network, endpoint)
        return container

    def inspect(self, container: str) -> Document:
        return dict(self.api.inspect_container(container))

    def spec_of(self, container: str) -> ContainerSpec:
        inspected = self.inspect(container)
        names = {item["Id"]: item["Names"][0] for item in self.api.containers(all=True)}
        return extract(
            inspected,
            self.api.inspect_image(inspected["Image"]),
            {name: self.api.inspect_network(name) for name in network_names(inspected)},
            {name: self.api.inspect_volume(name) for name in volume_names(inspected)},
            around=Surroundings(names, self.host_name, self.api_version),
        )

    def clear(self) -> None:
        for container in reversed(self._containers):
            self.api.remove_container(container, force=True, v=True)
        present = {volume["Name"] for volume in self.api.volumes()["Volumes"] or []}
        for volume in present.intersection(self._volumes):
            self.api.remove_volume(volume)
        for network in self._networks:
            self.api.remove_network(network)
        self._containers, self._networks, self._volumes = [], [], []
