"""Ways to break one thing of a bare host for real, and to undo it: shell text run there as root."""

import json
from dataclasses import dataclass

_SLEEPER = "systemd-run --quiet --collect --unit=broken-{name} {command}"
_STOP = "systemctl stop broken-{name}"


@dataclass(frozen=True)
class Break:
    """What to do on a host, how to undo it, and the codes that preflight then finds there."""

    codes: tuple[str, ...]
    do: str
    undo: str
    says: str = ""  # words of the finding

    @property
    def name(self) -> str:
        return self.codes[0]


def once(code: str, do: str, undo: str, says: str = "") -> Break:
    return Break((code,), do, undo, says)


def file(code: str, path: str, text: str, says: str = "", *further: str) -> Break:
    """Write a file, and bring back what was there before."""
    kept = f"/root/kept{path.replace('/', '-')}"
    return Break(
        (code, *further),
        f"mkdir -p $(dirname {path}); touch {kept}; test ! -e {path} || cp -a {path} {kept}.was\n"
        f"rm -f {path}; cat >{path} <<'END'\n{text}\nEND\n",
        f"rm -f {path} {kept}; test ! -e {kept}.was || mv {kept}.was {path}\n",
        says,
    )


def mount(code: str, folder: str, options: str, says: str = "") -> Break:
    """Mount an empty file system over a folder that the host does not use yet."""
    return Break(
        (code,),
        f"mkdir -p {folder}; mount -t tmpfs -o {options} broken {folder}",
        f"umount {folder}",
        says,
    )


def listener(code: str, address: str, port: int, says: str) -> Break:
    serve = f"python3 -m http.server --bind {address} {port}"
    opened = f"until ss -ltn | grep -q ':{port} '; do sleep 0.02; done"
    do = _SLEEPER.format(name=f"listener-{port}", command=serve)
    return Break((code,), f"{do}\n{opened}", _STOP.format(name=f"listener-{port}"), says)


def process(code: str, name: str) -> Break:
    """Run a process that is called like a service of ours."""
    do = f"cp /bin/sleep /root/{name}\n" + _SLEEPER.format(name=name, command=f"/root/{name} 600")
    undo = _STOP.format(name=name) + f"; rm /root/{name}"
    return Break((code,), do, undo, f"{name} runs here")


def package(code: str, name: str, says: str, script: str = "") -> Break:
    """Install a package of this name with nothing in it, and perhaps a script that fails."""
    postinst = f"printf '#!/bin/sh\\n{script}\\n' >p/DEBIAN/postinst; chmod 755 p/DEBIAN/postinst\n"
    do = (
        "cd $(mktemp -d); mkdir -p p/DEBIAN\n"
        f"printf 'Package: {name}\\nVersion: 1\\nArchitecture: all\\n"
        "Maintainer: t <t@example.com>\\nDescription: t\\n' >p/DEBIAN/control\n"
        f"{postinst if script else ''}"
        "dpkg-deb --build --root-owner-group p p.deb >/dev/null\n"
        f"dpkg -i p.deb >/dev/null 2>&1 || {'true' if script else 'exit 1'}\n"
    )
    return Break((code,), do, f"dpkg --purge --force-all {name} >/dev/null 2>&1", says)


def released(codename: str) -> str:
    return f'ID=debian\nVERSION_CODENAME={codename}\nPRETTY_NAME="Debian"'


def locking(path: str) -> Break:
    program = f"import fcntl,time; f=open('{path}','w'); fcntl.lockf(f, 2); time.sleep(600)"
    do = _SLEEPER.format(name="apt", command=f"python3 -c {json.dumps(program)}")
    held = "import fcntl; fcntl.lockf(open('/var/lib/dpkg/lock-frontend','w'), 6)"
    await_ = f'while python3 -c "{held}" 2>/dev/null; do sleep 0.02; done'
    return Break(("apt-locked",), f"{do}\n{await_}", _STOP.format(name="apt"), "python3 (pid")


