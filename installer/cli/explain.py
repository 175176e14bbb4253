"""`cfy_manager explain`: what a code means and what to do about it, without any network."""

import json
import textwrap
from collections.abc import Sequence
from itertools import groupby

import click

from installer.catalogue import Entry, entries, entry, near_codes

_WIDTH = 96
_MARGIN = 10


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("codes", metavar="CODE", nargs=-1)
@click.option("--list", "as_list", is_flag=True, help="Every code with its title, by family.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def explain(codes: tuple[str, ...], as_list: bool, as_json: bool) -> None:
    """Tell the cause, the evidence and the next commands of a code in [brackets].

    Every failure that has a known cause prints its code. Nothing is connected to.

    \b
    Example: cfy_manager explain etcd-cluster-id-mismatch
             cfy_manager explain --list
    """
    if as_list == bool(codes):
        raise click.UsageError("give a CODE, or --list for all of them")
    found = list(entries()) if as_list else [_found(code) for code in codes]
    if as_json:
        click.echo(json.dumps([one.as_json() for one in found], indent=2))
    elif as_list:
        click.echo(table_text(found))
    else:
        click.echo("\n\n".join(entry_text(one) for one in found))


def _found(code: str) -> Entry:
    """Return the entry of a code as it was typed, brackets or not."""
    try:
        return entry(code.strip().strip("[]").lower())
    except KeyError:
        near = near_codes(code)
        hint = f"did you mean {' or '.join(near)}?" if near else "--list shows every code"
        raise click.UsageError(f"there is no code {code!r}; {hint}") from None


def entry_text(found: Entry) -> str:
    """Return an entry as a person reads it in a terminal."""
    sections = [
        ("Cause", (found.cause,)),
        ("Evidence", (found.evidence,)),
        ("Next", found.next),
        ("See", found.see),
    ]
    lines = [f"{found.code}: {found.title}", ""]
    for heading, texts in sections:
        for number, text in enumerate(texts):
            lines += _hanging("" if number else heading, text)
    return "\n".join(lines)


def _hanging(heading: str, text: str) -> list[str]:
    """Return a text beside its heading; a command is never broken: it is copied from here."""
    first = f"{heading:<{_MARGIN}}"
    if not text[:1].isupper():
        return [f"{first}{text}"]
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=" " * _MARGIN,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table_text(found: Sequence[Entry]) -> str:
    """Return codes and titles as one table, by family."""
    width = max(len(one.code) for one in found)
    lines = []
    for family, members in groupby(found, key=lambda one: one.family):
        lines += [family, *(f"  {one.code:<{width}}  {one.title}" for one in members), ""]
    return "\n".join([*lines, "Next: cfy_manager explain CODE"])
