"""Which constants are parameters, buffers, or neither, as docs/conventions.md states it."""

from __future__ import annotations

import pytest

import irstat
from tests.support.models import model
from tests.support.one_node import trained, with_initializers


def roles(report):
    """Constant -> its role, for constants that nodes use."""
    return {constant.key: constant.role for group in report.constants.values() for constant in group}


def recorded(text, weights, kinds):
    """The report of a graph whose exporter recorded what its tensors are."""
    proto = with_initializers(model(f"g {text}"), weights.split())
    for name, kind in kinds.items():
        info = proto.graph.value_info.add(name=name)
        info.metadata_props.add(key="pkg.torch.export.graph_signature.InputSpec.kind", value=kind)
    return irstat.analyze(proto)


# ---- what the exporter recorded


def test_what_the_exporter_recorded_counts_before_the_use():
    # w is in a weight's slot and f a single number: by their use a parameter and nothing
    text = "(float[2,3] x, float[3,4] w, float f) => (y) { h = MatMul(x, w) y = Mul(h, f) }"
    assert roles(trained(text, "w f")) == {"w": "parameter", "f": None}
    found = recorded(text, "w f", {"w": "BUFFER", "f": "PARAMETER"})
    assert roles(found) == {"w": "buffer", "f": "parameter"}
    assert (found.totals["params"], found.totals["buffers"], found.totals["param_bytes"]) == (1, 12, 4)


def test_other_kinds_that_the_exporter_records_leave_it_to_the_use():
    text = "(float[2,3] x, float[3,4] w) => (y) { y = MatMul(x, w) }"
    assert roles(recorded(text, "w", {"w": "CONSTANT_TENSOR"})) == {"w": "parameter"}


# ---- slots


@pytest.mark.parametrize(
    ("text", "weights", "expected"),
    [
        ("(float[1,2,5,5] x, float[3,2,3,3] w, float[3] b) => (y) { y = Conv(x, w, b) }", "w b", "w b"),
        ("(float[1,2,5,5] x, float[2,3,3,3] w, float[3] b) => (y) { y = ConvTranspose(x, w, b) }", "w b", "w b"),
        ("(float[2,3] x, float[4,3] w, float[4] b) => (y) { y = Gemm<transB=1>(x, w, b) }", "w b", "w b"),
        ("(float[3,2] x, float[4,3] w) => (y) { y = MatMul(w, x) }", "w", "w"),
        ("(float[2,3] x, float[3] s, float[3] b) => (y) { y = LayerNormalization(x, s, b) }", "s b", "s b"),
        ("(float[7,4] w, int64[3] i) => (y) { y = Gather(w, i) }", "w", "w"),
        ("(float[2,3] x, float[3] w) => (y) { y = PRelu(x, w) }", "w", "w"),
        (
            "(float[3,2,4] x, float[1,5,4] w, float[1,5,5] r, float[1,10] b, int32[2] n, float[1,2,5] h) => (y) "
            "{ y = RNN<hidden_size=5>(x, w, r, b, n, h) }",
            "w r b n h",
            "w r b",
        ),
        # integers are none: a table of indices, a list of sizes
        ("(int64[7,4] w, int64[3] i) => (y) { y = Gather(w, i) }", "w", ""),
        # what is gathered at is none either
        ("(float[7,4] x, int64[3] i) => (y) { y = Gather(x, i) }", "i", ""),
        # 8-bit weights are
        ("(uint8[4,5] x, uint8[5,6] w, uint8 z) => (y) { y = MatMulInteger(x, w, z) }", "w z", "w"),
    ],
    ids=["conv", "transposed", "linear", "matmul-left", "layer-norm", "table", "prelu", "rnn", "integers", "indices", "bytes"],
)
def test_slots_of_weights(text, weights, expected):
    found = roles(trained(text, weights))
    assert sorted(name for name, role in found.items() if role == "parameter") == sorted(expected.split())
    assert set(found) == set(weights.split())