# a node that has our first file is ours, whatever else it lacks
_OURS = "/etc/systemd/system/etcd.service"
_MARK = f"echo '# Managed by the installer. Local edits are replaced' >{_OURS}"


def system_id(number: int) -> str:
    data = "/var/lib/postgresql/17/main/global"
    write = f"python3 -c \"open('{data}/pg_control','wb').write(({number}).to_bytes(8,'little'))\""
    return f"mkdir -p {data}\n{write}\n{_MARK}"


def etcd_frames(cluster: int) -> bytes:
    """Return the head of a log as etcd writes it: its checksum, then whose it is."""
    identity = bytes([0x08, 1, 0x10, cluster])  # node 1 of this cluster
    records = (bytes([0x08, 4, 0x10, 0]), bytes([0x08, 1, 0x10, 0, 0x1A, 4]) + identity)
    return b"".join(_frame(record) for record in records)


def _frame(record: bytes) -> bytes:
    padding = -len(record) % 8
    head = len(record) | ((0x80 | padding) << 56 if padding else 0)
    return head.to_bytes(8, "little") + record + bytes(padding)


def etcd_id(cluster: int) -> str:
    wal = "/var/lib/etcd/data/member/wal"
    frames = etcd_frames(cluster).hex()
    write = f"python3 -c \"open('{wal}/0-0.wal','wb').write(bytes.fromhex('{frames}'))\""
    return f"mkdir -p {wal}\n{write}\n{_MARK}"


NO_DATA = f"rm -r /var/lib/postgresql /var/lib/etcd {_OURS} 2>/dev/null || true"

