"""Which gradients the backward pass needs. Small graphs; the numbers beside them are worked out by hand."""

from __future__ import annotations

from tests.support.one_node import trained


def backward(report):
    """First output of each node -> (operations for inputs, operations for parameters)."""
    return {row.outputs[0].name: (row.grad_input_flops, row.grad_weight_flops) for row in report.rows}


TWO_CONVS = """
(float[1,3,6,6] x, float[4,3,3,3] v, float[2,4,3,3] w) => (y)
{ a = Conv(x, v) b = Relu(a) y = Conv(b, w) }
"""
# a: 4·4·4 = 64 elements of 27 taps, 1,728 macs; y: 2·2·2 = 8 elements of 36 taps, 288 macs


def test_the_first_convolution_needs_no_input_gradient():
    found = backward(trained(TWO_CONVS, "v w"))
    assert found == {"a": (0, 3_456), "b": (64, 0), "y": (576, 576)}


def test_unless_the_inputs_gradients_are_asked_for():
    found = backward(trained(TWO_CONVS, "v w", inputs=True))
    assert found == {"a": (3_456, 3_456), "b": (64, 0), "y": (576, 576)}


def test_totals_are_the_sums_of_the_rows():
    totals = trained(TWO_CONVS, "v w").totals
    assert totals["grad_input_flops"] == 64 + 576
    assert totals["grad_weight_flops"] == 3_456 + 576
    assert totals["backward_flops"] == 64 + 576 + 3_456 + 576
    assert totals["grad_input_macs"] == 288
    assert totals["grad_weight_macs"] == 1_728 + 288
    assert totals["backward_macs"] == 288 + 1_728 + 288


def test_a_graph_without_parameters_has_no_backward_pass():
    report = trained(TWO_CONVS)
    assert report.totals["backward_flops"] == 0
    assert report.totals["training_activation_bytes"] == 0
    # its inputs' gradients can be had all the same; those of the weights are inputs' too
    assert trained(TWO_CONVS, inputs=True).totals["grad_input_flops"] == 2 * 3_456 + 64 + 4 * 288
    assert trained(TWO_CONVS, inputs=True).totals["grad_weight_flops"] == 0


def test_only_what_lies_downstream_of_a_parameter_takes_part():
    # exp and relu come before the first weight
    found = backward(trained("(float[2,3] x, float[3,4] w) => (y) { a = Exp(x) b = Relu(a) y = MatMul(b, w) }", "w"))
    assert found == {"a": (0, 0), "b": (0, 0), "y": (0, 48)}


def test_a_branch_beside_the_parameters_takes_no_part():
    # the mask depends on the input alone
    text = "(float[2,3] x, float[3,3] w) => (y) { h = MatMul(x, w) m = Sigmoid(x) y = Mul(h, m) }"
    assert backward(trained(text, "w")) == {"h": (0, 36), "m": (0, 0), "y": (6, 0)}


def test_integer_results_end_the_backward_pass():
    text = "(float[2,3] x, float[3,4] w) => (y) { h = MatMul(x, w) y = ArgMax<axis=1>(h) }"
    assert trained(text, "w").totals["backward_flops"] == 0


def test_a_detour_over_integers_passes_no_gradient():
    text = "(float[2,3] x, float[3,4] w) => (y) { h = MatMul(x, w) i = Cast<to=7>(h) f = Cast<to=1>(i) y = Exp(f) }"
    assert trained(text, "w").totals["backward_flops"] == 0


def test_a_shape_passes_no_gradient():
    # y depends on the size of h alone
    text = "(float[2,3] x, float[3,4] w) => (y) { h = MatMul(x, w) s = Shape(h) y = Cast<to=1>(s) }"
    assert trained(text, "w").totals["backward_flops"] == 0


def test_indices_pass_no_gradient_but_values_do():
    top = "(float[2,3] x, float[3,4] w) => ({}) {{ h = MatMul(x, w) k = Constant<value_ints=[2]>() v, i = TopK(h, k) {} }}"
    assert trained(top.format("i", ""), "w").totals["backward_flops"] == 0
    assert trained(top.format("v", ""), "w").totals["backward_flops"] == 48
    assert trained(top.format("y", "f = Cast<to=1>(i) y = Mul(v, f)"), "w").totals["backward_flops"] == 48 + 4


def test_rounding_passes_no_gradient():
    text = "(float[2,3] x, float[3,4] w) => (y) { h = MatMul(x, w) y = Floor(h) }"
    assert trained(text, "w").totals["backward_flops"] == 0


def test_gradients_of_a_value_used_twice_are_added():
    # h has 8 elements: ReLU 8, sigmoid 24, and 8 additions where the second gradient arrives
    text = "(float[2,3] x, float[3,4] w) => (y) { h = MatMul(x, w) a = Relu(h) b = Sigmoid(h) y = Add(a, b) }"
    found = backward(trained(text, "w"))
    assert found == {"h": (0, 48), "a": (8 + 8, 0), "b": (24, 0), "y": (0, 0)}


