"""What a command that only looks must leave as it was: files, processes, packages of a host."""

from collections.abc import Iterable
from typing import Protocol

# what services and the kernel write by themselves, and what a login leaves: none of it is ours
_OWN_LIFE = (
    "/dev",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/var/tmp",
    "/var/log",
    "/var/lib/etcd",
    "/var/lib/postgresql",
    "/var/lib/private",
    "/var/lib/rabbitmq",
    "/var/lib/syncthing",
    "/var/lib/systemd",
    "/opt/manager/data",
    "/opt/manager/resources",
    "/opt/manager/syncthing/index*",
)
_HASHED = ("/etc", "/root", "/usr/local", "/var/lib/cfy_manager", "/var/lib/dpkg", "/opt")
_SMALL = "512k"  # larger files are told apart by size and times

_SCRIPT = r"""
prune() { for path in {own}; do printf -- '-path %s -o ' "$path"; done; echo -path /nowhere; }
find / -xdev \( $(prune) \) -prune -o \
    -type d -printf 'path %p %y %m %U %G\n' -o \
    -printf 'path %p %y %m %U %G %n %i mtime %T@ ctime %C@ %l\n'
find {hashed} -xdev \( $(prune) \) -prune -o -type f -size -{small} -print0 2>/dev/null \
    | xargs -0 sha256sum | sed 's/^/digest /'
dpkg-query -W -f 'package ${Package} ${Version} ${db:Status-Abbrev}\n'
systemctl list-units --all --no-legend --plain --type=service,socket,timer,mount,path \
    | awk '!/ssh|session|user@|user-runtime/ {print $1}' \
    | xargs systemctl show --property=Id,ActiveState,MainPID,InvocationID,UnitFileState \
    | paste -sd' ' | sed 's/  */ /g; s/Id=/\nunit /g'
# daemons, and what a command has left running: its parent is init
for stat in /proc/[0-9]*/stat; do
    read -r pid _ _ parent _ 2>/dev/null <"$stat" || continue
    [ "$parent" = 1 ] || continue
    printf 'process %s\n' "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)"
done | grep -v -e ssh -e 'sh -euc' || true
"""


class Remote(Protocol):
    """Something that runs shell text on one host as root."""

    def __call__(self, script: str) -> str:
        """Return what it prints; it must succeed."""


def host_state(run: Remote, *, besides: Iterable[str] = ()) -> set[str]:
    """Return a line for each path, package and unit: another one for whatever is changed.

    A path's line has its rights, links, inode, times and the target of a link; small files of
    ours and of the administrator have their digests besides. A directory's has its rights only:
    what comes and goes in it has lines of its own, and systemd-tmpfiles touches many.
    """
    script = (
        _SCRIPT.replace("{own}", " ".join((*_OWN_LIFE, *besides)))
        .replace("{hashed}", " ".join(_HASHED))
        .replace("{small}", _SMALL)
    )
    return {line.strip() for line in run(script).splitlines() if line.strip()}


def changes_between(before: set[str], after: set[str]) -> list[str]:
    """Return what came and what went, for an assertion that shows it."""
    gone, come = sorted(before - after), sorted(after - before)
    return [*(f"- {line}" for line in gone), *(f"+ {line}" for line in come)]
