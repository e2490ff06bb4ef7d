import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import irstat
from irstat.passes import RestoreBatchnorm
from tests.support.models import model
from tests.support.passes import assert_close, checked_close, facts_of, nodes_of, run_shaped, table

CONV = "c = Conv(x, w)"
W = "float[3,2,1,1] w = {1,2,-1,0.5,0.25,3}"
IMAGE = "g (float[2,2,4,5] x) => (float[2,3,4,5] y)"
SCALE = "float[1,3,1,1] s = {0.5,2,-1}"
SHIFT = "float[1,3,1,1] b = {0.125,-3,1}"
MEAN = "float[1,3,1,1] m = {0.5,0.25,-1}"
SHOWN = """
        constant w: float32[3, 2, 1, 1] = [[[[1]], [[2]]], [[[-1]], [[0.5]]], [[[0.25]], [[3]]]]"""
MADE = """
        constant Add_0/variance: float32[3] = [0.999984741, 0.999984741, 0.999984741]"""
ZERO_MEAN = """
        constant Add_0/mean: float32[3] = [0, 0, 0]"""

CHANGED = {
    "tf2onnx": (
        f"{IMAGE} <{W}, {SCALE}, {SHIFT}> {{ {CONV}  p = Mul(c, s)  y = Add(p, b) }}",
        f"""{SHOWN}
        constant s: float32[3] = [0.5, 2, -1]
        constant b: float32[3] = [0.125, -3, 1]{ZERO_MEAN}{MADE}
        c = Conv(x, w)
        y = BatchNormalization<epsilon=1.52587891e-05>(c, s, b, Add_0/mean, Add_0/variance)
        """,
    ),
    "constants of fewer axes, constants first": (
        f"{IMAGE} <{W}, float[3,1,1] s = {{0.5,2,-1}}, float[3,1,1] b = {{0.125,-3,1}}>"
        f" {{ {CONV}  p = Mul(s, c)  y = Add(b, p) }}",
        f"""{SHOWN}
        constant s: float32[3] = [0.5, 2, -1]
        constant b: float32[3] = [0.125, -3, 1]{ZERO_MEAN}{MADE}
        c = Conv(x, w)
        y = BatchNormalization<epsilon=1.52587891e-05>(c, s, b, Add_0/mean, Add_0/variance)
        """,
    ),
    "the mean is there": (
        f"{IMAGE} <{W}, {SCALE}, {SHIFT}, {MEAN}> {{ {CONV}  d = Sub(c, m)  p = Mul(d, s)  y = Add(p, b) }}",
        f"""{SHOWN}
        constant s: float32[3] = [0.5, 2, -1]
        constant b: float32[3] = [0.125, -3, 1]
        constant m: float32[3] = [0.5, 0.25, -1]{MADE}
        c = Conv(x, w)
        y = BatchNormalization<epsilon=1.52587891e-05>(c, s, b, m, Add_0/variance)
        """,
    ),
    "all four are there": (
        f"""{IMAGE} <{W}, {SCALE}, {SHIFT}, {MEAN}, float[1,3,1,1] v = {{1,4,0.5}}, float e = {{0.001}}> {{
            {CONV}  d = Sub(c, m)  u = Add(v, e)  r = Sqrt(u)  n = Div(d, r)  p = Mul(n, s)  y = Add(p, b) }}""",
        f"""{SHOWN}
        constant s: float32[3] = [0.5, 2, -1]
        constant b: float32[3] = [0.125, -3, 1]
        constant m: float32[3] = [0.5, 0.25, -1]
        constant v: float32[3] = [1, 4, 0.5]
        c = Conv(x, w)
        y = BatchNormalization<epsilon=0.00100000005>(c, s, b, m, v)
        """,
    ),
    "arithmetic on weights, as Keras computes it": (
        f"""{IMAGE} <{W}, float[3] s = {{0.5,2,-1}}, float[3] b = {{0.125,-3,1}}, float[3] m = {{0.5,0.25,-1}},
            float[3] v = {{1,4,0.5}}, float e = {{0.001}}, int64[4] t = {{1,3,1,1}}> {{
            u = Add(v, e)  r = Sqrt(u)  i = Reciprocal(r)  f = Mul(i, s)  f4 = Reshape(f, t)
            g = Mul(m, f)  h = Sub(b, g)  h4 = Reshape(h, t)
            {CONV}  p = Mul(c, f4)  y = Add(p, h4) }}""",
        f"""{SHOWN}
        constant s: float32[3] = [0.5, 2, -1]
        constant b: float32[3] = [0.125, -3, 1]
        constant m: float32[3] = [0.5, 0.25, -1]
        constant v: float32[3] = [1, 4, 0.5]
        c = Conv(x, w)
        y = BatchNormalization<epsilon=0.00100000005>(c, s, b, m, v)
        """,
    ),
    "a shift that is subtracted": (
        f"{IMAGE} <{W}, {SCALE}, {SHIFT}> {{ {CONV}  p = Mul(c, s)  y = Sub(p, b) }}",
        f"""{SHOWN}
        constant s: float32[3] = [0.5, 2, -1]
        constant Sub_0/bias: float32[3] = [-0.125, 3, -1]
        constant Sub_0/mean: float32[3] = [0, 0, 0]
        constant Sub_0/variance: float32[3] = [0.999984741, 0.999984741, 0.999984741]
        c = Conv(x, w)
        y = BatchNormalization<epsilon=1.52587891e-05>(c, s, Sub_0/bias, Sub_0/mean, Sub_0/variance)
        """,
    ),
    "a dense layer with a bias": (
        """g (float[5,2] x) => (float[5,3] y) <float[2,3] w = {1,2,3,4,5,6}, float[3] a = {1,2,3}, float[3] s = {0.5,2,-1},
            float[3] b = {0.125,-3,1}> { h = MatMul(x, w)  c = Add(h, a)  p = Mul(c, s)  y = Add(p, b) }""",
        """
        constant w: float32[2, 3] = [[1, 2, 3], [4, 5, 6]]
        constant a: float32[3] = [1, 2, 3]
        constant s: float32[3] = [0.5, 2, -1]
        constant b: float32[3] = [0.125, -3, 1]
        constant Add_1/mean: float32[3] = [0, 0, 0]
        constant Add_1/variance: float32[3] = [0.999984741, 0.999984741, 0.999984741]
        h = MatMul(x, w)
        c = Add(h, a)
        y = BatchNormalization<epsilon=1.52587891e-05>(c, s, b, Add_1/mean, Add_1/variance)
        """,
    ),
    "after an activation": (
        f"{IMAGE} <{W}, {SCALE}, {SHIFT}> {{ a = Conv(x, w)  c = Relu(a)  p = Mul(c, s)  y = Add(p, b) }}",
        f"""{SHOWN}
        constant s: float32[3] = [0.5, 2, -1]
        constant b: float32[3] = [0.125, -3, 1]{ZERO_MEAN}{MADE}
        a = Conv(x, w)
        c = Relu(a)
        y = BatchNormalization<epsilon=1.52587891e-05>(c, s, b, Add_0/mean, Add_0/variance)
        """,
    ),
    "casts that change nothing, identities around constants": (
        f"{IMAGE} <{W}, {SCALE}, {SHIFT}> {{ {CONV}  j = Identity(s)  p = Mul(c, j)  k = Cast<to = 1>(p)  y = Add(k, b) }}",
        f"""{SHOWN}
        constant s: float32[3] = [0.5, 2, -1]
        constant b: float32[3] = [0.125, -3, 1]{ZERO_MEAN}{MADE}
        c = Conv(x, w)
        y = BatchNormalization<epsilon=1.52587891e-05>(c, s, b, Add_0/mean, Add_0/variance)
        """,
    ),
    "channels last, a Transpose before": (
        f"""g (float[2,2,4,5] x) => (float[2,4,5,3] y) <{W}, float[3] s = {{0.5,2,-1}}, float[3] b = {{0.125,-3,1}}> {{
            {CONV}  t = Transpose<perm = [0,2,3,1]>(c)  p = Mul(t, s)  y = Add(p, b) }}""",
        f"""{SHOWN}
        constant s: float32[3] = [0.5, 2, -1]
        constant b: float32[3] = [0.125, -3, 1]{ZERO_MEAN}{MADE}
        c = Conv(x, w)
        y_transposed = BatchNormalization<epsilon=1.52587891e-05>(c, s, b, Add_0/mean, Add_0/variance)
        y = Transpose<perm=[0, 2, 3, 1]>(y_transposed)
        """,
    ),
    "channels last, a bias between": (
        f"""g (float[2,2,4,5] x) => (float[2,4,5,3] y) <{W}, float[1,1,1,3] a = {{1,2,3}}, float[3] s = {{0.5,2,-1}},
            float[3] b = {{0.125,-3,1}}> {{
            {CONV}  t = Transpose<perm = [0,2,3,1]>(c)  h = Add(t, a)  r = Relu(h)  p = Mul(r, s)  y = Add(p, b) }}""",
        f"""{SHOWN}
        constant a: float32[3, 1, 1] = [[[1]], [[2]], [[3]]]
        constant s: float32[3] = [0.5, 2, -1]
        constant b: float32[3] = [0.125, -3, 1]
        constant Add_1/mean: float32[3] = [0, 0, 0]
        constant Add_1/variance: float32[3] = [0.999984741, 0.999984741, 0.999984741]
        c = Conv(x, w)
        h = Add(c, a)
        r = Relu(h)
        y_transposed = BatchNormalization<epsilon=1.52587891e-05>(r, s, b, Add_1/mean, Add_1/variance)
        y = Transpose<perm=[0, 2, 3, 1]>(y_transposed)
        """,
    ),
    "channels last, a Transpose behind": (
        f"""g (float[2,2,4,5] x) => (float[2,4,5,3] u, float[2,3,4,5] y) <{W}, float[3] s = {{0.5,2,-1}},
            float[3] b = {{0.125,-3,1}}> {{
            {CONV}  u = Transpose<perm = [0,2,3,1]>(c)  p = Mul(u, s)  q = Add(p, b)  r = Relu(q)
            y = Transpose<perm = [0,3,1,2]>(r) }}""",
        f"""{SHOWN}
        constant s: float32[3] = [0.5, 2, -1]
        constant b: float32[3] = [0.125, -3, 1]{ZERO_MEAN}{MADE}
        c = Conv(x, w)
        u = Transpose<perm=[0, 2, 3, 1]>(c)
        u_transposed = Transpose<perm=[0, 3, 1, 2]>(u)
        q = BatchNormalization<epsilon=1.52587891e-05>(u_transposed, s, b, Add_0/mean, Add_0/variance)
        y = Relu(q)
        """,
    ),
}


