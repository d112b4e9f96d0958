"""What people do today to move the container `web` with its volume `data`, for `sync_downtime.py`.

The commands run on the machine from which somebody moves, and what is copied passes through it.
"""

from sync_lab import PORT, VOLUME, Hosts, pipe

IMAGE = "site:1"
FLAT = ("-c", 'CMD ["nginx", "-g", "daemon off;"]', "-c", "STOPSIGNAL SIGQUIT")
UNPACK = ("tar", "-C", f"/{VOLUME}", "--numeric-owner", "--xattrs", "--acls", "-xpf", "-")
PACK = ("tar", "-C", f"/{VOLUME}", "--numeric-owner", "--xattrs", "--acls", "-cf", "-", ".")


def run_web(image: str) -> list[str]:
    return ["docker", "run", "-d", "--name", "web", "-p", f"{PORT}:80", "-v", "data:/data", image]


def copy_volume(hosts: Hosts) -> None:
    pipe(hosts.ssh(hosts.target, "docker", "volume", "create", "data"))
    pipe(hosts.ssh(hosts.source, *PACK), hosts.ssh(hosts.target, *UNPACK))


def export_import(hosts: Hosts) -> None:
    pipe(hosts.ssh(hosts.source, "docker", "stop", "web"))
    flat = hosts.ssh(hosts.target, "docker", "import", *FLAT, "-", "flat:1")
    pipe(hosts.ssh(hosts.source, "docker", "export", "web"), flat)
    copy_volume(hosts)
    pipe(hosts.ssh(hosts.target, *run_web("flat:1")))


def commit_save_load(hosts: Hosts) -> None:
    pipe(hosts.ssh(hosts.source, "docker", "stop", "web"))
    pipe(hosts.ssh(hosts.source, "docker", "commit", "web", "moved:1"))
    save = hosts.ssh(hosts.source, "sh", "-c", "docker save moved:1 | gzip")
    pipe(save, hosts.ssh(hosts.target, "docker", "load"))
    copy_volume(hosts)
    pipe(hosts.ssh(hosts.target, *run_web("moved:1")))


def rsync_twice(hosts: Hosts) -> None:
    """Image and settings cross before; what was written into the container stays behind."""
    save = hosts.ssh(hosts.source, "sh", "-c", f"docker save {IMAGE} | gzip")
    pipe(save, hosts.ssh(hosts.target, "docker", "load"))
    pipe(hosts.ssh(hosts.target, "docker", "create", *run_web(IMAGE)[3:]))
    rsync = [
        "ip", "netns", "exec", hosts.source.network.namespace(hosts.source.name),
        "rsync", "-aHAXS", "--numeric-ids", "--delete", "-e", f"ssh -F {hosts.lab.ssh_config}",
        f"{hosts.volume(hosts.source)}/", f"{hosts.target.ssh_alias}:/{VOLUME}/",
    ]  # fmt: skip
    pipe(rsync)
    pipe(hosts.ssh(hosts.source, "docker", "stop", "web"))
    pipe(rsync)
    pipe(hosts.ssh(hosts.target, "docker", "start", "web"))


def must_cross(hosts: Hosts) -> int:
    """What the link carries when image, written files and volume are sent once, with zstd, to nobody."""
    before = hosts.crossed()
    upper = hosts.source.docker.inspect_container("web")["GraphDriver"]["Data"]["UpperDir"]
    for what in (f"docker save {IMAGE}", f"tar -C {upper} -c .", f"tar -C /{VOLUME} -c ."):
        nobody = hosts.ssh(hosts.target, "sh", "-c", "cat > /dev/null")
        pipe(hosts.ssh(hosts.source, "sh", "-c", f"{what} | zstd -3"), nobody)
    return hosts.crossed() - before
