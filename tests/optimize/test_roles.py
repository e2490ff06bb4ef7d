"""A model has the parameters after optimizing that it had before, but for those that were folded."""

import irstat
from tests.support.models import model


def params(proto):
    return irstat.analyze(proto, raw=True).totals["params"]


def test_a_constant_of_the_exporter_is_no_parameter():
    proto = model("g (float[2,3] x) => (float[2,3] y) { m = Constant<value = float[3] {1, 2, 3}>()  y = Add(x, m) }")
    optimized = irstat.optimize(proto, verify=False).to_model()
    assert [tensor.name for tensor in optimized.graph.initializer] == ["m"]
    assert (params(proto), params(optimized)) == (0, 0)


def test_nor_is_what_was_computed_from_some():
    text = """g (float[2,3] x) => (float[2,3] y) <float[3] w = {1,2,3}>
    { m = Constant<value = float[3] {1, 2, 3}>()  n = Exp(m)  a = Add(x, n)  y = Mul(a, w) }"""
    proto = model(text)
    optimized = irstat.optimize(proto, verify=False).to_model()
    assert sorted(tensor.name for tensor in optimized.graph.initializer) == ["n", "w"]
    assert (params(proto), params(optimized)) == (3, 3)


def test_a_weight_behind_arithmetic_stays_one():
    proto = model("g (float[2,3] x) => (float[2,2] y) <float[2,3] w = {1,2,3,4,5,6}> { t = Transpose(w)  y = MatMul(x, t) }")
    optimized = irstat.optimize(proto, verify=False).to_model()
    assert (params(proto), params(optimized)) == (6, 6)


def test_a_folded_batch_norm_leaves_a_bias():
    ones = "{1,2}"
    text = f"""g (float[N,1,4] x) => (float[N,2,4] y) <float[2,1,1] w = {ones}, float[2] s = {ones}, float[2] b = {ones},
    float[2] m = {ones}, float[2] v = {ones}> {{ c = Conv(x, w)  y = BatchNormalization(c, s, b, m, v) }}"""
    proto = model(text)
    assert (params(proto), params(irstat.optimize(proto, verify=False).to_model())) == (6, 4)
