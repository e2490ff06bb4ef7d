import time

import numpy as np
import onnx
import pytest
from onnx import ModelProto

import irstat
from irstat.errors import ModelError
from irstat.passes import InlineFunctions
from tests.support.files import assert_same_bits, feeds_for, run, with_functions
from tests.support.models import model
from tests.support.passes import checked, nodes_of, table

MY = '"my": 1'


def function(text, domain="my", imports='"": 20, "my": 1'):
    return f'<domain: "{domain}", opset_import: [{imports}]> {text}\n'


MAIN = "g (float[2] x) => (float[2] y)"

CHANGED = {
    "a call": (
        "{ [call] y = my.f(x) }",
        function("f (a) => (b) { t = Exp(a)  b = Relu(t) }"),
        """
        call/t = Exp(x)
        y = Relu(call/t)
        """,
    ),
    "two calls": (
        "{ [one] t = my.f(x)  [two] y = my.f(t) }",
        function("f (a) => (b) { t = Exp(a)  b = Neg(t) }"),
        """
        one/t = Exp(x)
        t = Neg(one/t)
        two/t = Exp(t)
        y = Neg(two/t)
        """,
    ),
    "calls of calls": (
        "{ [call] y = my.f(x) }",
        function("f (a) => (b) { [inner] t = my.h(a)  b = Exp(t) }") + function("h (p) => (q) { s = Abs(p)  q = Sqrt(s) }"),
        """
        call/inner/s = Abs(x)
        call/t = Sqrt(call/inner/s)
        y = Exp(call/t)
        """,
    ),
    "attributes: given, by default, left out, handed through": (
        "{ a = my.f<k = 0.5>(x)  y = my.f(a) }",
        function("f <k: float = 0.25> (a) => (b) { t = my.h<j: float = @k>(a)  b = Selu<alpha: float = @other>(t) }")
        + function("h <j> (p) => (q) { q = LeakyRelu<alpha: float = @j>(p) }"),
        """
        f_0/t = LeakyRelu<alpha=0.5>(x)
        a = Selu(f_0/t)
        f_1/t = LeakyRelu<alpha=0.25>(a)
        y = Selu(f_1/t)
        """,
    ),
    "names that are taken": (
        "{ t = Exp(x)  [second] u = my.f(t)  [third] y = my.f(u) }",
        function("f (a) => (b) { t = Abs(a)  b = Sqrt(t) }"),
        """
        t = Exp(x)
        second/t = Abs(t)
        u = Sqrt(second/t)
        third/t = Abs(u)
        y = Sqrt(third/t)
        """,
    ),
    "a body in a function": (
        "{ c = Constant<value = bool {1}>() [call] y = my.f(c, x) }",
        function(
            """f (c, a) => (b) { t = Exp(a)  b = If(c) <
                then_branch = h () => (r) { s = my.h(t)  r = Neg(s) }, else_branch = e () => (r) { r = Identity(a) }> }"""
        )
        + function("h (p) => (q) { q = Abs(p) }"),
        """
        c = Constant<value=bool[] True>()
        call/t = Exp(x)
        y = If(c)
          else_branch: graph e
            call/r = Identity(x)
            output call/r: ?[...]
          then_branch: graph h
            call/s = Abs(call/t)
            call/r = Neg(call/s)
            output call/r: ?[...]
        """,
    ),
    "a call in a body": (
        """{ c = Constant<value = bool {1}>() y = If(c) <
            then_branch = h () => (r) { [call] r = my.f(x) }, else_branch = e () => (r) { r = Neg(x) }> }""",
        function("f (a) => (b) { t = Exp(a)  b = Relu(t) }"),
        """
        c = Constant<value=bool[] True>()
        y = If(c)
          else_branch: graph e
            r = Neg(x)
            output r: ?[...]
          then_branch: graph h
            call/t = Exp(x)
            r = Relu(call/t)
            output r: ?[...]
        """,
    ),
}


@pytest.mark.parametrize(("body", "functions", "after"), CHANGED.values(), ids=CHANGED)
def test_changed(body, functions, after):
    proto = model(f"{MAIN} {body}\n{functions}", imports=MY)
    graph = irstat.load(proto)
    result = InlineFunctions().run(graph)
    assert result.changed > 0
    assert nodes_of(graph) == table(after)
    checked(graph, proto)
    assert InlineFunctions().run(graph).changed == 0
    assert proto == model(f"{MAIN} {body}\n{functions}", imports=MY)


