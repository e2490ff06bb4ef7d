"""If, Loop, Scan and SequenceMap: their bodies' costs. `MatMul` of (10,64) with (64,32) is 20,480 macs, with (64,64) 40,960."""

import irstat
from tests.support.models import model
from tests.support.one_node import trained


def only_row(report):
    assert len(report.rows) == 1, [row.qualified_type for row in report.rows]
    return report.rows[0]


BRANCHES = """
then_branch = t () => (float[10,32] a) { a = MatMul(x, w) },
else_branch = e () => (float[10,32] r) { b = Gemm(x, w) r = Relu(b) }
"""


def test_an_if_costs_its_dearer_branch():
    text = f"(bool c, float[10,64] x, float[64,32] w) => (y) {{ y = If<{BRANCHES}>(c) }}"
    row = only_row(trained(text, "w"))
    # 20,480 macs either way; the else branch has 320 comparisons more
    assert (row.macs, row.flops, row.basis) == (20_480, 40_960 + 320, "approximate")
    assert "else_branch" in row.note
    assert row.params == 2_048


def test_an_if_whose_condition_is_known_costs_the_branch_taken():
    text = f"(float[10,64] x, float[64,32] w) => (y) {{ c = Constant<value = bool {{1}}>() y = If<{BRANCHES}>(c) }}"
    report = trained(text, "w")
    assert sum(row.macs for row in report.rows) == 20_480
    assert sum(row.flops for row in report.rows) == 40_960
    assert [row.basis for row in report.rows] == ["exact"]


LOOP = """
g (float[10,64] x, float[64,64] w, bool go) => (float[10,64] y)
{
  n = Constant<value = int64 {TURNS}>()
  y = Loop<body = b (int64 i, bool c, float[10,64] s) => (bool d, float[10,64] r)
    { d = Identity(c) r = MatMul(s, w) }>(n, go, x)
}
"""


def test_a_loop_costs_its_body_times_the_turns():
    from tests.support.one_node import with_initializers

    text = LOOP.replace("TURNS", "5").replace(", bool go)", ")").replace("n, go, x", 'n, "", x')
    report = irstat.analyze(with_initializers(model(text), ["w"]), input_gradients=True)
    row = only_row(report)
    assert (row.macs, row.params, row.basis) == (5 * 40_960, 4_096, "exact")
    assert row.note.startswith("5 turns")
    # the body reads 640 + 4,096 floats and writes 640 in every turn
    assert (row.read_bytes, row.write_bytes) == (5 * 18_944, 5 * 2_560)
    # both gradients are products of the same size, and those of the weight are summed
    assert (row.grad_input_flops, row.grad_weight_flops) == (5 * 81_920, 5 * 81_920 + 4 * 4_096)


def test_a_loop_whose_turns_are_not_known_is_unpriced_and_says_what_a_turn_costs():
    text = LOOP.replace("(float[10,64] x", "(int64 n, float[10,64] x").replace("  n = Constant<value = int64 {TURNS}>()\n", "")
    row = only_row(irstat.analyze(model(text)))
    assert (row.macs, row.basis) == (0, "unpriced")
    assert "one takes 40,960 MACs and 81,920 FLOPs" in row.note


def test_a_scan_runs_once_for_each_slice():
    # 7 slices of (10,64)
    text = """
    g (float[10,64] h, float[7,10,64] x, float[64,64] w) => (float[10,64] y, float[7,10,64] z)
    { y, z = Scan<num_scan_inputs=1, body = b (float[10,64] s, float[10,64] e) => (float[10,64] r, float[10,64] o)
      { m = MatMul(e, w) r = Add(s, m) o = Identity(m) }>(h, x) }
    """
    row = only_row(irstat.analyze(model(text)))
    assert (row.macs, row.flops, row.note) == (7 * 40_960, 7 * 81_920 + 7 * 640, "7 turns")


def test_a_body_without_arithmetic_is_priced():
    text = """
    g (float[2,3] x) => (float[2,3] y)
    { n = Constant<value = int64 {4}>()
      y = Loop<body = b (int64 i, bool c, float[2,3] s) => (bool d, float[2,3] r)
        { d = Identity(c) r = Transpose<perm=[0,1]>(s) }>
        (n, "", x) }
    """
    report = irstat.analyze(model(text))
    row = only_row(report)
    assert (row.flops, row.basis) == (0, "exact")
    assert report.totals["read_bytes"] == 4 * 24


def test_an_unpriced_body_makes_the_whole_unpriced():
    text = """
    <ir_version: 10, opset_import: ["": 20, "my": 1]>
    g (bool c, float[2,3] x) => (float[2,3] y)
    { y = If<then_branch = t () => (float[2,3] a) { a = my.Custom(x) },
             else_branch = e () => (float[2,3] b) { b = Relu(x) }>(c) }
    """
    import onnx

    row = only_row(irstat.analyze(onnx.parser.parse_model(text)))
    assert row.basis == "unpriced"
