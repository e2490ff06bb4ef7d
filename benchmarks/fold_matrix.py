"""A bank of small models with batch norms that can be folded, or must not be: what irstat and its peers make of each.

    python -m venv peers && peers/bin/pip install -r benchmarks/requirements.txt
    python benchmarks/fold_matrix.py --peers peers/bin/python -o docs/fold_matrix.md [NAME …]

The bank and what mathematics allows for each model are `tests/support/fold_bank`. A peer runs with its default passes, in a
process of its own that serves many models and is started again when one kills it; so does the judge, onnxruntime with its own
optimizations off, on random inputs of three magnitudes. Needs irstat, onnx and onnxruntime; a few minutes on two cores.
"""

from __future__ import annotations

import argparse
import re
import select
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.fold_tools import TOOLS
from tests.support.fold_bank import CASES
from tests.support.fold_bank.case import Case

HERE = Path(__file__).resolve().parent
TIMEOUT = 120
"""Seconds for one model."""

LETTERS = {
    "F": "folded as far as possible, and equal",
    "f": "the same, but the arithmetic on constants is left in the graph as nodes",
    "P": "folded in part, and equal",
    "C": "replaced by another linear node",
    ".": "left",
    "k": "must not be folded: function and interface are kept",
    "E": "an invalid model is refused",
    "W": "wrong numbers, or an invalid model folded",
    "V": "inputs or outputs changed",
    "I": "the output does not load or run",
    "X": "exception, crash or timeout",
    "–": "the tool cannot run the original",
}
EXPECTATIONS = {
    "folds": ("exactly foldable", "FfPC.WVIX–"),
    "partly": ("foldable in part", "FfPC.WVIX–"),
    "keeps": ("must keep its meaning", "kWVIX–"),
    "invalid": ("not valid", "E.WX"),
}


class Worker:
    """A program that answers each line with a line, and is started again when it dies."""

    def __init__(self, *command: str) -> None:
        self.command = command
        self.process: subprocess.Popen[str] | None = None
        self.greeting = self.start()

    def start(self) -> str:
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        return self.line()

    def line(self) -> str:
        """The next line; `timeout` or `crash` if there is none."""
        ready, _, _ = select.select([self.process.stdout], [], [], TIMEOUT)
        said = self.process.stdout.readline() if ready else "timeout"
        if said.endswith("\n"):
            return said.rstrip("\n")
        self.stop()
        return said or "crash"

    def ask(self, question: str) -> str:
        """The answer to a line; `crash` or `timeout` if the program does not live to give it."""
        if self.process.poll() is not None:
            self.start()
        self.process.stdin.write(f"{question}\n")
        return self.line()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass(slots=True)
class Column:
    """One tool, and its cells by case."""

    tool: str
    version: str = ""
    cells: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def run_tool(tool: str, interpreter: str, cases: Sequence[Case], folder: Path) -> Column:
    """Fold and judge all cases with one tool."""
    worker = Worker(interpreter, str(HERE / "fold_tools.py"), tool)
    judge = Worker(sys.executable, str(HERE / "fold_judge.py"))
    column = Column(tool, worker.greeting)
    for number, case in enumerate(cases):
        if tool.startswith("ort-") and "onnxruntime" not in case.judges:
            column.cells[case.name] = "–"
            continue
        target = folder / f"{case.name}.{tool}.onnx"  # beside the original, whose external weights it may refer to
        answer = worker.ask(f"{folder / f'{case.name}.onnx'}\t{target}")
        said = judge.ask(f"{case.name}\t{target}\t{answer}")
        cell, _, reason = said.partition("\t")
        column.cells[case.name], column.reasons[case.name] = (cell, reason) if reason else ("I", said)
        if sys.stderr.isatty():
            print(f"\r{tool} {number + 1}/{len(cases)} ", end="", file=sys.stderr, flush=True)
    worker.stop()
    judge.stop()
    return column


def printable(reason: str) -> str:
    """A message without addresses and folders, cut to a line."""
    return re.sub(r"(?<![\w.])/\S+/|(?: object)? at 0x[0-9a-f]+", "", reason)[:110]


