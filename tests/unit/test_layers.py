"""The table of imports: code calls downwards only, and each foreign engine has one home."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A module may import what stands on its own level or below; a longer name wins over a shorter one.
LEVELS = {
    "installer.cli": 6,
    "installer.__main__": 6,
    "installer.actions": 5,
    "installer.roles": 4,
    "installer.engine": 3,
    "installer.preflight": 4,
    "installer.foresight": 4,
    "installer.plan": 4,
    "installer.proof": 4,
    "installer.bundle": 3,
    "installer.sandbox": 3,
    "installer.reporter": 3,
    "installer.expand": 2,
    "installer.cluster_secrets": 2,
    "installer.inventory": 2,
    "installer.config": 2,
    "installer.legacy": 2,
    "installer.pki": 2,
    "installer.journal": 1,
    "installer.lock": 1,
    "installer.catalogue": 1,
    "installer.links": 2,
    "installer.backup": 4,
    "installer.status": 4,
    "installer.support": 4,
    "installer.status.model": 1,
    "installer.phases": 1,
    "installer.report": 1,
    "installer.events": 1,
    "installer.state": 1,
    "installer.templates": 1,
    "installer.secrets": 1,
    "installer.errors": 0,
    "installer": 0,
    "manager.commands": 6,
    "manager.__main__": 6,
    "manager.rest": 5,
    "manager.worker": 5,
    "manager.system_workflows": 4,
    "manager.types": 4,
    "manager.types.render": 1,
    "manager.services": 3,
    "manager.dsl": 2,
    "manager.files": 2,
    "manager.files.names": 1,
    "manager.files.tree": 1,
    "manager.files.write": 1,
    "manager.broker": 2,
    "manager.storage": 1,
    "manager.settings_file": 1,
    "manager.settings": 0,
    "manager.log": 0,
    "manager.memory": 0,
    "manager.errors": 0,
    "manager": 0,
}
HOMES = {
    "pyinfra": ("installer.engine", "installer.roles"),
    "paramiko": ("installer.engine",),
    "cryptography": ("installer.pki", "manager"),
    "jsonschema": ("installer.config", "manager.services.json_schema"),
    "gevent": ("installer.engine", "installer.__main__"),
    "rich": ("installer.report", "installer.cli"),
    "click": ("installer.cli",),
    "flask": ("manager.rest",),
    "sqlalchemy": (
        "manager.rest",
        "manager.services",
        "manager.dsl",
        "manager.storage",
        "manager.system_workflows",
        "manager.worker",
    ),
    "dsl_parser": ("manager.dsl", "manager.types"),
    "pika": ("manager.broker", "manager.services.status", "manager.worker.broker_link"),
}


def modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text())


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "import by full path"
            yield node.module or ""


def level(module: str) -> int:
    known = [name for name in LEVELS if module == name or module.startswith(f"{name}.")]
    return LEVELS[max(known, key=len)]


def role_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[2] if parts[:2] == ["installer", "roles"] and len(parts) > 2 else None


ALL = [*modules("installer"), *modules("manager")]


@pytest.mark.parametrize(("name", "tree"), ALL)
def test_code_imports_downwards_only(name, tree):
    ours = [i for i in imports(tree) if i.split(".")[0] in ("installer", "manager")]

    upward = [i for i in ours if level(i) > level(name)]

    assert upward == []


@pytest.mark.parametrize(("name", "tree"), ALL)
def test_installer_and_manager_share_no_code(name, tree):
    other = "manager" if name.split(".")[0] == "installer" else "installer"

    assert [i for i in imports(tree) if i.split(".")[0] == other] == []


@pytest.mark.parametrize(("name", "tree"), [m for m in ALL if role_of(m[0])])
def test_roles_do_not_import_each_other(name, tree):
    foreign = [i for i in imports(tree) if role_of(i) not in (None, role_of(name))]

    assert foreign == []


@pytest.mark.parametrize(("name", "tree"), ALL)
def test_foreign_engines_stay_in_their_homes(name, tree):
    astray = [
        i
        for i in imports(tree)
        for package, homes in HOMES.items()
        if i.split(".")[0] == package and not name.startswith(homes)
    ]

    assert astray == []


def test_every_module_has_a_level():
    assert [name for name, _ in ALL if name not in LEVELS and name.count(".") == 1] == []
