"""Give this node addresses in further networks, where it was installed by itself."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from installer.actions.installed import STATE, Installed, read_installed
from installer.actions.inventory_file import replace_file
from installer.actions.networks import (
    RESERVED,
    NetworkAddress,
    absent_problem,
    addresses_on,
    not_editable,
)
from installer.actions.node import NodeInstalled, install_node
from installer.actions.node_mark import hold_node
from installer.actions.on_this_node import on_this_node
from installer.actions.options import RunOptions
from installer.config.certificates import brings_certificates
from installer.config.check import DEFAULT_CONFIG, load_config
from installer.config.edit import NotEditable, with_value
from installer.config.formats import is_ip
from installer.config.model import Document
from installer.errors import ConfigError, Problem, Refused
from installer.pki.facts import read_facts
from installer.report import Report

_OWN = ("networks", "services_to_install")  # what may differ from the record
_CERTIFICATES = (("ssl_inputs", "external_cert_path"), ("rabbitmq", "cert_path"))


def add_node_networks(
    networks: Mapping[str, str], paths: Sequence[Path], report: Report, *, elsewhere: bool = False
) -> NodeInstalled:
    """Write addresses into config.yaml, then install: certificates, services, managers' tables.

    Called again after a kill it goes on. Raises ConfigError or Refused before any change.
    """
    files = tuple(paths) or (DEFAULT_CONFIG,)
    recorded = _demand_own()
    overrides = _overrides(recorded.config)
    config = load_config(files, overrides)
    _demand_same(config, recorded.config, files)
    if problems := tuple(_problems(networks, config)):
        raise ConfigError(*problems)
    with hold_node("add-networks"):
        _demand_possible(networks, config, elsewhere=elsewhere)
        _write(files[-1], networks)
    options = RunOptions(title="Adding networks to this node", alone=True)
    return install_node(files, overrides, options, report)


def _demand_own() -> Installed:
    """Return the record of this node's own installation; raises Refused where there is none."""
    recorded = read_installed(STATE)
    if recorded is None:
        raise Refused(
            Problem(
                where="this node",
                what="it was not installed by itself: what it says is written by its controller",
                remedy="on the controller: cfy_manager cluster add-networks -i INVENTORY",
                code="node-of-a-controller",
            )
        )
    return recorded


def _overrides(config: Document) -> dict[str, Any]:
    """Return what the command line may have said at the installation."""
    manager = config["manager"]
    password = manager["security"]["admin_password"]
    given = {key: manager[key] for key in ("private_ip", "public_ip") if manager[key]}
    return {
        "manager": {**given, **({"security": {"admin_password": password}} if password else {})}
    }


def _demand_same(config: Document, recorded: Document, files: Sequence[Path]) -> None:
    """Raise Refused when these files would change more than networks."""
    keys = [k for k in recorded if k not in _OWN and config.get(k) != recorded[k]]
    if keys:
        raise Refused(
            Problem(
                where=", ".join(map(str, files)),
                what=f"it says something else than was installed: {', '.join(keys)}",
                remedy="name the files of the installation with -c, or run `install` first",
                code="configuration-not-installed",
            )
        )


def _problems(networks: Mapping[str, str], config: Document) -> Iterator[Problem]:
    own = {address: name for name, address in config["networks"].items()}
    for name, address in networks.items():
        known = config["networks"].get(name, address)
        if name in RESERVED:
            what = f"{name} is the name of the node's own address"
            yield Problem(where=name, what=what, remedy="choose another name for the network")
        elif known != address:
            remedy = "change it in config.yaml, then run `install`"
            yield Problem(where=name, what=f"it has the address {known} already", remedy=remedy)
        elif own.get(address, name) != name:
            what = f"{address} is its address in {own[address]} already"
            yield Problem(where=name, what=what, remedy="give each network an address of its own")


def _demand_possible(networks: Mapping[str, str], config: Document, *, elsewhere: bool) -> None:
    wishes = [NetworkAddress(name, "this node", address) for name, address in networks.items()]
    held = frozenset() if elsewhere else on_this_node(addresses_on)
    absent = [w for w in wishes if not elsewhere and is_ip(w.address) and w.address not in held]
    problems = [absent_problem(wish) for wish in absent]
    if brings_certificates(config):
        problems += _uncovered(networks, config)
    if problems:
        raise Refused(*problems)


def _uncovered(networks: Mapping[str, str], config: Document) -> Iterator[Problem]:
    """Yield a problem for each certificate of a person's own that lacks a new address."""
    for section, key in _CERTIFICATES:
        path = config[section][key]
        if not path or not Path(path).exists():
            continue
        facts = read_facts(Path(path).read_bytes())
        lacking = [a for a in networks.values() if a not in (*facts.addresses, *facts.dns_names)]
        if lacking:
            yield Problem(
                where=f"{section}.{key}",
                what=f"{path} is not for {', '.join(lacking)}",
                remedy="bring a certificate that names the address too, then run this again",
                code="certificate-lacks-address",
            )


def _write(path: Path, networks: Mapping[str, str]) -> None:
    before = text = path.read_text(encoding="utf-8")
    try:
        for name, address in networks.items():
            text = with_value(text, ("networks", name), address)
    except NotEditable as error:
        said = ", ".join(f"{name}: {address}" for name, address in networks.items())
        raise not_editable(f"{path}: {error}", f"networks: {{{said}}}", "install") from error
    if text != before:
        replace_file(path, text)
