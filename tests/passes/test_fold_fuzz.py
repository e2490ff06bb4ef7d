"""Random graphs, optimized: still valid, same interface, same numbers; with all default passes and with each alone."""

from __future__ import annotations

from collections import Counter
from random import Random

import onnx
import pytest

from irstat.optimize import optimize
from irstat.passes import PASSES
from tests.support.fold_fuzz import TOLERANCES, Original, Unusable, difference, judged, left_to_do, run_original
from tests.support.random_graphs import TYPES, random_model

SEEDS = 160
MOST_NODES = 14
PART = 20

NAMES = {number: name for name, number in TYPES.items()}


def usable(seed: int) -> tuple[Original, float] | None:
    """The graph of a seed, and how far it may differ; None if onnxruntime can't run it."""
    try:
        proto = random_model(seed, MOST_NODES)
        return run_original(proto, seed), TOLERANCES[NAMES[proto.graph.output[0].type.tensor_type.elem_type]]
    except (Unusable, onnx.shape_inference.InferenceError):
        return None


@pytest.mark.parametrize("start", range(0, SEEDS, PART))
def test_random_graphs(start: int) -> None:
    wrong = []
    for seed in range(start, start + PART):
        found = usable(seed)
        if found is None:
            continue
        for passes in ((), ("fold_batchnorm",), (Random(seed).choice(list(PASSES)),)):
            problem, candidate = judged(found[0], passes, found[1])
            if not problem and not passes and not _has_casts(found[0]):
                problem = left_to_do(candidate, ["fold_batchnorm"])
            if problem:
                wrong.append(f"seed {seed}, passes {passes or 'default'}: {problem}")
    assert not wrong, "\n".join(wrong)


def _has_casts(original: Original) -> bool:
    """Casts that meet when what was between them is folded go with the next pass; then more folds."""
    return any(node.op_type == "Cast" for node in original.proto.graph.node)


def test_the_graphs_are_worth_it() -> None:
    """Most can be judged, at two sizes where sizes are free; most have something to fold; every kind of node is there."""
    kinds: Counter[str] = Counter()
    judged_graphs = changed = twice = 0
    for seed in range(SEEDS):
        found = usable(seed)
        if found is None:
            continue
        judged_graphs += 1
        twice += len(found[0].feeds) > 1
        kinds.update(node.op_type for node in found[0].proto.graph.node)
        if seed % 4 == 0:
            changed += bool(optimize(found[0].proto, passes=["fold_batchnorm"], verify=False).changes)
    assert judged_graphs > 0.8 * SEEDS
    assert twice > 0.5 * SEEDS
    assert changed > 0.5 * SEEDS / 4
    assert len(kinds) >= 50


def test_a_wrong_factor_is_noticed() -> None:
    """The judge sees a constant that is a hundredth too large."""
    noticed = tried = 0
    for seed in range(40):
        found = usable(seed)
        if found is None or found[1] > 1e-2:
            continue
        candidate = onnx.ModelProto()
        candidate.CopyFrom(found[0].proto)
        if not _scaled(candidate):
            continue
        tried += 1
        noticed += bool(difference(found[0], candidate, found[1]))
    assert tried > 20
    assert noticed > 0.75 * tried  # the others feed nothing but a Relu of negative numbers, a norm or the like


def _scaled(proto: onnx.ModelProto) -> bool:
    """Make the constant of the last arithmetic larger."""
    stored = {tensor.name: tensor for tensor in proto.graph.initializer}
    for node in reversed(proto.graph.node):
        for name in node.input if node.op_type in ("Mul", "Add", "Sub", "Div", "Conv", "MatMul") else ():
            if name in stored and stored[name].data_type in (TYPES["float32"], TYPES["float64"]):
                values = onnx.numpy_helper.to_array(stored[name]) * 1.01
                stored[name].CopyFrom(onnx.numpy_helper.from_array(values.astype(values.dtype), name))
                return True
    return False
