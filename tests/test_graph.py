from dataclasses import FrozenInstanceError, replace

import networkx
import pytest

import irstat
from irstat.errors import ModelError
from irstat.graph import Graph, Node, Tensor
from irstat.text import as_text
from tests.support.models import model

BRANCHES = """g (float[2] x, bool c) => (float[2] y) {
    a = Relu(x)
    b = Exp(a)
    t = If(c) <
        then_branch = p () => (float[2] q) { q = Add(a, x) },
        else_branch = e () => (float[2] q) { i = If(c) <
            then_branch = p2 () => (float[2] r) { r = Neg(a) }, else_branch = e2 () => (float[2] a) { a = Exp(x) }>
            q = Abs(i) }>
    y = Mul(t, b)
}"""


def read(text, **options):
    return irstat.load(model(text, **options))


def operators(graph):
    return [node.op_type for node in graph.nodes()]


def edges(graph):
    """What every node reads and what reads every tensor, as the graph itself answers it."""
    reads = {(node.name, name) for node in graph.nodes() for name in (*node.inputs, *node.captures) if name}
    used = {(user.name, name) for name in graph.tensor_by_name for user in graph.consumers(name)}
    made = {(output, node.name) for node in graph.nodes() for output in node.outputs if output}
    produced = {(name, node.name) for name in graph.tensor_by_name if (node := graph.producer(name)) is not None}
    return reads, used, made, produced


def assert_consistent(graph):
    reads, used, made, produced = edges(graph)
    outside = set(graph.free_names())
    assert {(node, name) for node, name in reads if name not in outside} == used
    assert made == produced
    position = {node.name: index for index, node in enumerate(graph.nodes())}
    for node in graph.nodes():
        for name in (*node.inputs, *node.captures):
            producer = graph.producer(name)
            assert producer is None or position[producer.name] < position[node.name]
        for body in node.bodies:
            assert_consistent(body)


def make(name, inputs, outputs, op_type="Relu"):
    return Node(name, op_type, "", 20, tuple(inputs), tuple(outputs), {}, source=(name,))


def test_looking():
    graph = read(BRANCHES)
    branch = graph.nodes()[2]
    assert graph.name == "g"
    assert (len(graph), repr(graph)) == (4, "<Graph 'g': 4 nodes, 6 tensors>")
    assert graph.inputs == ["x", "c"]
    assert graph.outputs == ["y"]
    assert set(branch.captures) == {"a", "x", "c"}
    assert [body.name for body in branch.bodies] == ["p", "e"]
    assert [node.op_type for node in graph.consumers("a")] == ["Exp", "If"]
    assert [node.op_type for node in graph.consumers("c")] == ["If"]
    assert graph.producer("x") is None
    assert graph.producer("t") is branch
    assert graph.is_used("y")
    assert graph.find_tensor("q") is None
    assert branch.bodies[0].free_names() == ["a", "x"]
    assert branch.bodies[1].free_names() == ["c", "a", "x"]  # the `a` of the inner branch is another
    with pytest.raises(KeyError):
        graph.tensor("q")
    with pytest.raises(KeyError):
        graph.node("q")
    assert_consistent(graph)


def test_nodes_and_tensors_cannot_be_changed():
    graph = read(BRANCHES)
    with pytest.raises(FrozenInstanceError):
        graph.nodes()[0].name = "other"
    with pytest.raises(FrozenInstanceError):
        graph.tensor("x").shape = ()


# ---- order


def test_the_order_of_the_file_is_kept():
    assert operators(read("g (float[2] x) => (float[2] y) { a = Relu(x) b = Exp(x) c = Neg(b) y = Add(a, c) }")) == [
        "Relu",
        "Exp",
        "Neg",
        "Add",
    ]


def test_an_unsorted_file_is_sorted_as_little_as_possible():
    graph = read("g (float[2] x) => (float[2] y) { y = Add(a, c) c = Neg(b) a = Relu(x) b = Exp(x) }")
    assert operators(graph) == ["Relu", "Exp", "Neg", "Add"]
    assert_consistent(graph)


def test_a_node_comes_after_what_its_body_uses():
    text = """g (float[2] x, bool c) => (float[2] y) {
        y = If(c) <then_branch = t () => (float[2] p) { p = Neg(a) }, else_branch = e () => (float[2] p) { p = Neg(x) }>
        a = Relu(x)
    }"""
    assert operators(read(text)) == ["Relu", "If"]


