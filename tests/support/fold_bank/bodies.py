"""Batch norm in the branches of an If, in the bodies of loops and scans, and in local functions (point 2)."""

from __future__ import annotations

import numpy as np

from tests.support.fold_bank.case import Constant, Norm, folds, keeps

CONV: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4)}
HEAD = "bool go, float[2,3,6,6] x => float[2,4,4,4] y { "
ROUND = "float[2,3,6,6] x => float[2,3,6,6] y { "
ONE = np.array(1, np.int64)
TRIP = np.array(2, np.int64)
TRUE = np.array(True)

BRANCHES = (
    folds(
        "if_both_branches",
        "point 2",
        HEAD + "y = If(go) <then_branch = t () => (a) { c = Conv(x, w)  a = norm(c, n) },"
        " else_branch = e () => (b) { d = Conv(x, v)  b = norm(d, m) }> }",
        **CONV,
        v=(4, 3, 3, 3),
        m=Norm(4),
    ),
    folds(
        "if_weights_in_branches",
        "point 2",
        HEAD + "y = If(go) <then_branch = t () => (a) { c = Conv(x, w)  a = norm(c, n) },"
        " else_branch = e () => (b) { d = Conv(x, w)  b = norm(d, n) }> }",
        bodies={"t": CONV, "e": {**CONV}},
    ),
    folds(
        "if_one_branch_shares_weight",
        "point 2",
        HEAD + "y = If(go) <then_branch = t () => (a) { c = Conv(x, w)  a = norm(c, n) },"
        " else_branch = e () => (b) { b = Conv(x, w) }> }",
        **CONV,
    ),
    folds(
        "if_weight_outside_norm_inside",
        "point 2",
        HEAD + "y = If(go) <then_branch = t () => (a) { c = Conv(x, w)"
        "  a = norm(c, n) }, else_branch = e () => (b) { b = Conv(x, w) }> }",
        w=(4, 3, 3, 3),
        bodies={"t": {"n": Norm(4)}},
    ),
    folds(
        "if_in_front_of_plain_pattern",
        "point 2",
        "bool go, float[2,3,6,6] x => float[2,4,4,4] y { u = If(go) <then_branch ="
        " t () => (a) { a = Relu(x) }, else_branch = e () => (b) { b = Neg(x) }>  c = Conv(u, w)  y = norm(c, n) }",
        1,
        **CONV,
    ),
    folds(
        "if_parameters_captured_and_outside",
        "point 2",
        "bool go, float[2,3,6,6] x => float[2,4,4,4] y, float[2,4,4,4] z"
        " { y = If(go) <then_branch = t () => (a) { c = Conv(x, w)  a = norm(c, n) }, else_branch = e () => (b)"
        " { d = Conv(x, w)  b = norm(d, n) }>  f = Conv(x, w)  z = norm(f, n) }",
        **CONV,
    ),
    folds(
        "if_norm_into_conv",
        "R9",
        HEAD + "y = If(go) <then_branch = t () => (a) { d = norm(x, n)  a = Conv(d, w) },"
        " else_branch = e () => (b) { b = Conv(x, w) }> }",
        w=(4, 3, 3, 3),
        n=Norm(3),
    ),
    folds(
        "if_nested",
        "point 2",
        HEAD + "y = If(go) <then_branch = t () => (a) { a = If(go) <then_branch = u () => (f)"
        " { c = Conv(x, w)  f = norm(c, n) }, else_branch = o () => (g) { g = Conv(x, v) }> }, else_branch = e () => (b)"
        " { d = Conv(x, v)  b = norm(d, n) }> }",
        **CONV,
        v=(4, 3, 3, 3),
    ),
    keeps(
        "if_norm_of_captured_conv",
        "refusal",
        HEAD + "c = Conv(x, w)  y = If(go) <then_branch = t () => (a) { a = norm(c, n) },"
        " else_branch = e () => (b) { b = Identity(c) }> }",
        **CONV,
        note="the other branch reads it too",
    ),
    keeps(
        "if_norm_behind",
        "refusal",
        HEAD + "c = If(go) <then_branch = t () => (a) { a = Conv(x, w) },"
        " else_branch = e () => (b) { b = Relu(v) }>  y = norm(c, n) }",
        **CONV,
        v=(2, 4, 4, 4),
    ),
    keeps(
        "if_reads_conv",
        "refusal",
        "bool go, float[2,3,6,6] x => float[2,4,4,4] y, float[2,4,4,4] z { c = Conv(x, w)  y = norm(c, n)"
        "  z = If(go) <then_branch = t () => (a) { a = Relu(c) }, else_branch = e () => (b) { b = Neg(c) }> }",
        **CONV,
    ),
    keeps(
        "if_reads_norm_and_conv_follows",
        "refusal",
        "bool go, float[2,3,6,6] x => float[2,4,4,4] y, float[2,3,6,6] z"
        " { d = norm(x, n)  y = Conv(d, w)  z = If(go) <then_branch = t () => (a) { a = Relu(d) },"
        " else_branch = e () => (b) { b = Neg(d) }> }",
        w=(4, 3, 3, 3),
        n=Norm(3),
    ),
)

