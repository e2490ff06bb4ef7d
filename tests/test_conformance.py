"""The node cases that the onnx package ships: shapes beside recorded outputs; a price, a reason or a name for every node."""

from __future__ import annotations

import copy

import numpy as np
import onnx
import pytest

import irstat
from tests.support.conformance import conformance_cases, counts, outcomes, outcomes_of, price_all

pytestmark = pytest.mark.xdist_group("conformance")  # one process generates the models

COUNTS = {
    "1.23": {
        "cases": 1884,
        "operators": 200,
        "outputs": 2321,
        "outputs that contradict the recorded ones": 0,
        "outputs unknown for a reason, input values known": 31,
        "outputs unknown for a reason, input values not known": 354,
        "outputs unknown for no reason": 0,
        "nodes approximate": 65,
        "nodes exact": 3150,
        "nodes expanded": 11,
        "nodes free": 3045,
        "nodes unpriced": 303,
        "operators whose every node is priced, free or folded": 174,
        "operators with an unpriced node": 26,
    }
}
"""Version of onnx -> what `python -m tests.support.conformance` prints; nodes as they are in the file (`--raw`)."""

DECIDED_BY_CONTENT = {
    "ImageDecoder": "the size of the image is known only when ImageDecoder",
    "NonMaxSuppression": "the number of boxes that NonMaxSuppression",
    "StringSplit": "the number of substrings is known only when StringSplit",
    "StringNormalizer": "the number of words that StringNormalizer",
}
"""Operators whose outputs' sizes follow from texts, images or scores, which irstat does not compute, and why it says so."""

UNPRICED = {
    "ImageDecoder": "the arithmetic depends on the image format and its content",
    "Loop": "turns are known only at run time; one takes",
    "SequenceMap": "turns are known only at run time; one takes",
    "ai.onnx.preview.training::Adagrad": "irstat has no rule for ai.onnx.preview.training::Adagrad",
    "ai.onnx.preview.training::Adam": "irstat has no rule for ai.onnx.preview.training::Adam",
    "ai.onnx.preview.training::Momentum": "irstat has no rule for ai.onnx.preview.training::Momentum",
}
"""Operators that can't be priced although all sizes are known, and why; all others are unpriced only where a size is open."""


def test_counts_are_those_on_record() -> None:
    version = ".".join(onnx.__version__.split(".")[:2])
    if version not in COUNTS:
        pytest.skip(f"no counts are on record for onnx {version}")
    assert counts() == COUNTS[version]


def test_every_output_is_as_recorded_or_decided_by_content() -> None:
    """The inputs' values are there, as constants: only what is decided by content may stay open."""
    seen = 0
    for outcome in outcomes(stored=True):
        assert outcome.wrong == "", (outcome.case, outcome.output)
        if not outcome.known:
            (operator,) = outcome.operators
            assert outcome.reason.startswith(DECIDED_BY_CONTENT[operator]), outcome.case
        seen += 1
    assert seen > 2000


def test_what_depends_on_values_of_inputs_is_unknown_for_a_reason() -> None:
    """The inputs' values are not there; nothing may be contradicted, nothing open without a reason."""
    open_outputs = 0
    for outcome in outcomes(stored=False):
        assert outcome.wrong == "", (outcome.case, outcome.output)
        if not outcome.known:
            assert "known only when" in outcome.reason, (outcome.case, outcome.reason)
            open_outputs += 1
    assert 0 < open_outputs < 400


@pytest.mark.parametrize("raw", [True, False])
def test_every_node_is_priced_free_or_named(raw: bool) -> None:
    priced = price_all(raw=raw)
    assert priced.wrong == []
    assert {operator for operator, bases in priced.operators.items() if bases == {"folded"}} == {
        "Constant", "EyeLike", "SequenceEmpty", "Size",
    }  # fmt: skip
    for operator, notes in priced.unpriced.items():
        for note in notes:
            if "shape of '" in note and "' unknown: " in note:
                assert "known only when" in note, (operator, note)
            else:
                assert note.startswith(UNPRICED[operator]), operator


@pytest.mark.parametrize(("name", "macs", "basis"), [
    ("test_flexattention", 2 * (2 * 4 * 8 * 6 * 16), "expanded"),  # N H L S D, twice; its body imports no ai.onnx itself
    ("test_flexattention_diff_head_sizes", 2 * 4 * 8 * 6 * (16 + 32), "expanded"),
    ("test_reflect_pad", 0, "free"),  # of integers, which have no gradient
])  # fmt: skip
def test_some_by_hand(name: str, macs: int, basis: str) -> None:
    report = irstat.analyze(conformance_cases()[name].model)
    assert ([row.basis for row in report.rows], report.totals["macs"]) == ([basis], macs)


@pytest.mark.parametrize(("name", "change"), [
    ("test_relu", lambda value: value[1:]),
    ("test_relu", lambda value: value[None]),
    ("test_relu", lambda value: value.astype(np.float64)),
    ("test_nonmaxsuppression_two_batches", lambda value: np.zeros((value.shape[0], 4), value.dtype)),
    ("test_nonmaxsuppression_two_batches", lambda value: np.zeros((10_000, 3), value.dtype)),
    ("test_string_split_basic", lambda value: value[:1]),
    ("test_identity_sequence", lambda value: [value[0].astype(np.float64)]),
    ("test_identity_sequence", lambda value: value[0]),
])  # fmt: skip
def test_a_recorded_output_that_is_changed_is_noticed(name: str, change: object) -> None:
    case = copy.copy(conformance_cases()[name])
    assert [outcome.wrong for outcome in outcomes_of(case, stored=False)] == [""] * len(case.model.graph.output)
    inputs, (first, *others) = case.data_sets[0]
    case.data_sets = [(inputs, [change(first), *others])]  # type: ignore[operator]
    assert next(outcomes_of(case, stored=False)).wrong != ""
