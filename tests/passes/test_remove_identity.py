import pytest

import irstat
from irstat.passes import RemoveIdentity
from tests.support.models import model
from tests.support.passes import checked, nodes_of, run_pass, table
from tests.support.unbound import run_unbound

CHANGED = {
    "between": ("g (float[2] x) => (float[2] y) { a = Exp(x)  b = Identity(a)  y = Neg(b) }", "a = Exp(x)\ny = Neg(a)"),
    "of an input": ("g (float[2] x) => (float[2] y) { b = Identity(x)  y = Neg(b) }", "y = Neg(x)"),
    "of a constant": (
        "g (float[2] x) => (float[2] y) <float[2] w = {1,2}> { v = Identity(w)  y = Mul(x, v) }",
        "constant w: float32[2] = [1, 2]\ny = Mul(x, w)",
    ),
    "before an output": ("g (float[2] x) => (float[2] y) { a = Exp(x)  y = Identity(a) }", "y = Exp(x)"),
    "before an output, used besides": (
        "g (float[2] x) => (float[2] y, float[2] z) { a = Exp(x)  y = Identity(a)  z = Neg(a) }",
        "y = Exp(x)\nz = Neg(y)",
    ),
    "a chain": (
        "g (float[2] x) => (float[2] y) { a = Identity(x)  b = Identity(a)  c = Identity(b)  y = Neg(c) }",
        "y = Neg(x)",
    ),
    "Dropout": ("g (float[2] x) => (float[2] y) { a = Exp(x)  b = Dropout(a)  y = Neg(b) }", "a = Exp(x)\ny = Neg(a)"),
    "used twice by one node": ("g (float[2] x) => (float[2] y) { a = Identity(x)  y = Mul(a, a) }", "y = Mul(x, x)"),
    "a value that a body uses": (
        """g (float[2] x, bool c) => (float[2] y) { a = Identity(x)  y = If(c) <
            then_branch = t () => (r) { r = Neg(a) }, else_branch = e () => (r) { r = Exp(a) }> }""",
        """
        y = If(c)
          else_branch: graph e
            r = Exp(x)
            output r: ?[...]
          then_branch: graph t
            r = Neg(x)
            output r: ?[...]
        """,
    ),
}


@pytest.mark.parametrize(("text", "after"), CHANGED.values(), ids=CHANGED)
def test_changed(text, after):
    proto = model(text)
    graph = irstat.load(proto)
    result = RemoveIdentity().run(graph)
    assert nodes_of(graph) == table(after)
    assert (result.changed, result.refusals) == (text.count("Identity(") + text.count("Dropout("), [])
    checked(graph, proto)
    assert RemoveIdentity().run(graph).changed == 0


