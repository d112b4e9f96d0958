"""A container that uses as many of Docker's options as run together."""

from typing import Any

Document = dict[str, Any]

IMAGE_CONFIG: Document = {
    "User": "7",
    "Env": ["PATH=/bin", "LANG=C"],
    "Entrypoint": ["/bin/busybox"],
    "Cmd": ["sh"],
    "ExposedPorts": {"7777/tcp": {}},
    "Volumes": {"/from-image": {}},
    "Labels": {"made": "by-image", "shared": "image"},
    "Healthcheck": {"Test": ["CMD", "/bin/busybox", "false"], "Interval": 30_000_000_000},
    "WorkingDir": "/image",
    "StopSignal": "SIGQUIT",
}

VOLUMES: tuple[Document, ...] = (
    {"Name": "named", "Driver": "local", "Labels": {"com.docker.compose.volume": "named"}},
    {"Name": "memory", "DriverOpts": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=1000"}},
)

NETWORKS: tuple[Document, ...] = (
    {
        "Name": "front",
        "Driver": "bridge",
        "CheckDuplicate": True,
        "EnableIPv6": True,
        "Attachable": True,
        "Labels": {"com.docker.compose.network": "front"},
        "Options": {"com.docker.network.driver.mtu": "1400"},
        "IPAM": {
            "Driver": "default",
            "Options": {"purpose": "test"},
            "Config": [
                {
                    "Subnet": "10.201.0.0/24",
                    "IPRange": "10.201.0.128/25",
                    "Gateway": "10.201.0.1",
                    "AuxiliaryAddresses": {"printer": "10.201.0.5"},
                },
                {"Subnet": "fd00:201::/64", "Gateway": "fd00:201::1"},
            ],
        },
    },
    {
        "Name": "back",
        "Driver": "bridge",
        "CheckDuplicate": True,
        "Internal": True,
        "IPAM": {"Config": [{"Subnet": "10.202.0.0/24", "Gateway": "10.202.0.1"}]},
    },
)

FRONT: Document = {
    "IPAMConfig": {"IPv4Address": "10.201.0.200", "IPv6Address": "fd00:201::200"},
    "Aliases": ["www", "shop"],
}
BACK: Document = {"Aliases": ["backend"], "DriverOpts": {"purpose": "test"}}
MAC = "02:16:3e:11:22:33"

CONFIG: Document = {
    "Hostname": "chosen",
    "Domainname": "example.org",
    "User": "1000:1000",
    "AttachStdout": True,
    "Tty": True,
    "OpenStdin": True,
    "StdinOnce": True,
    "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
    "Env": ["LANG=de", "TOKEN=secret", "EMPTY="],
    "Entrypoint": ["/bin/busybox", "sleep"],
    "Cmd": ["1d"],
    "Healthcheck": {"Test": ["CMD", "/bin/busybox", "true"], "Timeout": 2_000_000_000, "Retries": 5},
    "Volumes": {"/anonymous": {}},
    "WorkingDir": "/work",
    "Labels": {"shared": "user", "com.docker.compose.project": "shop"},
    "StopSignal": "SIGINT",
    "StopTimeout": 3,
}

HOST_CONFIG: Document = {
    "NetworkMode": "front",
    "Binds": ["named:/named:nocopy", "/srv:/binds/string:ro,rslave"],
    "Mounts": [
        {"Type": "bind", "Source": "/opt", "Target": "/binds/structured", "BindOptions": {"Propagation": "rshared"}},
        {
            "Type": "bind",
            "Source": "/var/spool",
            "Target": "/binds/made",
            "ReadOnly": True,
            "Consistency": "cached",
            "BindOptions": {"NonRecursive": True},
        },
        {"Type": "volume", "Source": "memory", "Target": "/memory", "VolumeOptions": {"NoCopy": True}},
        {"Type": "volume", "Target": "/unnamed", "VolumeOptions": {"Labels": {"of": "unnamed"}}},
        {"Type": "tmpfs", "Target": "/scratch", "TmpfsOptions": {"SizeBytes": 1048576, "Mode": 0o1777}},
    ],
    "Tmpfs": {"/run": "size=64k,mode=755"},
    "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},
    "PortBindings": {
        "8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18080"}, {"HostIp": "127.0.0.2", "HostPort": "18081"}],
        "53/udp": [{"HostIp": "", "HostPort": "0"}],
    },
    "PublishAllPorts": True,
    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4},
    "CapAdd": ["NET_ADMIN", "SYS_PTRACE"],
    "CapDrop": ["MKNOD"],
    "CgroupnsMode": "private",
    "Dns": ["10.201.0.5"],
    "DnsOptions": ["ndots:2"],
    "DnsSearch": ["example.org"],
    "ExtraHosts": ["printer:10.201.0.5"],
    "GroupAdd": ["44", "27"],
    "IpcMode": "shareable",
    "OomScoreAdj": 100,
    "PidMode": "host",
    "UsernsMode": "host",
    "ReadonlyRootfs": True,
    "SecurityOpt": ["no-new-privileges", 'seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'],
    "ShmSize": 33554432,
    "Sysctls": {"net.core.somaxconn": "512"},
    "Runtime": "runc",
    "CgroupParent": "/shop",
    "CpuShares": 512,
    "CpuPeriod": 50000,
    "CpuQuota": 25000,
    "CpusetCpus": "0",
    "CpusetMems": "0",
    "Memory": 67108864,
    "MemoryReservation": 33554432,
    "MemorySwappiness": 10,
    "PidsLimit": 50,
    "Ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 1024}],
    "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/nothing", "CgroupPermissions": "r"}],
    "DeviceCgroupRules": ["c 10:200 rwm"],
    "MaskedPaths": ["/proc/kcore"],
    "ReadonlyPaths": ["/proc/sys"],
    "Init": True,
    "ConsoleSize": [40, 120],
    "Annotations": {"org.example.owner": "shop"},
}


def body(image: str) -> Document:
    """The create request, for API 1.44 and later."""
    endpoints = {"front": {**FRONT, "MacAddress": MAC}, "back": BACK}
    return {
        **CONFIG,
        "Image": image,
        "HostConfig": HOST_CONFIG,
        "NetworkingConfig": {"EndpointsConfig": endpoints},
    }


def old_body(image: str) -> Document:
    """The create request before API 1.44: one network, to which `BACK` is to be connected afterwards."""
    return {
        **CONFIG,
        "MacAddress": MAC,
        "Image": image,
        "HostConfig": {key: value for key, value in HOST_CONFIG.items() if key != "Annotations"},
        "NetworkingConfig": {"EndpointsConfig": {"front": FRONT}},
    }
