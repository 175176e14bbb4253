"""What a node is asked for a support bundle: shell text by the name of its answer.

Nothing here changes anything, waits for a lock or reads a person's data; an engineer at night
reads the answers without access to the host.
"""

from collections.abc import Iterable, Iterator, Mapping

from installer.inventory import Role

_SERVICE_S = 90.0  # RabbitMQ's tools start an Erlang each, on a host that may be busy
_HOST_S = 20.0
Question = tuple[str, str, float]  # name, shell text, seconds it may take

_NODE: Mapping[str, str] = {
    "system": "date -u; uptime; uname -a; cat /etc/os-release; hostnamectl status; timedatectl",
    "units-failed": "systemctl --failed --no-pager --plain",
    "units": (
        "systemctl list-units --all --no-pager --plain --type=service,timer,mount,socket\n"
        "systemctl list-timers --all --no-pager"
    ),
    "disk": "df -hT; df -i; mount; cat /proc/diskstats",
    "memory": (
        "free -m; cat /proc/meminfo; grep -H . /proc/pressure/* || true\n"
        "ps -eo pid,user,stat,etime,pcpu,rss,comm --sort=-rss | head -n 60"
    ),
    "network": "ip -brief address; ip route; ip -6 route; ss -tulnpH; ss -s; cat /etc/hosts",
    "connections": "ss -tanH | awk '{print $1, $4}' | sort | uniq -c | sort -rn | head -n 60",
    "firewall": (
        "if command -v nft >/dev/null; then nft list ruleset\n"
        "elif command -v iptables-save >/dev/null; then iptables-save\n"
        "else echo no firewall program is installed; fi"
    ),
    "kernel": "journalctl -k -n 400 --no-pager --quiet -o short-iso",
    "packages": "dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version} ${Architecture}\\n'",
    "journal-size": "journalctl --disk-usage; ls -la /var/log /var/log/journal || true",
    "our-state": (
        "ls -laR /var/lib/cfy_manager --ignore=bundle\nls -la /opt/cfy_manager /opt/manager || true"
    ),
    "certificates": (
        "for file in /etc/cloudify/ssl/*.crt /etc/etcd/tls/*.crt /etc/rabbitmq/tls/*.crt; do\n"
        '    [ -e "$file" ] || continue\n'
        '    echo "== $file"\n'
        '    openssl x509 -in "$file" -noout -subject -issuer -serial -dates'
        " -ext subjectAltName,extendedKeyUsage || true\n"
        "done"
    ),
}

_PATRONI = "/etc/patroni/config.yml"
_PSQL = (
    "env HOME=/var/lib/postgresql PAGER= PGCONNECT_TIMEOUT=5 PGOPTIONS='-c statement_timeout=10s'"
    " setpriv --reuid=postgres --regid=postgres --init-groups"
    " psql -X -h /var/run/postgresql -d {database} <<'SQL'\n{sql}\nSQL"
)
# by HTTP: etcdctl 3.5 shows no status to who is not etcd's root, the gateway does
_ETCD = """\
python3 - {address} <<'PYTHON'
import http.client, ssl, sys
tls = "/etc/etcd/tls"
context = ssl.create_default_context(cafile=f"{tls}/ca.crt")
context.load_cert_chain(f"{tls}/node.crt", f"{tls}/node.key")
def ask(method, path, body=None):
    connection = http.client.HTTPSConnection(sys.argv[1], 2379, context=context, timeout=5)
    connection.request(method, path, body)
    return connection.getresponse().read().decode()
print("== health", ask("GET", "/health"))
for path in ("maintenance/status", "cluster/member/list", "maintenance/alarm"):
    print("==", path, ask("POST", f"/v3/{path}", "{}"))
wanted = ("etcd_server_", "etcd_disk_", "etcd_mvcc_db", "etcd_network_peer_round", "process_")
for line in ask("GET", "/metrics").splitlines():
    if line.startswith(wanted) and "_bucket" not in line:
        print(line)
PYTHON"""
_SERVER_SQL = r"""
select version(), pg_is_in_recovery(), pg_postmaster_start_time(), pg_conf_load_time();
select datname, pg_size_pretty(pg_database_size(oid)) as size, age(datfrozenxid) from pg_database;
select pid, usename, application_name, client_addr, state, wait_event_type, wait_event,
  clock_timestamp() - xact_start as transaction_for, clock_timestamp() - query_start as query_for,
  left(regexp_replace(query, '\s+', ' ', 'g'), 120) as query
  from pg_stat_activity where backend_type = 'client backend' order by query_start limit 200;
select * from pg_stat_replication;
select * from pg_replication_slots;
select * from pg_stat_wal_receiver;
select * from pg_stat_archiver;
select * from pg_stat_database where datname is not null;
select locktype, mode, granted, count(*) from pg_locks group by 1, 2, 3 order by 4 desc;
select pid, pg_blocking_pids(pid) from pg_stat_activity
  where cardinality(pg_blocking_pids(pid)) > 0;
select name, setting, unit, source from pg_settings
  where source not in ('default', 'override') and name not like '%conninfo%' order by name;
"""
_APPLICATION_SQL = """
select * from alembic_version;
select relname, n_live_tup, n_dead_tup, seq_scan, idx_scan, last_autovacuum, last_autoanalyze,
  pg_size_pretty(pg_total_relation_size(relid)) as size
  from pg_stat_user_tables order by pg_total_relation_size(relid) desc limit 60;
select status, count(*) from executions group by 1 order by 2 desc;
"""
_QUEUES = "name type state messages_ready messages_unacknowledged consumers leader online memory"

