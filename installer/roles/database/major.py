"""From one major version of PostgreSQL to another: what is done on a node, as shell text."""

from installer.roles.database.model import DatabaseSettings
from installer.roles.database.patroni import UNIT
from installer.roles.database.sql import AS_POSTGRES
from installer.roles.database.tuning import SOCKET_FOLDER
from installer.templates import render

LONG_S = 12 * 3600  # large databases on slow disks
_PARENT = "/var/lib/postgresql"


def check_script(old: DatabaseSettings, new: DatabaseSettings) -> str:
    """Return shell text by which pg_upgrade tells whether a running database can be converted."""
    return _script("major_check", old, new)


def convert_script(old: DatabaseSettings, new: DatabaseSettings) -> str:
    """Return shell text that converts a stopped database; the old data stay as they are.

    The new folder appears whole or not at all. A second run waits for the first, and finds it.
    """
    return _script("major_convert", old, new)


def end_script(old: DatabaseSettings, new: DatabaseSettings) -> str:
    """Return shell text that waits for a conversion that a killed run left, and tidies up."""
    return _script("major_end", old, new)


def look_script(old: DatabaseSettings, new: DatabaseSettings) -> str:
    """Return shell text that prints what decides on a node whether a conversion may begin.

    One word a line: the data's bytes, the free ones, whether the new version's data and programs
    are there or can be had, and Patroni's version.
    """
    package = f"postgresql-{new.release.postgresql}"
    return (
        f"du -sb --exclude=pg_wal {old.data_dir} | cut -f1\n"
        f"df -B1 --output=avail {_PARENT} | tail -n 1\n"
        f"if [ -e {new.data_dir} ]; then echo yes; else echo no; fi\n"
        f"if [ -x {new.bin_dir}/pg_upgrade ] || apt-cache show {package} > /dev/null 2>&1; "
        "then echo yes; else echo no; fi\n"
        "dpkg-query -W -f '${Version}\\n' patroni\n"
    )


def identity_script(db: DatabaseSettings) -> str:
    """Return shell text that prints the system identifier of the data on a node, if there are."""
    command = f"LC_ALL=C {AS_POSTGRES} {db.bin_dir}/pg_controldata -D {db.data_dir}"
    only = "sed -n 's/^Database system identifier: *//p'"
    return f"[ ! -d {db.data_dir} ] || {command} | {only}\n"


def stay_down_script() -> str:
    """Return shell text that keeps Patroni down, over a restart of the host too."""
    return f"systemctl disable --quiet --now {UNIT}\n"


def statistics_script(new: DatabaseSettings) -> str:
    """Return shell text that gives the planner what pg_upgrade leaves behind, roughly at first."""
    words = f"--all --analyze-in-stages --jobs=2 --host={SOCKET_FOLDER}"
    return f"{AS_POSTGRES} {new.bin_dir}/vacuumdb {words} > /dev/null\n"


def forget_script() -> str:
    """Return shell text that takes what etcd knows of the old data away; Patroni writes it anew.

    Patroni's own tool asks for the cluster's name and a sentence. Source: Patroni, "FAQ", upgrade
    of PostgreSQL's major version.
    """
    sentence = "postgres\\nYes I am aware\\n"
    remove = f"printf '{sentence}' | patronictl -c /etc/patroni/config.yml remove postgres"
    # the lease of a leader that was cut off ends first: ttl, 20 s by default
    return f"for _ in $(seq 40); do if {remove}; then exit 0; fi; sleep 1; done\nexit 1\n"


def leads_script() -> str:
    """Return shell text that ends once the PostgreSQL of the node where it runs takes writes."""
    ask = f"{AS_POSTGRES} psql -XAtq -h {SOCKET_FOLDER} -c 'SELECT pg_is_in_recovery()'"
    return f"until {ask} 2> /dev/null | grep -qx f; do sleep 0.5; done\n"


def remove_script(db: DatabaseSettings) -> str:
    """Return shell text that removes a major version's data from a node."""
    folder = f"{_PARENT}/{db.release.postgresql}"
    return f"rm -rf {db.data_dir} {folder}/upgrade {folder}/upgrade.lock {folder}/converted-from\n"


def remove_packages_script(db: DatabaseSettings) -> str:
    """Return shell text that removes a major version's programs; its data are no matter of apt."""
    major = db.release.postgresql
    names = f"postgresql-{major} postgresql-client-{major}"
    options = "-y -q -o DPkg::Lock::Timeout=120"
    return f"DEBIAN_FRONTEND=noninteractive apt-get remove {options} {names} > /dev/null\n"


def _script(name: str, old: DatabaseSettings, new: DatabaseSettings) -> str:
    text = render(
        f"database/{name}.sh.j2",
        old=old,
        new=new,
        folder=f"{_PARENT}/{new.release.postgresql}",
        as_postgres=AS_POSTGRES,
        patience_s=LONG_S,
    )
    return text.decode()
