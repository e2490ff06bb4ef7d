"""What `irstat machine` measures: cases and their networks."""

from __future__ import annotations

from collections import Counter

import onnx
import pytest

from irstat.analyze import Study
from irstat.onnx_reader import load
from irstat.prediction.cases import BINARY, BLOCKED_NORMALIZATION, SUM_NORMALIZATION, SWISH, UNARY, Case, cases
from irstat.prediction.networks import chain, network, networks, single
from irstat.prediction.samples import kernels_of, normalized

ALL = tuple(cases())


def _one_of_each() -> list[Case]:
    """The first case of every operator, and of every form that a convolution has."""
    found: dict[tuple[object, ...], Case] = {}
    for case in ALL:
        found.setdefault((case.op_type, len(case.inputs), len(case.inputs[0]), case.attributes.get("group", 1) > 1), case)
    return list(found.values())


def test_they_are_the_same_each_time() -> None:
    assert tuple(cases()) == ALL


def test_every_kind_is_there() -> None:
    counts = Counter(case.op_type for case in ALL)
    others = {"Conv", "ConvTranspose", "MatMul", "LSTM", "GRU", "BatchNormalization", BLOCKED_NORMALIZATION, "PRelu"}
    along = {"Softmax", SUM_NORMALIZATION}
    moving = {"LayerNormalization", "GlobalAveragePool", "ReduceMean", "Transpose", "Concat", "Split", "Slice", "Pad"}
    rest = {"Reshape", "Expand", "Gather", "MaxPool", "AveragePool"}
    assert counts.keys() == {*UNARY, *BINARY, *others, *along, *moving, *rest}
    assert min(counts.values()) >= 5


@pytest.mark.slow
def test_every_family_that_kernels_have_is_sampled() -> None:
    counts: Counter[str] = Counter()
    for made in networks(ALL):
        point = normalized(load(made))
        found = kernels_of(point.graph, point.priced.costs)
        pairs = zip(found.groups, found.works, strict=True)
        counts.update(work.family for group, work in pairs if work is not None and group.anchor.name.isdigit())
        counts.update(reorder.direction for reorder in found.reorders)
    both = ("Conv", "Conv 1x1", "Conv depthwise", "Conv grouped", "MaxPool", "AveragePool")
    others = {"Conv 1d or 3d", "ConvTranspose", "MatMul", "MatMul by weights", "LSTM", "GRU", "Softmax", "LayerNormalization"}
    special = {SWISH, BLOCKED_NORMALIZATION, SUM_NORMALIZATION, "BatchNormalization", "GlobalAveragePool", "ReduceMean"}
    moving = {"Transpose", "Concat", "Split", "Slice", "Pad", "Expand", "Gather", "view", "ReorderInput", "ReorderOutput"}
    expected = {*both, *(f"{family} in planes" for family in both), *others, *special, *moving, *UNARY, *BINARY}
    assert expected <= counts.keys()
    assert {family for family in expected if counts[family] < 5} == set()


def test_each_case_is_one_kernel_of_its_own() -> None:
    """Nothing around a case runs in its kernel, and no case is taken for another."""
    chosen = _one_of_each()
    point = normalized(load(network(chosen)))
    found = kernels_of(point.graph, point.priced.costs)
    own = {group.anchor.name: group for group in found.groups if group.anchor.name.isdigit()}
    assert {int(name) for name in own} == set(range(len(chosen)))
    for name, group in own.items():
        allowed = {name, f"{name}.before.gate", f"{name}.before.sum", f"{name}.after"}
        assert {node.name for node in group.members} <= allowed, chosen[int(name)]


def test_networks_hold_so_many_cases() -> None:
    made = list(networks(ALL[:7], at_once=3))
    assert [sum(node.name.isdigit() for node in each.graph.node) for each in made] == [3, 3, 1]
    assert list(networks([])) == []


def test_one_of_each_is_valid_and_runs() -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    made = network(_one_of_each())
    onnx.checker.check_model(made, full_check=True)
    onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.mark.slow
def test_all_networks_are_valid_and_load() -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    for made in networks(ALL):
        onnx.checker.check_model(made, full_check=True)
        onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])


def test_single_operators_and_chains() -> None:
    case = Case("Conv", [(1, 16, 8, 8)], [(32, 16, 3, 3)], {"pads": [1] * 4})
    onnx.checker.check_model(onnx.load_from_string(single(case)), full_check=True)
    point = Study(load(single(case)), {}).at({})
    assert point.totals["macs"] == 64 * 144 * 32
    graph = load(chain(5))
    assert [node.op_type for node in graph.nodes()] == ["Softmax"] * 5
    onnx.checker.check_model(onnx.load_from_string(chain(5)), full_check=True)
