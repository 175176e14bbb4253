"""Archives of logs and of all that nodes tell: without secrets, whole, or not there at all."""

import json
import tarfile
from pathlib import Path
from secrets import token_hex

import pytest

from tests.support.cluster import Cluster, wait_until
from tests.support.killed import killed_when

pytestmark = pytest.mark.cluster

Words = tuple[str | Path, ...]
PART = ".cfy_manager-part"
ARCHIVES: dict[str, tuple[str, ...]] = {
    "logs": ("cluster", "logs", "fetch"),
    "support": ("cluster", "support-bundle"),
}


def test_logs_of_all_nodes_come_without_any_secret(pair: Cluster, tmp_path: Path):
    needles = {**pair.secrets, **{str(p): _body(p) for p in pair.certificates.rglob("*.key")}}
    word = token_hex(4)
    for name in ("rabbitmq_password", "secret_key"):
        pair.sh("manager-2", f"logger 'said by mistake {word}: {pair.secrets[name]}'")
    archive = tmp_path / "logs.tar.gz"

    told = pair.manage(
        *("cluster", "logs", "fetch", "-i", pair.inventory, "--since", "1h", "-o", archive)
    ).stdout

    assert "secrets masked" in told
    assert archive.stat().st_mode & 0o777 == 0o600
    texts = _texts(archive)
    for node in pair.nodes:
        assert f"logs/{node}/journal.txt" in texts
    assert texts["logs/manager-2/journal.txt"].count(f"said by mistake {word}: ********") == 2
    whole = "\n".join(texts.values())
    assert [name for name, value in needles.items() if value in whole] == []


def _body(key: Path) -> str:
    """Return the line of a key's file that no other key shares: the first one is much the same."""
    return key.read_text().splitlines()[2]


def _texts(archive: Path) -> dict[str, str]:
    with tarfile.open(archive) as opened:
        files = [(member.name, opened.extractfile(member)) for member in opened]
        return {name: file.read().decode("utf-8", "replace") for name, file in files if file}


@pytest.mark.parametrize("name", ARCHIVES)
def test_of_a_killed_archive_nothing_is_left(pair: Cluster, tmp_path: Path, name: str):
    """A long log file makes the time in which it is written long enough to be killed in."""
    archive = tmp_path / f"{name}.tar.gz"
    words: Words = (*ARCHIVES[name], "-i", pair.inventory, "--since", "1h", "-o", archive)
    before = traces(pair)
    long = "/var/log/nginx/long.log"
    pair.sh("manager-1", f"head -c 5000000 /dev/urandom | base64 > {long}")

    killed_when(pair, words, "it is being written", lambda: any(tmp_path.iterdir()))
    assert [path.suffix for path in tmp_path.iterdir()] == [PART]
    pair.sh("manager-1", f"rm {long}")
    pair.manage(*words)
    twice = pair.manage(*words, check=False)

    assert list(tmp_path.iterdir()) == [archive]
    assert len(_texts(archive)) > 2
    assert (twice.returncode, "is there already" in twice.stderr) == (2, True)
    await_traces(pair, before)


def test_a_kill_while_nodes_are_asked_leaves_no_file_and_nobody_asking(
    pair: Cluster, tmp_path: Path
):
    archive = tmp_path / "support.tar.gz"
    words: Words = ("cluster", "support-bundle", "-i", pair.inventory, "-o", archive)
    before = traces(pair)

    killed_when(pair, words, "a node is asked", lambda: asking(pair, "manager-1"))

    assert list(tmp_path.iterdir()) == []
    await_traces(pair, before)


def asking(cluster: Cluster, node: str) -> list[str]:
    """Return the agents of the controller that work on a node."""
    return cluster.sh(node, "pgrep -f '^python3 -I -S -c' || true").split()


def await_traces(cluster: Cluster, before: dict[str, list[str]]) -> None:
    """Wait until commands have left nothing on any node."""
    wait_until(lambda: traces(cluster) == before, "the nodes are as before", timeout_s=60)


def traces(cluster: Cluster) -> dict[str, list[str]]:
    """Return the files and agents that a command of the controller may leave on nodes."""
    return {node: traces_on(cluster, node) for node in cluster.nodes}


def traces_on(cluster: Cluster, node: str) -> list[str]:
    found = "find /tmp /var/tmp /root /var/lib/cfy_manager -xdev -not -path '*/systemd-private-*'"
    return [*sorted(cluster.sh(node, found).splitlines()), *asking(cluster, node)]


def test_a_node_tells_its_versions_and_gives_its_logs_without_secrets(pair: Cluster):
    node, place = "manager-2", "/root/own-logs.tar.gz"

    told = json.loads(pair.on(node, "cfy_manager", "version", "--json").stdout)
    pair.on(node, "cfy_manager", "logs", "fetch", "--since", "1h", "-o", place)
    twice = pair.on(node, "cfy_manager", "logs", "fetch", "-o", place, check=False)
    text = pair.sh(node, f"tar -xOzf {place}; rm {place}", errors="replace")

    assert {"nginx", "runtime"} <= {version["program"] for version in told["nodes"]}
    assert twice.returncode == 2  # a file that exists is never replaced
    assert len(text) > 1000
    assert [name for name, value in pair.secrets.items() if value in text] == []
