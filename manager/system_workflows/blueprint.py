"""upload_blueprint: from an archive to a plan."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudify.models_states import BlueprintUploadState as State
from sqlalchemy import func, update

from manager.dsl.parse import InvalidBlueprint, Plan, parse_blueprint
from manager.files.unpack import unpack
from manager.files.write import draft, publish
from manager.services.blueprint_files import unpack_limits
from manager.services.blueprint_labels import given_labels, labels_of_plan
from manager.services.labels import replace_labels
from manager.storage.models import Blueprint, BlueprintLabel
from manager.system_workflows.archive import find_archive, store_archive
from manager.system_workflows.catalogue import DatabaseCatalogue
from manager.system_workflows.context import SystemContext, WorkflowFailed, creator, tenant_name

_MAIN_FILE = "blueprint.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One upload: which blueprint, what to parse, what to keep of it."""

    context: SystemContext
    blueprint_id: str
    tenant: str
    main_file: str | None
    url: str | None
    validate_only: bool
    labels: list[Any]

    def run(self) -> None:
        """Parse the blueprint and store its plan; its state tells how far it came."""
        with self._failing_as(State.FAILED_UPLOADING):
            archive = self._archive()
        self._enter(State.EXTRACTING, "Blueprint archive uploaded. Extracting...")
        with draft(self.context.tree.incoming) as folder:
            with self._failing_as(State.FAILED_EXTRACTING):
                limits = unpack_limits(self.context.settings)
                unpack(archive, folder, incoming=self.context.tree.incoming, limits=limits)
                main_file = self._main_file(folder)
            self._enter(State.PARSING, "Blueprint archive extracted. Parsing...")
            plan = self._parse(folder, main_file)
            with self._failing_as(State.FAILED_UPLOADING, "Failed uploading blueprint - {}"):
                self._publish(folder)
                self._store(plan, main_file)

    def _archive(self) -> Path:
        if self.url is None:
            return find_archive(self.context, self.tenant, self.blueprint_id)
        self._enter(State.UPLOADING)
        return store_archive(self.context, self.tenant, self.blueprint_id, self.url)

    def _main_file(self, folder: Path) -> str:
        name = self.main_file or _MAIN_FILE
        path = folder / name
        if path.resolve().is_relative_to(folder.resolve()) and path.is_file():
            return name
        if self.main_file:
            raise WorkflowFailed(f"{name} does not exist in the application directory")
        raise WorkflowFailed(
            f"Application directory is missing {_MAIN_FILE} and application_file_name query"
            " parameter was not passed"
        )

    def _parse(self, folder: Path, main_file: str) -> Plan:
        def without_folder(error: BaseException) -> str:
            return str(error).replace(f"{folder}/", "")  # where it lies is nobody's concern

        with (
            self._failing_as(State.FAILED_PARSING, "Failed parsing blueprint - {}"),
            self._failing_as(State.INVALID, kinds=InvalidBlueprint, message=without_folder),
            self.context.database.session() as session,
        ):
            caller = creator(session, self.context.execution)
            catalogue = DatabaseCatalogue(session, caller, self.context)
            plan = parse_blueprint(folder / main_file, catalogue)
        self._warn_of_shadowed_relationships(plan)
        return plan

    def _publish(self, folder: Path) -> None:
        if self.validate_only:
            return
        target = self.context.tree.blueprint(self.tenant, self.blueprint_id)
        publish(folder, target)
        with self.context.database.session() as session:
            self.context.note_write(session, target)

    def _store(self, plan: Plan, main_file: str) -> None:
        requirements = plan.pop("requirements", None) or {}
        labels = [*given_labels(self.labels), *labels_of_plan(plan)]
        values = {
            "plan": plan,
            "requirements": requirements,
            "main_file_name": main_file,
            "state": State.UPLOADED,
            "error": None,
            "error_traceback": None,
        }
        if plan.get("description"):
            values["description"] = plan["description"]
        with self.context.database.session() as session:
            key = session.execute(self._update(values).returning(Blueprint.key)).scalar_one()
            unique = list(dict.fromkeys(labels))
            owner = self.context.execution.creator_id
            replace_labels(session, BlueprintLabel, key, unique, owner)

    def _enter(self, state: str, message: str | None = None) -> None:
        if message:
            self.context.log(message)
        if not self.validate_only:
            self._write({"state": state})

    def _write(self, values: dict[str, Any]) -> None:
        with self.context.database.session() as session:
            session.execute(self._update(values))

    def _update(self, values: dict[str, Any]) -> Any:
        return (
            update(Blueprint)
            .where(
                Blueprint.tenant_id == self.context.execution.tenant_id,
                Blueprint.id == self.blueprint_id,
            )
            .values(**values, updated_at=func.now())
        )

    @contextmanager
    def _failing_as(
        self,
        state: str,
        form: str = "{}",
        *,
        kinds: type[Exception] = Exception,
        message: Callable[[BaseException], str] = str,
    ) -> Iterator[None]:
        """Write how the upload failed, in the state that tells what did; then let it fail."""
        try:
            yield
        except _Failed:
            raise
        except kinds as error:
            text = form.format(message(error))
            trace = traceback.format_exc()
            self._write({"state": state, "error": text, "error_traceback": trace})
            raise _Failed(text) from error

    def _warn_of_shadowed_relationships(self, plan: Plan) -> None:
        for node in plan["nodes"]:
            targets = [relationship["target_id"] for relationship in node["relationships"]]
            if len(targets) > len(set(targets)):
                self.context.log(
                    f"Node '{node['name']}' contains multiple relationships with the same target."
                    " Only the last of these will have its interface operations executed.",
                    level="warning",
                )


class _Failed(WorkflowFailed):
    """The failure is written already."""


def upload(context: SystemContext, *, blueprint_id: str, **parameters: Any) -> None:
    """Parse an uploaded blueprint, or one at a URL; raises ManagerError.

    `parameters` are app_file_name, url, validate_only and labels, as the execution has them.
    """
    with context.database.session() as session:
        tenant = tenant_name(session, context.execution)
    Upload(
        context=context,
        blueprint_id=blueprint_id,
        tenant=tenant,
        main_file=parameters.get("app_file_name") or None,
        url=parameters.get("url") or None,
        validate_only=bool(parameters.get("validate_only")),
        labels=parameters.get("labels") or [],
    ).run()