STEP = "b (int64 i, bool on, float[2,3,6,6] a) => (bool off, float[2,3,6,6] r) { off = Identity(on)  "
LOOP: dict[str, Constant] = {"k": TRIP, "go": TRUE}
LOOPS = (
    folds(
        "loop_body",
        "point 2",
        ROUND + f"y = Loop(k, go, x) <body = {STEP}c = Conv<pads=[1,1,1,1]>(a, w)  d = norm(c, n)  r = Tanh(d) }}> }}",
        w=(3, 3, 3, 3),
        n=Norm(3),
        **LOOP,
    ),
    folds(
        "loop_weights_in_body",
        "point 2",
        ROUND + f"y = Loop(k, go, x) <body = {STEP}c = Conv<pads=[1,1,1,1]>(a, w)  d = norm(c, n)  r = Tanh(d) }}> }}",
        bodies={"b": {"w": (3, 3, 3, 3), "n": Norm(3)}},
        **LOOP,
    ),
    folds(
        "loop_parameters_captured",
        "point 2",
        ROUND + f"y = Loop(k, go, x) <body = {STEP}c = Conv<pads=[1,1,1,1]>(a, w)  d = norm(c, n)  r = Tanh(d) }}> }}",
        n=Norm(3),
        bodies={"b": {"w": (3, 3, 3, 3)}},
        **LOOP,
    ),
    folds(
        "loop_decomposed",
        "R7",
        ROUND + f"y = Loop(k, go, x) <body = {STEP}c = Conv<pads=[1,1,1,1]>(a, w)  m = Mul(s, c)"
        "  d = Add(m, t)  r = Tanh(d) }> }",
        w=(3, 3, 3, 3),
        s=(3, 1, 1),
        t=(3, 1, 1),
        **LOOP,
    ),
    folds(
        "loop_gemm_scan_output",
        "point 2",
        "float[2,4] x => float[2,4] y, float[T,2,4] z { y, z = Loop(k, go, x) <body ="
        " b (int64 i, bool on, float[2,4] a) => (bool off, float[2,4] r, float[2,4] o) { off = Identity(on)  c = Gemm(a, w, v)"
        "  d = norm(c, n)  r = Tanh(d)  o = Identity(d) }> }",
        w=(4, 4),
        v=(4,),
        n=Norm(4),
        **LOOP,
        judges=("onnxruntime",),
        note="ONNX's reference evaluator joins scan outputs along an axis that is there",
    ),
    folds(
        "scan_body",
        "point 2",
        "float[T,2,4] x => float[T,2,5] y { y = Scan(x) <num_scan_inputs = 1, body ="
        " b (float[2,4] a) => (float[2,5] r) { c = Gemm(a, w, v)  r = norm(c, n) }> }",
        w=(4, 5),
        v=(5,),
        n=Norm(5),
    ),
    folds(
        "loop_with_if",
        "point 2",
        ROUND + f"y = Loop(k, go, x) <body = {STEP}r = If(on) <then_branch = t () => (e)"
        " { c = Conv<pads=[1,1,1,1]>(a, w)  d = norm(c, n)  e = Tanh(d) }, else_branch = o () => (f) { f = Relu(a) }> }> }",
        w=(3, 3, 3, 3),
        n=Norm(3),
        **LOOP,
    ),
    keeps(
        "loop_carries_weight",
        "refusal",
        "float[2,3,6,6] x => float[2,3,6,6] y { y, q = Loop(k, go, x, w) <body = b (int64 i,"
        " bool on, float[2,3,6,6] a, float[3,3,3,3] v) => (bool off, float[2,3,6,6] r, float[3,3,3,3] u) { off = Identity(on)"
        "  c = Conv<pads=[1,1,1,1]>(a, v)  d = norm(c, n)  r = Tanh(d)  u = Mul(v, h) }> }",
        w=(3, 3, 3, 3),
        n=Norm(3),
        h=np.array(0.5, np.float32),
        **LOOP,
        note="another weight on each trip",
    ),
    keeps(
        "loop_norm_of_captured_conv",
        "refusal",
        ROUND + f"c = Conv<pads=[1,1,1,1]>(x, w)  y = Loop(k, go, c) <body = {STEP}"
        "d = norm(c, n)  e = Add(d, a)  r = Tanh(e) }> }",
        w=(3, 3, 3, 3),
        n=Norm(3),
        **LOOP,
    ),
    keeps(
        "loop_norm_of_carried",
        "refusal",
        ROUND + f"c = Conv<pads=[1,1,1,1]>(x, w)  y = Loop(k, go, c) <body = {STEP}r = norm(a, n) }}> }}",
        w=(3, 3, 3, 3),
        n=Norm(3),
        **LOOP,
    ),
    keeps(
        "loop_conv_of_carried_norm",
        "refusal",
        ROUND + f"y = Loop(k, go, x) <body = {STEP}d = norm(a, n)  c = Conv<pads=[1,1,1,1]>"
        "(d, w)  e = Relu(d)  r = Add(c, e) }> }",
        w=(3, 3, 3, 3),
        n=Norm(3),
        **LOOP,
        tolerance=1e-4,
    ),
    keeps(
        "scan_norm_of_element",
        "trap 3.1",
        "float[T,3,4] x => float[T,3,4] y { y = Scan(x) <num_scan_inputs = 1, body ="
        " b (float[3,4] a) => (float[3,4] r) { r = norm(a, n) }> }",
        n=Norm(4),
    ),
)

