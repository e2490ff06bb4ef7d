import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import irstat
from irstat.passes import FoldConstants, RemoveDead
from tests.support.files import assert_same_bits, feeds_for, peak_memory, run
from tests.support.models import model
from tests.support.passes import checked, facts_of, nodes_of, table
from tests.support.unbound import run_unbound

CHANGED = {
    "a Constant node": (
        "g (float[2] x) => (float[2] y) { c = Constant<value = float[2] {1,2}>()  y = Add(x, c) }",
        """
        constant c: float32[2] = [1, 2]
        y = Add(x, c)
        """,
    ),
    "numbers as attributes": (
        "g (float[2] x) => (float[2] y) { c = Constant<value_float = 3.0>()  y = Add(x, c) }",
        """
        constant c: float32[] = 3
        y = Add(x, c)
        """,
    ),
    "shape arithmetic": (
        """g (float[2,3,4] x) => (float[2,12] y) <int64 zero = {0}, int64[1] axis = {0}, int64[1] rest = {-1}> {
            s = Shape(x)  n = Gather(s, zero)  u = Unsqueeze(n, axis)  t = Concat<axis = 0>(u, rest)  y = Reshape(x, t) }""",
        """
        constant zero: int64[] = 0
        constant axis: int64[1] = [0]
        constant rest: int64[1] = [-1]
        constant s: int64[3] = [2, 3, 4]
        constant n: int64[] = 2
        constant u: int64[1] = [2]
        constant t: int64[2] = [2, -1]
        y = Reshape(x, t)
        """,
    ),
    "arithmetic on weights": (
        "g (float[2] x) => (float[2] y) <float[2] w = {1,4}> { r = Sqrt(w)  y = Mul(x, r) }",
        """
        constant w: float32[2] = [1, 4]
        constant r: float32[2] = [1, 2]
        y = Mul(x, r)
        """,
    ),
    "in a body": (
        """g (float[2] x, bool c) => (float[2] y) { y = If(c) <
            then_branch = t () => (r) { k = Constant<value = float[2] {1,2}>()  r = Add(x, k) },
            else_branch = e () => (r) { r = Neg(x) }> }""",
        """
        y = If(c)
          else_branch: graph e
            r = Neg(x)
            output r: float32[2]
          then_branch: graph t
            constant k: float32[2] = [1, 2]
            r = Add(x, k)
            output r: float32[2]
        """,
    ),
}


@pytest.mark.parametrize(("text", "after"), CHANGED.values(), ids=CHANGED)
def test_changed(text, after):
    proto = model(text)
    graph = irstat.load(proto)
    facts = facts_of(graph)
    result = FoldConstants(facts).run(graph)
    assert result.changed > 0
    assert "\n".join(sorted(nodes_of(graph).splitlines())) == "\n".join(sorted(table(after).splitlines()))
    checked(graph, proto)
    assert FoldConstants(facts).run(graph).changed == 0


UNTOUCHED = {
    "depends on an input": "g (float[2] x) => (float[2] y) { y = Neg(x) }",
    "random": "g () => (float[2] y) { y = RandomNormal<shape = [2]>() }",
    "dequantized weights stay small": """g (float[2] x) => (float[2] y) <uint8[2] q = {1,2}, float s = {0.5}> {
        w = DequantizeLinear(q, s)  y = Mul(x, w) }""",
}


@pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched(text):
    graph = irstat.load(model(text))
    facts = facts_of(graph)
    before = nodes_of(graph)
    assert FoldConstants(facts).run(graph).changed == 0
    assert nodes_of(graph) == before


def test_sources_and_roles():
    """A folded tensor says what it was computed from; sizes are made of no weights."""
    graph = irstat.load(
        model("g (float[2] x) => (float[2] y, int64[1] n) <float[2] w = {1,4}> { r = Sqrt(w)  y = Mul(x, r)  n = Shape(w) }")
    )
    facts = facts_of(graph)
    FoldConstants(facts, {"w": "parameter"}).run(graph)
    assert (graph.tensor("r").sources, graph.tensor("r").role) == (("w",), None)
    assert graph.tensor("w").role == "parameter"
    assert graph.tensor("n").sources == ()


@pytest.mark.parametrize(("only_known", "left"), [(False, 1), (True, 2)])
def test_large_results_have_no_values(only_known, left):
    """16,385 elements are more than are evaluated: such a node is left where the graph is to be written."""
    text = "g (float[16385] x) => (float[16385] y) <int64[1] n = {16385}> { w = ConstantOfShape(n)  y = Add(x, w) }"
    graph = irstat.load(model(text))
    facts = facts_of(graph)
    FoldConstants(facts, only_known=only_known).run(graph)
    assert len(graph) == left
    if not only_known:
        assert (graph.tensor("w").kind, graph.tensor("w").data) == ("constant", None)


def left(graph):
    """Operators that are left, bodies included."""
    inside = [kind for node in graph.nodes() for body in node.bodies for kind in left(body)]
    return [node.op_type for node in graph.nodes()] + inside