UNCALLABLE = {
    # onnxruntime finds no second output at the call
    "an input and an output left out": (
        "{ [call] y = my.f(x) }",
        function("f (a, low) => (b, c) { b = Clip(a, low)  c = Neg(b) }"),
        """
        y = Clip(x, '')
        call/c = Neg(y)
        """,
        "{ y = Clip(x) }",
    ),
    # onnx's checker refuses a function that names an output twice
    "an input returned, a result twice": (
        "{ [call] p, q, r = my.f(x)  y = Sum(p, q, r) }",
        function("f (a) => (a, b, b) { b = Exp(a) }"),
        """
        q = Exp(x)
        p = Identity(x)
        r = Identity(q)
        y = Sum(p, q, r)
        """,
        "{ e = Exp(x)  y = Sum(x, e, e) }",
    ),
}
"""Calls that onnxruntime does not run, and bodies of models without functions that compute what they mean."""


@pytest.mark.parametrize(("body", "functions", "after", "meant"), UNCALLABLE.values(), ids=UNCALLABLE)
def test_calls_that_onnxruntime_does_not_run(body, functions, after, meant):
    graph = irstat.load(model(f"{MAIN} {body}\n{functions}", imports=MY))
    assert InlineFunctions().run(graph).changed == 1
    assert nodes_of(graph) == table(after)
    new, reference = irstat.to_model(graph), model(f"{MAIN} {meant}")
    del new.functions[:]
    onnx.checker.check_model(new)
    assert_same_bits(run(new, feeds_for(new)), run(reference, feeds_for(reference)))


UNTOUCHED = {
    "no functions": ("{ y = Relu(x) }", ""),
    "nobody calls it": ("{ y = Relu(x) }", function("f (a) => (b) { b = my.f(a) }")),  # and what it is does not matter
    "another domain": ("{ y = Relu(x) }", function("Relu (a) => (b) { b = Exp(a) }")),
}