_HAPROXY_STATE = """\
python3 - <<'PYTHON'
import socket
for words in ("show info", "show stat", "show servers state", "show errors"):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect("/run/haproxy/stats.sock")
        connection.sendall(f"{words}\\n".encode())
        print("==", words)
        print(connection.makefile().read())
PYTHON"""

_ROLES: Mapping[Role, Mapping[str, str]] = {
    Role.DATABASE: {
        "patroni": (
            f"patronictl -c {_PATRONI} list --extended --timestamp\n"
            f"patronictl -c {_PATRONI} history\n"
            f"patronictl -c {_PATRONI} show-config"
        ),
        "etcd": _ETCD,
        "postgresql": _PSQL.format(database="postgres", sql=_SERVER_SQL.strip()),
        "postgresql-application": _PSQL.format(
            database="{application_database}", sql=_APPLICATION_SQL.strip()
        ),
    },
    Role.QUEUE: {
        "rabbitmq-status": "rabbitmq-diagnostics --quiet status",
        "rabbitmq-cluster": "rabbitmqctl --quiet cluster_status; rabbitmqctl --quiet list_vhosts",
        "rabbitmq-queues": f"rabbitmqctl --quiet --timeout 15 list_queues -p / {_QUEUES}",
        "rabbitmq-connections": (
            "rabbitmqctl --quiet --timeout 15 list_connections user peer_host state channels | "
            "sort | uniq -c | sort -rn | head -n 200"
        ),
        "rabbitmq-feature-flags": "rabbitmqctl --quiet list_feature_flags name state",
    },
    Role.MANAGER: {
        "manager-files": "du -sh /opt/manager/resources /opt/manager/* 2>/dev/null || true",
        "manager-processes": (
            "ps -eo pid,ppid,user,etime,pcpu,rss,args --sort=pid"
            " | grep -E '[g]unicorn|[m]anager|[n]ginx|[s]yncthing' | cut -c 1-200 || true"
        ),
        "nginx": "nginx -t; ls -la /var/log/nginx",
    },
    Role.LOADBALANCER: {
        "haproxy": "haproxy -vv | head -n 3; haproxy -c -f /etc/haproxy/haproxy.cfg",
        "haproxy-state": _HAPROXY_STATE,
        "keepalived": "systemctl status --no-pager -n 30 keepalived || true",
    },
}

# beside what our runs wrote: what a person may have put next to it
FILES = (
    "/etc/cloudify/*.yaml",
    "/etc/systemd/system/*.d/*.conf",
    "/etc/systemd/journald.conf.d/*.conf",
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d/*",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/fstab",
    "/etc/sysctl.d/*.conf",
    "/etc/haproxy/*.cfg",
    "/etc/keepalived/*.conf",
    "/etc/nginx/conf.d/*",
    "/etc/rabbitmq/*",
    "/var/lib/postgresql/*/main/postgresql.conf",
    "/var/lib/postgresql/*/main/postgresql.auto.conf",
    "/var/lib/postgresql/*/main/pg_hba.conf",
    "/var/lib/cfy_manager/installed.yaml",
    "/var/lib/cfy_manager/*.jsonl",
)


def questions_for(
    roles: Iterable[Role], *, address: str, database: str = "cloudify_db"
) -> Iterator[Question]:
    """Yield what a node with these roles is asked; the role's own things first."""
    groups = [(_ROLES[role], _SERVICE_S) for role in roles]
    for group, timeout_s in (*groups, (_NODE, _HOST_S)):
        for name, script in group.items():
            text = script.replace("{application_database}", database)
            yield f"answers/{name}.txt", text.replace("{address}", address), timeout_s
