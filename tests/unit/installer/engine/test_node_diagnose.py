"""The node finds what was said lately, and gives up only for what lasts."""

import os

import pytest

from installer.engine import diagnosis
from installer.engine.node import diagnose, probes
from installer.secrets import Secret
from installer.state import ManagedFile, NodeState, Stage, Unit

NOW = 1_800_000_000.0
SIGNS = [("disk-full", "any", "No space left"), ("etcd-auth-off", "etcd", "not enabled")]
REQUEST = {
    "units": ["etcd.service"],
    "since_s": 30.0,
    "said": "",
    "signs": SIGNS,
    "paths": [],
    "certificates": {},
    "ports": {},
}


class Host:
    """A host whose journals and unit states are given."""

    def __init__(self, monkeypatch):
        self.journal = {}  # unit → [(seconds ago, text)]
        self.failed = set()
        self.clock = NOW
        for module in (diagnose, probes):
            monkeypatch.setattr(module, "run_command", self.run)
        monkeypatch.setattr(diagnose.time, "time", lambda: self.clock)
        monkeypatch.setattr(diagnose.time, "monotonic", lambda: self.clock)

    def says(self, text, *, ago_s=1.0, unit="etcd.service"):
        self.journal.setdefault(unit, []).append((self.clock - ago_s, text))

    def run(self, words, *, timeout_s):
        return {"code": 0, "stdout": self._stdout(words), "stderr": ""}

    def _stdout(self, words):
        match words[0]:
            case "journalctl" if words[1].startswith("--unit="):
                since = float(words[2].removeprefix("--since=@"))
                lines = self.journal.get(words[1].removeprefix("--unit="), ())
                return "\n".join(f"{at:.6f} n etcd[7]: {text}" for at, text in lines if at >= since)
            case "systemctl":
                units = [word for word in words if word.endswith(".service")]
                state = {unit: "failed" if unit in self.failed else "active" for unit in units}
                return "\n\n".join(f"Id={unit}\nActiveState={state[unit]}" for unit in units)
        return ""


@pytest.fixture
def host(monkeypatch):
    return Host(monkeypatch)


def codes(answer):
    return [found[0] for found in answer["matches"]]


def test_the_newest_line_is_the_evidence(host):
    host.says("write: No space left on device", ago_s=20)
    host.says("again: No space left on device", ago_s=2)

    ((code, where, when, line),) = diagnose.main(REQUEST)["matches"]

    assert (code, where, when) == ("disk-full", "etcd.service", NOW - 2)
    assert "again" in line


def test_an_old_cause_is_not_blamed_for_a_new_failure(host):
    """The operator has mended the disk; now authentication is off."""
    host.says("No space left on device", ago_s=300)
    host.says("authentication is not enabled")

    assert codes(diagnose.main(REQUEST)) == ["etcd-auth-off"]


def test_a_service_that_gave_up_before_this_run_is_heard_if_nobody_else_speaks(host):
    host.says("No space left on device", ago_s=300)
    host.says("starting")

    assert codes(diagnose.main(REQUEST)) == ["disk-full"]


def test_what_the_gate_said_last_counts(host):
    assert codes(diagnose.main(REQUEST | {"said": "No space left on device"})) == ["disk-full"]


def test_a_log_file_counts_where_the_journal_has_only_warnings(host, monkeypatch, tmp_path):
    monkeypatch.setattr(diagnose, "_LOGS", {"etcd.service": str(tmp_path)})
    (tmp_path / "x.log").write_text(
        "2001-01-01 00:00:00.1+00:00 [error] authentication is not enabled\n"
        "2027-01-15 07:59:55.1+00:00 [error] crash\n  reason: No space left on device\n"
    )
    os.utime(tmp_path / "x.log", (NOW, NOW))  # 2027-01-15 08:00 UTC

    assert codes(diagnose.main(REQUEST)) == ["disk-full"]


def test_a_long_line_is_cut_around_what_matches(host):
    host.says("x" * 2000 + " No space left on device " + "y" * 2000)

    line = diagnose.main(REQUEST)["matches"][0][3]

    assert "No space left" in line
    assert len(line) < 450


def test_a_journals_end_comes_with_the_answer(host):
    for number in range(50):
        host.says(f"line {number}")

    tail = diagnose.main(REQUEST)["journal"]["etcd.service"].splitlines()

    assert len(tail) == 30
    assert tail[-1].endswith("line 49")


def test_each_source_of_a_code_is_told(host):
    """What the step itself said must not be hidden by what is newer elsewhere."""
    host.says("No space left on device", ago_s=0)

    found = diagnose.main(REQUEST | {"said": "No space left on device"})["matches"]

    assert sorted(match[1] for match in found) == ["etcd.service", "said"]


def test_the_units_that_do_not_run_are_told(host):
    host.failed.add("etcd.service")

    assert diagnose.main(REQUEST)["failing"] == ["etcd.service"]