def markdown_table(header: Sequence[str], rows: Iterator[Sequence[object]]) -> Iterator[str]:
    """Lines of a table; all columns but the first in the middle."""
    yield f"| {' | '.join(header)} |"
    yield f"| --- |{' :-: |' * (len(header) - 1)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"


def summary(columns: Sequence[Column], cases: Sequence[Case]) -> Iterator[str]:
    """One line a tool."""
    groups = {expect: [case.name for case in cases if case.expect == expect] for expect in EXPECTATIONS}
    header = [f"{title} ({len(groups[expect])}): {' / '.join(letters)}" for expect, (title, letters) in EXPECTATIONS.items()]

    def row(column: Column) -> list[str]:
        line = [f"{column.tool} {column.version}"]
        for expect, (_, letters) in EXPECTATIONS.items():
            counter = Counter(column.cells[name] for name in groups[expect])
            line.append(" / ".join(str(counter[one]) for one in letters))
        return line

    yield from markdown_table(["tool", *header], (row(column) for column in columns))


def by_rule(columns: Sequence[Column], cases: Sequence[Case]) -> Iterator[str]:
    """How many of a rule's foldable patterns each tool folds."""
    foldable = [case for case in cases if case.expect in ("folds", "partly")]
    rules = dict.fromkeys(case.rule for case in foldable)

    def row(rule: str) -> list[object]:
        names = [case.name for case in foldable if case.rule == rule]
        return [rule, len(names), *(sum(column.cells[name] in "Ff" for name in names) for column in columns)]

    yield from markdown_table(["rule", "patterns", *(column.tool for column in columns)], map(row, rules))


def report(columns: Sequence[Column], cases: Sequence[Case]) -> Iterator[str]:
    """The whole document."""
    yield "# Patterns of batch norm and constant arithmetic, by tool\n"
    yield "    python benchmarks/fold_matrix.py --peers peers/bin/python -o docs/fold_matrix.md\n"
    yield f"{len(cases)} small models of `tests/support/fold_bank`, onnx {onnx.__version__}. The letters:\n"
    yield from (f"- **{one}** {meaning}" for one, meaning in LETTERS.items())
    yield ""
    yield from summary(columns, cases)
    foldable = [case.name for case in cases if case.expect in ("folds", "partly")]
    peers = [column for column in columns if column.tool != "irstat"]
    together = sum(any(column.cells[name] in "Ff" for column in peers) for name in foldable)
    yield f"\nAll peers together complete {together} of the {len(foldable)} patterns that can be folded.\n"
    yield "## Completed, by rule\n"
    yield from by_rule(columns, cases)
    yield "\n## Every pattern\n"
    rows = ([f"`{case.name}`", case.rule, case.expect, *(column.cells[case.name] for column in columns)] for case in cases)
    yield from markdown_table(["pattern", "rule", "expected", *(column.tool for column in columns)], rows)
    yield "\n## Wrong, broken or unsafe\n"
    for column in columns:
        for name, cell in column.cells.items():
            if cell in {"W", "V", "I", "X"}:
                yield f"- {column.tool}, `{name}`: **{cell}** {printable(column.reasons[name])}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only these models")
    parser.add_argument("--peers", default=sys.executable, help="the Python that has the peers")
    parser.add_argument("--tools", nargs="*", default=list(TOOLS), choices=list(TOOLS))
    parser.add_argument("-o", "--output", type=Path, help="write the document there")
    options = parser.parse_args()
    cases = [case for case in CASES if not options.names or case.name in options.names]
    with tempfile.TemporaryDirectory() as name:
        for case in cases:
            case.write(Path(name))
        pythons = {tool: sys.executable if tool == "irstat" else options.peers for tool in options.tools}
        columns = [run_tool(tool, python, cases, Path(name)) for tool, python in pythons.items()]
    print("\n".join(summary(columns, cases)))
    if options.output:
        options.output.write_text("\n".join(report(columns, cases)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