def test_a_value_used_three_times_takes_two_additions():
    text = "(float[2,3] x, float[3,4] w) => (y) { h = MatMul(x, w) a = Relu(h) b = Exp(h) c = Neg(h) y = Sum(a, b, c) }"
    assert trained(text, "w").totals["grad_input_flops"] == 3 * 8 + 2 * 8


def test_a_value_used_twice_by_one_node_takes_one_addition():
    # y = h²: two products of 8 and their sum
    text = "(float[2,3] x, float[3,4] w) => (y) { h = MatMul(x, w) y = Mul(h, h) }"
    assert backward(trained(text, "w")) == {"h": (0, 48), "y": (24, 0)}


def test_a_skip_connection_adds_once():
    text = "(float[2,4] x, float[4,4] v, float[4,4] w) => (y) { h = MatMul(x, v) g = MatMul(h, w) y = Add(h, g) }"
    # Add passes on to both; MatMul's dh is 64 operations, added to the 8 of the skip
    assert backward(trained(text, "v w")) == {"h": (0, 64), "g": (64 + 8, 64), "y": (0, 0)}


def test_gradients_of_a_shared_weight_are_added():
    # two products of 32 macs; the 16 elements of the second gradient are added to the first
    text = "(float[2,4] x, float[4,4] w) => (y) { h = MatMul(x, w) y = MatMul(h, w) }"
    report = trained(text, "w")
    assert backward(report) == {"h": (0, 64 + 16), "y": (64, 64)}
    assert (report.totals["params"], sum(row.params for row in report.rows)) == (16, 32)


def test_a_weight_behind_a_transpose_is_trained():
    text = "(float[2,3] x, float[4,3] w) => (y) { t = Transpose(w) y = MatMul(x, t) }"
    report = trained(text, "w")
    assert backward(report) == {"y": (0, 48)}
    assert report.totals["params"] == 12


def test_a_weight_behind_a_conversion_is_trained():
    text = "(float[2,3] x, float16[3,4] w) => (y) { t = Cast<to=1>(w) y = MatMul(x, t) }"
    report = trained(text, "w")
    assert backward(report) == {"y": (0, 48)}
    assert (report.totals["params"], report.totals["param_bytes"]) == (12, 24)


def test_a_quantized_weight_is_trained_through_its_dequantization():
    text = "(float[2,3] x, int8[3,4] w, float s, int8 z) => (y) { t = DequantizeLinear(w, s, z) y = MatMul(x, t) }"
    report = trained(text, "w s z")
    # the node stays: the product's gradient passes through it, one factor for each of 12
    assert backward(report) == {"t": (0, 12), "y": (48, 0)}
    assert (report.totals["params"], report.totals["param_bytes"]) == (12, 12)


def test_integers_in_the_way_of_activations_end_the_backward_pass():
    # what a quantized activation was computed from gets no gradient
    text = (
        "(float[2,3] x, float[3,4] v, float[4,4] w, float s, uint8 z) => (y) { h = MatMul(x, v) "
        "q = QuantizeLinear(h, s, z) d = DequantizeLinear(q, s, z) y = MatMul(d, w) }"
    )
    assert backward(trained(text, "v w s z")) == {"h": (0, 0), "q": (0, 0), "d": (0, 0), "y": (0, 64)}


def test_an_embedding_table_collects_its_rows():
    # 5 rows of 4; nothing lies upstream of the indices
    text = "(float[100,4] w, int64[5] i) => (y) { h = Gather(w, i) y = Exp(h) }"
    assert backward(trained(text, "w")) == {"h": (0, 20), "y": (20, 0)}


def test_a_tied_embedding_gets_both_gradients():
    # as table 20 additions; as weight 5·4·7 macs; the 28 elements of one are added to the other; dh is 140 macs
    text = "(float[7,4] w, int64[5] i) => (y) { h = Gather(w, i) t = Transpose(w) y = MatMul(h, t) }"
    report = trained(text, "w")
    assert report.totals["params"] == 28
    assert report.totals["grad_input_flops"] == 280
    assert backward(report)["y"] == (280, 280)


def test_random_numbers_pass_no_gradient():
    # mean + noise · deviation; the noise is only shaped like the deviation. Mul's gradient for it is not needed: 8, not 16
    text = (
        "(float[2,3] x, float[3,4] v, float[3,4] w) => (y) { m = MatMul(x, v) d = MatMul(x, w) "
        "e = RandomNormalLike(d) n = Mul(e, d) y = Add(m, n) }"
    )
    assert backward(trained(text, "v w")) == {"m": (0, 48), "d": (0, 48), "e": (0, 0), "n": (8, 0), "y": (0, 0)}


def test_a_type_to_cast_like_gets_no_gradient():
    # h decides the type alone: its one gradient comes from Mul
    text = "(float[2,3] x, double[2,4] m, float[3,4] w) => (y) { h = MatMul(x, w) c = CastLike(m, h) y = Mul(h, c) }"
    assert backward(trained(text, "w")) == {"h": (0, 48), "c": (0, 0), "y": (8, 0)}


