"""The bank of patterns against `irstat.optimize`: folded as far as mathematics allows, same function, same interface."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, helper, numpy_helper

import irstat
from tests.support.fold_bank import CASES
from tests.support.fold_bank.case import Case
from tests.support.fold_check import counted, difference, unexpected

BY_NAME = {case.name: case for case in CASES}
VALID = [case for case in CASES if case.expect != "invalid"]
INVALID = [case for case in CASES if case.expect == "invalid"]


def named(cases: list[Case]) -> object:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


@named(VALID)
def test_fold(case: Case, tmp_path: Path) -> None:
    original = case.build()
    optimized = irstat.optimize(case.write(tmp_path) if case.external else original, verify=False).to_model()
    onnx.checker.check_model(optimized)
    assert unexpected(original, optimized, case) == ""


@named(INVALID)
def test_invalid(case: Case) -> None:
    original = case.build()
    try:
        optimized = irstat.optimize(original, verify=False).to_model()
    except irstat.IrstatError:
        return
    assert unexpected(original, optimized, case) == ""


def test_bank_is_complete() -> None:
    assert len(BY_NAME) == len(CASES)
    rules = Counter(case.rule.split()[0] for case in CASES)
    assert all(rules[f"R{number}"] >= 5 for number in range(1, 16))
    expectations = Counter(case.expect for case in CASES)
    assert expectations["folds"] >= 400
    assert expectations["partly"] >= 20
    assert expectations["keeps"] >= 150
    assert all(case.note for case in VALID if len(case.judges) == 1)


@named([case for case in VALID if case.expect != "keeps"])
def test_bank_leaves_something_to_do(case: Case) -> None:
    batchnorms, affine = counted(case.build())
    assert batchnorms > case.batchnorms or affine > case.affine


def scale_and_shift(proto: ModelProto, wrong: str) -> tuple[np.ndarray, np.ndarray]:
    """The s and t of the batch norm of a model, in double."""
    norm = next(node for node in proto.graph.node if node.op_type == "BatchNormalization")
    stored = {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in proto.graph.initializer}
    gamma, beta, mean, variance = (stored[name] for name in norm.input[1:])
    epsilon = 1e-5 if wrong == "epsilon" else next(attribute.f for attribute in norm.attribute if attribute.name == "epsilon")
    scale = gamma / np.sqrt(variance + epsilon)
    shift = beta - scale * mean
    if wrong == "sign":
        scale = np.abs(scale)
    if wrong == "mean":
        shift = beta
    return scale * (1.01 if wrong == "factor" else 1.0), shift


def scaled_weight(node: NodeProto, weight: np.ndarray, scale: np.ndarray, wrong: str) -> np.ndarray:
    """A weight with its output channels scaled."""
    options = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "ConvTranspose":
        groups = options.get("group", 1)
        parted = weight.reshape(groups, -1, *weight.shape[1:])
        order = scale.reshape(-1, groups).T if wrong == "group order" else scale.reshape(groups, -1)
        along = (groups, -1, *[1] * (weight.ndim - 1)) if wrong == "axis" else (groups, 1, -1, *[1] * (weight.ndim - 2))
        return (parted * order.reshape(along)).reshape(weight.shape)
    first = node.op_type == "Conv" or bool(options.get("transB", 0))
    if wrong == "axis":
        first = not first
    return weight * (scale.reshape(-1, *[1] * (weight.ndim - 1)) if first else scale.reshape(1, -1, *[1] * (weight.ndim - 2)))


def folded_by_hand(proto: ModelProto, wrong: str = "") -> ModelProto:
    """A model of one linear operator and a batch norm, folded; wrong in one way if asked."""
    model = ModelProto()
    model.CopyFrom(proto)
    linear, norm = model.graph.node
    scale, shift = scale_and_shift(proto, wrong)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    weight = scaled_weight(linear, stored[linear.input[1]].astype(np.float64), scale, wrong)
    bias = stored[linear.input[2]].astype(np.float64) if len(linear.input) > 2 else np.zeros(1)
    shift = shift + (bias if wrong == "bias not scaled" else 0.0 if wrong == "bias forgotten" else bias * scale)
    if wrong == "no shift":
        shift = np.zeros_like(shift)
    del model.graph.initializer[:]
    for name, values in (("weight", weight), ("bias", shift)):
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    linear.input[1:] = ["weight", "bias"]
    linear.output[0] = norm.output[0]
    model.graph.node.remove(norm)
    return model


CONTROLS = {
    "conv2d": ("epsilon", "factor", "sign", "mean", "no shift"),
    "conv2d_bias": ("factor", "bias forgotten", "bias not scaled"),
    "conv2d_padded": ("epsilon", "factor"),
    "conv2d_grouped": ("factor", "sign", "bias forgotten"),
    "conv2d_depthwise_multiplier": ("epsilon", "no shift"),
    "conv1d": ("factor", "mean"),
    "conv3d": ("epsilon", "sign"),
    "transposed2d_square": ("axis", "epsilon", "factor"),
    "transposed2d_bias": ("bias not scaled", "factor"),
    "transposed2d_grouped": ("group order", "factor"),
    "transposed2d_grouped_bias": ("group order", "axis", "bias forgotten"),
    "gemm": ("factor", "bias not scaled"),
    "gemm_square": ("axis", "epsilon"),
    "gemm_square_transposed": ("axis", "mean"),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_folded_by_hand(name: str) -> None:
    case = BY_NAME[name]
    original = case.build()
    assert unexpected(original, folded_by_hand(original), case) == ""


@pytest.mark.parametrize(("name", "wrong"), [(name, wrong) for name, kinds in CONTROLS.items() for wrong in kinds])
def test_wrong_fold_is_found(name: str, wrong: str) -> None:
    case = BY_NAME[name]
    original = case.build()
    found = difference(original, folded_by_hand(original, wrong), case)
    assert "differs by" in found.where
    assert found.error > 1e-4


def test_other_faults_are_found() -> None:
    case = BY_NAME["conv2d"]
    original = case.build()
    renamed, broken = folded_by_hand(original), folded_by_hand(original)
    renamed.graph.input[0].name = renamed.graph.node[0].input[0] = "other"
    assert difference(original, renamed, case).where == "the interface changed"
    broken.graph.node[0].input[1] = "nowhere"
    assert "does not load" in difference(original, broken, case).where
    assert unexpected(original, original, case) == "1 batch norms left, not 0"
