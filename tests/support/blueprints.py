"""Blueprints for tests: one that uses all there is, and the study's gN, hN of many nodes."""

from pathlib import Path

from manager.dsl.plan import Surroundings

_EVERYTHING = Path(__file__).with_name("programs") / "everything.yaml"


def everything(folder: Path, version: str) -> Path:
    """Write a blueprint with all there is; `everything.surroundings` is what it needs."""
    (folder / "scripts").mkdir(exist_ok=True)
    (folder / "scripts/a.sh").write_text("true\n")
    path = folder / "blueprint.yaml"
    path.write_text(_EVERYTHING.read_text().replace("dsl_1_3", f"dsl_{version}"))
    return path


everything.surroundings = Surroundings(has_secret=lambda key: key == "key")  # type: ignore[attr-defined]


def many_nodes(folder: Path, count: int) -> Path:
    """Write the study's blueprint gN: independent nodes without operations."""
    path = folder / "blueprint.yaml"
    nodes = "".join(f"  n{i}: {{type: cloudify.nodes.Root}}\n" for i in range(count))
    path.write_text(
        "tosca_definitions_version: cloudify_dsl_1_3\n"
        f"imports: [cloudify/types/types.yaml]\nnode_templates:\n{nodes}"
    )
    return path