STORED = {
    "a Constant node": ("(float[2] x) => (float[2] y) { c = Constant<value = float[2] {1,2}>()  y = Add(x, c) }", ["Add"]),
    "numbers as attributes": (
        "(float[2] x) => (float[2] y) { c = Constant<value_floats = [3.0,1.0]>()  y = Add(x, c) }",
        ["Add"],
    ),
    "a chain": (
        """(float[2] x) => (float[2] y) <float[1,2] w = {1,4}, int64[1] zero = {0}> {
            a = Sqrt(w)  b = Mul(a, w)  c = Squeeze(b, zero)  y = Add(x, c) }""",
        ["Add"],
    ),
    "sizes that are the same at any size": (
        """(float[N,3,4] x) => (float[A,4] y) <int64 two = {2}, int64[1] axis = {0}, int64[1] rest = {-1}> {
            s = Shape(x)  d = Gather(s, two)  u = Unsqueeze(d, axis)  t = Concat<axis = 0>(rest, u)  y = Reshape(x, t) }""",
        ["Reshape"],
    ),
    "a slice of sizes": (
        "(float[N,3,4] x) => (int64[2] y) <int64[1] a = {1}, int64[1] b = {9}> { s = Shape(x)  y = Slice(s, a, b) }",
        [],
    ),
    "a graph output": ("(float[2] x) => (float[2] y, float[2] r) <float[2] w = {1,4}> { r = Sqrt(w)  y = Mul(x, r) }", ["Mul"]),
    "in bodies, from outside": (
        """(float[2] x, bool c) => (float[2] y) <float[2] w = {1,4}> { y = If(c) <
            then_branch = t () => (float[2] r) { k = Constant<value = float[2] {1,2}>()  a = Add(k, w)  r = Mul(a, x) },
            else_branch = e () => (float[2] q) { q = Sqrt(w) }> }""",
        ["If", "Mul"],
    ),
    "in a loop": (
        """(float[2] x, int64 n, bool c) => (float[2] y) { y = Loop(n, c, x) <
            body = b (int64 i, bool go, float[2] a) => (bool on, float[2] r) {
                on = Constant<value = bool {1}>()  k = Constant<value = float[2] {1,2}>()  r = Add(a, k) }> }""",
        ["Loop", "Add"],
    ),
}


@pytest.mark.parametrize(("text", "operators"), STORED.values(), ids=STORED)
def test_stored(text, operators):
    proto = model(f"g {text}")
    graph, result = run_unbound(FoldConstants(), proto)
    RemoveDead().run(graph)
    assert left(graph) == operators
    assert result.changed > 0
    assert result.refusals == []
    checked(graph, proto, {"n": 3, "c": True} if "Loop" in text else {})
    assert FoldConstants().run(graph).changed == 0


NOT_STORED = {
    "random": "() => (float[2] y) { y = RandomNormal<shape = [2]>() }",
    "dequantized weights": """(float[2] x) => (float[2] y) <uint8[2] q = {1,2}, float s = {0.5}> {
        w = DequantizeLinear(q, s)  y = Mul(x, w) }""",
    "a free size": "(float[N,3] x) => (int64 y) <int64 zero = {0}> { s = Shape(x)  y = Gather(s, zero) }",
    "what callers may override": "(float[2] x, float[2] w) => (float[2] y) <float[2] w = {1,4}> { r = Sqrt(w)  y = Mul(x, r) }",
    "no number to give": "(float[2] x) => (int32[1] y) <float[1] w = {nan}> { y = Cast<to = 6>(w) }",
}


@pytest.mark.parametrize("text", NOT_STORED.values(), ids=NOT_STORED)
def test_not_stored(text):
    proto = model(f"g {text}")
    graph, result = run_unbound(FoldConstants(), proto)
    assert (result.changed, len(graph)) == (0, len(proto.graph.node))


GROWN = {
    "ConstantOfShape": ("<int64[2] n = {64,64}> { w = ConstantOfShape(n)  y = Add(x, w) }", {}),
    "Expand": ("<int64[2] n = {64,64}> { w = Expand(v, n)  y = Add(x, w) }", {"v": (1, 64)}),
    "Tile": ("<int64[2] n = {1,64}> { w = Tile(v, n)  y = Add(x, w) }", {"v": (64, 1)}),
    "a wider type": ("{ w = Cast<to = 1>(v)  y = Add(x, w) }", {"v": (64, 64)}),
    "an outer product": ("{ w = Mul(u, v)  y = Add(x, w) }", {"v": (64, 1), "u": (1, 64)}),
}


@pytest.mark.parametrize(("body", "shapes"), GROWN.values(), ids=GROWN)
def test_results_larger_than_what_they_are_made_of(tmp_path, body, shapes):
    text = f"(float[64,64] x) => (float[64,64] y) {body}"
    large(tmp_path, text, "float16" if "Cast" in body else "float32", **shapes)
    graph, result = run_unbound(FoldConstants(), tmp_path / "m.onnx")
    assert (result.changed, len(graph)) == (0, 2)
    (refusal,) = result.refusals
    assert refusal.reason == "its result is much larger than what it is computed from"


