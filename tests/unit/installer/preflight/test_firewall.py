"""What packet filters' listings say about a connection; only what is certain is told."""

import pytest

from installer.preflight.firewall import drops, tables_of

HEAD = """\
table inet filter {
	set trusted {
		type ipv4_addr
		elements = { 10.0.0.1, 10.0.0.2 }
	}
	chain input {
		type filter hook input priority filter; policy %s;
%s
	}
	chain cluster {
		tcp dport 5432 accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
}
"""


def nft(*rules, policy="drop"):
    return tables_of({"nft": HEAD % (policy, "\n".join(f"\t\t{rule}" for rule in rules))})


def iptables(*rules, policy="DROP"):
    lines = ("*nat", ":INPUT ACCEPT [0:0]", "COMMIT", "*filter", f":INPUT {policy} [0:0]")
    chains = (":FORWARD DROP [0:0]", ":ufw-user-input - [0:0]")
    return tables_of({"iptables": "\n".join((*lines, *chains, *rules, "COMMIT"))})


@pytest.mark.parametrize(
    ("rules", "is_dropped"),
    [
        ([], True),
        (['iif "lo" accept', 'iifname "lo" accept'], True),
        (["ct state established,related accept"], True),
        (["ct state vmap { invalid : drop, established : accept, related : accept }"], True),
        (["tcp dport 22 accept", "udp dport 5432 accept"], True),
        (["meta l4proto { icmp, ipv6-icmp } accept", "ip protocol icmp accept"], True),
        (["ip saddr 192.168.0.0/16 tcp dport 5432 accept"], True),
        (["tcp dport 5432 accept"], False),
        (["tcp dport { 22, 5000-6000 } ct state new counter packets 3 bytes 9 accept"], False),
        (["ip saddr 10.0.0.0/24 accept"], False),
        (["ip saddr { 10.0.0.5, 10.0.0.7 } tcp dport 5432 accept"], False),
        (["tcp dport 5432 drop", "tcp dport 5432 accept"], True),
        (['tcp dport 5432 counter packets 0 bytes 0 log prefix "no " reject with tcp reset'], True),
        (["jump cluster"], False),
        (["tcp dport 2379 jump cluster"], True),
        # what is not understood may let it through
        (["ip saddr @trusted tcp dport 5432 accept"], False),
        (["meta mark 0x1 accept"], False),
    ],
)
def test_nft_rules_behind_which_a_chain_drops(rules, is_dropped):
    assert drops(nft(*rules), 5432, "10.0.0.5") is is_dropped


@pytest.mark.parametrize(
    ("rules", "is_dropped"),
    [
        ([], False),
        (["tcp dport 5432 drop"], True),
        (["ip saddr != 10.0.0.0/8 drop"], False),
        (["meta mark 0x1 drop"], False),
        (["tcp dport != 22 drop"], False),
    ],
)
def test_nft_rules_behind_which_a_chain_accepts(rules, is_dropped):
    assert drops(nft(*rules, policy="accept"), 5432, "10.0.0.5") is is_dropped


def test_a_table_of_the_other_family_does_not_count():
    text = (
        "table ip6 f {\n\tchain i {\n\t\ttype filter hook input priority 0; policy drop;\n\t}\n}\n"
    )

    assert not drops(tables_of({"nft": text}), 443, "10.0.0.1")
    assert drops(tables_of({"nft": text}), 443, "fd00::1")


@pytest.mark.parametrize(
    ("rules", "is_dropped"),
    [
        ([], True),
        (["-A INPUT -i lo -j ACCEPT"], True),
        (["-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"], True),
        (["-A INPUT -p tcp -m tcp --dport 5432 -j ACCEPT"], False),
        (["-A INPUT -p tcp -m multiport --dports 22,5432 -j ACCEPT"], False),
        (["-A INPUT -s 10.0.0.0/24 -p tcp -m tcp --dport 5000:6000 -j ACCEPT"], False),
        (["-A INPUT -s 192.0.2.1/32 -j ACCEPT"], True),
        (["-A INPUT -j ufw-user-input", "-A ufw-user-input -p tcp --dport 22 -j ACCEPT"], True),
        (["-A INPUT -j ufw-user-input", "-A ufw-user-input -p tcp --dport 5432 -j ACCEPT"], False),
        (["-A INPUT -m set --match-set friends src -j ACCEPT"], False),
        (["-A INPUT -p tcp -j LOG", "-A INPUT -p tcp -j REJECT --reject-with tcp-reset"], True),
    ],
)
def test_iptables_rules_behind_which_a_chain_drops(rules, is_dropped):
    assert drops(iptables(*rules), 5432, "10.0.0.5") is is_dropped


def test_no_tool_means_no_rules():
    assert tables_of({}) == []
    assert not drops(tables_of({"nft": "", "iptables": ""}), 5432, "10.0.0.5")