MY = '<domain: "my", opset_import: ["": 18, "my": 1]> '
FUNCTION = {"imports": '"my": 1'}
NORMED = "BatchNormalization<epsilon: float = 0.013>(c, s, b, m, v)"
CALL = "float[N,3,6,6] x => float[N,4,4,4] y { y = my.block(x, w, n_scale, n_bias, n_mean, n_var) } "
FUNCTIONS = (
    folds(
        "function",
        "point 2",
        CALL + MY + f"block (x, w, s, b, m, v) => (y) {{ c = Conv(x, w)  y = {NORMED} }}",
        **CONV,
        **FUNCTION,
    ),
    folds(
        "function_with_relu",
        "point 2",
        CALL + MY + f"block (x, w, s, b, m, v) => (y) {{ c = Conv(x, w)  d = {NORMED}  y = Relu(d) }}",
        **CONV,
        **FUNCTION,
    ),
    folds(
        "function_nested",
        "point 2",
        CALL
        + MY
        + f"scaled (c, s, b, m, v) => (y) {{ y = {NORMED} }} "
        + MY
        + "block (x, w, s, b, m, v) => (y) { c = Conv(x, w)  y = my.scaled(c, s, b, m, v) }",
        **CONV,
        **FUNCTION,
    ),
    folds(
        "function_epsilon_handed_over",
        "point 2",
        "float[N,3,6,6] x => float[N,4,4,4] y { y = my.block<e=0.05>(x, w, n_scale,"
        " n_bias, n_mean, n_var) } " + MY + "block <e> (x, w, s, b, m, v) => (y) { c = Conv(x, w)  y = BatchNormalization"
        "<epsilon: float = @e>(c, s, b, m, v) }",
        **CONV,
        **FUNCTION,
    ),
    folds(
        "function_called_twice",
        "point 2",
        "float[N,3,9,9] x => float[N,4,5,5] y { d = my.block(x, w, n_scale, n_bias, n_mean,"
        " n_var)  r = Relu(d)  y = my.block(r, u, m_scale, m_bias, m_mean, m_var) } " + MY + "block (x, w, s, b, m, v) => (y)"
        f" {{ c = Conv(x, w)  y = {NORMED} }}",
        **CONV,
        u=(4, 4, 3, 3),
        m=Norm(4),
        **FUNCTION,
    ),
    folds(
        "function_of_conv",
        "point 2",
        "float[N,3,6,6] x => float[N,4,4,4] y { c = my.apply(x, w)  y = norm(c, n) } "
        + MY
        + "apply (x, w) => (y) { y = Conv(x, w) }",
        **CONV,
        **FUNCTION,
    ),
    folds(
        "function_of_norm",
        "point 2",
        "float[N,3,6,6] x => float[N,4,4,4] y { c = Conv(x, w)  y = my.scaled(c, n_scale, n_bias,"
        " n_mean, n_var) } " + MY + f"scaled (c, s, b, m, v) => (y) {{ y = {NORMED} }}",
        **CONV,
        **FUNCTION,
    ),
    folds(
        "function_constants_inside",
        "R7",
        "float[N,3,6,6] x => float[N,4,4,4] y { y = my.block(x, w) } " + MY + "block (x, w) => (y)"
        " { c = Conv(x, w)  s = Constant<value_float: float = 1.7>()  m = Mul(s, c)  t = Constant<value_float: float = 0.4>()"
        "  y = Add(m, t) }",
        w=(4, 3, 3, 3),
        **FUNCTION,
    ),
    keeps(
        "function_two_outputs",
        "refusal",
        "float[N,3,6,6] x => float[N,4,4,4] y, float[N,4,4,4] z { y, z = my.block(x, w, n_scale,"
        " n_bias, n_mean, n_var) } " + MY + f"block (x, w, s, b, m, v) => (y, c) {{ c = Conv(x, w)  y = {NORMED} }}",
        **CONV,
        **FUNCTION,
        note="the convolution's result is an output",
    ),
    keeps(
        "function_named_like_norm",
        "refusal",
        "float[N,3,6,6] x => float[N,4,4,4] y { c = Conv(x, w)  y = my.BatchNormalization(c,"
        " n_scale, n_bias, n_mean, n_var) } " + MY + "BatchNormalization (c, s, b, m, v) => (y) { r = Relu(c)  y = Exp(r) }",
        **CONV,
        **FUNCTION,
        magnitudes=(0.1, 1.0, 3.0),
        note="another operator of the same name",
    ),
)

CASES = (*BRANCHES, *LOOPS, *FUNCTIONS)