def large(tmp_path, text, dtype="float32", beside=False, **shapes):
    """A model in a file, with large random weights."""
    proto = model(f"g {text}")
    for name, shape in shapes.items():
        values = np.random.default_rng(0).standard_normal(shape).astype(dtype)
        proto.graph.initializer.append(numpy_helper.from_array(values, name))
    onnx.save(proto, tmp_path / "m.onnx", save_as_external_data=beside, location="w", size_threshold=0)
    return proto


LARGE = {
    "Transpose": "{ v = Transpose(w)  y = MatMul(x, v) }",
    "Identity and Reshape": "<int64[2] s = {200,100}> { i = Identity(w)  v = Reshape(i, s)  y = MatMul(x, v) }",
    "Slice and Concat": """<int64[1] a = {0}, int64[1] b = {50}, int64[1] c = {100}> {
        p = Slice(w, a, b)  q = Slice(w, b, c)  v = Concat<axis = 0>(q, p)  t = Transpose(v)  y = MatMul(x, t) }""",
    "arithmetic": "{ p = Mul(w, w)  q = Add(p, w)  r = Sqrt(p)  s = Div(q, r)  v = Transpose(s)  y = MatMul(x, v) }",
    "a narrower type": "{ p = Cast<to = 10>(w)  q = Transpose(p)  v = Cast<to = 1>(q)  y = MatMul(x, v) }",
}


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("name", LARGE)
def test_large_weights(tmp_path, name, beside):
    proto = large(tmp_path, f"(float[2,200] x) => (float[2,100] y) {LARGE[name]}", w=(100, 200), beside=beside)
    graph, result = run_unbound(FoldConstants(), tmp_path / "m.onnx")
    assert [node.op_type for node in graph.nodes()] == (["Cast"] if "narrower" in name else []) + ["MatMul"]
    assert len(result.refusals) == ("narrower" in name)
    RemoveDead().run(graph)
    irstat.save(graph, tmp_path / "new.onnx")
    onnx.checker.check_model(tmp_path / "new.onnx")
    feeds = feeds_for(proto)
    assert_same_bits(run(tmp_path / "new.onnx", feeds), run(tmp_path / "m.onnx", feeds))


def test_other_dims_are_not_read(tmp_path):
    """Reshape leaves the values where they are, be they there or not."""
    text = (
        "(float[2,200] x) => (float[2,100] y) <int64[2] s = {200,100}> { i = Identity(w)  v = Reshape(i, s)  y = MatMul(x, v) }"
    )
    large(tmp_path, text, w=(100, 200), beside=True)
    (tmp_path / "w").unlink()
    graph, result = run_unbound(FoldConstants(), tmp_path / "m.onnx")
    assert (len(graph), result.refusals) == (1, [])
    assert graph.tensor("v").data.external is not None


def test_missing_weights(tmp_path):
    large(tmp_path, "(float[2,200] x) => (float[2,100] y) { v = Transpose(w)  y = MatMul(x, v) }", w=(100, 200), beside=True)
    (tmp_path / "w").unlink()
    graph, result = run_unbound(FoldConstants(), tmp_path / "m.onnx")
    assert len(graph) == 2
    assert [refusal.reason for refusal in result.refusals] == ["the file with the values of its operands is not there"]


def test_a_file_format_without_constants():
    """Before IR version 4 each initializer is an input, which callers may override."""
    proto = model(
        "g (float[2] x) => (float[2] y) { c = Constant<value = float[2] {1,2}>()  y = Add(x, c) }", ir_version=3, opset=8
    )
    graph, result = run_unbound(FoldConstants(), proto)
    assert (result.changed, len(graph)) == (0, 2)


def test_roles_of_stored():
    proto = model("g (float[1,2] x) => (float[1,1] y) <float[1,2] w = {1,4}> { t = Transpose(w)  y = MatMul(x, t) }")
    proto.graph.initializer[0].metadata_props.add(key="irstat.role", value="parameter")
    graph, result = run_unbound(FoldConstants(), proto)
    assert graph.tensor("t").role == "parameter"
    assert [(entry.key, entry.value) for entry in graph.tensor("t").data.header.metadata_props] == [
        ("irstat.role", "parameter")
    ]
    (change,) = result.changes
    assert (change.pattern, change.text) == ("Transpose of constants", "Transpose 'Transpose_0' computed once")


def test_memory(tmp_path):
    """Folding and writing a Transpose of 96 MB takes two copies of it, no more."""
    large(tmp_path, "(float[2,6000] x) => (float[2,4000] y) { v = Transpose(w)  y = MatMul(x, v) }", w=(4000, 6000))
    code = """
import irstat
from irstat.passes import FoldConstants, RemoveDead
from irstat.shapes.unbound import infer_unbound
graph = irstat.load(sys.argv[1])
infer_unbound(graph)
if sys.argv[2] == "fold":
    assert FoldConstants().run(graph).changed == 1
    RemoveDead().run(graph)
irstat.save(graph, sys.argv[1] + ".new")
"""
    path = str(tmp_path / "m.onnx")
    least = peak_memory(code, path, "leave")
    assert peak_memory(code, path, "fold") - least < 3.2 * 96e6
