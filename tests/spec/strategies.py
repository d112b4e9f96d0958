"""Containers that Docker accepts, drawn at random."""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

from hypothesis import strategies as st

from transship.spec.codec import Json
from transship.spec.fields import ApiVersion
from transship.spec.merge import merged, said_by_user
from transship.spec.model import ContainerSpec, ImageRef, Mount, NetworkAttachment, NetworkSpec, VolumeSpec

IMAGE_CONFIG: Json = {
    "Env": ["PATH=/bin", "LANG=C"],
    "Entrypoint": ["/bin/busybox"],
    "Cmd": ["sleep", "1d"],
    "ExposedPorts": {"7777/tcp": {}},
    "Volumes": {"/from-image": {}},
    "Labels": {"made": "by-image", "shared": "image"},
    "Healthcheck": {"Test": ["CMD", "/bin/busybox", "true"], "Interval": 30_000_000_000},
    "WorkingDir": "/image",
    "StopSignal": "SIGQUIT",
}

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
words = st.text("abcxyz0189", min_size=1, max_size=6)
names = words.map(lambda word: f"n{word}")
ports = st.integers(1, 65535).map(str)
protocols = st.sampled_from(["tcp", "udp", "sctp"])
seconds = st.integers(1, 90).map(lambda count: count * 1_000_000_000)


@dataclass(frozen=True)
class Target:
    """What a daemon would fill in where nothing is said, and what it knows."""

    image: ImageRef
    defaults: Json
    api_version: ApiVersion


