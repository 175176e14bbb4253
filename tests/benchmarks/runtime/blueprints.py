"""Blueprints of the study of the original: N nodes without operations, N nodes with two scripts."""

from pathlib import Path

_HEAD = "tosca_definitions_version: cloudify_dsl_1_3\nimports: [cloudify/types/types.yaml]\n"
_SCRIPTED = """\
node_types:
  bench.nodes.Scripted:
    derived_from: cloudify.nodes.Root
    interfaces:
      cloudify.interfaces.lifecycle:
        create: { implementation: step.py, executor: central_deployment_agent }
        start: { implementation: step.py, executor: central_deployment_agent }
"""


def write_graph(folder: Path, nodes: int) -> Path:
    """Write gN: independent nodes that implement nothing."""
    return _write(folder, _HEAD + _nodes("cloudify.nodes.Root", nodes))


def write_scripts(folder: Path, nodes: int) -> Path:
    """Write sN: independent nodes whose create and start run a script that only imports."""
    path = _write(folder, _HEAD + _SCRIPTED + _nodes("bench.nodes.Scripted", nodes))
    (folder / "step.py").write_text("from cloudify import ctx\n")
    return path


def _nodes(kind: str, count: int) -> str:
    lines = (f"  n{number}: {{ type: {kind} }}\n" for number in range(count))
    return "node_templates:\n" + "".join(lines)


def _write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "blueprint.yaml"
    path.write_text(text)
    return path
