"""A blueprint for tests that uses all there is in one."""

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
