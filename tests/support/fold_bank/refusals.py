"""Batch norms that are none in the usual sense, and models that are not valid."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, helper

from tests.support.fold_bank.case import Away, Constant, Norm, invalid, keeps

IMAGE = "float[N,3,6,6] x => float[N,4,4,4] y { c = Conv(x, w)  "
CONV: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4)}
OLD = {"judges": ("onnxruntime",), "note": "ONNX's reference evaluator fails on batch norm of opset 7 and 8"}


def parts(shape: tuple[int, ...], seed: int = 11) -> dict[str, Constant]:
    """Parameters of any shape, the variance above zero."""
    random = np.random.default_rng(seed)
    drawn = {key: random.uniform(0.4, 1.6, shape).astype(np.float32) for key in ("scale", "bias", "mean", "var")}
    return {f"n_{key}": values for key, values in drawn.items()}


def per_pixel(proto: ModelProto) -> None:
    """Make the batch norm one for each pixel, as opset 7 and 8 could."""
    node = next(node for node in proto.graph.node if node.op_type == "BatchNormalization")
    node.attribute.append(helper.make_attribute("spatial", 0))


def without_variance(proto: ModelProto) -> None:
    node = next(node for node in proto.graph.node if node.op_type == "BatchNormalization")
    del node.input[4]


def with_unknown_value(proto: ModelProto) -> None:
    node = next(node for node in proto.graph.node if node.op_type == "BatchNormalization")
    node.input[0] = "nowhere"


def with_value_made_twice(proto: ModelProto) -> None:
    proto.graph.node.append(helper.make_node("Relu", ["x"], ["c"]))


def in_a_circle(proto: ModelProto) -> None:
    proto.graph.node[0].input[0] = "y"


NORM = "BatchNormalization<epsilon=0.013>(c, n_scale, n_bias, n_mean, n_var) }"
MODES = (
    keeps(
        "norm_per_pixel_opset7",
        "trap 3.4",
        IMAGE + f"y = {NORM}",
        w=(4, 3, 3, 3),
        **parts((4, 4, 4)),
        opset=7,
        change=per_pixel,
        **OLD,
    ),
    keeps(
        "norm_per_pixel_opset8",
        "trap 3.4",
        IMAGE + f"y = {NORM}",
        w=(4, 3, 3, 3),
        **parts((4, 4, 4)),
        opset=8,
        change=per_pixel,
        **OLD,
    ),
    keeps("five_outputs_unused_opset8", "trap 3.1", IMAGE + f"y, o, p, q, r = {NORM}", **CONV, opset=8, **OLD),
    keeps(
        "five_outputs_unused_opset9",
        "trap 3.1",
        IMAGE + f"y, o, p, q, r = {NORM}",
        **CONV,
        opset=9,
        judges=("onnxruntime",),
        note="ONNX's reference evaluator takes batch norm of opset 9 to 13 for training",
    ),
    keeps(
        "training_mode_opset14",
        "trap 3.1",
        IMAGE + "y, o, p = BatchNormalization<training_mode=1,momentum=0.4>(c, n_scale, n_bias, n_mean, n_var) }",
        **CONV,
        opset=14,
        tolerance=1e-4,
    ),
    keeps(
        "training_mode_gemm",
        "trap 3.1",
        "float[4,6] x => y { c = Gemm(x, w, b)  y, o, p = BatchNormalization<training_mode=1>"
        "(c, n_scale, n_bias, n_mean, n_var) }",
        w=(6, 4),
        b=(4,),
        n=Norm(4),
        tolerance=1e-4,
    ),
    keeps(
        "training_mode_before_conv",
        "trap 3.1",
        "float[2,3,6,6] x => y { d, o, p = BatchNormalization<training_mode=1>"
        "(x, n_scale, n_bias, n_mean, n_var)  y = Conv(d, w) }",
        w=(4, 3, 3, 3),
        n=Norm(3),
        tolerance=1e-4,
    ),
    keeps(
        "another_domain",
        "refusal",
        "float[N,3,6,6] x => float[N,4,4,4] y { c = Conv(x, w)  d = my.Mul(c, s)  y = Relu(d) }"
        ' <domain: "my", opset_import: ["": 18]> Mul (a, b) => (o) { p = Exp(a)  o = Mul(p, b) }',
        w=(4, 3, 3, 3),
        s=Away((4, 1, 1)),
        imports='"my": 1',
        magnitudes=(0.1, 1.0, 3.0),
    ),
    keeps(
        "random_scale",
        "refusal",
        IMAGE + "s = RandomNormal<shape=[1,4,1,1],seed=3.0>()  z = Mul(s, zero)  m = Add(z, one)  y = Mul(c, m) }",
        **CONV,
        zero=np.array(0, np.float32),
        one=np.array(1.7, np.float32),
        judges=("onnxruntime",),
        note="random numbers are drawn anew by each; here they are multiplied by zero",
    ),
    keeps(
        "gemm_norm_on_transposed",
        "trap 3.1",
        "float[4,6] x => y { c = Gemm(x, w)  t = Transpose(c)  y = norm(t, n) }",
        w=(6, 4),
        n=Norm(4),
    ),
    keeps(
        "cumulative_sum_between", "refusal", IMAGE + "t = CumSum(c, axis)  y = norm(t, n) }", **CONV, axis=np.array(3, np.int64)
    ),
    keeps("local_response_between", "refusal", IMAGE + "t = LRN<size=3>(c)  y = norm(t, n) }", **CONV),
    keeps(
        "top_k_between",
        "refusal",
        "float[N,3,6,6] x => y { c = Conv(x, w)  t, i = TopK<axis=3>(c, two)  y = norm(t, n) }",
        **CONV,
        two=np.array([2], np.int64),
    ),
    keeps(
        "where_between",
        "refusal",
        IMAGE + "p = Greater(c, zero)  t = Where(p, c, zero)  y = norm(t, n) }",
        **CONV,
        zero=np.array(0, np.float32),
    ),
    keeps(
        "scatter_between",
        "refusal",
        "float[2,3,6,6] x => float[2,4,4,4] y { c = Conv(x, w)  t = ScatterND(c, at, u)  y = norm(t, n) }",
        **CONV,
        at=np.array([[0], [1]], np.int64),
        u=(2, 4, 4, 4),
    ),
    keeps(
        "gather_by_input",
        "refusal",
        "float[N,3,6,6] x, int64[4] i => y { c = Conv(x, w)  t = Gather<axis=1>(c, i)  y = norm(t, n) }",
        **CONV,
        integers=(0, 4),
    ),
    keeps(
        "reshape_by_input",
        "refusal",
        "float[4,6] x, int64[1] k => float[?,?] y { c = Gemm(x, w)  s = Add(k, two)"
        "  t = Concat<axis=0>(s, rest)  u = Reshape(c, t)  v = Transpose(u)  y = Mul(v, f) }",
        w=(6, 4),
        integers=(0, 1),
        two=np.array([2], np.int64),
        rest=np.array([-1], np.int64),
        f=Away((8, 1)),
    ),
)

INVALID = (
    invalid("parameters_too_short", "trap 3.4", IMAGE + f"y = {NORM}", w=(4, 3, 3, 3), **parts((1,))),
    invalid("parameters_too_long", "trap 3.4", IMAGE + f"y = {NORM}", w=(4, 3, 3, 3), **parts((5,))),
    invalid("parameters_of_matrix", "trap 3.4", IMAGE + f"y = {NORM}", w=(4, 3, 3, 3), **parts((4, 4, 4))),
    invalid("parameter_missing", "refusal", IMAGE + f"y = {NORM}", **CONV, change=without_variance),
    invalid("value_unknown", "refusal", IMAGE + f"y = {NORM}", **CONV, change=with_unknown_value),
    invalid("value_made_twice", "refusal", IMAGE + f"y = {NORM}", **CONV, change=with_value_made_twice),
    invalid("circle", "refusal", IMAGE + f"y = {NORM}", **CONV, change=in_a_circle),
    invalid("weight_of_other_channels", "refusal", IMAGE + f"y = {NORM}", w=(4, 5, 3, 3), n=Norm(4)),
    invalid(
        "bias_of_other_channels",
        "refusal",
        "float[N,3,6,6] x => float[N,4,4,4] y { c = Conv(x, w, b)  y = norm(c, n) }",
        **CONV,
        b=(3,),
    ),
    invalid(
        "groups_do_not_divide",
        "refusal",
        "float[N,3,6,6] x => float[N,4,4,4] y { c = Conv<group=3>(x, w)  y = norm(c, n) }",
        w=(4, 1, 3, 3),
        n=Norm(4),
    ),
)

CASES = (*MODES, *INVALID)