@pytest.mark.parametrize(
    ("body", "cycle"),
    [
        ("y = Add(x, y)", "Add_0 -> Add_0"),
        ("a = Add(x, b) b = Exp(a) y = Neg(b)", "Add_0 -> Exp_0 -> Add_0"),
        ("[first] a = Add(x, y) [second] b = Relu(a) [third] y = Neg(b)", "first -> second -> third -> first"),
    ],
)
def test_a_cycle_is_named(body, cycle):
    with pytest.raises(ModelError, match=f"the graph has a cycle: {cycle}"):
        read(f"g (float[2] x) => (float[2] y) {{ {body} }}")


def test_a_cycle_through_a_body():
    text = """g (float[2] x, bool c) => (float[2] y) {
        [branch] a = If(c) <
            then_branch = t () => (float[2] p) { p = Neg(y) }, else_branch = e () => (float[2] p) { p = Neg(x) }>
        [last] y = Relu(a)
    }"""
    with pytest.raises(ModelError, match="cycle: branch -> last -> branch"):
        read(text)


def test_names():
    graph = read(
        "g (float[2] x) => (float[2] y) { [n] a = Relu(x) [n] b = Relu(a) c = Relu(b) [Relu_0] d = Relu(c) y = Exp(d) }"
    )
    assert [node.name for node in graph.nodes()] == ["n", "n_0", "Relu_1", "Relu_0", "Exp_0"]
    assert [node.source for node in graph.nodes()] == [("n",), ("n",), ("Relu_1",), ("Relu_0",), ("Exp_0",)]


# ---- changing


def test_adding_nodes():
    graph = read("g (float[2] x) => (float[2] y) { a = Relu(x) y = Exp(a) }")
    graph.set_tensor(Tensor("z", "float32", (2,), "activation"))
    graph.add_node(make("new", ["a", "a", ""], ["z", ""]))
    assert [node.name for node in graph.nodes()] == ["Relu_0", "Exp_0", "new"]
    graph.set_tensor(Tensor("u", "float32", (2,), "activation"))
    graph.add_node(make("early", ["x"], ["u"]), position=0)
    assert graph.nodes()[1].name == "early"  # behind the one that has the position already
    assert_consistent(graph)


def test_a_node_added_before_its_producer_is_sorted_behind_it():
    graph = Graph(read("g (float[1] x) => (float[1] y) { y = Relu(x) }").info)
    for name in ("a", "b"):
        graph.set_tensor(Tensor(name, None, None, "activation"))
    graph.add_node(make("second", ["a"], ["b"]))
    graph.add_node(make("first", [], ["a"]))
    assert [node.name for node in graph.nodes()] == ["first", "second"]


def test_names_and_producers_are_unique():
    graph = read("g (float[2] x) => (float[2] y) { a = Relu(x) y = Exp(a) }")
    before = as_text(graph)
    with pytest.raises(ModelError, match="two nodes are named 'Relu_0'"):
        graph.add_node(make("Relu_0", ["x"], ["z"]))
    with pytest.raises(ModelError, match="tensor 'y' is computed by both 'Exp_0' and 'other'"):
        graph.add_node(make("other", ["x"], ["z", "y"]))
    assert as_text(graph) == before
    assert graph.producer("z") is None
    assert_consistent(graph)


def test_a_cycle_that_a_change_makes_is_found():
    graph = read("g (float[2] x) => (float[2] y) { a = Relu(x) y = Exp(a) }")
    graph.replace_nodes([graph.node("Relu_0")], [make("Relu_0", ["y"], ["a"])])
    with pytest.raises(ModelError, match="cycle"):
        graph.nodes()
    alone = read("g (float[2] x) => (float[2] y) { y = Exp(x) }")
    alone.set_tensor(Tensor("s", None, None, "activation"))
    alone.add_node(make("self", ["s"], ["s"]))
    with pytest.raises(ModelError, match="cycle: self -> self"):
        alone.nodes()


def test_removing():
    graph = read(BRANCHES)
    for name in ("a", "y", "x", "c"):
        with pytest.raises(ModelError, match=f"'{name}' is still in use"):
            graph.remove_tensor(name)
    removed = graph.remove_node(graph.nodes()[1].name)
    assert removed.op_type == "Exp"
    assert graph.producer("b") is None
    assert graph.consumers("b")  # Mul is left reading it
    assert [node.op_type for node in graph.consumers("a")] == ["If"]
    graph.remove_node(graph.nodes()[-1].name)
    graph.remove_tensor("b")
    assert graph.find_tensor("b") is None
    assert_consistent(graph)


