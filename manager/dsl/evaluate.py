"""Evaluate intrinsic functions at run time: outputs, capabilities, nodes, instances, payloads."""

import copy
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from dsl_parser import functions
from dsl_parser.constants import CAPABILITIES, EVAL_FUNCS_PATH_PREFIX_KEY
from dsl_parser.exceptions import (
    DSLParsingException,
    EvaluationRecursionLimitReached,
    FunctionEvaluationError,
    FunctionValidationError,
    InputEvaluationError,
    UnknownInputError,
)

from manager.dsl.errors import (
    CapabilitiesEvaluationFailed,
    FunctionsEvaluationFailed,
    OutputsEvaluationFailed,
)
from manager.dsl.evaluation_storage import EvaluationStorage
from manager.dsl.facts import Facts
from manager.errors import RequestError

Document = dict[str, Any]

# What dsl_parser raises for functions that cannot be evaluated: its own errors, and Python's where
# it trusts what a blueprint or a caller wrote.
_FAILURES: Final = (
    FunctionEvaluationError,
    FunctionValidationError,
    InputEvaluationError,
    UnknownInputError,
    EvaluationRecursionLimitReached,
    DSLParsingException,
    AttributeError,
    IndexError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)

# dsl_parser counts the depth of recursion in one counter of the process: two threads that evaluate
# at once would reach its limit together. The lock is re-entrant since a capability of another
# deployment is evaluated within the evaluation that asks for it.
_ONE_AT_A_TIME = threading.RLock()


def _find_depth_counter() -> functions.RecursionLimit:
    cells = functions._EvaluationHandler.__call__.__closure__
    contents = (cell.cell_contents for cell in cells)
    return next(item for item in contents if isinstance(item, functions.RecursionLimit))


_DEPTH: Final = _find_depth_counter()


class Evaluator:
    """Evaluates functions in the context of one deployment."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def outputs(self) -> Document:
        """Return the values of the deployment's outputs."""
        with _explained(OutputsEvaluationFailed):
            definitions = copy.deepcopy(self._facts.outputs)
            return _document(functions.evaluate_outputs(definitions, self._storage()))

    def capabilities(self) -> Document:
        """Return the values of the deployment's capabilities."""
        with _explained(CapabilitiesEvaluationFailed):
            definitions = copy.deepcopy(self._facts.capabilities)
            return _document(functions.evaluate_capabilities(definitions, self._storage()))

    def payload(self, payload: Document, context: Document) -> Document:
        """Return `payload` with its functions evaluated.

        `context` tells whose functions they are: `self`, or `source` and `target`.
        """
        with _explained(FunctionsEvaluationFailed):
            return _document(functions.evaluate_functions(payload, context, self._storage()))

    def node(self, node: Document, instance_id: str | None = None) -> Document:
        """Return `node` with its functions evaluated, in the context of an instance if given.

        The keys `name` and `instance_id_hint`, which dsl_parser needs, stay: clients know them.
        """
        node["name"] = node["id"]
        with _explained(FunctionsEvaluationFailed):
            return _document(functions.evaluate_node_functions(node, self._storage(), instance_id))

    def instance(self, instance: Document) -> Document:
        """Return a node instance with the functions of its runtime properties evaluated."""
        with _explained(FunctionsEvaluationFailed):
            return _document(functions.evaluate_node_instance_functions(instance, self._storage()))

    def _storage(self) -> EvaluationStorage:
        return EvaluationStorage(self._facts, _capability_value)


def has_functions(value: object) -> bool:
    """Tell whether a function may be hidden in `value`: a dictionary with one key named as one."""
    if isinstance(value, Mapping):
        if functions.get_function(value):
            return True
        return any(has_functions(item) for item in value.values())
    if isinstance(value, list):
        return any(has_functions(item) for item in value)
    return False


def _capability_value(facts: Facts, definition: Mapping[str, Any]) -> Any:
    """Return a capability of another deployment, evaluated in that deployment's context."""
    context = {EVAL_FUNCS_PATH_PREFIX_KEY: CAPABILITIES}
    payload = copy.deepcopy(dict(definition))
    return Evaluator(facts).payload(payload, context)["value"]


@contextmanager
def _explained(error_class: Callable[[str], RequestError]) -> Iterator[None]:
    with _ONE_AT_A_TIME:
        depth = _DEPTH.calls_cnt
        try:
            yield
        except _FAILURES as error:
            raise error_class(_message(error)) from error
        finally:
            # It counts a call that it refuses and never takes it back: fifty cycles in blueprints
            # would end all evaluation in this process.
            _DEPTH.calls_cnt = depth


def _message(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{json.dumps(error.args[0], default=str)} is missing"
    return str(error) or type(error).__name__


def _document(value: Any) -> Document:
    found: Document = value
    return found
