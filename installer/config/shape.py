"""Compare a document with its schema and say in plain words what breaks it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from installer.config.formats import FORMAT_TEXTS, FORMATS
from installer.config.model import Document
from installer.config.schema import field_at
from installer.config.source import Finding, KeyPath, path_text
from installer.config.words import expected_text, nearest, type_text

# what a message says of a value, by the keyword of the schema that it breaks
_TEXTS = {
    "const": "{shown} is not possible",
    "enum": "{shown} is none of {choices}",
    "exclusiveMinimum": "{shown} is too small, it must be above {wanted}",
    "maxLength": "it is longer than {wanted} characters",
    "maximum": "{shown} is too large, the most is {wanted}",
    "minItems": "it is empty",
    "minLength": "it is empty",
    "minProperties": "it is empty",
    "minimum": "{shown} is too small, the least is {wanted}",
    "pattern": "{shown} is not in the form that is wanted",
    "uniqueItems": "an item stands twice",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Breach:
    """What breaks which keyword of the schema, and where."""

    path: KeyPath
    keyword: str
    wanted: Any  # the keyword's value in the schema
    value: Any
    is_name: bool  # the name of a key, not its value


def shape_findings(document: Document, schema: Document) -> Iterator[Finding]:
    """Yield one finding for each key that breaks the schema, in the order of the file."""
    seen: set[KeyPath] = set()
    for breach in _breaches(document, schema):
        for finding in _findings(breach, schema):
            if finding.path not in seen:
                seen.add(finding.path)
                yield finding


def _breaches(document: Document, schema: Document) -> Iterator[_Breach]:
    validator: Any = Draft202012Validator(schema, format_checker=FORMATS)
    for error in validator.iter_errors(document):
        yield _Breach(
            path=tuple(error.absolute_path),
            keyword=error.validator,
            wanted=error.validator_value,
            value=error.instance,
            is_name="propertyNames" in error.absolute_schema_path,
        )


def _findings(breach: _Breach, schema: Document) -> Iterator[Finding]:
    if breach.is_name:
        yield _bad_name(breach)
    elif breach.keyword == "additionalProperties":
        yield from _unknown_keys(breach, field_at(schema, breach.path))
    elif breach.keyword == "required":
        yield from _missing_keys(breach, schema)
    else:
        yield _bad_value(breach, schema)


def _unknown_keys(breach: _Breach, field: Document) -> Iterator[Finding]:
    known = field.get("properties", {})
    removed = field.get("x-removed", {})
    for key in breach.value:
        path = (*breach.path, key)
        if key in removed:
            yield Finding(path, "Cloudify's key has no meaning here", removed[key], "dead-key")
        elif key not in known:
            remedy = _unknown_remedy(key, known)
            yield Finding(path, "this key is not known", remedy, "unknown-key")


def _unknown_remedy(key: str, known: Document) -> str:
    if meant := nearest(key, known):
        return f"did you mean `{meant}`? {known[meant].get('description', '')}".rstrip()
    return f"remove it; known here: {', '.join(sorted(known))}"


def _missing_keys(breach: _Breach, schema: Document) -> Iterator[Finding]:
    for key in breach.wanted:
        if key not in breach.value:
            path = (*breach.path, key)
            description = field_at(schema, path).get("description", "")
            yield Finding(path, "this key is missing", f"add it: {description}", "key-missing")


def _bad_name(breach: _Breach) -> Finding:
    reason = FORMAT_TEXTS.get(str(breach.wanted), "is more than letters, digits and _ . -")
    what = f"the name {breach.value!r} {reason}"
    return Finding((*breach.path, breach.value), what, "give it another name", "bad-name")


def _bad_value(breach: _Breach, schema: Document) -> Finding:
    field = field_at(schema, breach.path)
    above = field_at(schema, breach.path[:-1])
    description = field.get("description") or above.get("description", "")
    shown = "the value" if field.get("x-secret") else repr(breach.value)
    removed = above.get("x-removed", {})
    if breach.keyword == "enum" and isinstance(breach.value, str) and breach.value in removed:
        remedy = removed[breach.value]
        return Finding(breach.path, _value_text(breach, shown), remedy, "dead-key")
    remedy = ": ".join(filter(None, (_correction(breach), description)))
    return Finding(breach.path, _value_text(breach, shown), remedy, "bad-value")


def _value_text(breach: _Breach, shown: str) -> str:
    if breach.keyword == "type" and breach.value is None:
        return "there is nothing behind the colon"
    if breach.keyword == "type":
        return f"this is {type_text(breach.value)}, not {expected_text(breach.wanted)}"
    if breach.keyword == "format":
        return f"{shown} {FORMAT_TEXTS[breach.wanted]}"
    is_list = isinstance(breach.wanted, list)
    choices = ", ".join(map(str, breach.wanted)) if is_list else ""
    return _TEXTS[breach.keyword].format(shown=shown, wanted=breach.wanted, choices=choices)


def _correction(breach: _Breach) -> str:
    if breach.keyword == "const":
        return f"remove it or write {str(breach.wanted).lower()}"
    if breach.keyword != "type":
        return f"correct {path_text(breach.path)}"
    is_scalar = isinstance(breach.value, str | int | float)
    if "string" in breach.wanted and is_scalar:
        return "put it in quotes"
    if breach.wanted == "boolean" and is_scalar:
        return "write true or false, without quotes"
    return f"write {expected_text(breach.wanted)}"