@pytest.mark.parametrize(("body", "functions"), UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched(body, functions):
    graph = irstat.load(model(f"{MAIN} {body}\n{functions}", imports=MY))
    before = nodes_of(graph)
    assert InlineFunctions().run(graph).changed == 0
    assert nodes_of(graph) == before


def doubling(levels, start="Relu"):
    """Functions of which each calls the next twice: 2 ** levels nodes."""
    text = "".join(function(f"f{i} (a) => (b) {{ t = my.f{i + 1}(a)  b = my.f{i + 1}(t) }}") for i in range(levels))
    return text + function(f"f{levels} (a) => (b) {{ b = {start}(a) }}")


def chain(length):
    text = "".join(function(f"f{i} (a) => (b) {{ b = my.f{i + 1}(a) }}") for i in range(length))
    return text + function(f"f{length} (a) => (b) {{ b = Relu(a) }}")


REFUSED = {
    "calls itself": ("{ y = my.f(x) }", function("f (a) => (b) { b = my.f(a) }"), "function 'f' calls itself"),
    "calls itself in a body": (
        "{ c = Constant<value = bool {1}>()  y = my.f(c, x) }",
        function(
            """f (c, a) => (b) { b = If(c) <
                then_branch = t () => (r) { r = my.f(c, a) }, else_branch = e () => (r) { r = Neg(a) }> }"""
        ),
        "function 'f' calls itself",
    ),
    "calls itself by way of another": (
        "{ y = my.f(x) }",
        function("f (a) => (b) { b = my.h(a) }") + function("h (a) => (b) { b = my.f(a) }"),
        "function 'f' calls itself",
    ),
    "grows without bounds": ("{ y = my.f0(x) }", doubling(60), "the model's functions stand for more than 250,000 nodes"),
    "grows too large": ("{ y = my.f0(x) }", doubling(20), "the model's functions stand for more than 250,000 nodes"),
    "deep": ("{ y = my.f0(x) }", chain(101), "functions call each other more than 100 deep"),
    "very deep": ("{ y = my.f0(x) }", chain(3000), "functions call each other more than 100 deep"),
    "too many inputs": (
        "{ y = my.f(x, x) }",
        function("f (a) => (b) { b = Relu(a) }"),
        "call 'f_0' of function 'f' has 2 inputs; the function has 1",
    ),
    "too many outputs": (
        "{ y, z = my.f(x) }",
        function("f (a) => (b) { b = Relu(a) }"),
        "call 'f_0' of function 'f' has 2 outputs; the function has 1",
    ),
    "an output that nothing computes": (
        "{ y = my.f(x) }",
        function("f (a) => (b) { c = Relu(a) }"),
        "call 'f_0' of function 'f': nothing in the function computes 'y'",
    ),
    "an input that nothing provides": (
        "{ y = my.f(x) }",
        function("f (a) => (b) { b = Add(a, q) }"),
        "call 'f_0' of function 'f': node 'f_0/Add' .Add. reads 'f_0/q', which nothing there provides",
    ),
    "a tensor of the graph around it": (
        "{ t = Exp(x)  y = my.f(t) }",
        function("f (a) => (b) { b = Add(a, x) }"),  # functions see only their inputs
        "reads 'f_0/x', which nothing there provides",
    ),
    "an input computed": (
        "{ y = my.f(x) }",
        function("f (a) => (b) { a = Neg(a)  b = Relu(a) }"),
        "tensor 'x' has two producers",
    ),
    "a result computed twice": (
        "{ y = my.f(x) }",
        function("f (a) => (b) { b = Neg(a)  b = Relu(a) }"),
        "tensor 'y' has two producers",
    ),
    "a cycle": ("{ y = my.f(x) }", function("f (a) => (b) { b = Add(a, b) }"), "cycle: f_0/Add -> f_0/Add"),
    "two inputs of one name": ("{ y = my.f(x, x) }", function("f (a, a) => (b) { b = Neg(a) }"), "two inputs of one name"),
    "an opset of the future": (
        "{ y = my.f(x) }",
        function("f (a) => (b) { b = Neg(a) }", imports='"": 999'),
        "opset 999 of ai.onnx",
    ),
}


@pytest.mark.parametrize(("body", "functions", "problem"), REFUSED.values(), ids=REFUSED)
def test_refused(body, functions, problem):
    graph = irstat.load(model(f"{MAIN} {body}\n{functions}", imports=MY))
    before = time.process_time()

    def inlined():
        InlineFunctions().run(graph)
        graph.nodes()

    with pytest.raises(ModelError, match=problem):
        inlined()
    assert time.process_time() - before < 2


def test_as_many_nodes_as_are_allowed():
    graph = irstat.load(model(f"{MAIN} {{ y = my.f0(x) }}\n{doubling(10)}", imports=MY))
    assert InlineFunctions().run(graph).changed == 2**11 - 1
    assert len(graph) == 2**10
    graph = irstat.load(model(f"{MAIN} {{ y = my.f0(x) }}\n{chain(99)}", imports=MY))
    InlineFunctions().run(graph)
    assert len(graph) == 1


def test_names_of_tensors_are_kept_apart():
    """A tensor of the graph that is named like one of the function would be after inlining."""
    proto = model(
        f"""g (float[2] x, bool c) => (float[2] y) {{
            before = Exp(x)  [call] u = my.f(before)
            y = If(c) <
                then_branch = t () => (r) {{ inner = Neg(x)  r = Add(inner, u) }},
                else_branch = e () => (r) {{ r = Neg(u) }}>
        }}
        {function("f (a) => (b) { t = Abs(a)  s = Sqrt(t)  b = Add(t, s) }")}""",
        imports=MY,
    )
    proto.graph.node[0].output[0] = proto.graph.node[1].input[0] = "call/t"
    branch = proto.graph.node[2].attribute[0].g
    branch.node[0].output[0] = branch.node[1].input[0] = "call_1/s"
    graph = irstat.load(proto)
    InlineFunctions().run(graph)
    assert [list(node.outputs) for node in graph.nodes()] == [["call/t"], ["call_2/t"], ["call_2/s"], ["u"], ["y"]]
    checked(graph, proto, {"c": True})


def test_names_of_nodes_are_unique():
    proto = model(
        f"{MAIN} {{ [a] t = my.f(x)  [b] u = my.f(t)  y = Neg(u) }}\n"
        + function("f (a) => (b) { [n] s = Abs(a)  [n] b = Exp(s) }"),
        imports=MY,
    )
    proto.graph.node[2].name = "a/n"
    graph = irstat.load(proto)
    InlineFunctions().run(graph)
    assert [node.name for node in graph.nodes()] == ["a/n_0", "a/n_1", "b/n", "b/n_0", "a/n"]
    assert [node.source for node in graph.nodes()] == [("a/n",), ("a/n",), ("b/n",), ("b/n",), ("a/n",)]


def test_overloads():
    proto = model(f"{MAIN} {{ t = my.f(x)  y = my.f(t) }}\n" + function("f (a) => (b) { b = Abs(a) }"), imports=MY)
    other = proto.functions.add()
    other.CopyFrom(proto.functions[0])
    other.overload = "v2"
    other.node[0].op_type = "Neg"
    proto.graph.node[1].overload = "v2"
    graph = irstat.load(proto)
    InlineFunctions().run(graph)
    assert [node.op_type for node in graph.nodes()] == ["Abs", "Neg"]
    assert irstat.analyze(proto).totals["flops"] == 4


def test_versions_are_those_of_the_function():
    text = f"{MAIN} {{ y = my.f(x) }}\n" + function(
        "f (a) => (b) { t = Relu(a) b = com.new.Op(t) }", imports='"": 18, "com.new": 4'
    )
    graph = irstat.load(model(text, imports=MY))
    InlineFunctions().run(graph)
    assert [node.version for node in graph.nodes()] == [18, 4]


def test_layers():
    proto = model(
        f"{MAIN} {{ [stem] t = my.Block(x)  [head] u = my.Block(t)  [n3] y = my.Gelu(u) }}\n"
        + function("Block (a) => (b) { [inner] s = my.Act(a)  t = Exp(s)  b = my.Gelu(t) }")
        + function("Act (a) => (b) { b = Relu(a) }")
        + function("Gelu (a) => (b) { c = Erf(a)  b = Mul(a, c) }"),
        imports=MY,
    )
    for node, namespace in (
        (proto.functions[0].node[1], ": Net/blocks.3: nn.Exp/exp: aten.exp"),
        (proto.graph.node[2], ": Net/act: nn.GELU/gelu: aten.gelu"),
    ):
        entry = node.metadata_props.add()
        entry.key, entry.value = "namespace", namespace
    graph = irstat.load(proto)
    InlineFunctions().run(graph)
    block = [("Exp", "blocks.3", "Exp"), ("Erf", "{}/Gelu", "Gelu"), ("Mul", "{}/Gelu", "Gelu")]
    assert [(node.op_type, node.layer, node.layer_type) for node in graph.nodes()] == [
        ("Relu", "stem/inner", "Act"),
        *((op, layer.format("stem"), kind) for op, layer, kind in block),
        ("Relu", "head/inner", "Act"),
        *((op, layer.format("head"), kind) for op, layer, kind in block),
        ("Erf", "act", "GELU"),
        ("Mul", "act", "GELU"),
    ]


def test_a_function_that_is_not_in_the_order_of_the_data():
    proto = model(f"{MAIN} {{ [call] y = my.f(x) }}\n" + function("f (a) => (b) { b = Relu(t)  t = Exp(a) }"), imports=MY)
    graph = irstat.load(proto)
    InlineFunctions().run(graph)
    assert nodes_of(graph) == "call/t = Exp(x)\ny = Relu(call/t)\n"


def test_captures_of_a_body_after_a_call_in_it_is_gone():
    proto = model(
        """g (float[2] x, bool c) => (float[2] y) { dead = Exp(x) y = If(c) <
            then_branch = t () => (r) { r = my.f(x, dead) }, else_branch = e () => (r) { r = Neg(x) }> }\n"""
        + function("f (a, unused) => (b) { b = Abs(a) }"),
        imports=MY,
    )
    graph = irstat.load(proto)
    InlineFunctions().run(graph)
    assert graph.nodes()[1].captures == ("x",)
    assert graph.consumers("dead") == []


def test_onnxruntime_agrees():
    proto = ModelProto.FromString(with_functions())
    for condition in (True, False):
        graph = irstat.load(proto)
        assert InlineFunctions().run(graph).changed == 5
        checked(graph, proto, {"c": np.array(condition)})
