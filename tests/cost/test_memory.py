"""Activation memory, worked out by hand. A float takes 4 bytes; the timeline has live bytes while each node runs."""

from __future__ import annotations

from tests.support.one_node import trained


def timeline(report):
    return [step.live_bytes for step in report.memory.timeline]


def test_a_chain_holds_two_neighbours():
    # x 16, a 32, b 32, y 8
    report = trained(
        "(float[1,4] x, float[4,8] v, float[8,2] w) => (y) { a = MatMul(x, v) b = Relu(a) y = MatMul(b, w) }", "v w"
    )
    assert timeline(report) == [16 + 32, 32 + 32, 32 + 8]
    assert report.memory.start_bytes == 16
    assert report.memory.peak_bytes == 64
    assert report.memory.peak_node == report.rows[1].name
    assert report.memory.peak_tensors == (("a", 32), ("b", 32))
    assert report.totals["activation_bytes"] == 32 + 32 + 8
    assert report.totals["peak_activation_bytes"] == 64
    assert [step.node for step in report.memory.timeline] == [row.name for row in report.rows]


def test_a_residual_holds_the_skipped_value():
    # x 16, then 32 each; a waits for the sum
    text = (
        "(float[1,4] x, float[4,8] u, float[8,8] v, float[8,8] w) => (y) "
        "{ a = MatMul(x, u) b = MatMul(a, v) c = MatMul(b, w) y = Add(a, c) }"
    )
    report = trained(text, "u v w")
    assert timeline(report) == [48, 64, 96, 96]
    # the first of the steps at the peak
    assert report.memory.peak_node == report.rows[2].name
    assert report.memory.peak_tensors == (("a", 32), ("b", 32), ("c", 32))


def test_a_diamond_holds_both_branches():
    # x 24; a, b 24, then c from b, the sum
    text = "(float[2,3] x) => (y) { a = Exp(x) b = Relu(x) c = Neg(b) y = Add(a, c) }"
    report = trained(text)
    # x a | x a b | a b c | a c y
    assert timeline(report) == [48, 72, 72, 72]
    assert report.totals["peak_activation_bytes"] == 72


def test_the_order_of_the_file_counts():
    # the same values; the wide one is used up before the narrow branch begins
    wide_first = (
        "(float[1,2] x, float[2,100] v, float[100,1] w) => (y) { a = MatMul(x, v) b = MatMul(a, w) c = Exp(x) y = Add(b, c) }"
    )
    wide_last = (
        "(float[1,2] x, float[2,100] v, float[100,1] w) => (y) { c = Exp(x) a = MatMul(x, v) b = MatMul(a, w) y = Add(b, c) }"
    )
    # x 8, a 400, b 4, c 8, y 8
    assert timeline(trained(wide_first, "v w")) == [408, 412, 20, 20]
    assert timeline(trained(wide_last, "v w")) == [16, 416, 412, 20]


def test_weights_are_not_activations():
    report = trained("(float[1,4] x, float[4,8] w) => (y) { y = MatMul(x, w) }", "w")
    assert report.memory.peak_tensors == (("y", 32), ("x", 16))


def test_a_view_shares_its_base():
    # r and s are a's memory: 24. y1 frees nothing, a lives until the view's last use
    text = (
        "(float[2,3] x) => (y) { a = Exp(x) t = Constant<value_ints=[6]>() r = Reshape(a, t) "
        "u = Constant<value_ints=[0]>() s = Unsqueeze(r, u) b = Neg(a) c = Reshape(b, t) y = Add(s, c) }"
    )
    report = trained(text)
    # x a | (r) a | (s) a | a b | (c) a b | a b y
    assert timeline(report) == [48, 24, 24, 48, 48, 72]
    assert report.memory.peak_tensors == (("a", 24), ("b", 24), ("y", 24))
    # as outputs of nodes they count: a, r, s, b, c, y
    assert report.totals["activation_bytes"] == 6 * 24


def test_a_view_of_an_input_keeps_the_input():
    # x is read late, through r alone
    text = "(float[2,3] x, float[4,3] z) => (y) { r = Flatten(x) a = Exp(z) b = Neg(a) y = Concat<axis=0>(r, b) }"
    report = trained(text)
    # x 24, z 48: (r) | + a 48 | z gone, b 48 | a gone, y 72
    assert timeline(report) == [72, 120, 24 + 96, 24 + 48 + 72]
    assert report.memory.start_bytes == 72


def test_dropout_at_inference_is_a_view():
    # a node between input and output has to stay
    report = trained("(float[2,3] x) => (y) { y = Dropout(x) }")
    assert timeline(report) == [24]


def test_dropout_in_training_is_none():
    text = "(float[2,3] x, float r) => (y) { t = Constant<value = bool {1}>() y = Dropout(x, r, t) }"
    # x 24, ratio 4, y 24
    assert timeline(trained(text)) == [52]


def test_an_output_nobody_uses_is_live_while_its_node_runs():
    # values 16 and 8-byte indices 32 of (2,3)
    text = "(float[2,3] x) => (y) { k = Constant<value_ints=[2]>() v, i = TopK(x, k) y = Exp(v) }"
    assert timeline(trained(text)) == [24 + 16 + 32, 16 + 16]


def test_outputs_of_the_graph_stay_to_the_end():
    # a is ready first; nothing after it uses it
    text = "(float[2,3] x) => (a, y) { a = Exp(x) b = Neg(x) y = Relu(b) }"
    assert timeline(trained(text)) == [48, 72, 24 + 48]
    # were it not an output it would not even be computed
    assert timeline(trained(text.replace("(a, y)", "(y)"))) == [48, 48]


