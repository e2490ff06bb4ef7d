"""The judge of `benchmarks/fold_matrix.py` as a program: reads a case, a path and an answer, says one letter and why.

It runs in a process of its own, because some of the models it loads kill it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import onnx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.fold_bank import CASES
from tests.support.fold_bank.case import Case
from tests.support.fold_check import Count, count, difference

BY_NAME = {case.name: case for case in CASES}


def folded(before: Count, after: Count, case: Case) -> str:
    """The letter of a model that is equal to what it was made of."""
    if case.expect == "keeps":
        return "k"
    if after.linears > before.linears + case.linears:
        return "C"
    if after.batchnorms <= case.batchnorms and after.affine <= case.affine:
        return "f" if after.computed > before.computed else "F"
    fewer = after.batchnorms + after.affine < before.batchnorms + before.affine or after.batchnorms < before.batchnorms
    return "P" if fewer else "."


def letter(case: Case, path: str, answer: str) -> tuple[str, str]:
    """One cell, and why."""
    if answer != "done":
        return ("E" if case.expect == "invalid" else "X"), answer
    original, candidate = case.build(), onnx.load(path)
    if case.expect == "invalid":
        same = count(candidate) == count(original)
        return ("." if same else "W"), "accepted" if same else "folded"
    found = difference(original, candidate, replace(case, judges=case.judges[:1]))
    if "interface" in found.where:
        return "V", found.where
    if "does not load" in found.where:
        return "I", found.where
    if found:
        return "W", found.where
    return folded(count(original), count(candidate), case), f"error {found.error:.0e}"


def main() -> None:
    """Serve lines of case, path and answer."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    print("ready", file=answers)
    for line in sys.stdin:
        name, path, answer = line.rstrip("\n").split("\t", 2)
        try:
            cell, why = letter(BY_NAME[name], path, answer)
        except Exception as error:  # noqa: BLE001  # a model that loads and then cannot run
            cell, why = "I", f"does not run: {error}"
        print(f"{cell}\t{why}".replace("\n", " ")[:300], file=answers)


if __name__ == "__main__":
    main()
