"""Measure a manager on loopback beside the original, and print one table.

    python -m tests.benchmarks.runtime [--list] [NAME…]

The database writes durably, as on a node. Figures of the original are those of a study on a machine
of the same size (two processors). `others` is the part of the machine's CPU time that other
programs (the load generator and the client among them) used meanwhile.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.runtime.bench import Bench, Span
from tests.benchmarks.runtime.measures import MEASURES, Measure
from tests.support.runtime import runtime_on_loopback

_VERDICTS = {True: "met", False: "NOT MET", None: "-"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the measures that the arguments name, or all; return how many miss their budget."""
    options = _parser().parse_args(arguments)
    known = {measure.name: measure for measure in MEASURES}
    if unknown := set(options.names) - known.keys():
        sys.stderr.write(f"unknown: {', '.join(sorted(unknown))}; see --list\n")
        return 2
    if options.list:
        sys.stdout.writelines(f"{m.name:10} {m.what} ({m.unit})\n" for m in MEASURES)
        return 0
    chosen = [m for m in MEASURES if not options.names or m.name in options.names]
    table = _table()
    missed = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        runtime_on_loopback(is_durable=True) as runtime,
        closing(Bench(runtime, Path(folder))) as bench,
    ):
        for measure in chosen:
            missed += _take(measure, bench, table)
    Console(width=120).print(table)
    return missed


def _take(measure: Measure, bench: Bench, table: Table) -> int:
    """Add a measure's row to the table; a failure is a row too, and what it says goes before."""
    bench.spans.clear()
    sys.stderr.write(f"{measure.name}: {measure.what}\n")
    try:
        value = measure.take(bench)
    except Exception as error:
        sys.stderr.write(f"{measure.name} failed: {error!r:.2000}\n")
        table.add_row(measure.what, measure.unit, "failed", "", "", "", "", "", "", "NOT MET")
        return 1
    met = measure.is_met(value)
    sys.stderr.write(f"    {value:.3g} {measure.unit}; CPU s: {_parts(bench.spans)}\n")
    table.add_row(*_words(measure, value, bench.spans), _VERDICTS[met])
    return int(met is False)


def _words(measure: Measure, value: float, spans: Sequence[Span]) -> list[str]:
    words = [measure.what, measure.unit, f"{value:.3g}" if value < 100 else f"{value:.0f}"]
    words += [f"{measure.original:g}", f"{measure.gain(value):.1f}"]
    words.append("" if measure.budget is None else f"{measure.budget:g}")
    if not spans:
        return [*words, "", "", ""]
    count = len(spans)
    own = sum(span.own_cpu_s for span in spans) / count
    others = sum(span.others_share for span in spans) / count
    requests = sum(span.requests for span in spans) / count
    return [*words, f"{own:.2f}", f"{requests:.0f}" if requests else "", f"{others:.0%}"]


def _parts(spans: Sequence[Span]) -> str:
    """Return the CPU seconds of each program in a mean span."""
    names = spans[0].parts if spans else {}
    means = {name: sum(span.parts[name] for span in spans) / len(spans) for name in names}
    return ", ".join(f"{name} {mean:.2f}" for name, mean in means.items())


def _table() -> Table:
    table = Table("measure", "unit", title="The manager beside the original")
    for name in ("ours", "original", "times", "budget", "own CPU s", "requests", "others"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.runtime",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="measures to take; all without one")
    parser.add_argument("--list", action="store_true", help="list the measures")
    return parser


if __name__ == "__main__":
    sys.exit(main())
