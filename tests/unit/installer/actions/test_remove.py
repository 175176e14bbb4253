"""What a removal asks of the node, and what it remembers afterwards."""

import stat

import pytest

from installer.actions.installed import (
    Installed,
    add_installed,
    read_installed,
    this_node,
    write_installed,
)
from installer.actions.remove import remove_node
from installer.config.complete import complete
from installer.errors import ConfigError

NODE = {"private_ip": "10.0.0.1", "public_ip": "10.0.0.1", "hostname": "n-1"}
DATABASE, QUEUE, MANAGER = "database_service", "queue_service", "manager_service"


def config(*services, **sections):
    return complete({"manager": NODE, "services_to_install": list(services), **sections})


@pytest.fixture
def all_in_one(here):
    add_installed(config(DATABASE, QUEUE, MANAGER), here)
    return here


def test_everything_goes_by_default_and_is_forgotten(all_in_one, session):
    lines = remove_node()

    (removal,) = session.removals
    assert removal.is_whole
    assert removal.needs == ()
    assert {"patroni.service", "rabbitmq-server.service", "nginx.service"} <= {*removal.units}
    assert lines == ("stop and disable x.service",)
    assert read_installed(all_in_one) is None


def test_the_manager_stops_before_what_it_lives_on(all_in_one, session):
    remove_node((), (DATABASE, QUEUE, MANAGER))

    units = session.removals[0].units
    order = ("nginx.service", "rabbitmq-server.service", "patroni.service", "etcd.service")
    assert [unit for unit in units if unit in order] == list(order)


def test_one_service_goes_and_the_needs_of_the_others_are_told_to_the_node(all_in_one, session):
    remove_node((), (QUEUE,))

    (removal,) = session.removals
    assert not removal.is_whole
    assert removal.units == ("rabbitmq-server.service",)
    assert {"nginx", "patroni"} <= {*removal.needs}
    assert "rabbitmq-server" not in removal.needs
    assert "/var/lib/cfy_manager/apt" in removal.kept
    left = read_installed(all_in_one)
    assert left is not None
    assert left.services == (DATABASE, MANAGER)


def test_what_is_left_can_be_removed_afterwards(all_in_one, session):
    """Its configuration alone would be no valid one: the manager's broker is gone."""
    remove_node((), (QUEUE,))
    remove_node()

    assert session.removals[1].is_whole
    assert "rabbitmq-server.service" not in session.removals[1].units


def test_a_file_names_the_services_that_go(all_in_one, session):
    path = all_in_one / "queue.yaml"
    path.write_text(
        "manager: {private_ip: 10.0.0.1, public_ip: 10.0.0.1, hostname: n-1}\n"
        "services_to_install: [queue_service]\n"
        "rabbitmq: {password: Xo3gieW8ooNg4Iey}\n"
    )

    remove_node((path,))

    assert session.removals[0].units == ("rabbitmq-server.service",)


def test_a_service_that_is_not_here_is_a_problem_and_nothing_goes(here, session):
    add_installed(config(QUEUE), here)

    with pytest.raises(ConfigError, match="not installed here"):
        remove_node((), (DATABASE,))

    assert session.removals == []
    assert read_installed(here) is not None


def test_certificates_that_are_gone_do_not_hinder(here, session):
    paths = {"cert_path": "/gone/n.crt", "key_path": "/gone/n.key", "ca_path": "/gone/ca.crt"}
    add_installed(config(QUEUE, rabbitmq={**paths, "password": "Xo3gieW8ooNg4Iey"}), here)

    remove_node()

    assert session.removals[0].is_whole


def test_services_of_several_files_are_all_remembered(here):
    add_installed(config(DATABASE), here)
    add_installed(config(QUEUE), here)

    assert this_node((), here).services == (DATABASE, QUEUE)


def test_the_record_is_for_root_only(here):
    add_installed(config(QUEUE, rabbitmq={"password": "Xo3gieW8ooNg4Iey"}), here)

    (record,) = here.glob("installed*")
    assert stat.S_IMODE(record.stat().st_mode) == 0o600


def test_the_flags_of_the_installation_need_not_be_repeated(here):
    whole = config(QUEUE)
    write_installed(Installed(whole, (QUEUE,)), here)

    assert this_node((), here).config["manager"]["private_ip"] == "10.0.0.1"