REFUSED = {
    "an input is an output": (
        "g (float[2] x) => (float[2] y) { y = Identity(x) }",
        "gives a graph output a name of its own",
    ),
    "two outputs are one value": (
        "g (float[2] x) => (float[2] y, float[2] z) { y = Exp(x)  z = Identity(y) }",
        "gives a graph output a name of its own",
    ),
    "a body has a tensor of that name": (
        """g (float[2] x, bool c) => (float[2] y) { b = Exp(x)  a = Identity(b)  y = If(c) <
            then_branch = t () => (r) { b = Neg(a)  r = Abs(b) }, else_branch = e () => (r) { r = Exp(a) }> }""",
        "a body that uses 'a' or 'b' has a tensor of its own so named",
    ),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(text, reason):
    graph, result = run_pass(RemoveIdentity(), text)
    assert nodes_of(graph) == nodes_of(irstat.load(model(text)))
    assert result.changed == 0
    assert [refusal.reason for refusal in result.refusals] == [reason]


UNTOUCHED = {
    "training": """g (float[2] x) => (float[2] y) <float p = {0.5}, bool t = {1}> { a = Dropout(x, p, t)  y = Neg(a) }""",
    "the mask is used": "g (float[2] x) => (float[2] y, bool[2] m) { a, m = Dropout(x)  y = Neg(a) }",
    "another domain": "g (float[2] x) => (float[2] y) { a = my.Identity(x)  y = Neg(a) }",
}


@pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched(text):
    graph, result = run_pass(RemoveIdentity(), text, imports='"my": 1')
    assert (result.changed, result.refusals) == (0, [])
    assert len(graph) == 2


def test_sources():
    graph, _ = run_pass(
        RemoveIdentity(), "g (float[2] x) => (float[2] y) { [e] a = Exp(x) [i] b = Identity(a) [n] y = Neg(b) }"
    )
    assert [node.source for node in graph.nodes()] == [("e", "i"), ("n",)]


NO_OPS = {
    "Cast to the same type": ("{ a = Exp(x)  b = Cast<to = 1>(a)  y = Neg(b) }", 20),
    "CastLike": ("{ a = Exp(x)  b = CastLike(a, x)  y = Neg(b) }", 20),
    "Cast to a wider type and back": ("{ a = Exp(x)  d = Cast<to = 11>(a)  b = Cast<to = 1>(d)  y = Neg(b) }", 20),
    "Reshape to the same shape": ("<int64[3] s = {-1,3,4}> { a = Exp(x)  b = Reshape(a, s)  y = Neg(b) }", 20),
    "Transpose": ("{ a = Exp(x)  b = Transpose<perm = [0,1,2]>(a)  y = Neg(b) }", 20),
    "Pad": ("<int64[6] p = {0,0,0,0,0,0}> { a = Exp(x)  b = Pad(a, p)  y = Neg(b) }", 20),
    "Pad of old": ("{ a = Exp(x)  b = Pad<pads = [0,0,0,0,0,0]>(a)  y = Neg(b) }", 10),
    "Slice to the end": (
        "<int64[1] s = {0}, int64[1] e = {9223372036854775807}> { a = Exp(x)  b = Slice(a, s, e)  y = Neg(b) }",
        20,
    ),
    "Expand by ones": ("<int64[2] s = {1,1}> { a = Exp(x)  b = Expand(a, s)  y = Neg(b) }", 20),
    "Tile once": ("<int64[3] s = {1,1,1}> { a = Exp(x)  b = Tile(a, s)  y = Neg(b) }", 20),
    "Concat of one": ("{ a = Exp(x)  b = Concat<axis = 1>(a)  y = Neg(b) }", 20),
    "Split into one": ("{ a = Exp(x)  b = Split<num_outputs = 1, axis = 1>(a)  y = Neg(b) }", 20),
    **{kind: (f"{{ a = Exp(x)  b = {kind}(a)  y = Neg(b) }}", 20) for kind in ("Sum", "Max", "Min", "Mean")},
}


@pytest.mark.parametrize(("body", "opset"), NO_OPS.values(), ids=NO_OPS)
def test_no_ops(body, opset):
    proto = model(f"g (float[N,3,4] x) => (float[N,3,4] y) {body}", opset=opset)
    graph, result = run_unbound(RemoveIdentity(), proto)
    assert [node.op_type for node in graph.nodes()] == ["Exp", "Neg"]
    assert (result.changed, result.refusals) == (1, [])
    checked(graph, proto)
    graph, result = run_unbound(RemoveIdentity(only_copies=True), proto)
    assert (result.changed, len(graph)) == (0, len(proto.graph.node))


def test_flatten():
    proto = model("g (float[N,3] x) => (float[N,3] y) { a = Exp(x)  b = Flatten(a)  y = Neg(b) }")
    graph, _ = run_unbound(RemoveIdentity(), proto)
    assert [node.op_type for node in graph.nodes()] == ["Exp", "Neg"]


def test_a_cast_whose_result_is_read():
    """The first of the two stays for its reader."""
    proto = model(
        """g (float[2] x) => (float[2] y, double[2] z) { a = Exp(x)  d = Cast<to = 11>(a)  b = Cast<to = 1>(d)
            y = Neg(b)  z = Sqrt(d) }"""
    )
    graph, _ = run_unbound(RemoveIdentity(), proto)
    assert [node.op_type for node in graph.nodes()] == ["Exp", "Cast", "Neg", "Sqrt"]
    checked(graph, proto)


NOT_NO_OPS = {
    "a narrower type in between": "{ d = Cast<to = 10>(x)  y = Cast<to = 1>(d) }",
    "Reshape with two sizes open": "<int64[3] s = {3,-1,4}> { y = Reshape(x, s) }",
    "Slice of a part": "<int64[1] s = {1}, int64[1] e = {9223372036854775807}> { y = Slice(x, s, e) }",
    "Slice that turns round": """<int64[1] s = {-1}, int64[1] e = {-9223372036854775807}, int64[1] a = {1}, int64[1] t = {-1}> {
        y = Slice(x, s, e, a, t) }""",
    "Transpose": "{ y = Transpose<perm = [0,2,1]>(x) }",
    "Expand of a free size": "<int64[3] s = {2,1,1}> { y = Expand(x, s) }",
    "Flatten": "{ y = Flatten(x) }",
}


@pytest.mark.parametrize("body", NOT_NO_OPS.values(), ids=NOT_NO_OPS)
def test_not_no_ops(body):
    proto = model(
        f"g (float[N,3,4] x) => (float[A,B,C] y) {body}".replace("[A,B,C]", "[A,B]" if "Flatten" in body else "[A,B,C]")
    )
    graph, result = run_unbound(RemoveIdentity(), proto)
    assert (result.changed, len(graph)) == (0, len(proto.graph.node))
