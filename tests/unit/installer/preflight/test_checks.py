"""Each check sees the one thing that it is for; on a healthy cluster none finds anything."""

from dataclasses import replace

import pytest

from installer.engine.outcome import ClockReading
from installer.errors import Severity
from installer.inventory import Role
from installer.preflight.check import Subject
from installer.preflight.checks import CHECKS
from installer.preflight.facts import (
    Firewall,
    FlushTimes,
    Identities,
    Interface,
    Listener,
    Locale,
    Lock,
    TimeService,
)
from installer.preflight.needs import GIB, MARKS
from tests.support.preflight import healthy, installed, inventory_of, problems

FIRST = "node-1"


def node(**values):
    return lambda s: Subject(s.wanted, replace(s.facts, node=replace(s.facts.node, **values)))


def system(**values):
    return lambda s: Subject(s.wanted, replace(s.facts, system=replace(s.facts.system, **values)))


def facts(**values):
    return lambda s: Subject(s.wanted, replace(s.facts, **values))


def wanted(**values):
    return lambda s: Subject(replace(s.wanted, **values), s.facts)


def folder(path, **values):
    def change(s):
        changed = replace(s.facts.folders[path], **values)
        return Subject(s.wanted, replace(s.facts, folders={**s.facts.folders, path: changed}))

    return change


def listening(**values):
    return facts(listeners=(Listener(**values),))


def interface(**values):
    def change(s):
        own = replace(s.facts.interfaces["eth0"], **values)
        return Subject(s.wanted, replace(s.facts, interfaces={**s.facts.interfaces, "eth0": own}))

    return change


def names(**values):
    def change(s):
        return Subject(s.wanted, replace(s.facts, names={**s.facts.names, **values}))

    return change


def peer_by_name(s):
    return Subject(replace(s.wanted, peers={"node-2": "two.example"}), s.facts)


def both(*changes):
    def change(s):
        for one in changes:
            s = one(s)
        return s

    return change


DROPPING = """\
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		iif "lo" accept
		ct state established,related accept
		tcp dport 22 accept
	}
}
"""
SLOW = {"/var/lib": FlushTimes(writes=200, p50_s=0.01, p99_s=0.03, longest_s=0.1)}
HOPELESS = {"/var/lib": FlushTimes(writes=3, p50_s=0.6, p99_s=0.7, longest_s=0.7)}

