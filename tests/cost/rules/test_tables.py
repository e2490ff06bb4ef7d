"""Every operator irstat has an entry for is in one of the tables beside this file, and the tables fit the operators."""

import importlib
from pathlib import Path

import pytest
from onnx import checker, shape_inference

import irstat.cost.rules
from irstat.cost.cost import Work
from irstat.cost.registry import _entries, entries, find, free, rule, unsupported
from tests.support.one_node import row_model

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("test_*.py") if path != Path(__file__))
TABLES = {name: importlib.import_module(f"tests.cost.rules.{name}") for name in NAMES}
ROWS = [(name.removeprefix("test_"), row) for name, module in TABLES.items() for row in getattr(module, "ROWS", ())]
THROW_AWAY = "IrstatTestOperator"


def missing(known, rows):
    """Operators that are not in any of the rows."""
    covered = {row.op for _, row in rows}
    return sorted({f"{entry.domain}::{entry.op_type}".removeprefix("::") for entry in known} - covered)


def test_every_operator_has_a_row():
    assert missing(entries(), ROWS) == []


def test_a_missing_row_is_noticed():
    without = [(family, row) for family, row in ROWS if row.op != "Conv"]
    assert missing(entries(), without) == ["Conv"]


def test_rows_are_in_the_table_of_their_family():
    """`test_contrib_elementwise.py` belongs to `contrib.py`: the longest name of a family that the table's begins with."""
    families = sorted((module.__name__.rpartition(".")[2] for module in irstat.cost.rules.FAMILIES), key=len, reverse=True)
    misplaced = []
    for table, row in ROWS:
        domain, _, op_type = row.op.rpartition("::")
        entry = find(op_type, domain, row.opset if not domain else 1)
        assert entry is not None, row.op
        home = next((family for family in families if table == family or table.startswith(f"{family}_")), None)
        if home != entry.owner.split(".")[3]:
            misplaced.append((row.op, table, entry.owner))
    assert misplaced == []


def test_names_of_rows_are_unique():
    for name, module in TABLES.items():
        ids = [row.id for row in getattr(module, "ROWS", ())]
        assert len(ids) == len(set(ids)), (name, sorted({row_id for row_id in ids if ids.count(row_id) > 1}))


def test_families_are_the_modules_of_the_folder():
    folder = Path(irstat.cost.rules.__file__).parent
    modules = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    assert [module.__name__ for module in irstat.cost.rules.FAMILIES] == [f"irstat.cost.rules.{name}" for name in modules]


UNKNOWN_TO_ONNX = {"GroupNormalization", "MeanVarianceNormalization", "SimplifiedLayerNormalization"}
"""Operators of ai.onnx for which onnx infers nothing; the last is onnxruntime's own."""

OFFICIAL = [row for _, row in ROWS if "::" not in row.op and row.op not in UNKNOWN_TO_ONNX]


@pytest.mark.parametrize("row", OFFICIAL, ids=lambda row: f"{row.op}-{row.id}")
def test_onnx_accepts_the_row(row):
    """The model is one that ONNX's own checker and shape inference take, so the row tests what it says."""
    model = shape_inference.infer_shapes(row_model(row), check_type=True, strict_mode=True)
    checker.check_model(model, full_check=True)


@pytest.fixture
def throw_away():
    yield THROW_AWAY
    for key in [key for key in _entries if key[1] == THROW_AWAY]:
        del _entries[key]


def test_registering_twice_names_both_owners(throw_away):
    @rule(throw_away)
    def first(op):
        return Work()

    with pytest.raises(ValueError, match=f"{throw_away}.*by both .*first.* and here") as caught:
        free({throw_away: "moves data"}, owner="here")
    assert "test_tables" in str(caught.value)


def test_one_function_for_two_names_is_not_twice(throw_away):
    unsupported({throw_away: "for one reason"}, owner="here")
    unsupported({throw_away: "for another"}, owner="there", domain="elsewhere")
    assert find(throw_away, "", 1).reason == "for one reason"
    assert find(throw_away, "elsewhere", 1).reason == "for another"


def test_the_newest_version_that_is_not_newer_is_found(throw_away):
    @rule(throw_away, since=1)
    def old(op):
        return Work()

    @rule(throw_away, since=13)
    def new(op):
        return Work()

    owners = [find(throw_away, "", version).owner.rpartition(".")[2] for version in (1, 12, 13, 22, 0)]
    assert owners == ["old", "old", "new", "new", "new"]
    assert find(throw_away, "elsewhere", 1) is None
    with pytest.raises(ValueError, match="since 13"):
        rule(throw_away, since=13)(old)


def test_entries_are_sorted_and_say_who_owns_them():
    known = entries()
    assert known == sorted(known, key=lambda entry: (entry.domain, entry.op_type, entry.since))
    assert all(entry.owner.startswith("irstat.cost.rules.") for entry in known)
    assert all(entry.reason for entry in known if entry.kind != "rule")
