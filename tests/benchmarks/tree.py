"""Measure the file tree operation beside Ansible's template module and a bare `tar | ssh`.

    python -m tests.benchmarks.tree --hosts 10 --files 50 [--ansible-files 5] [--rounds 5]

Boots a sandbox, then takes the same rendered files to every host in three ways, in one run, taking
turns so that noise of the machine meets all of them:

* tree: what a rollout does, `Session.observe` and `Session.apply`, on open connections;
* bare: `tar --create | ssh HOST tar --extract` for each host, all at once, through open OpenSSH
  connections (ControlMaster), the quickest way that writes files without looking at them;
* bare cold: the same with a login of its own; beside it the engine with connecting and closing;
* ansible: `ansible.builtin.template` in a loop-free playbook, one task for each file, forks 30 and
  pipelining, through open connections as well (ControlPersist), facts not gathered.

Ansible's time grows with the number of files, so `--ansible-files` measures fewer and the figure
is scaled; what it needs to start is measured by an empty play and not multiplied.
Exits 1 unless the tree is at least 100 times faster than Ansible and at most 1.5 times bare.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from installer.engine.target import Target
from installer.engine.transfer import ssh_words
from installer.sandbox import record
from installer.sandbox.enter import command_in
from installer.sandbox.ssh import known_hosts, private_key

NAME = "tree-bench"
FASTER_THAN_ANSIBLE = 100
SLOWER_THAN_BARE = 1.5
TEMPLATE = "# {{ title }}\n" + "".join(f"setting_{n} = {{{{ title }}}}-{n}\n" for n in range(9))


@dataclass(frozen=True)
class Bench:
    """Where a run works."""

    targets: list[Any]
    folder: Path
    files: int


def main():
    options = arguments()
    sandbox("down", NAME)
    sandbox("up", "--name", NAME, "--hosts", str(options.hosts))
    try:
        with tempfile.TemporaryDirectory(prefix="cfy-tree-") as folder:
            bench = Bench(targets_of(NAME), Path(folder), options.files)
            sys.exit(report(bench, options, measure(bench, options)))
    finally:
        sandbox("down", NAME)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--ansible-files", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


def sandbox(*words):
    subprocess.run([sys.executable, "-m", "installer", "sandbox", *words], check=True)


def targets_of(name):
    folder = record.ssh_dir(name)
    keys = str(private_key(folder)), str(known_hosts(folder))
    hosts = record.load(name).plan.hosts
    return [Target(host.name, host.address, "root", 22, *keys) for host in hosts]


def measure(bench, options):
    """Return seconds by way; the tree's own rounds and the bare ones take turns."""
    for target in bench.targets:
        inside(ssh_to(bench, target, "mkdir -p /etc/bench", control="auto"))
    engine = subprocess.Popen(
        command_in(NAME, [sys.executable, "-m", "tests.benchmarks.tree_engine", spec(bench)]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    figures = {"tree": [], "unchanged": [], "bare": []}
    for number in range(options.rounds):
        for way in ("tree", "unchanged"):
            figures[way].append(ask(engine, way, number))
        figures["bare"].append(bare(bench, number, control="auto"))
    figures["engine cold"] = [ask(engine, "cold", n) for n in range(3)]
    figures["bare cold"] = [bare(bench, number, control="no") for number in range(3)]
    engine.stdin.close()
    engine.wait()
    figures["ansible"] = [ansible(bench, options)]
    for target in bench.targets:
        subprocess.run(ssh_to(bench, target, "-O exit", control="auto"), capture_output=True)
    return figures


def spec(bench):
    fields = [
        [t.name, t.address, t.user, t.port, t.private_key, t.known_hosts] for t in bench.targets
    ]
    return json.dumps({"targets": fields, "files": bench.files})


def ask(engine, way, number):
    engine.stdin.write(f"{way} {number}\n")
    engine.stdin.flush()
    return float(engine.stdout.readline())


def inside(words, **options):
    return subprocess.run(words, check=True, capture_output=True, **options)


def ssh_to(bench, target, *words, control):
    path = f"ControlPath={bench.folder}/%h"
    mux = ["-o", f"ControlMaster={control}", "-o", "ControlPersist=600", "-o", path]
    ssh, *rest = ssh_words(target)
    at = rest.index("--")
    options = rest[:at] + (["-O", "exit"] if words == ("-O exit",) else [])
    command = [] if words == ("-O exit",) else list(words)
    return command_in(
        NAME, [ssh, *(mux if control != "no" else []), *options, *rest[at:], *command]
    )


def bare(bench, number, *, control):
    """Send this round's files to all hosts at once and return the seconds."""
    source = bench.folder / f"bare-{number}"
    source.mkdir(exist_ok=True)
    for name, content in rendered(bench.files, f"bare {number}").items():
        (source / name).write_text(content)
    receive = "tar --extract --directory /etc/bench"
    pipes = " & ".join(
        f"tar --create --directory {source} . | {shell(ssh_plain(bench, t, control), receive)}"
        for t in bench.targets
    )
    words = command_in(NAME, ["sh", "-c", f"set -e; date +%s.%N; {pipes} & wait; date +%s.%N"])
    start, end = inside(words, text=True).stdout.split()
    return float(end) - float(start)


def ssh_plain(bench, target, control):
    mux = ["-o", f"ControlMaster={control}", "-o", f"ControlPath={bench.folder}/%h"]
    ssh, *rest = ssh_words(target)
    return [ssh, *(mux if control != "no" else []), *rest]


def shell(words, command):
    return " ".join([*words, f"'{command}'"])


def rendered(count, title):
    """Return what the template becomes; small files, as configuration is."""
    text = TEMPLATE.replace("{{ title }}", title)
    return {f"{number}.conf": f"{text}# {number}\n" for number in range(count)}


def ansible(bench, options):
    """Return the seconds for all files, from fewer ones and the start of an empty play."""
    playbook = ensure_ansible()
    environment = os.environ | {
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_FORKS": "30",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_SSH_ARGS": f"-C -o ControlMaster=auto -o ControlPersist=600 "
        f"-o UserKnownHostsFile={bench.targets[0].known_hosts}",
        "ANSIBLE_SSH_CONTROL_PATH": f"{bench.folder}/a-%%h",
        "HOME": str(bench.folder),
    }
    hosts = "\n".join(
        f"{t.name} ansible_host={t.address} ansible_user=root "
        f"ansible_ssh_private_key_file={t.private_key} ansible_python_interpreter=/usr/bin/python3"
        for t in bench.targets
    )
    (bench.folder / "hosts").write_text(f"{hosts}\n")
    (bench.folder / "conf.j2").write_text(TEMPLATE)

    def play(name, files):
        tasks = [template_task(bench, number) for number in range(files)]
        plan = [{"hosts": "all", "gather_facts": False, "vars": {"title": name}, "tasks": tasks}]
        (bench.folder / f"{name}.json").write_text(json.dumps(plan))
        book = [
            str(playbook),
            "-i",
            str(bench.folder / "hosts"),
            str(bench.folder / f"{name}.json"),
        ]
        start = time.monotonic()
        inside(command_in(NAME, book), env=environment)
        return time.monotonic() - start

    play("warm", 1)  # connections are open from here on
    count = min(options.ansible_files, bench.files)
    start = play("start", 0)
    return start + (play("files", count) - start) * bench.files / count


def template_task(bench, number):
    options = {"src": str(bench.folder / "conf.j2"), "dest": f"/etc/bench/a-{number}.conf"}
    return {"name": f"File {number}", "ansible.builtin.template": options | {"mode": "0644"}}


def ensure_ansible():
    """Return ansible-playbook of an environment of its own, made once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "cfy_manager" / "ansible"
    program = folder / "bin" / "ansible-playbook"
    if not program.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin" / "pip", "install", "-q", "ansible-core"], check=True)
    return program


def report(bench, options, figures):
    """Print every figure and return 0 when both ratios hold."""
    middle = {way: statistics.median(times) for way, times in figures.items()}
    say(f"{bench.files} files on {len(bench.targets)} hosts, median of {options.rounds} rounds")
    for way, times in figures.items():
        spread = f"{min(times):.3f} - {max(times):.3f}" if len(times) > 1 else "one run"
        say(f"  {way:20} {middle[way]:8.3f} s   ({spread})")
    faster = middle["ansible"] / middle["tree"]
    slower = middle["tree"] / middle["bare"]
    cold = middle["engine cold"] / middle["bare cold"]
    say(f"  ansible / tree       {faster:8.0f}     at least {FASTER_THAN_ANSIBLE}")
    say(f"  tree / bare          {slower:8.2f}     at most {SLOWER_THAN_BARE}")
    say(f"  engine / bare, cold  {cold:8.2f}     at most {SLOWER_THAN_BARE}")
    holds = faster >= FASTER_THAN_ANSIBLE and max(slower, cold) <= SLOWER_THAN_BARE
    return 0 if holds else 1


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
