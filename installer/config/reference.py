"""Write the reference pages of config.yaml and of the inventory from their schemas.

`python -m installer.config.reference` writes them again after a change of a schema.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from installer.config.model import Document
from installer.config.schema import config_schema, inventory_schema
from installer.config.words import expected_text

_HEAD = (
    "<!-- Made from installer/config/*.schema.yaml by `python -m installer.config.reference`. -->"
)

_CONFIG_INTRO = """\
# config.yaml

The configuration of one node, at `/etc/cloudify/config.yaml`.
Every key may be left out: its default holds then.
`cfy_manager validate` tells every mistake at once, with its line and what to do about it.

- Several files, `-c base.yaml -c node.yaml`, are merged left to right: mappings key by key,
  everything else, lists too, is replaced.
- Words are text. Only `true` and `false` are booleans; `on`, `off`, `yes` and `no` are words.
- Keys marked **new** are not known to Cloudify's own installer; the others keep its names.
- Secrets that only this node uses are made when they are left out, and so are certificates
  when none is named. A cluster's nodes need the same secrets: write them, or use an
  [inventory](inventory.md).
"""

_INVENTORY_INTRO = """\
# Inventory

The description of a whole cluster, from which `cfy_manager cluster install` makes the
[config.yaml](config.md) of each node.
The folder `inventories/` holds complete examples: one node, two managers, three, nine and ten
nodes, databases at Azure and Amazon, external brokers, IPv6, host names, several networks, and
certificates of your own.

- Paths are relative to the inventory, and `~` is your home.
- Secrets are made at the first run and kept in the file `secrets`, which only you can read.
  A value that `settings` give wins; a value in the file is never changed.
- Each node gets only the secrets, certificates and settings that its roles use.
- `cfy_manager validate -i FILE` checks the file and every config.yaml it makes, and
  connects to nothing. Errors forbid the installation; a warning may be accepted by writing
  its code into `waive`.
"""


def config_page() -> str:
    """Return docs/reference/config.md."""
    return _page(_CONFIG_INTRO, config_schema())


def inventory_page() -> str:
    """Return docs/reference/inventory.md."""
    return _page(_INVENTORY_INTRO, inventory_schema())


PAGES = {"config.md": config_page, "inventory.md": inventory_page}


def _page(intro: str, schema: Document) -> str:
    sections = [_section(name, field) for name, field in schema["properties"].items()]
    removed = [_removed(list(_removed_keys(schema)))]
    return "\n".join([_HEAD, "", intro, *sections, *filter(None, removed)])


def _section(name: str, field: Document) -> str:
    new = " **New.**" if field.get("x-new") else ""
    required = _requirements(field)
    lines = [f"## {name}", "", f"{field['description']}{new}{required}", ""]
    rows = list(_rows(field, ""))
    if rows:
        lines += ["| key | type | default | |", "| --- | --- | --- | --- |", *rows, ""]
    else:
        lines += [f"Type: {_type(field)}. Default: {_default(field) or 'none'}.", ""]
    return "\n".join(lines)


def _requirements(field: Document) -> str:
    items = field.get("items", field)
    required = items.get("required", ())
    return f" Required: {', '.join(f'`{key}`' for key in required)}." if required else ""


def _rows(field: Document, above: str) -> Iterator[str]:
    for name, child in _children(field):
        path = f"{above}{name}"
        if "description" in child and not _is_plain_section(child):
            new = " **New.**" if child.get("x-new") else ""
            description = child["description"].replace("|", "\\|")
            yield f"| `{path}` | {_type(child)} | {_default(child)} | {description}{new} |"
        yield from _rows(child, f"{path}.")


def _children(field: Document) -> Iterator[tuple[str, Document]]:
    """Yield the keys of a section, of each member of a mapping, or of each item of a list."""
    yield from field.get("properties", {}).items()
    members = field.get("additionalProperties")
    if isinstance(members, Mapping) and "properties" in members:
        yield "NAME", members
    items = field.get("items", {})
    if "properties" in items:
        yield from ((f"[].{name}", child) for name, child in items["properties"].items())


def _is_plain_section(field: Document) -> bool:
    return field.get("type") == "object" and "properties" in field


def _type(field: Document) -> str:
    if "enum" in field:
        return ", ".join(f"`{choice}`" for choice in field["enum"])
    if field.get("x-secret"):
        return "secret"
    formats = {"absolute-path": "path", "address": "address", "ip": "IP address"}
    form = formats.get(field.get("format", ""))
    if form:
        return f"{form}, or a list of them" if "array" in field["type"] else form
    if field.get("type") == "array" and "enum" in field.get("items", {}):
        return f"list of {_type(field['items'])}"
    return expected_text(field["type"]).removeprefix("a ")


def _default(field: Document) -> str:
    default = field.get("default")
    if default is None or default == "":
        return ""
    text = default if isinstance(default, str) else json.dumps(default)
    return f"`{text}`" if len(text) < 80 else "see the schema"


def _removed_keys(schema: Document, above: str = "") -> Iterator[tuple[str, str]]:
    for key, remedy in schema.get("x-removed", {}).items():
        yield f"{above}{key}", remedy
    for name, child in _children(schema):
        yield from _removed_keys(child, f"{above}{name}.")


def _removed(keys: list[tuple[str, str]]) -> str:
    if not keys:
        return ""
    rows = [f"| `{key}` | {remedy} |" for key, remedy in keys]
    lines = ["## Keys that are refused", "", "Each is an error that says the same.", ""]
    return "\n".join([*lines, "| key | what to do |", "| --- | --- |", *rows, ""])


def write_pages(folder: Path) -> None:
    """Write all pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write_pages(Path("docs/reference"))