def test_running_statistics_are_buffers():
    text = "(float[2,3,4] x, float[3] s, float[3] b, float[3] m, float[3] v) => (y) { y = BatchNormalization(x, s, b, m, v) }"
    found = trained(text, "s b m v")
    assert roles(found) == {"s": "parameter", "b": "parameter", "m": "buffer", "v": "buffer"}
    assert (found.totals["params"], found.totals["buffers"]) == (6, 6)


# ---- behind other operators


@pytest.mark.parametrize(
    "way",
    [
        "t = Transpose(w)",
        "s = Constant<value_ints=[3,4]>() t = Reshape(w, s)",
        "c = Cast<to=10>(w) d = Cast<to=1>(c) e = Identity(d) t = Transpose(e)",
        "u = Unsqueeze(w, z) q = Squeeze(u, z) t = Transpose(q)",
        "p, r = Split<axis=0, num_outputs=2>(w) k = Concat<axis=0>(p, r) t = Transpose(k)",
    ],
    ids=["transpose", "reshape", "chain", "unsqueeze", "split-concat"],
)
def test_a_weight_behind_operators_that_rearrange(way):
    text = f"(float[2,3] x, float[4,3] w) => (y) {{ z = Constant<value_ints=[0]>() {way} y = MatMul(x, t) }}"
    found = trained(text, "w")
    assert found.totals["params"] == 12
    assert found.totals["grad_weight_flops"] == 48


def test_both_parts_of_a_joined_weight():
    text = "(float[2,3] x, float[3,4] v, float[3,2] w) => (y) { t = Concat<axis=1>(v, w) y = MatMul(x, t) }"
    assert roles(trained(text, "v w")) == {"v": "parameter", "w": "parameter"}


def test_a_quantized_weight_but_not_its_scale():
    text = "(float[2,3] x, int8[3,4] w, float s, int8 z) => (y) { t = DequantizeLinear(w, s, z) y = MatMul(x, t) }"
    assert roles(trained(text, "w s z")) == {"w": "parameter", "s": None, "z": None}


def test_a_weight_in_four_bits_takes_half_a_byte():
    text = "(float[2,3] x, int4[3,5] w, float s) => (y) { t = DequantizeLinear(w, s) y = MatMul(x, t) }"
    found = trained(text, "w s", opset=21)
    # 15 values in 8 bytes, and the scale's 4
    assert (found.totals["params"], found.totals["param_bytes"], found.totals["storage_bytes"]) == (15, 8, 12)


def test_a_weight_inside_a_branch_and_around_it():
    text = """
    (bool c, float[2,3] x, float[3,4] w) => (y)
    { y = If<then_branch = t () => (float[2,4] a) { a = MatMul(x, w) },
             else_branch = e () => (float[2,4] b) <float[3,4] v = {0,0,0,0,0,0,0,0,0,0,0,0}> { b = MatMul(x, v) }>(c) }
    """
    assert roles(trained(text, "w")) == {"w": "parameter", "v": "parameter"}


# ---- element-wise operators


def test_initializers_of_several_elements_are_parameters():
    text = "(float[2,3] x, float[3] s, float[3] b) => (y) { h = Mul(x, s) y = Add(h, b) }"
    assert roles(trained(text, "s b")) == {"s": "parameter", "b": "parameter"}


def test_a_single_number_is_none():
    text = "(float[2,3] x, float s, float[1] b) => (y) { h = Mul(x, s) y = Add(h, b) }"
    assert roles(trained(text, "s b")) == {"s": None, "b": None}


def test_a_constant_node_is_none_in_an_element_wise_operator():
    text = "(float[2,3] x) => (y) { b = Constant<value = float[3] {1,2,3}>() y = Add(x, b) }"
    assert trained(text).totals["params"] == 0
    assert trained(text).totals["storage_bytes"] == 12


