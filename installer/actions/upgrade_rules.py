"""Which upgrades are impossible: steps back, and steps that leave out a version between."""

import re
from collections.abc import Iterable, Iterator, Mapping

from installer.actions.upgrade_plan import (
    BROKER,
    Installed,
    UpgradePlan,
    bundled_version,
    release_series,
)
from installer.bundle.model import Bundle
from installer.config.compatibility import parsed_version, upgrade_steps, version_problems
from installer.errors import Problem

_COMPONENTS = {"rabbitmq": BROKER, "etcd": "etcd-server"}
_BOUND = {**_COMPONENTS, "patroni": "patroni", "erlang": "erlang-base"}
_POSTGRESQL = re.compile(r"postgresql-(\d+)")


def upgrade_problems(plan: UpgradePlan) -> Iterator[Problem]:
    """Yield why nodes cannot go to the plan's bundle, each reason once."""
    wanted = {package.name: package.version for package in plan.bundle.lock.packages}
    told: set[tuple[str, str]] = set()
    for node, installed in plan.installed.items():
        for problem in _node_problems(node, installed, plan.bundle, wanted):
            if (problem.code, problem.what) not in told:
                told.add((problem.code, problem.what))
                yield problem
    yield from _flag_problems(plan.installed, wanted.get(BROKER))
    yield from version_problems(_bundled(wanted), where=str(plan.bundle.path))


def _node_problems(
    node: str, installed: Installed, bundle: Bundle, wanted: Mapping[str, str]
) -> Iterator[Problem]:
    for component, package in _COMPONENTS.items():
        if package in installed.packages and package in wanted:
            now, then = installed.packages[package], wanted[package]
            yield from _jump_problems(node, component, now, then)
    yield from _postgresql_problems(node, installed, wanted)
    yield from _runtime_problems(node, installed, bundle)


def _jump_problems(node: str, component: str, now: str, then: str) -> Iterator[Problem]:
    steps = upgrade_steps(component, now, then)
    if steps is None:
        yield Problem(
            where=node,
            what=f"{component} cannot go from {now} to {then} with its data in place",
            remedy="take a bundle of the same or a later series",
            code="upgrade-jump",
        )
    elif len(steps) > 1:
        yield Problem(
            where=node,
            what=f"{component} cannot go from {now} to {then} at once",
            remedy=f"go through {', then '.join(steps)}, each with a bundle of its own",
            code="upgrade-jump",
        )


def _flag_problems(installed: Mapping[str, Installed], then: str | None) -> Iterator[Problem]:
    """Yield a problem when brokers would go to a series that may demand what is disabled.

    One that has the series already means an upgrade under way: flags that only the new series
    knows are disabled then until the last broker has it.
    Source: RabbitMQ, "Feature Flags": a node refuses to start where a required one is disabled.
    """
    found = [each.packages[BROKER] for each in installed.values() if BROKER in each.packages]
    if then is None or release_series(then) in map(release_series, found):
        return
    told = {node: each.disabled_flags for node, each in installed.items() if each.disabled_flags}
    if flags := sorted({flag for each in told.values() for flag in each}):
        yield Problem(
            where=", ".join(told),
            what=f"RabbitMQ {release_series(then)} may refuse to start: disabled feature flags"
            f" {', '.join(flags)}",
            remedy="with all brokers running: `rabbitmqctl enable_feature_flag all` on one of them",
            code="feature-flags-disabled",
        )


def _runtime_problems(node: str, installed: Installed, bundle: Bundle) -> Iterator[Problem]:
    then = bundled_version(bundle)
    for name, (_, now) in installed.environments.items():
        if _is_version(now) and _is_version(then) and parsed_version(now) > parsed_version(then):
            yield Problem(
                where=node,
                what=f"the environment {name} is of {now}, the bundle brings {then}",
                remedy="take a later bundle; --roll-back takes a canary back to the one before",
                code="upgrade-backwards",
            )


def _postgresql_problems(
    node: str, installed: Installed, wanted: Mapping[str, str]
) -> Iterator[Problem]:
    here, there = _majors(installed.packages), _majors(wanted)
    if here and there and not set(here) & set(there):
        yield Problem(
            where=node,
            what=f"it runs PostgreSQL {here[-1]}, the bundle brings {there[-1]}",
            remedy=f"take a bundle of both (`bundle build --postgresql {here[-1]}`), then"
            f" `cluster upgrade --postgresql {there[-1]}`",
            code="upgrade-jump",
        )


def _majors(packages: Iterable[str]) -> list[str]:
    """Return PostgreSQL's major versions among packages, the latest last."""
    return sorted((m.group(1) for m in map(_POSTGRESQL.fullmatch, packages) if m), key=int)


def _is_version(text: str) -> bool:
    return text[:1].isdigit()


def _bundled(wanted: Mapping[str, str]) -> dict[str, str]:
    found = {name: wanted[package] for name, package in _BOUND.items() if package in wanted}
    majors = _majors(wanted)
    return found | ({"postgresql": majors[-1]} if majors else {})