def test_an_input_that_is_an_output_stays():
    text = "(float[2,3] x) => (x, y) { a = Exp(x) b = Neg(a) y = Relu(b) }"
    assert timeline(trained(text)) == [48, 72, 72]
    assert timeline(trained(text.replace("(x, y)", "(y)"))) == [48, 48, 48]


def test_inputs_are_live_from_the_start():
    # z is needed at the end only
    text = "(float[2,3] x, float[2,3] z) => (y) { a = Exp(x) b = Neg(a) y = Add(b, z) }"
    report = trained(text)
    assert report.memory.start_bytes == 48
    assert timeline(report) == [72, 72, 72]


def test_the_start_may_be_the_peak():
    # 400 bytes come in, 4 go out at once
    text = "(float[100] x, float[100] z) => (y) { a = Shape(z) y = ReduceSum(x) }"
    report = trained(text)
    assert timeline(report) == [804]
    assert report.memory.peak_node == report.rows[0].name


def test_smaller_types_take_less():
    text = "(float16[2,3] x) => (y) { a = Exp(x) b = Cast<to=1>(a) c = Cast<to=9>(b) y = Not(c) }"
    # x 12 a 12 | a b 24 | b c 6 | c y
    assert timeline(trained(text)) == [24, 36, 30, 12]


def test_an_empty_graph_has_its_input():
    report = trained("(float[2,3] x) => (x) { }")
    assert (report.memory.peak_bytes, report.memory.peak_node, report.memory.peak_tensors) == (24, "", (("x", 24),))


def test_an_if_adds_its_larger_branch():
    text = """
    (bool c, float[2,3] x) => (y)
    { a = Exp(x)
      y = If<then_branch = t () => (float[2,3] p) { h = Neg(a) g = Relu(h) p = Exp(g) },
             else_branch = e () => (float[2,3] q) { q = Relu(a) }>(c) }
    """
    # c 1 and x 24, a 24; inside, beside a which is captured, two of 24 at a time; then y 24
    assert timeline(trained(text)) == [49, 1 + 24 + 48 + 24]


def test_a_scan_adds_its_body():
    text = """
    (float[2,3] h, float[5,2,3] x) => (y, z)
    { y, z = Scan<num_scan_inputs=1, body = b (float[2,3] s, float[2,3] e) => (float[2,3] r, float[2,3] o)
        { m = Exp(e) r = Add(s, m) o = Neg(m) }>(h, x) }
    """
    # h and y 24, x and z 120; inside s e m, then s m r, then m r o: three of 24
    assert timeline(trained(text)) == [288 + 72]


def test_a_loop_adds_its_body():
    text = """
    (float[2,3] x) => (y)
    { n = Constant<value = int64 {5}>()
      y = Loop<body = b (int64 i, bool c, float[2,3] s) => (bool d, float[2,3] r)
        { d = Identity(c) h = Exp(s) r = Neg(h) }>(n, "", x) }
    """
    # x and y; inside the condition 1, whose view d is an output, the state 24 and h 24, then h and r
    assert timeline(trained(text)) == [48 + 1 + 48]


def test_an_input_whose_view_is_an_output_stays():
    text = "(float[2,3] x) => (r, y) { r = Flatten(x) a = Exp(x) b = Neg(a) y = Relu(b) }"
    # (r) | x a | x a b | x b y
    assert timeline(trained(text)) == [24, 48, 72, 72]


TWO_CONVS = "(float[1,3,6,6] x, float[4,3,3,3] v, float[2,4,3,3] w) => (y) { a = Conv(x, v) b = Relu(a) y = Conv(b, w) }"


def test_training_keeps_what_gradients_need():
    # x for the first weight's gradient 432; b for ReLU's mask and the second weight's, once: 256
    assert trained(TWO_CONVS, "v w").totals["training_activation_bytes"] == 432 + 256
    # with the weights as inputs and their gradients wanted the same, and the weights themselves: 432 and 288
    assert trained(TWO_CONVS, inputs=True).totals["training_activation_bytes"] == 432 + 256 + 432 + 288


def test_training_keeps_nothing_where_nothing_is_trained():
    assert trained(TWO_CONVS).totals["training_activation_bytes"] == 0


def test_training_keeps_nothing_in_front_of_the_first_parameter():
    # exp would keep its result for its own gradient; it is kept for the weight's
    text = "(float[2,3] x, float[3,4] w) => (y) { a = Sigmoid(x) b = Exp(a) y = MatMul(b, w) }"
    assert trained(text, "w").totals["training_activation_bytes"] == 24


def test_training_keeps_a_view_as_its_base():
    # r is a's memory; a is kept by exp for itself and, as r, by the product
    text = "(float[2,3] x, float[3,4] w) => (y) { a = Exp(x) r = Flatten(a) y = MatMul(r, w) }"
    assert trained(text, "w", inputs=True).totals["training_activation_bytes"] == 24


def test_additions_keep_nothing():
    text = "(float[2,3] x, float[3,4] w, float[4] b) => (y) { h = MatMul(x, w) y = Add(h, b) }"
    assert trained(text, "w b").totals["training_activation_bytes"] == 24


def test_training_keeps_indices_of_maxima():
    # h 2·2·2 floats; 8-byte indices of 2 results; x 128 for the weight
    text = "(float[1,2,4,4] x, float[2,2,3,3] w) => (y) { h = Conv(x, w) y = MaxPool<kernel_shape=[2,2]>(h) }"
    assert trained(text, "w").totals["training_activation_bytes"] == 128 + 16