# code, what is broken on the first node, words of the finding
BROKEN = [
    ("release-unsupported", node(os_id="ubuntu"), "ubuntu"),
    ("architecture-unsupported", node(architecture="riscv64"), "riscv64"),
    ("python-old", node(python="3.9.2"), "3.9.2"),
    ("kernel-old", system(kernel="4.19.0-27-amd64"), "4.19"),
    ("memory-below-advice", node(memory_bytes=3 * GIB), "3.0 GB"),
    ("cpu-single", node(cpus=1), "one CPU"),
    ("systemd-missing", system(init="tini", container="docker"), "tini"),
    ("cgroup-old", system(has_cgroup_v2=False), "version 1"),
    ("open-files-few", system(open_files_limit=1024), "1024"),
    ("inotify-few", system(inotify_watches=8192), "max_user_watches is 8192"),
    ("inotify-few", system(inotify_instances=16), "max_user_instances is 16"),
    ("swap-eager", system(swap_bytes=GIB, swappiness=60), "swappiness = 60"),
    ("huge-pages-reserved", system(huge_pages_bytes=6 * GIB), "6.0 GB of 8.0 GB"),
    ("huge-pages-always", system(transparent_huge_pages="always"), "always"),
    ("shared-memory-small", system(shared_memory_bytes=64 << 20), "64 MB"),
    ("selinux-enforcing", system(selinux="enforcing"), "enforcing"),
    ("apparmor-confined", system(apparmor_enforced=("/usr/sbin/haproxy",)), "haproxy"),
    ("locale-absent", facts(locale=Locale("", ("C.UTF-8",))), "C.UTF-8"),
    ("locale-absent", facts(locale=Locale("de_DE.UTF-8", ("de_DE.UTF-8",))), "de_DE"),
    ("disk-space-short", folder("/var/lib/postgresql", device=2, free_bytes=9), "1.0 GB"),
    ("disk-space-short", folder("/opt/manager", device=2, free_bytes=GIB // 2), "512 MB free"),
    ("inodes-few", folder("/opt", mount_point="/opt", free_inodes=10), "10 more files fit on /opt"),
    ("file-system-read-only", folder("/etc", mount_point="/etc", options=("ro",)), "/etc"),
    ("file-system-noexec", folder("/opt", mount_point="/opt", options=("noexec",)), "/opt"),
    ("tmp-unusable", folder("/tmp", mode=0o755), "0755"),
    ("tmp-unusable", folder("/tmp", options=("ro",)), "read-only"),
    ("disk-flush-slow", facts(flush=SLOW), "30 ms"),
    ("disk-flush-slow", facts(flush=HOPELESS), "lose its leader"),
    ("name-unresolved", peer_by_name, "two.example"),
    (
        "name-disputed",
        both(peer_by_name, names(**{"two.example": ("127.0.1.1",)})),
        "127.0.1.1",
    ),
    ("localhost-elsewhere", names(localhost=("10.0.0.9",)), "10.0.0.9"),
    ("localhost-elsewhere", names(localhost=()), "no address"),
    ("hostname-reset", both(node(hostname="ip-10-0-0-1"), system(resets_hostname=True)), "ip-10"),
    ("machine-id-missing", system(machine_id=""), "/etc/machine-id"),
    ("host-replaced", wanted(machine_id="machine-before"), "another machine"),
    ("clock-offset", facts(clock=ClockReading(offset_s=60, uncertainty_s=0.1)), "60.0 s ahead"),
    ("clock-offset", facts(clock=ClockReading(offset_s=-2, uncertainty_s=0.1)), "behind"),
    ("clock-unsynchronised", facts(time=TimeService((), None)), "nothing keeps"),
    ("clock-unsynchronised", facts(time=TimeService(("chronyd",), False)), "chronyd runs"),
    ("address-not-here", wanted(networks={"agents": "10.9.0.1"}), "networks.agents 10.9.0.1"),
    (
        "ipv6-disabled",
        both(wanted(peers={"node-2": "fd00::2"}), system(has_ipv6=False)),
        "fd00::2",
    ),
    ("mtu-mixed", interface(mtu=1400), "1400"),
    ("virtual-ip-answers", facts(neighbour="52:54:00:12:34:56"), "52:54:00:12:34:56"),
    ("virtual-ip-answers", interface(addresses=("10.0.0.1", "10.0.0.100")), "on this host"),
    ("port-held", listening(port=5432, process="postgres", unit="x.service", pid=7), "x.service"),
    ("port-held", listening(port=8100, address="127.0.0.1", process="jetty", pid=7), "jetty"),
    ("port-held", listening(port=2379, address="::", process="etcd", pid=7), "2379 of etcd"),
    ("firewall-drops", facts(firewall=Firewall(rules={"nft": DROPPING})), "10.0.0.2"),
    ("foreign-postgresql", facts(running=frozenset({"postgres"})), "postgres runs"),
    ("foreign-postgresql", facts(packages={"postgresql-15": "15.5"}), "postgresql-15 is"),
    ("foreign-etcd", facts(running=frozenset({"etcd"})), "etcd runs"),
    ("foreign-rabbitmq", facts(packages={"rabbitmq-server": "3.10"}), "rabbitmq-server"),
    ("foreign-nginx", facts(running=frozenset({"nginx"})), "nginx"),
    ("foreign-haproxy", facts(running=frozenset({"keepalived"})), "keepalived"),
    (
        "data-stale",
        facts(filled={"/var/lib/etcd/*/member": "/var/lib/etcd/default/member"}),
        "/var/lib/etcd/default/member",
    ),
    (
        "distribution-cluster-enabled",
        facts(enabled=frozenset({"postgresql.service"})),
        "postgresql.service",
    ),
    ("unit-masked", facts(masked=frozenset({"haproxy.service"})), "haproxy.service"),
    ("cluster-other", facts(identities=Identities(etcd_token="another")), "another cluster"),
    ("apt-locked", facts(locks=(Lock(path="/l", pid=5, process="apt-get"),)), "apt-get (pid 5)"),
    ("dpkg-interrupted", facts(halfway=("libc6",)), "libc6"),
    ("bundle-mismatch", node(architecture="aarch64"), "arm64"),
]
# these need a whole cluster, or a node without a bundle
ELSEWHERE = {
    "release-mixed",
    "architecture-mixed",
    "memory-short",
    "machine-id-duplicate",
    "host-key-duplicate",
    "etcd-data-mixed",
    "postgresql-data-mixed",
    "source-unreachable",
    "package-missing",
}


def codes_at(cluster, name=FIRST):
    return {problem.code for problem in problems(cluster) if problem.where == name}


def broken(change, name=FIRST):
    cluster = healthy()
    return cluster | {name: change(cluster[name])}


def test_a_healthy_cluster_has_no_finding():
    assert problems(healthy()) == []


@pytest.mark.parametrize(("code", "change", "words"), BROKEN)
def test_one_broken_thing_is_one_finding_with_a_remedy(code, change, words):
    found = problems(broken(change))

    ours = [problem for problem in found if problem.code == code]
    assert [(problem.where, problem.code) for problem in ours] == [(FIRST, code)]
    assert words in ours[0].what
    assert ours[0].remedy
    besides = {problem.code for problem in found} - {code}
    # a node of another architecture also differs from the others, and from the bundle
    assert besides <= {"architecture-mixed", "bundle-mismatch"}


def test_every_check_is_broken_here():
    assert {code for code, _, _ in BROKEN} | ELSEWHERE == {check.code for check in CHECKS}


def test_a_title_says_what_holds():
    assert len({check.title for check in CHECKS}) == len(CHECKS)


class TestSimilarNodes:
    def test_nodes_of_a_role_have_one_release(self):
        found = problems(broken(node(release="bookworm")))

        mixed = [problem for problem in found if problem.code == "release-mixed"]
        assert {problem.where for problem in mixed} == {FIRST}
        assert {"database", "queue"} == {p.what.split("other ")[1].split()[0] for p in mixed}

    def test_managers_may_have_different_releases(self):
        inventory = inventory_of({"m-1": (Role.MANAGER,), "m-2": (Role.MANAGER,)})
        cluster = healthy(inventory)
        cluster["m-1"] = node(release="bookworm")(cluster["m-1"])

        assert {p.code for p in problems(cluster)} == {"bundle-mismatch"}

    def test_nodes_of_a_role_have_one_architecture(self):
        assert "architecture-mixed" in codes_at(broken(node(architecture="aarch64")))

    @pytest.mark.parametrize(
        ("code", "change"),
        [
            ("machine-id-duplicate", system(machine_id="same")),
            ("host-key-duplicate", system(host_keys={"ssh-ed25519": "same"})),
        ],
    )
    def test_copies_of_one_machine_are_told_on_each(self, code, change):
        cluster = healthy()
        cluster |= {name: change(cluster[name]) for name in ("node-1", "node-3")}

        found = problems(cluster)

        assert {(p.where, p.code) for p in found} == {("node-1", code), ("node-3", code)}
        assert all("node-1, node-3" in problem.what for problem in found)

    @pytest.mark.parametrize(
        ("code", "key"),
        [
            ("etcd-data-mixed", "etcd_cluster_id"),
            ("postgresql-data-mixed", "postgresql_system_id"),
        ],
    )
    def test_data_of_another_cluster_are_told_where_they_are(self, code, key):
        identities = {"node-1": "cafe", "node-2": "beef", "node-3": "beef"}
        cluster = {
            name: facts(identities=Identities(**{key: identities[name]}))(installed(subject))
            for name, subject in healthy().items()
        }

        assert [(p.where, p.code) for p in problems(cluster)] == [("node-1", code)]

    def test_of_two_nodes_that_disagree_both_are_told(self):
        cluster = healthy(inventory_of({"a": (Role.DATABASE,), "b": (Role.DATABASE,)}))
        for name, identity in (("a", "1"), ("b", "2")):
            identities = Identities(postgresql_system_id=identity)
            cluster[name] = facts(identities=identities)(installed(cluster[name]))

        assert {p.where for p in problems(cluster)} == {"a", "b"}


class TestMemory:
    def test_less_than_config_yaml_demands_forbids_the_work(self):
        found = [p for p in problems(broken(node(memory_bytes=GIB))) if p.code == "memory-short"]

        assert [p.severity for p in found] == [Severity.ERROR]
        assert "minimum_required_total_physical_memory_in_mb" in found[0].remedy


class TestDisks:
    def test_folders_of_one_file_system_are_added_up(self):
        """Each of them would fit by itself."""

        def small(s):
            folders = {p: replace(f, free_bytes=3 * GIB) for p, f in s.facts.folders.items()}
            return Subject(s.wanted, replace(s.facts, folders=folders))

        (found,) = problems(broken(small))

        assert found.code == "disk-space-short"
        assert "/var/lib/postgresql" in found.what
        assert "/var/lib/rabbitmq" in found.what

    def test_an_installed_node_needs_only_room_to_go_on(self):
        cluster = healthy()
        little = {p: replace(f, free_bytes=GIB) for p, f in cluster[FIRST].facts.folders.items()}
        cluster[FIRST] = facts(folders=little)(installed(cluster[FIRST]))

        assert problems(cluster) == []

    def test_a_slow_disk_gets_timings_that_it_can_keep(self):
        (found,) = problems(broken(facts(flush=SLOW)))

        assert found.severity is Severity.WARNING
        assert "heartbeat_interval_ms: 200" in found.remedy
        assert "election_timeout_ms: 2000" in found.remedy

    def test_a_busy_processor_does_not_make_a_disk_absurd(self):
        busy = FlushTimes(writes=40, p50_s=0.00001, p99_s=0.8, longest_s=0.8)

        (found,) = problems(broken(facts(flush={"/var/lib": busy})))

        assert found.severity is Severity.WARNING

    def test_an_absurd_disk_is_refused(self):
        (found,) = problems(broken(facts(flush=HOPELESS)))

        assert found.severity is Severity.ERROR


class TestClocks:
    def test_an_offset_within_the_round_trip_is_none(self):
        """A busy controller must not refuse nodes whose clocks are right."""
        reading = ClockReading(offset_s=0.9, uncertainty_s=0.6)

        assert problems(broken(facts(clock=reading))) == []

    def test_the_controllers_own_clock_does_not_count(self):
        cluster = {
            name: facts(clock=ClockReading(offset_s=3600, uncertainty_s=0))(subject)
            for name, subject in healthy().items()
        }

        assert problems(cluster) == []

    def test_in_a_container_the_machine_below_keeps_the_clock(self):
        change = both(system(container="systemd-nspawn"), facts(time=TimeService((), False)))

        assert problems(broken(change)) == []


class TestOurOwnCluster:
    """Preflight comes before every install, also on a cluster that runs."""

    @pytest.mark.parametrize(
        ("port", "process", "unit"),
        [
            (2379, "etcd", "etcd.service"),
            (5432, "postgres", "patroni.service"),
            (5671, "beam.smp", "rabbitmq-server.service"),
            (4369, "epmd", "epmd.service"),
            (443, "nginx", "nginx.service"),
            (8100, "gunicorn", "cloudify-restservice.service"),
            (22000, "syncthing", "cloudify-syncthing.service"),
        ],
    )
    def test_ports_of_our_units_are_ours(self, port, process, unit):
        cluster = healthy()
        listener = Listener(port=port, address="0.0.0.0", process=process, unit=unit, pid=7)
        ours = installed(cluster[FIRST])

        taken = facts(listeners=(listener,))
        assert problems(cluster | {FIRST: taken(ours)}) == []
        assert codes_at(cluster | {FIRST: taken(cluster[FIRST])}) == {"port-held"}

    def test_our_services_and_data_are_ours(self):
        change = facts(
            running=frozenset({"postgres", "etcd", "beam.smp", "nginx", "haproxy"}),
            packages={"postgresql-17": "17.2", "etcd-server": "3.5"},
            filled={"/var/lib/postgresql/*/*/PG_VERSION": "/var/lib/postgresql/17/main/PG_VERSION"},
        )
        cluster = healthy()

        assert problems(cluster | {FIRST: change(installed(cluster[FIRST]))}) == []

    def test_the_virtual_ip_on_the_leader_is_ours(self):
        cluster = healthy()
        leads = interface(addresses=("10.0.0.1", "10.0.0.100"))

        assert problems(cluster | {FIRST: leads(installed(cluster[FIRST]))}) == []

    def test_the_virtual_ip_on_another_load_balancer_is_ours(self):
        """Else no second load balancer could be added to the one that has it."""
        cluster = healthy()
        leads = interface(addresses=("10.0.0.1", "10.0.0.100"))
        joins = facts(neighbour="52:54:00:12:34:56")(cluster["node-2"])

        there = cluster | {FIRST: leads(installed(cluster[FIRST])), "node-2": joins}
        assert problems(there) == []
        assert codes_at(there | {FIRST: leads(cluster[FIRST])}, "node-2") == {"virtual-ip-answers"}

    def test_a_role_that_is_new_on_the_node_is_examined(self):
        """The database is ours; the broker beside it is not."""
        cluster = healthy()
        ours = facts(marks=frozenset({MARKS[Role.DATABASE]}), running=frozenset({"beam.smp"}))

        assert codes_at(cluster | {FIRST: ours(cluster[FIRST])}) == {"foreign-rabbitmq"}

    def test_what_a_killed_run_of_ours_left_of_dpkg_is_mended_by_the_next(self):
        cluster = healthy()
        halfway = facts(halfway=("rabbitmq-server",))

        assert problems(cluster | {FIRST: halfway(installed(cluster[FIRST]))}) == []

    def test_a_machine_that_is_installed_is_not_a_replacement(self):
        cluster = healthy()
        change = wanted(machine_id="machine-before")

        assert problems(cluster | {FIRST: change(installed(cluster[FIRST]))}) == []


class TestPorts:
    def test_a_port_of_another_address_is_free(self):
        """REST listens on loopback, and somebody else on the node's address."""
        elsewhere = listening(port=8100, address="10.0.0.1", process="java", pid=7)

        assert problems(broken(elsewhere)) == []

    def test_the_remedy_names_the_unit(self):
        held = listening(port=80, process="apache2", unit="apache2.service", pid=7)

        (found,) = problems(broken(held))

        assert "apache2 (pid 7, apache2.service)" in found.what
        assert "systemctl disable --now apache2.service" in found.remedy


class TestSources:
    """A node without a bundle installs from its own package sources."""

    def own_sources(self, **values):
        def change(s):
            offered = frozenset(s.wanted.packages("trixie"))
            known = replace(s.facts, **{"offered": offered, **values})
            return Subject(replace(s.wanted, bundle=None), known)

        return change

    def test_sources_that_answer_and_offer_all_are_enough(self):
        sources = {"http://deb.debian.org/debian/dists/trixie/InRelease": 0.05}

        assert problems(broken(self.own_sources(sources=sources))) == []

    def test_a_source_that_is_silent_is_told_with_its_reason(self):
        sources = {"http://deb.example/dists/trixie/InRelease": "timed out"}

        (found,) = problems(broken(self.own_sources(sources=sources)))

        assert found.code == "source-unreachable"
        assert "deb.example" in found.what
        assert "timed out" in found.what

    def test_a_slow_source_is_a_warning(self):
        (found,) = problems(broken(self.own_sources(sources={"http://far.example": 2.5})))

        assert (found.code, found.severity) == ("source-unreachable", Severity.WARNING)

    def test_packages_that_nobody_offers_are_named(self):
        (found,) = problems(broken(self.own_sources(offered=frozenset())))

        assert found.code == "package-missing"
        assert "rabbitmq-server" in found.what


class TestNames:
    def test_addresses_need_no_names(self):
        assert problems(broken(names(**{FIRST: ()}))) == []

    def test_nodes_that_resolve_a_name_otherwise_are_told(self):
        cluster = {
            name: both(peer_by_name, names(**{"two.example": ("10.0.0.2",)}))(subject)
            for name, subject in healthy().items()
        }
        cluster[FIRST] = names(**{"two.example": ("192.0.2.1",)})(cluster[FIRST])

        (found,) = problems(cluster)

        assert (found.where, found.code) == (FIRST, "name-disputed")
        assert "elsewhere to 10.0.0.2" in found.what


def test_the_firewalls_remedy_is_its_managers():
    firewall = Firewall(rules={"nft": DROPPING}, managers=("ufw",))

    (found,) = problems(broken(facts(firewall=firewall)))

    assert "ufw allow" in found.remedy


def test_two_nodes_with_two_mtus_are_a_finding():
    cluster = healthy(inventory_of({"a": (Role.QUEUE,), "b": (Role.QUEUE,)}))
    cluster["b"] = interface(mtu=9000)(cluster["b"])

    assert {p.code for p in problems(cluster)} == {"mtu-mixed"}


def test_an_interface_without_the_address_has_no_mtu_to_compare():
    lost = both(interface(addresses=(), mtu=9000))

    assert codes_at(broken(lost)) == {"address-not-here"}


def test_a_second_interface_does_not_matter():
    def change(s):
        more = {**s.facts.interfaces, "eth1": Interface(mtu=9000, addresses=("10.9.0.1",))}
        return Subject(s.wanted, replace(s.facts, interfaces=more))

    assert problems(broken(change)) == []