# each on a host of its own, beside others that are broken otherwise
BREAKS = (
    file(
        "release-unsupported",
        "/etc/os-release",
        released("bullseye"),
        "",
        "release-mixed",
        "bundle-mismatch",
    ),
    file("locale-absent", "/etc/default/locale", "LANG=de_DE.UTF-8", "de_DE"),
    mount("disk-space-short", "/var/lib/postgresql", "size=100m", "/var/lib/postgresql"),
    mount("inodes-few", "/opt", "size=6g,nr_inodes=100", "/opt"),
    mount("file-system-read-only", "/opt", "size=6g,ro", "/opt is mounted read-only"),
    mount("file-system-noexec", "/opt", "size=6g,noexec", "/opt is mounted noexec"),
    once("tmp-unusable", "chmod 755 /tmp", "chmod 1777 /tmp", "0755"),
    once(
        "shared-memory-small",
        "mount -o remount,size=64m /dev/shm",
        "mount -o remount,size=50% /dev/shm",
        "64 MB",
    ),
    once(
        "localhost-elsewhere",
        "cp /etc/hosts /root/hosts; sed -i '/localhost/d' /etc/hosts",
        "cat /root/hosts >/etc/hosts",
        "localhost has no address",
    ),
    Break(
        ("hostname-reset",),
        "install -D -m 755 /bin/true /usr/bin/cloud-init; mkdir -p /etc/cloud\n"
        "echo 'preserve_hostname: false' >/etc/cloud/cloud.cfg\n"
        "hostname >/root/name; hostname ip-1",
        "rm -r /usr/bin/cloud-init /etc/cloud; hostname $(cat /root/name)",
        "ip-1",
    ),
    once(
        "machine-id-missing",
        "cp /etc/machine-id /root/id; : >/etc/machine-id",
        "cat /root/id >/etc/machine-id",
        "/etc/machine-id",
    ),
    once("mtu-mixed", "ip link set host0 mtu 1400", "ip link set host0 mtu 1500", "1400"),
    listener("port-held", "0.0.0.0", 5432, "PostgreSQL is held by python3"),
    listener("port-held", "127.0.0.1", 8100, "REST is held by python3"),
    listener("port-held", "::", 443, "broken-listener-443.service"),
    process("foreign-postgresql", "postgres"),
    process("foreign-etcd", "etcd"),
    process("foreign-nginx", "nginx"),
    process("foreign-rabbitmq", "beam.smp"),
    package("foreign-postgresql", "postgresql-15", "postgresql-15 is installed"),
    package("foreign-rabbitmq", "rabbitmq-server", "rabbitmq-server is installed"),
    package("dpkg-interrupted", "halfway", "halfway", script="exit 1"),
    once(
        "data-stale",
        "mkdir -p /var/lib/etcd/default/member/wal",
        "rm -r /var/lib/etcd",
        "/var/lib/etcd/default/member",
    ),
    once(
        "data-stale",
        "mkdir -p /var/lib/postgresql/17/main; echo 17 >/var/lib/postgresql/17/main/PG_VERSION",
        "rm -r /var/lib/postgresql",
        "postgresql/17/main/PG_VERSION",
    ),
    once(
        "data-stale",
        "mkdir -p /var/lib/rabbitmq/mnesia/rabbit@old",
        "rm -r /var/lib/rabbitmq",
        "rabbit@old",
    ),
    once(
        "distribution-cluster-enabled",
        "ln -s /dev/null /etc/systemd/system/multi-user.target.wants/postgresql.service",
        "rm /etc/systemd/system/multi-user.target.wants/postgresql.service",
        "postgresql.service is enabled",
    ),
    once(
        "unit-masked",
        "systemctl mask nginx.service",
        "systemctl unmask nginx.service",
        "nginx.service is masked",
    ),
    file("cluster-other", "/etc/etcd/etcd.yml", "initial-cluster-token: 0123", "another cluster"),
    locking("/var/lib/dpkg/lock-frontend"),
    file("release-mixed", "/etc/os-release", released("bookworm"), "trixie", "bundle-mismatch"),
    once(
        "node-unreachable",
        "systemctl stop ssh.service",
        "systemctl start ssh.service",
        "port 22",
    ),
    once(
        "node-unreachable",
        "mv /root/.ssh/authorized_keys /root/.ssh/none",
        "mv /root/.ssh/none /root/.ssh/authorized_keys",
        "Authentication failed",
    ),
    once(
        "node-unreachable",
        "mv /usr/bin/python3 /usr/bin/python3.away",
        "mv /usr/bin/python3.away /usr/bin/python3",
        "python3 is missing",
    ),
)


@dataclass(frozen=True)
class Disagreement:
    """What to do on all three hosts, and which of them preflight then finds wrong."""

    code: str
    do: tuple[str, str, str]
    undo: str
    wrong: tuple[int, ...]


DISAGREEMENTS = (
    Disagreement(
        "postgresql-data-mixed", (system_id(7), system_id(7), system_id(8)), NO_DATA, (2,)
    ),
    Disagreement("etcd-data-mixed", (etcd_id(7), etcd_id(9), etcd_id(7)), NO_DATA, (1,)),
    Disagreement(
        "machine-id-duplicate",
        (
            "cp /etc/machine-id /root/id; echo feed >/etc/machine-id",
            "cp /etc/machine-id /root/id; echo feed >/etc/machine-id",
            "cp /etc/machine-id /root/id",
        ),
        "cat /root/id >/etc/machine-id",
        (0, 1),
    ),
    Disagreement(
        "host-key-duplicate",
        (
            "cp /etc/ssh/ssh_host_ed25519_key.pub /root/key; "
            "echo 'ssh-ed25519 AAAA copy' >/etc/ssh/ssh_host_ed25519_key.pub",
            "cp /etc/ssh/ssh_host_ed25519_key.pub /root/key",
            "cp /etc/ssh/ssh_host_ed25519_key.pub /root/key; "
            "echo 'ssh-ed25519 AAAA copy' >/etc/ssh/ssh_host_ed25519_key.pub",
        ),
        "cat /root/key >/etc/ssh/ssh_host_ed25519_key.pub",
        (0, 2),
    ),
)