def test_a_repeated_value_sums_its_gradients():
    # a learnt token (1,4) for each of 5 samples: 16 additions
    text = (
        "(float[1,4] w, float[4,4] v, float[5,4] x) => (y) "
        "{ p = MatMul(w, v) s = Constant<value_ints=[5,4]>() t = Expand(p, s) y = Add(x, t) }"
    )
    found = backward(trained(text, "v"))
    assert found["t"] == (16, 0)


def test_all_outputs_count_into_the_loss():
    one = trained("(float[2,3] x, float[3,4] w) => (y) { h = MatMul(x, w) y = Exp(h) z = Relu(h) }", "w")
    two = trained("(float[2,3] x, float[3,4] w) => (y, z) { h = MatMul(x, w) y = Exp(h) z = Relu(h) }", "w")
    assert one.totals["backward_flops"] == 8 + 48
    assert two.totals["backward_flops"] == 8 + 8 + 8 + 48


def test_numbers_of_a_formula_are_not_trained():
    text = "(float[2,3] x, float[3,4] w) => (y) { h = MatMul(x, w) f = Constant<value_float=0.5>() y = Mul(h, f) }"
    report = trained(text, "w")
    assert backward(report) == {"h": (0, 48), "y": (8, 0)}
    assert report.totals["params"] == 12


def test_work_that_serves_parameters_only_counts_as_theirs():
    # nothing lies upstream of x: the chain of states is walked for the weights. B2 T3 i4 h5 as in test_recurrent
    text = "(float[3,2,4] x, float[1,5,4] w, float[1,5,5] r) => (y) { y = RNN<hidden_size=5>(x, w, r) }"
    # w 120, r 150, chain 100 macs, 3 for each of 30 units
    assert backward(trained(text, "w r")) == {"y": (0, 2 * 370 + 90)}
    # with something upstream it is what passes gradients on: x 120, chain 100 macs, 90
    assert backward(trained(text, "w r", inputs=True)) == {"y": (2 * 220 + 90, 2 * 270)}


def test_parameters_inside_a_branch_are_trained():
    text = """
    (bool c, float[2,3] x, float[3,4] w, float[3,4] v) => (y)
    { y = If<then_branch = t () => (float[2,4] a) { a = MatMul(x, w) },
             else_branch = e () => (float[2,4] b) { h = MatMul(x, v) b = Relu(h) }>(c) }
    """
    report = trained(text, "w v")
    row = report.rows[0]
    # the dearer branch: the weight's gradient 24 macs and ReLU's 8
    assert row.grad_weight_flops == 48
    assert report.totals["params"] == 24


def test_dead_nodes_get_no_gradient():
    report = trained("(float[2,3] x, float[3,4] w) => (y) { h = MatMul(x, w) y = Exp(h) u = Sigmoid(h) }", "w")
    assert [row.op_type for row in report.rows] == ["MatMul", "Exp"]
    assert report.totals["backward_flops"] == 8 + 48


def test_an_input_that_a_branch_takes_has_no_gradient_unless_something_upstream_is_trained():
    branches = """If(c) <then_branch = t () => (float[2,4] a) { a = MatMul(h, w) },
                         else_branch = e () => (float[2,4] b) { b = MatMul(h, w) }>"""
    text = f"(bool c, float[2,4] h, float[4,4] w) => (y) {{ y = {branches} }}"
    totals = trained(text, "w").totals  # 32 macs for w; h is kept
    assert (totals["grad_input_flops"], totals["grad_weight_flops"], totals["training_activation_bytes"]) == (0, 64, 32)
    text = f"(bool c, float[2,4] x, float[4,4] v, float[4,4] w) => (y) {{ h = MatMul(x, v) y = {branches} }}"
    totals = trained(text, "v w").totals  # 32 macs each for h, w and v; x and h are kept
    assert (totals["grad_input_flops"], totals["grad_weight_flops"], totals["training_activation_bytes"]) == (64, 128, 64)


def test_a_loop_keeps_its_states_and_sums_the_gradients_of_its_weights():
    text = """
    (float[2,2] x, float[2,2] v, float[2,2] w) => (y)
    { a = MatMul(x, v) n = Constant<value = int64 {3}>()
      y = Loop<body = b (int64 i, bool c, float[2,2] s) => (bool d, float[2,2] t) { d = Identity(c) t = MatMul(s, w) }>
          (n, "", a) }
    """
    totals = trained(text, "v w").totals
    assert totals["grad_input_flops"] == 3 * 16
    assert totals["grad_weight_flops"] == 16 + 3 * 16 + 2 * 4  # two sums of gradients of w
    assert totals["training_activation_bytes"] == 16 + 3 * 16  # x, and the state of each turn


def test_a_loop_without_parameters_upstream_passes_on_only_what_its_states_need():
    text = """
    (float[2,2] x, float[2,2] u) => (y)
    { n = Constant<value = int64 {3}>()
      y = Loop<body = b (int64 i, bool c, float[2,2] s) => (bool d, float[2,2] t) { d = Identity(c) t = MatMul(s, u) }>
          (n, "", x) }
    """
    assert trained(text).totals["backward_flops"] == 0
    assert trained(text, inputs=True).totals["backward_flops"] == 3 * (16 + 16)