def test_replacing_nodes_keeps_the_place():
    graph = read("g (float[2] x) => (float[2] y) { a = Relu(x) b = Relu(x) c = Exp(x) y = Sum(a, b, c) }")
    old = graph.nodes()[:2]
    graph.replace_nodes(old, [make("both", ["x"], ["a", "b"], "Split")])
    assert operators(graph) == ["Split", "Exp", "Sum"]
    for name in ("p", "q"):
        graph.set_tensor(Tensor(name, None, None, "activation"))
    graph.replace_nodes(
        [graph.node("both")], [make("n3", ["q"], ["a", "b"]), make("n1", ["x"], ["p"]), make("n2", ["p"], ["q"])]
    )
    assert [node.name for node in graph.nodes()] == ["n1", "n2", "n3", "Exp_0", "Sum_0"]
    assert_consistent(graph)


def test_replacing_uses_reaches_into_bodies():
    graph = read(BRANCHES)
    graph.replace_uses("a", "b")
    branch = graph.node("If_0")
    assert graph.consumers("a") == []
    assert set(branch.captures) == {"b", "x", "c"}
    then, otherwise = branch.bodies
    assert then.nodes()[0].inputs == ("b", "x")
    inner = otherwise.nodes()[0]
    assert inner.bodies[0].nodes()[0].inputs == ("b",)
    assert inner.bodies[1].outputs == ["a"]  # its own
    with pytest.raises(ModelError, match="cycle"):
        graph.nodes()  # Exp(b) = b: that was the caller's doing


def test_replacing_uses_in_a_body_includes_its_outputs():
    text = """g (float[2] x, float[2] z, bool c) => (float[2] y) {
        y = If(c) <then_branch = t () => (x) { d = Relu(x) }, else_branch = e () => (float[2] p) { p = Neg(x) }>
    }"""
    graph = read(text)
    graph.replace_uses("x", "z")
    then, otherwise = graph.nodes()[0].bodies
    assert then.outputs == ["z"]
    assert otherwise.nodes()[0].inputs == ("z",)
    written = irstat.to_model(graph).graph.node[0].attribute
    assert [info.name for attribute in written for info in attribute.g.output] == ["z", "p"]
    assert graph.consumers("x") == []


def test_replacing_a_tensor_by_itself_changes_nothing():
    graph = read(BRANCHES)
    before = as_text(graph)
    graph.replace_uses("a", "a")
    assert as_text(graph) == before
    assert_consistent(graph)


def test_replacing_both_slots():
    graph = read("g (float[2] x) => (float[2] y) { a = Relu(x) b = Exp(x) y = Mul(a, a) }")
    graph.replace_uses("a", "b")
    assert graph.nodes()[-1].inputs == ("b", "b")
    assert_consistent(graph)


HIDING = """g (float[2] x, bool c) => (float[2] y, float[2] z) {
    [a] a = Relu(x)
    [b] z = Exp(x)
    [branch] y = If(c) <
        then_branch = t () => (float[2] p) { z = Neg(x) p = Add(a, z) },
        else_branch = e () => (float[2] p) { p = Neg(x) }>
}"""


def test_a_body_that_has_a_tensor_of_that_name_is_not_broken():
    graph = read(HIDING)
    before = as_text(graph)
    assert not graph.can_replace("a", "z")
    with pytest.raises(ModelError, match="a body that uses 'a' has a tensor of its own named 'z'"):
        graph.replace_uses("a", "z")
    assert as_text(graph) == before
    assert graph.can_replace("a", "x")
    assert graph.can_replace("x", "a")
    graph.replace_uses("a", "x")
    assert_consistent(graph)


def test_a_name_hidden_two_levels_down():
    text = """g (float[2] x, bool c) => (float[2] y) {
        a = Relu(x)
        b = Exp(x)
        y = If(c) <
            then_branch = t () => (float[2] p) { p = If(c) <
                then_branch = t2 () => (float[2] q) { b = Neg(a) q = Exp(b) },
                else_branch = e2 () => (float[2] q) { q = Neg(x) }>
            },
            else_branch = e () => (float[2] p) { b = Exp(x) p = Neg(b) }>
    }"""
    graph = read(text)
    assert not graph.can_replace("a", "b")
    assert graph.can_replace("x", "a")
    assert not graph.can_replace("x", "b")  # the else branch uses x beside its own b


def test_captures_after_a_body_has_changed():
    graph = read(HIDING)
    then = graph.node("branch").bodies[0]
    add = then.nodes()[-1]
    then.replace_nodes([add], [replace(add, inputs=("z", "z"))])
    assert "a" in graph.node("branch").captures
    graph.refresh_captures("branch")
    assert graph.node("branch").captures == ("x",)
    assert graph.consumers("a") == []
    assert_consistent(graph)