class TestWatch:
    WANTED = {"signs": SIGNS, "ports": {}}  # noqa: RUF012

    def looks(self, host, times, say=None):
        watch = diagnose.Watch(["etcd.service"], self.WANTED)
        answers = []
        for _ in range(times):
            host.clock += 5
            if say:
                host.says(say)
            answers.append(watch.sees_no_hope())
        return answers

    def test_a_cause_that_lasts_ends_the_wait(self, host):
        assert self.looks(host, 3, "No space left on device") == [False, False, True]

    def test_a_cause_that_was_seen_once_does_not(self, host):
        host.says("No space left on device", ago_s=0)

        assert not any(self.looks(host, 6))

    def test_a_service_that_starts_slowly_need_not_say_it_at_every_look(self, host):
        watch = diagnose.Watch(["etcd.service"], self.WANTED)
        answers = []
        for number in range(10):
            host.clock += 5
            if number % 4 == 0:
                host.says("No space left on device")
            answers.append(watch.sees_no_hope())

        assert answers.index(True) == 8

    def test_a_check_that_answers_the_same_cause_again_and_again_does(self, host):
        """A broker writes once that it has an alarm; the gate's check sees it each time."""
        watch = diagnose.Watch(["etcd.service"], self.WANTED)
        answers = []
        for _ in range(3):
            host.clock += 5
            answers.append(watch.sees_no_hope("db-1: No space left on device"))

        assert answers == [False, False, True]

    def test_what_was_said_long_ago_is_forgotten(self, host):
        watch = diagnose.Watch(["etcd.service"], self.WANTED)
        for _ in range(4):
            host.clock += 60
            host.says("No space left on device")

            assert not watch.sees_no_hope()

    def test_what_a_dead_service_said_last_does(self, host):
        """Nobody starts it again, so it does not repeat itself."""
        host.failed.add("etcd.service")
        host.says("No space left on device", ago_s=0)

        assert self.looks(host, 4)[-1]

    def test_a_service_that_complains_of_something_else_is_waited_for(self, host):
        assert not any(self.looks(host, 6, "waiting for peers"))


class TestProbes:
    def test_a_full_file_system_is_named(self, monkeypatch, tmp_path):
        class Full:
            f_bavail, f_frsize, f_blocks, f_files, f_favail, f_flag = 3, 2**20, 8192, 10, 9000, 0

        monkeypatch.setattr(probes.os, "statvfs", lambda path: Full)

        lines = list(probes._file_systems([str(tmp_path), str(tmp_path / "lacks")]))

        assert lines == [f"disk full: {tmp_path} has 3 of 8192 MiB free"]

    def test_the_holder_of_a_port_is_named(self, monkeypatch):
        line = 'LISTEN 0 128 0.0.0.0:5432 0.0.0.0:* users:(("mysqld",pid=88,fd=5))'
        monkeypatch.setattr(probes, "run_command", lambda words, timeout_s: {"stdout": line})
        monkeypatch.setattr(probes, "_unit_of", lambda pid: "mysql.service")

        assert list(probes._listeners({5432: ["patroni.service"]})) == [
            "port 5432 is held by mysqld (process 88, mysql.service)"
        ]
        assert list(probes._listeners({5432: ["mysql.service"]})) == []
        assert list(probes._listeners({80: ["nginx.service"]})) == []


class TestCertificates:
    """A certificate counts only where a unit that does not run uses it."""

    SIGNS = [("certificate-unreadable", "host", "^certificate .* cannot be read")]  # noqa: RUF012

    def found(self, host, certificates):
        units = ["nginx.service", "syncthing.service"]
        request = {"units": units, "certificates": certificates, "signs": self.SIGNS}
        return codes(diagnose.main(REQUEST | request))

    def test_one_that_the_failing_unit_uses_is_read(self, host, tmp_path):
        (tmp_path / "node.crt").write_text("no PEM")
        host.failed.add("nginx.service")

        found = self.found(host, {str(tmp_path / "node.crt"): ["nginx.service"]})

        assert found == ["certificate-unreadable"]

    def test_that_of_a_unit_that_runs_is_not(self, host, tmp_path):
        (tmp_path / "cert.pem").write_text("no PEM")
        host.failed.add("nginx.service")

        assert not self.found(host, {str(tmp_path / "cert.pem"): ["syncthing.service"]})

    def test_a_key_is_no_certificate(self, host, tmp_path):
        (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n")
        host.failed.add("syncthing.service")

        assert not self.found(host, {str(tmp_path / "key.pem"): ["syncthing.service"]})


def test_a_certificate_is_of_the_units_that_name_it_or_of_all():
    crt, pem, other = "/tls/node.crt", "/sync/cert.pem", "/tls/ca.crt"
    units = (Unit(name="a.service", restart_on=(crt, pem)), Unit(name="b.service"))
    files = (ManagedFile(path=other, content=b""),)

    found = diagnosis.certificates_of(Stage(name="x", state=NodeState(files=files, units=units)))

    assert found == {other: ["a.service", "b.service"], crt: ["a.service"], pem: ["a.service"]}


def test_a_stage_that_runs_no_unit_has_no_certificate_to_blame():
    files = (ManagedFile(path="/sync/cert.pem", content=b""),)

    assert diagnosis.certificates_of(Stage(name="x", state=NodeState(files=files))) == {}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("amqp://cloudify:secret@mq-1:5671", "amqp://cloudify:********@mq-1:5671"),
        ("password='secret' host=x", "password='********' host=x"),
        ('{"password": "secret"}', '{"password": "********"}'),
        ("password authentication failed for user", "password authentication failed for user"),
    ],
)
def test_a_password_in_a_services_words_is_masked(text, shown):
    assert diagnosis.without_credentials(text) == shown


def test_the_secrets_of_a_stage_are_masked():
    told = {
        "matches": [("x", "etcd.service", NOW, "token hunter22")],
        "journal": {"etcd.service": "hunter22"},
        "failing": [],
    }

    found = diagnosis.read_diagnosis(told, {"PASSWORD": Secret("hunter22")})

    assert "hunter22" not in repr(found)
    assert found.matches[0].line == "token ********"
