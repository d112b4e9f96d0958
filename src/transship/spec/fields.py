"""The fields of Docker's container objects that this version knows, and the API version that brought each."""

from collections.abc import Iterable, Mapping

ApiVersion = tuple[int, int]

_ALWAYS: ApiVersion = (1, 41)
_NEVER: ApiVersion = (9, 0)


def _since(always: str, later: Mapping[str, ApiVersion]) -> Mapping[str, ApiVersion]:
    return {**dict.fromkeys(always.split(), _ALWAYS), **later}


CONFIG: Mapping[str, ApiVersion] = _since(
    "Hostname Domainname User AttachStdin AttachStdout AttachStderr ExposedPorts Tty OpenStdin StdinOnce Env Cmd "
    "Healthcheck ArgsEscaped Image Volumes WorkingDir Entrypoint NetworkDisabled MacAddress OnBuild Labels "
    "StopSignal StopTimeout Shell",
    {},
)
HOST_CONFIG: Mapping[str, ApiVersion] = _since(
    "Binds ContainerIDFile LogConfig NetworkMode PortBindings RestartPolicy AutoRemove VolumeDriver VolumesFrom "
    "ConsoleSize CapAdd CapDrop CgroupnsMode Dns DnsOptions DnsSearch ExtraHosts GroupAdd IpcMode Cgroup Links "
    "OomScoreAdj PidMode Privileged PublishAllPorts ReadonlyRootfs SecurityOpt StorageOpt Tmpfs UTSMode UsernsMode "
    "ShmSize Sysctls Runtime Isolation Mounts MaskedPaths ReadonlyPaths Init "
    "CpuShares Memory NanoCpus CgroupParent BlkioWeight BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps "
    "BlkioDeviceReadIOps BlkioDeviceWriteIOps CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime CpusetCpus "
    "CpusetMems Devices DeviceCgroupRules DeviceRequests KernelMemory KernelMemoryTCP MemoryReservation MemorySwap "
    "MemorySwappiness OomKillDisable PidsLimit Ulimits CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth",
    {"Annotations": (1, 43)},
)
MOUNT: Mapping[str, ApiVersion] = _since(
    "Type Source Target ReadOnly Consistency BindOptions VolumeOptions TmpfsOptions",
    {"ClusterOptions": (1, 42), "ImageOptions": (1, 48)},
)
MOUNT_OPTIONS: Mapping[str, Mapping[str, ApiVersion]] = {
    "BindOptions": _since(
        "Propagation NonRecursive",
        {"CreateMountpoint": (1, 42), "ReadOnlyNonRecursive": (1, 44), "ReadOnlyForceRecursive": (1, 44)},
    ),
    "VolumeOptions": _since("NoCopy Labels DriverConfig", {"Subpath": (1, 45)}),
    "TmpfsOptions": _since("SizeBytes Mode", {"Options": (1, 46)}),
    "ImageOptions": {"Subpath": (1, 48)},
    "ClusterOptions": {},
}
HEALTHCHECK: Mapping[str, ApiVersion] = _since("Test Interval Timeout StartPeriod Retries", {"StartInterval": (1, 44)})


_FORGOTTEN: Mapping[str, ApiVersion] = {"KernelMemory": (1, 42)}
"""Fields that later versions take without a word, and the first that ignores them."""


def unknown(names: Iterable[str], known: Mapping[str, ApiVersion]) -> tuple[str, ...]:
    """The names that are not among the known ones, sorted."""
    return tuple(sorted(name for name in names if name not in known))


def ignored(names: Iterable[str], known: Mapping[str, ApiVersion], api_version: ApiVersion) -> tuple[str, ...]:
    """The known names that a daemon of `api_version` would silently ignore, sorted."""
    return tuple(
        sorted(
            name
            for name in names
            if known.get(name, _ALWAYS) > api_version or _FORGOTTEN.get(name, _NEVER) <= api_version
        )
    )