def unique(elements: st.SearchStrategy[Any], size: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(elements, min_size=1, max_size=size, unique=True)


healthchecks = st.one_of(
    st.just({"Test": ["NONE"]}),
    st.fixed_dictionaries(
        {},
        optional={
            "Test": st.sampled_from([["CMD", "true"], ["CMD-SHELL", "exit 1"]]),
            "Interval": seconds,
            "Timeout": seconds,
            "StartPeriod": seconds,
            "StartInterval": seconds,
            "Retries": st.integers(1, 9),
        },
    ),
)
commands = st.lists(texts.filter(bool), max_size=3)
configs = st.fixed_dictionaries(
    {},
    optional={
        "Hostname": words.map("host{}".format),
        "Domainname": names,
        "User": st.sampled_from(["0", "1000:1000", "nobody"]),
        "AttachStdin": st.just(True),
        "AttachStderr": st.just(True),
        "Tty": st.just(True),
        "OpenStdin": st.just(True),
        "StdinOnce": st.just(True),
        "ExposedPorts": st.dictionaries(st.builds("{}/{}".format, ports, protocols), st.just({}), max_size=3),
        "Env": st.lists(
            st.builds("{}={}".format, st.sampled_from(["PATH", "LANG", "A", "B"]), texts) | st.just("LANG"), max_size=5
        ),
        "Cmd": commands,
        "Entrypoint": commands | st.just([""]),
        "Healthcheck": healthchecks,
        "WorkingDir": names.map("/{}".format),
        "Labels": st.dictionaries(st.sampled_from(["shared", "com.example.a", "ü"]), texts, max_size=3),
        "StopSignal": st.sampled_from(["SIGTERM", "SIGKILL", "9"]),
        "StopTimeout": st.integers(0, 60),
    },
)

bindings = st.lists(
    st.fixed_dictionaries({"HostIp": st.sampled_from(["", "127.0.0.1", "::1"]), "HostPort": ports | st.just("")}),
    min_size=1,
    max_size=2,
)
restarts = st.one_of(
    st.fixed_dictionaries({"Name": st.sampled_from(["always", "unless-stopped"])}),
    st.fixed_dictionaries({"Name": st.just("on-failure"), "MaximumRetryCount": st.integers(1, 5)}),
)
capabilities = unique(st.sampled_from(["ALL", "CAP_NET_ADMIN", "CAP_SYS_TIME", "CAP_CHOWN"])).map(sorted)
host_configs = st.fixed_dictionaries(
    {},
    optional={
        "RestartPolicy": restarts,
        "PortBindings": st.dictionaries(st.builds("{}/{}".format, ports, protocols), bindings, min_size=1, max_size=3),
        "PublishAllPorts": st.just(True),
        "CapAdd": capabilities,
        "CapDrop": capabilities,
        "Dns": st.just(["192.0.2.1"]),
        "DnsOptions": unique(st.sampled_from(["ndots:1", "rotate"])),
        "DnsSearch": unique(names),
        "ExtraHosts": unique(names.map("{}:192.0.2.7".format)),
        "GroupAdd": unique(st.integers(1, 99).map(str)),
        "IpcMode": st.sampled_from(["shareable", "none"]),
        "OomScoreAdj": st.integers(-1000, 1000).filter(bool),
        "ReadonlyRootfs": st.just(True),
        "SecurityOpt": unique(st.sampled_from(["no-new-privileges", "apparmor=unconfined", "seccomp=unconfined"])),
        "Sysctls": st.just({"net.ipv4.ip_forward": "1"}),
        "ShmSize": st.integers(1, 2**30),
        "Tmpfs": st.fixed_dictionaries({"/a": st.sampled_from(["", "size=1m", "rw,noexec"])}),
        "Init": st.booleans(),
        "UsernsMode": st.just("host"),
        "CgroupParent": names.map("/{}".format),
        "Ulimits": st.integers(1, 99).map(lambda soft: [{"Name": "nofile", "Soft": soft, "Hard": 99}]),
        "Devices": st.just([{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "rw"}]),
        "DeviceCgroupRules": st.just(["c 1:* rwm"]),
        "DeviceRequests": st.just(
            [{"Driver": "nvidia", "Count": -1, "Capabilities": [["gpu"]], "Options": {"a": "b"}}]
        ),
        "MaskedPaths": st.lists(st.sampled_from(["/proc/kcore", "/x"]), unique=True),
        "ReadonlyPaths": st.lists(st.sampled_from(["/proc/sys", "/x"]), unique=True),
        "LogConfig": st.sampled_from(
            [{"Type": "none"}, {"Type": "local", "Config": {"max-size": "1m"}}, {"Type": "json-file"}]
        ),
        "ConsoleSize": st.just([24, 80]),
        "Annotations": st.dictionaries(words, texts, min_size=1, max_size=2),
    },
)


@st.composite
def attachments(draw: st.DrawFn, number: int, api_version: ApiVersion) -> NetworkAttachment:
    subnet = f"10.21{number}.0"
    pools: list[Json] = [{"Subnet": f"{subnet}.0/24", "Gateway": f"{subnet}.1"}]
    six = draw(st.booleans())
    if six:
        pools.append({"Subnet": f"fd00:21{number}::/64", "Gateway": f"fd00:21{number}::1"})
    network = NetworkSpec(
        name=f"net{number}",
        driver="bridge",
        internal=draw(st.booleans()),
        attachable=draw(st.booleans()),
        ipv6=six,
        ipam={"Driver": "default", "Config": pools},
        options=draw(st.sampled_from([{}, {"com.docker.network.driver.mtu": "1400"}])),
        labels=draw(st.dictionaries(names, texts, max_size=2)),
    )
    return NetworkAttachment(
        network=network,
        ipv4=draw(st.just("") | st.integers(2, 254).map(f"{subnet}.{{}}".format)),
        ipv6=draw(st.integers(2, 99).map(f"fd00:21{number}::{{}}".format)) if six and draw(st.booleans()) else "",
        mac=draw(st.just("") | st.integers(16, 99).map("02:16:3e:00:00:{}".format)),
        aliases=tuple(draw(st.lists(names, max_size=2, unique=True))),
        gateway_priority=draw(st.integers(-5, 5)) if api_version >= (1, 48) else 0,
        driver_options=draw(st.dictionaries(names, words, max_size=1)),
    )


@st.composite
def mounts(draw: st.DrawFn, target: str) -> tuple[Mount, tuple[VolumeSpec, ...]]:
    read_only, structured = draw(st.booleans()), draw(st.booleans())
    form: Literal["structured", "string"] = "structured" if structured else "string"
    match draw(st.sampled_from(["bind", "volume", "anonymous", "tmpfs"])):
        case "bind":
            options: Json = {"BindOptions": {"Propagation": "rslave"}} if structured else {}
            return Mount("bind", "/srv", target, read_only, form, () if structured else ("rslave",), options), ()
        case "tmpfs":
            options = {"TmpfsOptions": {"SizeBytes": draw(st.integers(4096, 2**20)), "Mode": 0o700}}
            return Mount("tmpfs", "", target, read_only, "structured", options=options), ()
        case kind:
            anonymous = kind == "anonymous"
            name = sha256(target.encode()).hexdigest() if anonymous else f"volume-of-{target[1:]}"
            options = {"VolumeOptions": {"NoCopy": True}} if structured else {}
            tmpfs = {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}
            volume = VolumeSpec(
                name,
                "local",
                anonymous,
                target,
                options=draw(st.sampled_from([{}, tmpfs])),
                labels=draw(st.dictionaries(names, texts, max_size=2)),
            )
            return Mount("volume", name, target, read_only, form, () if structured else ("nocopy",), options), (volume,)


@st.composite
def specs(draw: st.DrawFn, target: Target) -> ContainerSpec:
    """A container as `extract` would describe it, if it were created from `target`'s image."""
    config = draw(configs)
    host_config = {**target.defaults, **draw(host_configs)}
    places = ["/from-image", *draw(st.lists(names.map("/{}".format), max_size=4, unique=True))]
    drawn = [draw(mounts(place)) for place in sorted(places)]
    if not merged(config, target.image.config).keys() & {"Entrypoint", "Cmd"}:
        config["Cmd"] = ["true"]  # Docker wants something to run
    config["Volumes"] = {place: {} for place in places}
    attached = [draw(attachments(number, target.api_version)) for number in range(draw(st.integers(0, 3)))]
    mode = draw(st.sampled_from(attached)).network.name if attached else draw(st.sampled_from(["bridge", "none"]))
    if mode == "bridge":
        attached = [NetworkAttachment(NetworkSpec("bridge", "bridge"))]
    if mode == "none":
        host_config.pop("PortBindings", None)
    image = target.image
    return ContainerSpec(
        name=draw(words.map("container{}".format)),
        image=image,
        network_mode=mode,
        mounts=tuple(mount for mount, _ in drawn),
        volumes=tuple(sorted((volume for _, found in drawn for volume in found), key=lambda volume: volume.name)),
        networks=tuple(replace(item) for item in attached),
        config=said_by_user(merged(config, image.config), image.config),
        host_config=host_config,
    )