@pytest.mark.parametrize(("text", "after"), CHANGED.values(), ids=CHANGED)
def test_changed(text, after):
    proto = model(text)
    graph, result = run_shaped(RestoreBatchnorm(), proto)
    assert nodes_of(graph) == table(after)
    assert (result.changed, result.refusals) == (1, [])
    checked_close(graph, proto)
    shapes = {tensor.name: tensor.shape for tensor in graph.tensors() if tensor.kind == "activation"}
    facts = facts_of(irstat.load(irstat.to_model(graph)))
    assert shapes == {name: facts.types[name].dims for name in shapes}
    assert RestoreBatchnorm().run(graph).changed == 0


@pytest.mark.parametrize("opset", [7, 9, 13, 15])
def test_opsets(opset):
    proto = model(CHANGED["tf2onnx"][0], opset=opset, ir_version=8)
    graph, _ = run_shaped(RestoreBatchnorm(), proto)
    assert [(node.op_type, node.version) for node in graph.nodes()] == [("Conv", opset), ("BatchNormalization", opset)]
    checked_close(graph, proto)


REFUSED = {
    "LayerScale": (
        f"g (float[2,2,4,5] x, float[2,3,4,5] z) => (float[2,3,4,5] y) <{W}, {SCALE}>"
        f" {{ {CONV}  p = Mul(c, s)  y = Add(p, z) }}",
        "a scale without a shift is no batch normalization",
    ),
    "a scale": (f"{IMAGE} <{W}, {SCALE}> {{ {CONV}  y = Mul(c, s) }}", "a scale without a shift is no batch normalization"),
    "the product is used elsewhere": (
        f"{IMAGE} <{W}, {SCALE}, {SHIFT}> {{ {CONV}  p = Mul(c, s)  q = Add(p, b)  y = Add(p, q) }}",
        "a scale without a shift is no batch normalization",
    ),
    "the product is an output": (
        f"g (float[2,2,4,5] x) => (float[2,3,4,5] y, float[2,3,4,5] p) <{W}, {SCALE}, {SHIFT}>"
        f" {{ {CONV}  p = Mul(c, s)  y = Add(p, b) }}",
        "a scale without a shift is no batch normalization",
    ),
    "preprocessing": (
        "g (float[2,3,4,5] x) => (float[2,3,4,5] y) <float[1,3,1,1] s = {1,2,3}, float[1,3,1,1] b = {1,2,3}>"
        " { p = Mul(x, s)  y = Add(p, b) }",
        "a scale and a shift that follow an input of the graph, not a convolution or matrix product",
    ),
    "the affine part of a group normalization": (
        f"""{IMAGE} <{W}, {SCALE}, {SHIFT}, int64[3] t = {{2,3,20}}, int64[4] u = {{2,3,4,5}}, float[3] i = {{1,1,1}},
            float[3] o = {{0,0,0}}> {{
            {CONV}  r = Reshape(c, t)  n = InstanceNormalization(r, i, o)  z = Reshape(n, u)
            p = Mul(z, s)  y = Add(p, b) }}""",
        "that follow InstanceNormalization 'InstanceNormalization_0'",
    ),
    "a residual with an input": (
        f"""g (float[2,2,4,5] x, float[2,3,4,5] z) => (float[2,3,4,5] y) <{W}, {SCALE}, {SHIFT}> {{
            {CONV}  a = Add(c, z)  p = Mul(a, s)  y = Add(p, b) }}""",
        "that follow an input of the graph",
    ),
    "the last axis of three": (
        """g (float[2,4,2] x) => (float[2,4,3] y) <float[2,3] w = {1,2,3,4,5,6}, float[3] s = {1,2,3}, float[3] b = {1,2,3}> {
            h = MatMul(x, w)  p = Mul(h, s)  y = Add(p, b) }""",
        "its channels are axis 2; BatchNormalization has them at axis 1, and there is no Transpose to move",
    ),
    "rows, not channels": (
        """g (float[4,2] x) => (float[4,3] y) <float[2,3] w = {1,2,3,4,5,6}, float[4,1] s = {1,2,3,4},
            float[4,1] b = {1,2,3,4}> {
            h = MatMul(x, w)  p = Mul(h, s)  y = Add(p, b) }""",
        "its channels are axis 0",
    ),
    "different axes": (
        f"{IMAGE} <{W}, {SCALE}, float[4,1] b = {{1,2,3,4}}> {{ {CONV}  p = Mul(c, s)  y = Add(p, b) }}",
        "its constants lie along different axes",
    ),
    "a number for every position": (
        f"{IMAGE} <{W}, float[3,1,5] s = {{1,2,3,4,5,1,2,3,4,5,1,2,3,4,5}}, {SHIFT}>"
        f" {{ {CONV}  p = Mul(c, s)  y = Add(p, b) }}",
        r"'s' of shape \[3, 1, 5\] is not one number a channel",
    ),
    "a single number as shift": (
        f"{IMAGE} <{W}, {SCALE}, float b = {{1}}> {{ {CONV}  p = Mul(c, s)  y = Add(p, b) }}",
        "its scale or its shift is a single number",
    ),
    "a single number as scale": (
        f"{IMAGE} <{W}, float s = {{2}}, {SHIFT}> {{ {CONV}  p = Mul(c, s)  y = Add(p, b) }}",
        "its scale or its shift is a single number",
    ),
    "a constant that adds an axis": (
        """g (float[5,2] x) => (float[1,5,3] y) <float[2,3] w = {1,2,3,4,5,6}, float[1,1,3] s = {1,2,3}, float[3] b = {1,2,3}> {
            h = MatMul(x, w)  p = Mul(h, s)  y = Add(p, b) }""",
        "a constant gives the result another shape",
    ),
    "a size of 1 that becomes 3": (
        f"""g (float[2,2,4,5] x) => (float[2,3,4,5] y) <float[1,2,1,1] w = {{1,2}}, {SCALE}, {SHIFT}> {{
            {CONV}  p = Mul(c, s)  y = Add(p, b) }}""",
        "a constant gives the result another shape",
    ),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(text, reason):
    proto = model(text)
    graph, result = run_shaped(RestoreBatchnorm(), proto)
    assert result.changed == 0
    assert nodes_of(graph) == nodes_of(irstat.load(proto))
    (refusal,) = result.refusals
    assert graph.has_node(refusal.node)
    assert re.search(reason, refusal.reason)


UNTOUCHED = {
    "a bias": f"{IMAGE} <{W}, {SHIFT}> {{ {CONV}  y = Add(c, b) }}",
    "single numbers": f"{IMAGE} <{W}, float s = {{2}}, float b = {{1}}> {{ {CONV}  p = Mul(c, s)  y = Add(p, b) }}",
    "a gate": """g (float[1,3,4,4] x) => (float[1,3,4,4] y) <float[3,3,1,1] w = {1,0,0,0,1,0,0,0,1}, float[3] b = {1,2,3}> {
        c = Conv(x, w)  p = GlobalAveragePool(c)  f = Conv(p, w, b)  s = Sigmoid(f)  y = Mul(c, s) }""",
    "scaled attention": """g (float[2,4,3] q, float[2,3,4] k, float[4] z) => (float[2,4,4] y) <float s = {0.577}> {
        a = MatMul(q, k)  p = Mul(a, s)  y = Add(p, z) }""",
    "weights that vary": """g (float[2,3,4,5] x, float[1,3,1,1] s, float[1,3,1,1] b) => (float[2,3,4,5] y) {
        p = Mul(x, s)  y = Add(p, b) }""",
    "one channel": """g (float[2,1,4,5] x) => (float[2,1,4,5] y) <float[1,1,1,1] w = {2}, float[1,1,1,1] s = {3},
        float[1,1,1,1] b = {1}> { c = Conv(x, w)  p = Mul(c, s)  y = Add(p, b) }""",
    "a rescaling": """g (float[2,3,4,5] x) => (float[2,3,4,5] y) <float s = {0.0078}, float b = {-1}> {
        p = Mul(x, s)  y = Add(p, b) }""",
}


@pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched(text):
    proto = model(text)
    graph, result = run_shaped(RestoreBatchnorm(), proto)
    assert (result.changed, result.refusals) == (0, [])
    assert nodes_of(graph) == nodes_of(irstat.load(proto))


def test_params_and_buffers_are_those_of_the_file():
    """Folded: γ' and β', 3 each. With the mean: 3 buffers more. With all four: 6 parameters and 6 buffers."""
    for name, params, buffers, raw_params in (
        ("tf2onnx", 6, 0, 6),
        ("the mean is there", 6, 3, 9),  # Sub, Mul and Add don't say which are statistics
        ("all four are there", 6, 6, 9),  # and the variance meets only other constants
    ):
        proto = model(CHANGED[name][0])
        report, raw = irstat.analyze(proto), irstat.analyze(proto, raw=True)
        assert report.totals["params"] - 6 == params, name
        assert report.totals["buffers"] == buffers, name
        stored = sum(len(tensor.raw_data) or 4 * len(tensor.float_data) for tensor in proto.graph.initializer)
        scalar = 4 if "float e" in CHANGED[name][0] else 0
        assert report.totals["storage_bytes"] == stored - scalar, name
        assert raw.totals["params"] - 6 == raw_params, name


def test_cost():
    """2 operations an element, 5 a channel (BatchNormalization-15): 2·120 + 15; Mul and Add are 2·120."""
    proto = model(CHANGED["tf2onnx"][0])
    report = irstat.analyze(proto)
    row = report.rows[1]
    assert (row.op_type, row.flops, row.params, row.buffers) == ("BatchNormalization", 255, 6, 0)
    assert [row.op_type for row in irstat.analyze(proto, raw=True).rows] == ["Conv", "Mul", "Add"]


def test_shared_constants_count_once():
    """tf2onnx stores equal constants once: two layers of one scale and two shifts."""
    proto = model(
        f"""{IMAGE.replace("float[2,2,4,5]", "float[2,3,4,5]")} <float[3,3,1,1] w = {{1,0,0,0,1,0,0,0,1}}, {SCALE}, {SHIFT},
            float[1,3,1,1] d = {{1,2,3}}> {{
            c = Conv(x, w)  p = Mul(c, s)  q = Add(p, b)  e = Conv(q, w)  r = Mul(e, s)  y = Add(r, d) }}"""
    )
    graph, result = run_shaped(RestoreBatchnorm(), proto)
    assert result.changed == 2
    scales = {node.inputs[1] for node in graph.nodes() if node.op_type == "BatchNormalization"}
    assert scales == {"s_3"}
    assert graph.find_tensor("s") is None
    checked_close(graph, proto)
    assert irstat.analyze(proto).totals["params"] == 9 + 9
    assert irstat.analyze(proto).totals["storage_bytes"] == 4 * (9 + 9)


def test_a_constant_that_others_use_stays():
    proto = model(
        f"{IMAGE} <{W}, {SCALE}, {SHIFT}> {{ {CONV}  p = Mul(c, s)  q = Add(p, b)  y = Add(q, b) }}",
    )
    graph, _ = run_shaped(RestoreBatchnorm(), proto)
    assert graph.tensor("b").shape == (1, 3, 1, 1)
    assert (graph.tensor("b_3").shape, graph.tensor("b_3").sources) == ((3,), ("b",))
    checked_close(graph, proto)
    assert irstat.analyze(proto).totals["params"] == 6 + 6


def test_sources_and_layers():
    proto = model(
        f"""{IMAGE} <{W}, {SCALE}, {SHIFT}, {MEAN}> {{ [net__conv__Conv] {CONV}  [net__bn__sub__Sub] d = Sub(c, m)
            [net__bn__mul__Mul] p = Mul(d, s)  [net__bn__Add] y = Add(p, b) }}"""
    )
    for node in proto.graph.node:
        node.name = node.name.replace("__", "/")
    graph, _ = run_shaped(RestoreBatchnorm(), proto)
    node = graph.nodes()[1]
    assert (node.name, node.layer) == ("net/bn/Add", "net/bn")
    assert node.source == ("net/bn/sub/Sub", "net/bn/mul/Mul", "net/bn/Add")
    back = irstat.load(irstat.to_model(graph)).nodes()[1]
    assert (back.layer, back.op_type) == ("net/bn", "BatchNormalization")


def large(tmp_path, *, folded):
    """A dense layer of 512 units, its batch normalization beside the model file, as arithmetic on the weights or folded."""
    random = np.random.default_rng(0)
    weights = {
        "w": random.standard_normal((4, 512)),
        "s": random.standard_normal(512),
        "b": random.standard_normal(512),
        "m": random.standard_normal(512),
        "v": random.uniform(0.5, 2, 512),
    }
    arithmetic = "u = Add(v, e)  r = Sqrt(u)  f = Div(s, r)  g = Mul(m, f)  h = Sub(b, g)  p = Mul(c, f)  y = Add(p, h)"
    body = "p = Mul(c, s)  y = Add(p, b)" if folded else arithmetic
    proto = model(
        f"g (float[2,4] x) => (float[2,512] y) {'' if folded else '<float e = {0.001}>'} {{ c = MatMul(x, w)  {body} }}"
    )
    for name in "wsb" if folded else "wsbmv":
        proto.graph.initializer.append(numpy_helper.from_array(weights[name].astype(np.float32), name))
    path = tmp_path / "m.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="m.data", size_threshold=512)
    return path


@pytest.mark.parametrize("folded", [True, False])
def test_weights_beside_the_file_that_are_not_there(tmp_path, folded):
    path = large(tmp_path, folded=folded)
    whole = irstat.analyze(path)
    (tmp_path / "m.data").unlink()
    report = irstat.analyze(path)
    assert report.totals == whole.totals
    assert [row.op_type for row in report.rows] == ["MatMul", "BatchNormalization"]
    assert report.totals["params"] == 4 * 512 + 2 * 512
    assert report.totals["buffers"] == (0 if folded else 1024)


@pytest.mark.parametrize("folded", [True, False])
def test_weights_beside_the_file(tmp_path, folded):
    path = large(tmp_path, folded=folded)
    graph = irstat.load(path)
    facts_of(graph)
    assert RestoreBatchnorm().run(graph).changed == 1
    assert_close(irstat.to_model(graph), onnx.load(path))


def test_free_sizes():
    """The same at every point: totals are formulas in them."""
    proto = model(CHANGED["tf2onnx"][0].replace("float[2,2,4,5] x", "float[N,2,H,W] x").replace("[2,3,4,5] y", "[N,3,H,W] y"))
    report = irstat.analyze(proto)
    assert [row.op_type for row in report.rows] == ["Conv", "BatchNormalization"]
    assert str(report.rows[1].flops) == "6*N*H*W + 15"
    assert str(report.totals["flops"]) == "18*N*H*W + 15"


def test_half_precision():
    """1 - ε and the sum are exact in float16 too."""
    proto = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Conv", ["x", "w"], ["c"]),
                helper.make_node("Mul", ["c", "s"], ["p"]),
                helper.make_node("Add", ["p", "b"], ["y"]),
            ],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT16, [1, 2, 3, 3])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT16, [1, 2, 3, 3])],
            [
                numpy_helper.from_array(np.ones((2, 2, 1, 1), np.float16), "w"),
                numpy_helper.from_array(np.array([0.5, -2], np.float16).reshape(1, 2, 1, 1), "s"),
                numpy_helper.from_array(np.array([1, 3], np.float16).reshape(1, 2, 1, 1), "b"),
            ],
        ),
        opset_imports=[helper.make_opsetid("", 15)],
        ir_version=8,
    )
    graph, _ = run_shaped(RestoreBatchnorm(), proto)
    node = graph.nodes()[1]
    variance = graph.tensor(node.inputs[4]).data.array()
    assert (variance.dtype, float(variance[0]) + node.attrs["epsilon"]) == (np.float16, 1.0)
    checked_close(graph, proto)


def test_the_comparison_can_fail():
    """A bias off by a thousandth."""
    text = CHANGED["tf2onnx"][0]
    assert_close(model(text), model(text))
    with pytest.raises(AssertionError):
        assert_close(model(text), model(text.replace("0.125", "0.126")))