def test_a_copy_is_independent():
    graph = read(BRANCHES)
    graph.annotate("cost", {"Relu_0": 7})
    before = as_text(graph)
    copy = graph.copy()
    assert as_text(copy) == before
    copy.replace_uses("x", "b")
    copy.annotate("cost", {"Relu_0": 8})
    copy.inputs.append("other")
    copy.outputs.append("a")
    for node in list(copy._nodes.values()):
        for body in node.bodies:
            body.set_tensor(Tensor("new", None, None, "activation"))
        copy.remove_node(node.name)
    copy.remove_tensor("t")
    assert as_text(graph) == before
    assert graph.annotations == {"cost": {"Relu_0": 7}}
    assert graph.removed == set()
    assert_consistent(graph)


# ---- networkx


def test_the_networkx_view():
    graph = read(BRANCHES.replace("y = Mul(t, b)", "y = Mul(b, b)"))
    nx = graph.nx
    assert isinstance(nx, networkx.DiGraph)
    assert nx.name == "g"
    ops = [key for kind, key in nx if kind == "op"]
    assert ops == [node.name for node in graph.nodes()]
    assert {key for kind, key in nx if kind == "tensor"} == set(graph.tensor_by_name)
    mul = graph.nodes()[-1]
    assert nx.nodes["op", mul.name] == {"node": mul}
    assert nx.nodes["tensor", "x"] == {"tensor": graph.tensor("x")}
    assert nx.edges[("tensor", "b"), ("op", mul.name)] == {"slots": (0, 1)}
    assert nx.edges[("op", mul.name), ("tensor", "y")] == {"slots": (0,)}
    assert nx.edges[("tensor", "a"), ("op", "If_0")] == {"slots": ()}  # only a body uses it
    assert nx.edges[("tensor", "c"), ("op", "If_0")] == {"slots": (0,)}
    assert networkx.is_directed_acyclic_graph(nx)
    assert ("op", "Relu_0") in networkx.ancestors(nx, ("tensor", "t"))
    assert graph.nx is nx


def test_the_networkx_view_is_frozen_and_follows_changes():
    graph = read("g (float[2] x) => (float[2] y) { a = Relu(x) y = Exp(a) }")
    nx = graph.nx
    for change in (lambda: nx.add_node("n"), lambda: nx.remove_node(("tensor", "x")), lambda: nx.add_edge("a", "b")):
        with pytest.raises(networkx.NetworkXError):
            change()
    changes = [
        lambda: graph.set_tensor(Tensor("n", None, None, "activation")),
        lambda: graph.add_node(make("n", ["y"], ["n"])),
        lambda: graph.replace_uses("a", "x"),
        lambda: graph.annotate("cost", {"n": 3}),
        lambda: graph.remove_node("n"),
        lambda: graph.remove_tensor("n"),
    ]
    for change in changes:
        seen = graph.nx
        change()
        assert graph.nx is not seen
    graph.annotate("cost", {"Relu_0": 5})
    assert graph.nx.nodes["op", "Relu_0"]["cost"] == 5
    assert "cost" not in graph.nx.nodes["op", "Exp_0"]
    assert set(nx) != set(graph.nx) or nx.edges != graph.nx.edges  # the old one is as it was


# ---- as text


def test_as_text():
    text = """g (float[N,2] x, bool c, seq(float[2]) s) => (float[N,2] y, z)
        <int64[2] shape = {2, -1}, float[1,20] big = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20}> {
        [resize] a = Resize <axes = [1,2], mode = "linear", cubic_coeff_a = 0.1> (x, , x)
        y, extra = com.microsoft.Odd(a)
        z = If(c) <then_branch = t () => (x) { d = Relu(x) }, else_branch = e () => (float[2] p) { p = Neg(x) }>
    }"""
    graph = read(text, imports='"com.microsoft": 1')
    expected = """graph g
  input x: float32[N, 2]
  input c: bool[]
  input s: sequence(float32)
  constant shape: int64[2] = [2, -1]
  constant big: float32[1, 20]
  a = Resize<axes=[1, 2], cubic_coeff_a=0.100000001, mode='linear'>(x, '', x)
  y, extra = com.microsoft::Odd(a)
  z = If(c)
    else_branch: graph e
      p = Neg(x)
      output p: float32[2]
    then_branch: graph t
      d = Relu(x)
      output x (outer)
  output y: float32[N, 2]
  output z: ?[...]
"""
    assert as_text(graph) == expected
    assert "# resize, layer '' '', of ['resize']\n" in as_text(graph, names=True)
