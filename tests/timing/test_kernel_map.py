"""Which nodes of a model each kernel of onnxruntime covers, for every kind of rewriting, as literal groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from irstat import Profile, profile
from tests.support.models import model

Values = Mapping[str, "tuple[int, ...] | np.ndarray"]


def stored(text: str, values: Values, **options: Any) -> ModelProto:
    """A model with stored tensors: arrays, or shapes of random ones; those named var… are positive."""
    made, random = model(text, **options), np.random.default_rng(0)
    for name, value in values.items():
        array = value if isinstance(value, np.ndarray) else random.standard_normal(value).astype(np.float32)
        made.graph.initializer.append(numpy_helper.from_array(np.abs(array) if name.startswith("var") else array, name))
    return made


def profiled(made: ModelProto, level: Any = "all") -> Profile:
    result = profile(made, optimization=level, runs=2, warmup=1)
    assert sum(row.nanoseconds for row in result.rows) == result.kernel_nanoseconds
    assert [row.name for row in result.rows if row.kind == "unmapped"] == []
    return result


def covered(result: Profile) -> list[str]:
    """The nodes of each kernel that has any, kernels in no particular order."""
    return sorted(" ".join(kernel.nodes) for kernel in result.kernels if kernel.nodes)


def gone(result: Profile) -> dict[str, str]:
    """Nodes without a kernel, constants left out."""
    found = {row.name: row.status for row in result.rows if row.kind == "node" and row.status not in ("measured", "shared")}
    return {name: status for name, status in found.items() if not name.startswith("Constant")}


CONV_BN_RELU = """g (float[1,16,16,16] x) => (float[1,16,16,16] y) {
    [conv] a = Conv <pads = [1,1,1,1]> (x, w)
    [norm] b = BatchNormalization (a, s, o, m, var)
    [relu] y = Relu (b)
}"""
CONV_BN_VALUES: Values = {"w": (16, 16, 3, 3), "s": (16,), "o": (16,), "m": (16,), "var": (16,)}


@pytest.mark.parametrize(
    ("level", "groups"),
    [
        ("disable", ["conv", "norm", "relu"]),
        ("basic", ["conv norm", "relu"]),
        ("extended", ["conv norm relu"]),
        ("all", ["conv norm relu"]),
    ],
)
def test_convolution_with_batch_normalization(level: str, groups: list[str]) -> None:
    assert covered(profiled(stored(CONV_BN_RELU, CONV_BN_VALUES), level)) == groups


BRANCHES = """g (float[1,16,16,16] x) => (float[1,32,8,8] y) {
    [stem] a = Conv <pads = [1,1,1,1]> (x, w0)
    [stem_relu] b = Relu (a)
    [left] c = Conv <pads = [1,1,1,1]> (b, w1)
    [left_relu] d = Relu (c)
    [right] e = Conv <pads = [1,1,1,1]> (b, w2)
    [right_relu] f = Relu (e)
    [deep] h = Conv <pads = [1,1,1,1]> (f, w3)
    [add] i = Add (h, d)
    [add_relu] j = Relu (i)
    [cat] k = Concat <axis = 1> (j, b)
    [pool] y = MaxPool <kernel_shape = [2,2], strides = [2,2]> (k)
}"""


def test_blocked_layout_in_branches_with_a_residual() -> None:
    """Tensors between these kernels have no names of the model."""
    result = profiled(stored(BRANCHES, {f"w{i}": (16, 16, 3, 3) for i in range(4)}))
    if not any("nchwc" in kernel.op_type for kernel in result.kernels):
        pytest.skip("no blocked layout on this processor")
    groups = ["cat", "deep add add_relu", "left left_relu", "pool", "right right_relu", "stem stem_relu"]
    assert covered(result) == groups
    added = {kernel.op_type.rpartition("::")[2]: kernel for kernel in result.kernels if kernel.kind == "added"}
    needed = {name: result.kernels[kernel.needed_by or 0].nodes for name, kernel in added.items()}
    assert needed == {"ReorderInput": ("stem", "stem_relu"), "ReorderOutput": ("pool",)}


def test_reorders_are_rows_and_charged_to_the_node_that_needs_them() -> None:
    result = profiled(stored(CONV_BN_RELU, CONV_BN_VALUES))
    added = [row for row in result.rows if row.kind == "added"]
    if not added:
        pytest.skip("no blocked layout on this processor")
    assert {row.needed_by for row in added} == {"conv"}
    assert result.row("conv").added_nanoseconds == sum(row.nanoseconds for row in added)


GELU = """g (float[2,8,16] x) => (float[2,8,16] y) {
    r = Constant <value_float = 1.4142135381698608> ()
    one = Constant <value_float = 1.0> ()
    half = Constant <value_float = 0.5> ()
    [div] a = Div (x, r)
    [erf] b = Erf (a)
    [add] c = Add (b, one)
    [mul] d = Mul (x, c)
    [last] y = Mul (d, half)
}"""
GELU_OTHER = GELU.replace(
    "[mul] d = Mul (x, c)\n    [last] y = Mul (d, half)", "[mul] d = Mul (x, half)\n    [last] y = Mul (d, c)"
)
NORM = """g (float[2,8,16] x) => (float[2,8,16] y) {
    two = Constant <value_float = 2.0> ()
    epsilon = Constant <value_float = 0.00001> ()
    [mean] a = ReduceMean <axes = [-1]> (x)
    [sub] b = Sub (x, a)
    [pow] c = Pow (b, two)
    [variance] d = ReduceMean <axes = [-1]> (c)
    [add] e = Add (d, epsilon)
    [sqrt] f = Sqrt (e)
    [div] h = Div (b, f)
    [scale] i = Mul (h, s)
    [shift] y = Add (i, o)
}"""
DENSE = """g (float[2,8,16] x) => (float[2,8,16] y) {
    [product] a = MatMul (x, w)
    [bias] b = Add (a, o)
    [skip] c = Add (b, x)
    [norm] y = LayerNormalization <axis = -1> (c, s, o)
}"""
QUICK = """g (float[2,8,16] x) => (float[2,8,16] y) {
    k = Constant <value_float = 1.702> ()
    [times] a = Mul (x, k)
    [sigmoid] b = Sigmoid (a)
    [gate] y = Mul (x, b)
}"""
ATTENTION = """g (float[2,4,8,16] q, float[2,4,8,16] k, float[2,4,8,16] v) => (float[2,8,64] y) {
    scale = Constant <value_float = 0.25> ()
    shape = Constant <value_ints = [2, 8, 64]> ()
    [turn] a = Transpose <perm = [0,1,3,2]> (k)
    [scores] b = MatMul (q, a)
    [scaled] c = Mul (b, scale)
    [softmax] d = Softmax <axis = -1> (c)
    [mixed] e = MatMul (d, v)
    [heads] f = Transpose <perm = [0,2,1,3]> (e)
    [joined] y = Reshape (f, shape)
}"""


@pytest.mark.parametrize(
    ("text", "values", "opset", "groups"),
    [
        (GELU, {}, 20, ["div erf add mul last"]),
        (GELU_OTHER, {}, 20, ["div erf add mul last"]),
        (NORM, {"s": (16,), "o": (16,)}, 17, ["mean sub pow variance add sqrt div scale shift"]),
        (DENSE, {"w": (16, 16), "o": (16,), "s": (16,)}, 20, ["product bias", "skip norm"]),
        (QUICK, {}, 20, ["times sigmoid gate"]),
        (ATTENTION, {}, 20, ["heads", "joined", "mixed", "softmax", "turn scores scaled"]),
    ],
    ids=["gelu", "gelu other form", "layer norm", "product and bias, skip and norm", "quick gelu", "attention"],
)
def test_fusions(text: str, values: Values, opset: int, groups: list[str]) -> None:
    assert covered(profiled(stored(text, values, opset=opset))) == groups


def test_without_optimizations_every_node_is_its_own_kernel() -> None:
    result = profiled(stored(NORM, {"s": (16,), "o": (16,)}, opset=17), "disable")
    assert covered(result) == sorted("mean sub pow variance add sqrt div scale shift".split())


def test_transposes_that_cancel_are_moved_away() -> None:
    text = """g (float[1,8,6,4] x) => (float[1,8,6,4] y) {
        [to] a = Transpose <perm = [0,2,3,1]> (x)
        [relu] b = Relu (a)
        [back] y = Transpose <perm = [0,3,1,2]> (b)
    }"""
    result = profiled(stored(text, {}), "basic")
    assert covered(result) == ["relu"]
    assert gone(result) == {"to": "moved past relu", "back": "moved past relu"}


CHANNELS_LAST = """g (float[1,16,16,8] x) => (float[1,16,16,16] y) {
    [in] a = Transpose <perm = [0,3,1,2]> (x)
    [conv] b = Conv <pads = [1,1,1,1]> (a, w)
    [out] c = Transpose <perm = [0,2,3,1]> (b)
    [relu] d = Relu (c)
    [in2] e = Transpose <perm = [0,3,1,2]> (d)
    [conv2] f = Conv <pads = [1,1,1,1]> (e, w2)
    [out2] y = Transpose <perm = [0,2,3,1]> (f)
}"""


def test_transposes_around_convolutions_in_blocked_layout() -> None:
    """The last Transpose is done by the kernel that leaves blocked layout."""
    result = profiled(stored(CHANNELS_LAST, {"w": (16, 8, 3, 3), "w2": (16, 16, 3, 3)}))
    if not any("nchwc" in kernel.op_type for kernel in result.kernels):
        pytest.skip("no blocked layout on this processor")
    by_type = {name: kernel.nodes for kernel in result.kernels for name in kernel.nodes if name in ("in", "out2")}
    assert by_type == {"in": ("in",), "out2": ("out2",)}
    assert any(set(kernel.nodes) >= {"conv", "relu"} and "conv2" not in kernel.nodes for kernel in result.kernels)


def test_folded_removed_and_unused_nodes() -> None:
    text = """g (float[2,8] x) => (float[2,16] y) {
        two = Constant <value_float = 2.0> ()
        [doubled] a = Mul (w, two)
        [turned] b = Transpose <perm = [1,0]> (a)
        [product] c = MatMul (x, b)
        [same] d = Identity (c)
        [size] e = Shape (d)
        [shaped] y = Reshape (d, e)
    }"""
    result = profiled(stored(text, {"w": (16, 8)}))
    assert covered(result) == ["product", "shaped"]
    assert gone(result) == {"doubled": "folded", "turned": "folded", "same": "removed", "size": "folded"}
    assert covered(profiled(stored(text, {"w": (16, 8)}), "disable")) == sorted(
        ["doubled", "turned", "product", "same", "size", "shaped"]
    )


def test_a_common_subexpression_is_merged() -> None:
    text = """g (float[2,8] x) => (float[2,8] y) {
        [first] a = Exp (x)
        [second] b = Exp (x)
        [negative] c = Neg (a)
        [sine] d = Sin (b)
        [sum] y = Add (c, d)
    }"""
    result = profiled(stored(text, {}))
    one, other = sorted({"first", "second"} - set(gone(result))), gone(result)
    assert len(one) == 1
    assert list(other.values()) == [f"merged into {one[0]}"]
    assert covered(result) == sorted([*one, "negative", "sine", "sum"])


BRANCH = """g (float[2,8] x, bool c) => (float[2,8] y) {
    [before] a = Exp (x)
    [either] b = If (c) <then_branch = t () => (float[2,8] p) { [inner] q = Neg (a) [inner2] p = Sin (q) },
        else_branch = e () => (float[2,8] r) { [other] r = Cos (a) }>
    [after] y = Sin (b)
}"""


@pytest.mark.parametrize("level", ["disable", "all"])
def test_bodies_are_charged_to_the_node_that_runs_them(level: str) -> None:
    assert covered(profiled(stored(BRANCH, {}), level)) == ["after", "before", "either"]


def test_a_branch_that_is_known_is_inlined() -> None:
    text = BRANCH.replace(", bool c)", ")").replace("[before]", "c = Constant <value = bool {1}> ()\n    [before]")
    assert covered(profiled(stored(text, {}))) == ["after", "before", "either", "either"]


LOOP = """g (float[2,8] x) => (float[2,8] y) {
    n = Constant <value = int64 {5}> ()
    t = Constant <value = bool {1}> ()
    [before] a = Exp (x)
    [loop] b = Loop (n, t, a) <body = body (int64 i, bool c, float[2,8] v) => (bool d, float[2,8] z) {
        [same] d = Identity (c)
        [product] u = MatMul (v, w)
        [bias] z = Add (u, o) }>
    [after] y = MatMul (b, w)
}"""


@pytest.mark.parametrize("level", ["disable", "all"])
def test_turns_of_a_loop_are_not_counted_twice(level: str) -> None:
    result = profiled(stored(LOOP, {"w": (8, 8), "o": (8,)}), level)
    assert covered(result) == ["after", "before", "loop"]
    assert result.kernel_nanoseconds <= result.wall_nanoseconds + 1000 * len(result.kernels)


def test_an_operator_without_a_kernel_is_charged_with_its_function_body() -> None:
    text = "g (float[2,8] x) => (float[2,8] y) { [swish] a = HardSwish (x) [exp] y = Exp (a) }"
    assert set(covered(profiled(stored(text, {})))) == {"swish", "exp"}


def test_casts_around_operators_that_lack_the_type() -> None:
    text = """g (float16[1,8,8,8] x) => (float16[1,8,8,8] y) {
        [conv] a = Conv <pads = [1,1,1,1]> (x, w)
        [relu] b = Relu (a)
        [last] y = Sigmoid (b)
    }"""
    values = {"w": np.ones((8, 8, 3, 3), dtype=np.float16)}
    assert set(covered(profiled(stored(text, values), "disable"))) == {"conv", "relu", "last"}
    result = profiled(stored(text, values))
    assert covered(result) in (["conv relu", "last"], ["conv", "last", "relu"])


QUANTIZED = """g (float[1,16,8,8] x) => (float[1,16,8,8] y) {
    [q1] a = QuantizeLinear (x, s, z)
    [d1] b = DequantizeLinear (a, s, z)
    [dw] c = DequantizeLinear (w, s, zw)
    [conv] d = Conv <pads = [1,1,1,1]> (b, c)
    [q2] e = QuantizeLinear (d, s, z)
    [d2] f = DequantizeLinear (e, s, z)
    [dw2] h = DequantizeLinear (w2, s, zw)
    [conv2] i = Conv <pads = [1,1,1,1]> (f, h)
    [q3] j = QuantizeLinear (i, s, z)
    [d3] y = DequantizeLinear (j, s, z)
}"""


def test_quantized_convolutions() -> None:
    random = np.random.default_rng(0)
    weights = {name: random.integers(-50, 50, (16, 16, 3, 3)).astype(np.int8) for name in ("w", "w2")}
    scales = {"s": np.float32(0.05), "z": np.uint8(128), "zw": np.int8(0)}
    result = profiled(stored(QUANTIZED, {**weights, **{name: np.asarray(value) for name, value in scales.items()}}))
    assert covered(result) == ["d1 dw conv q2", "d2 dw2 conv2 q3", "d3", "q1"]


def test_nodes_of_the_same_name_are_told_apart() -> None:
    text = "g (float[2,8] x) => (float[2,8] y) { [twin] a = Exp (x) [twin] b = Sin (a) c = Cos (b) y = Cos (c) }"
    assert sorted(covered(profiled(stored(text, {})))) == ["Cos.1", "Cos.2", "twin", "twin.1"]