def test_a_constant_node_in_a_weights_slot_is_a_parameter():
    text = "(float[2,3] x) => (y) { w = Constant<value = float[3,1] {1,2,3}>() y = MatMul(x, w) }"
    assert trained(text).totals["params"] == 3


def test_a_learnt_token_that_is_joined_on_is_a_parameter():
    text = "(float[1,5,4] x, float[1,1,4] w) => (y) { y = Concat<axis=1>(w, x) }"
    assert roles(trained(text, "w")) == {"w": "parameter"}


@pytest.mark.parametrize("name", ["inv_freq", "model.rotary.inv_freq", "relative_position_index", "attn_mask", "cos_cached"])
def test_names_of_tensors_that_are_not_trained(name):
    proto = with_initializers(model("g (float[2,3] x, float[3] w) => (y) { y = Mul(x, w) }"), ["w"])
    proto.graph.initializer[0].name = proto.graph.node[0].input[1] = name
    found = irstat.analyze(proto)
    assert roles(found) == {name: None}
    assert (found.totals["params"], found.totals["storage_bytes"]) == (0, 12)


def test_a_name_that_only_contains_such_a_name_is_trained():
    proto = with_initializers(model("g (float[2,3] x, float[3] w) => (y) { y = Mul(x, w) }"), ["w"])
    proto.graph.initializer[0].name = proto.graph.node[0].input[1] = "my_inv_freq"
    assert roles(irstat.analyze(proto)) == {"my_inv_freq": "parameter"}


# ---- totals


def test_a_weight_used_twice_counts_once():
    text = "(float[2,4] x, float[4,4] w) => (y) { h = MatMul(x, w) g = Relu(h) y = MatMul(g, w) }"
    found = trained(text, "w")
    assert [row.params for row in found.rows] == [16, 0, 16]
    assert (found.totals["params"], found.totals["param_bytes"], found.totals["storage_bytes"]) == (16, 64, 64)


def test_a_weight_used_twice_by_one_node_counts_once():
    text = """(float[1,2,5,5] x, float[3] s, float[3] v, float[3,2,3,3] w) => (y)
    { h = Conv(x, w, s) y = BatchNormalization(h, s, s, v, v) }"""
    found = trained(text, "s v w")
    assert [row.params for row in found.rows] == [57, 3]
    assert (found.totals["params"], found.totals["buffers"]) == (57, 3)


def test_constants_nobody_uses_do_not_count():
    text = "(float[2,3] x, float[3,4] w, float[7] u) => (y) { y = MatMul(x, w) }"
    assert trained(text, "w u").totals["storage_bytes"] == 48


def test_storage_is_parameters_buffers_and_the_rest():
    text = (
        "(float[1,3,4] x, float[3] s, float[3] b, float[3] m, float[3] v, float f) => (y) "
        "{ h = BatchNormalization(x, s, b, m, v) y = Mul(h, f) }"
    )
    totals = trained(text, "s b m v f").totals
    assert (totals["param_bytes"], totals["storage_bytes"]) == (24, 24 + 24 + 4)


def test_the_bias_of_a_quantized_layer_is_a_parameter():
    text = """(uint8[1,2,4,4] x, int8[3,2,1,1] w, int32[3] b) => (y)
    { s = Constant<value = float {0.1}>() z = Constant<value = uint8 {0}>() zw = Constant<value = int8 {0}>()
      y = QLinearConv(x, s, z, w, s, zw, s, z, b) }"""
    assert (trained(text, "w b").totals["params"], trained(text, "w b").totals["param_bytes"]) == (6 + 3, 6 + 12)
    text = """(float[1,2,4,4] x, int8[3,2,1,1] w, int32[3] b) => (y)
    { s = Constant<value = float {0.1}>() v = DequantizeLinear(w, s) c = DequantizeLinear(b, s) y = Conv(x, v, c) }"""
    assert trained(text, "w b").totals["params"] == 6 + 3
