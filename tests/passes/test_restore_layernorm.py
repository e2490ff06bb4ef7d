import re

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import irstat
from irstat.passes import RestoreLayernorm
from tests.support.models import model
from tests.support.passes import assert_close, checked_close, facts_of, nodes_of, run_shaped, table

ROWS = "g (float[2,5,4] x) => (float[2,5,4] y)"
GAMMA, BETA = "float[4] g = {1,2,-1,0.5}", "float[4] b = {0.125,3,-2,1}"
NUMBERS = "float e = {0.001}, float two = {2}"
MEAN = "m = ReduceMean<axes = [-1]>(x)  d = Sub(x, m)"
AFTER = """
constant g: float32[4] = [1, 2, -1, 0.5]
constant b: float32[4] = [0.125, 3, -2, 1]
y = LayerNormalization<axis=-1, epsilon=0.00100000005>(x, g, b)
"""

FORMS = {
    "torch": f"""{MEAN}  p = Pow(d, two)  v = ReduceMean<axes = [-1]>(p)  a = Add(v, e)  s = Sqrt(a)  n = Div(d, s)
        t = Mul(n, g)  y = Add(t, b)""",
    "tf2onnx": f"""{MEAN}  k = Neg(m)  p = Mul(d, d)  v = ReduceMean<axes = [-1]>(p)  a = Add(v, e)  s = Sqrt(a)
        r = Reciprocal(s)  f = Mul(r, g)  h = Mul(x, f)  i = Mul(k, f)  j = Add(i, b)  y = Add(h, j)""",
    "tf2onnx, means as pooling": """m = GlobalAveragePool(x)  d = Sub(x, m)  k = Neg(m)  p = Mul(d, d)
        v = GlobalAveragePool(p)  a = Add(v, e)  s = Sqrt(a)  r = Reciprocal(s)  f = Mul(r, g)  h = Mul(x, f)
        i = Mul(k, f)  j = Add(i, b)  y = Add(h, j)""",
    "Keras, from its formula": f"""{MEAN}  p = Mul(d, d)  v = ReduceMean<axes = [-1]>(p)  a = Add(v, e)  s = Sqrt(a)
        r = Reciprocal(s)  f = Mul(g, r)  k = Mul(m, f)  j = Sub(b, k)  h = Mul(x, f)  y = Add(h, j)""",
    "the root as a power": f"""{MEAN}  p = Mul(d, d)  v = ReduceMean<axes = [-1]>(p)  a = Add(v, e)  s = Pow(a, minus)
        n = Mul(d, s)  t = Mul(n, g)  y = Add(t, b)""",
    "the difference twice": f"""{MEAN}  q = Sub(x, m)  p = Mul(q, q)  v = ReduceMean<axes = [-1]>(p)  a = Add(v, e)
        s = Sqrt(a)  n = Div(d, s)  t = Mul(g, n)  y = Add(b, t)""",
}


def text(form, constants=f"{GAMMA}, {BETA}"):
    numbers = ["float e = {0.001}"] + ["float two = {2}"] * ("two" in form) + ["float minus = {-0.5}"] * ("minus" in form)
    return f"{ROWS} <{', '.join([constants, *numbers])}> {{ {form} }}"


@pytest.mark.parametrize("opset", [13, 17])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_changed(form, opset):
    proto = model(text(form), opset=opset)
    graph, result = run_shaped(RestoreLayernorm(), proto)
    assert (result.changed, result.refusals) == (1, [])
    assert nodes_of(graph) == table(AFTER)
    assert graph.nodes()[0].version == 17
    checked_close(graph, proto)
    assert RestoreLayernorm().run(graph).changed == 0


def test_axes_as_an_input():
    form = FORMS["torch"].replace("<axes = [-1]>", "").replace("(x)", "(x, i)").replace("(p)", "(p, i)")
    proto = model(text(form, f"{GAMMA}, {BETA}, int64[1] i = {{2}}"), opset=20)
    graph, _ = run_shaped(RestoreLayernorm(), proto)
    assert nodes_of(graph) == table(AFTER)
    checked_close(graph, proto)


def test_scale_of_more_axes():
    proto = model(text(FORMS["torch"], "float[1,1,4] g = {1,2,-1,0.5}, float[1,1,4] b = {0.125,3,-2,1}"), opset=17)
    graph, _ = run_shaped(RestoreLayernorm(), proto)
    assert nodes_of(graph) == table(AFTER)
    checked_close(graph, proto)


def test_several_axes():
    """LayerNorm((4, 3)): 12 scales, 12 biases."""
    numbers = ",".join(map(str, range(1, 13)))
    form = FORMS["torch"].replace("[-1]", "[-2, -1]")
    proto = model(
        text(form, f"float[4,3] g = {{{numbers}}}, float[4,3] b = {{{numbers}}}").replace("[2,5,4]", "[2,5,4,3]"), opset=17
    )
    graph, _ = run_shaped(RestoreLayernorm(), proto)
    (node,) = graph.nodes()
    assert (node.op_type, node.attrs["axis"], graph.tensor("g").shape) == ("LayerNormalization", -2, (4, 3))
    checked_close(graph, proto)
    assert irstat.analyze(proto).totals["params"] == 24


def test_no_bias():
    form = FORMS["torch"].replace("t = Mul(n, g)  y = Add(t, b)", "y = Mul(n, g)")
    proto = model(text(form, GAMMA), opset=17)
    graph, _ = run_shaped(RestoreLayernorm(), proto)
    assert nodes_of(graph).endswith("y = LayerNormalization<axis=-1, epsilon=0.00100000005>(x, g)\n")
    checked_close(graph, proto)


@pytest.mark.parametrize("opset", [13, 17])
def test_no_scale(opset):
    """A scale of ones is put in; it is no parameter, and stands for one of the layer's own numbers in the storage."""
    form = FORMS["torch"].replace("n = Div(d, s)\n        t = Mul(n, g)  y = Add(t, b)", "y = Div(d, s)")
    proto = model(text(form, "float unused = {2}"), opset=opset)
    graph, _ = run_shaped(RestoreLayernorm(), proto)
    (node,) = graph.nodes()
    assert graph.tensor(node.inputs[1]).data.array().tolist() == [1, 1, 1, 1]
    checked_close(graph, proto)
    totals = irstat.analyze(proto).totals
    assert (totals["params"], totals["storage_bytes"]) == (0, 4)


CHANNELS_FIRST = FORMS["tf2onnx"].replace("[-1]", "[1]").replace("y = Add(h, j)", "z = Add(h, j)")


def test_channels_first_with_a_transpose_behind():
    """A Keras ConvNeXt from tf2onnx: the Transpose goes in front."""
    proto = model(
        f"""g (float[2,4,3,5] x) => (float[2,3,5,4] y) <float[1,4,1,1] g = {{1,2,-1,0.5}}, float[1,4,1,1] b = {{0.125,3,-2,1}},
            float e = {{0.001}}> {{ {CHANNELS_FIRST}  y = Transpose<perm = [0,2,3,1]>(z) }}""",
        opset=17,
    )
    graph, _ = run_shaped(RestoreLayernorm(), proto)
    assert nodes_of(graph) == table("""
        constant g: float32[4] = [1, 2, -1, 0.5]
        constant b: float32[4] = [0.125, 3, -2, 1]
        x_transposed = Transpose<perm=[0, 2, 3, 1]>(x)
        y = LayerNormalization<axis=-1, epsilon=0.00100000005>(x_transposed, g, b)
        """)
    assert graph.tensor("x_transposed").shape == (2, 3, 5, 4)
    checked_close(graph, proto)


REFUSED = {
    "channels first, no Transpose": (
        f"""g (float[2,4,3,5] x) => (float[2,4,3,5] z) <float[1,4,1,1] g = {{1,2,-1,0.5}}, float[1,4,1,1] b = {{1,3,2,1}},
            float e = {{0.001}}> {{ {CHANNELS_FIRST} }}""",
        r"it normalizes axes \[1\], not the last ones, and there is no Transpose to move",
    ),
    "instance normalization": (
        f"""g (float[2,5,4,4] x) => (float[2,5,4,4] y) <float[5,1,1] g = {{1,2,3,4,5}}, float[5,1,1] b = {{1,2,3,4,5}},
            float e = {{0.001}}, float two = {{2}}> {{ {FORMS["torch"].replace("[-1]", "[2,3]")} }}""",
        r"'[gb]' of shape \[5, 1, 1\] has not one number for each that is normalized",
    ),
    "another power": (
        text(FORMS["torch"]).replace("two = {2}", "two = {4}"),
        "it is no layer normalization: it differs by",
    ),
    "the sum of squares": (
        text(FORMS["torch"].replace("v = ReduceMean<axes = [-1]>(p)", "w = ReduceMean<axes = [-1]>(p)  v = Mul(w, two)")),
        "it is no layer normalization: it differs by",
    ),
    "different axes": (
        text(FORMS["torch"].replace("v = ReduceMean<axes = [-1]>", "v = ReduceMean<axes = [-2,-1]>")),
        "its means are not over the same axes",
    ),
    "ε outside of the root": (
        text(FORMS["torch"].replace("a = Add(v, e)  s = Sqrt(a)", "a = Sqrt(v)  s = Add(a, e)")),
        "it is no layer normalization: it differs by",
    ),
    "ε below 0": (
        text(FORMS["torch"]).replace("0.001", "-0.001"),
        "its ε is -0.001",
    ),
    "the mean is used elsewhere": (
        text(FORMS["torch"].replace("y = Add(t, b)", "z = Add(t, b)  y = Mul(z, m)")),
        "'m' is used outside of it too",
    ),
    "a scale that varies by row": (
        text(FORMS["torch"], "float[5,1] g = {1,2,3,4,5}, float[5,1] b = {1,2,3,4,5}"),
        r"'[gb]' of shape \[5, 1\] has not one number for each that is normalized",
    ),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(text, reason):
    proto = model(text, opset=17)
    graph, result = run_shaped(RestoreLayernorm(), proto)
    assert result.changed == 0
    assert nodes_of(graph) == nodes_of(irstat.load(proto))
    (refusal,) = result.refusals
    assert graph.has_node(refusal.node)
    assert re.search(reason, refusal.reason)


UNTOUCHED = {
    "root mean square": """p = Mul(x, x)  v = ReduceMean<axes = [-1]>(p)  a = Add(v, e)  s = Sqrt(a)  n = Div(x, s)
        t = Mul(n, g)  y = Add(t, b)""",
    "a norm": """p = Mul(x, x)  v = ReduceSum<keepdims = 1>(p)  a = Add(v, e)  s = Sqrt(a)  n = Div(x, s)  t = Mul(n, g)
        y = Add(t, b)""",
    "a root": "a = Add(x, e)  s = Sqrt(a)  t = Mul(s, g)  y = Add(t, b)",
}


@pytest.mark.parametrize("form", UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched(form):
    graph, result = run_shaped(RestoreLayernorm(), model(text(form), opset=17))
    assert (result.changed, result.refusals) == (0, [])
    assert not any(node.op_type == "LayerNormalization" for node in graph.nodes())


def test_an_affine_part_that_belongs_to_something_else_stays():
    """Two scales in a row: the second is not the layer's."""
    form = FORMS["torch"].replace("y = Add(t, b)", "z = Add(t, b)  y = Mul(z, k)")
    proto = model(text(form, f"{GAMMA}, {BETA}, float[4] k = {{1,2,3,4}}"), opset=17)
    graph, result = run_shaped(RestoreLayernorm(), proto)
    assert result.changed == 1
    assert [node.op_type for node in graph.nodes()] == ["LayerNormalization", "Mul"]
    checked_close(graph, proto)


def test_half_precision_with_casts():
    """What is computed in float32 inside is what LayerNormalization does by itself."""
    form = FORMS["torch"].replace("(x)", "(c)").replace("(x, m)", "(c, m)")
    form = f"c = Cast<to = 1>(x)  {form}".replace("t = Mul(n, g)", "h = Cast<to = 10>(n)  t = Mul(h, g)")
    proto = model(f"{ROWS} <float e = {{0.001}}, float two = {{2}}> {{ {form} }}".replace("[2,5,4] ", "[2,5,4] "), opset=17)
    for info in (proto.graph.input[0], proto.graph.output[0]):
        info.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    for name in "gb":
        proto.graph.initializer.append(numpy_helper.from_array(np.array([1, 2, -1, 0.5], np.float16), name))
    graph, result = run_shaped(RestoreLayernorm(), proto)
    assert result.changed == 1
    assert [node.op_type for node in graph.nodes()] == ["LayerNormalization"]
    checked_close(graph, proto)


def test_sources_and_layers():
    proto = model(text(FORMS["torch"]), opset=13)
    for node in proto.graph.node:
        node.name = f"/encoder/norm/{node.op_type}_{node.output[0]}"
    graph, _ = run_shaped(RestoreLayernorm(), proto)
    (node,) = graph.nodes()
    assert (node.name, node.layer) == ("/encoder/norm/Add_y", "encoder.norm")
    assert set(node.source) == {node.name for node in proto.graph.node}
    assert len(node.source) == 9


def test_read_back():
    """Written as a call of a function in a model of opset 13, and the same again when it is read."""
    proto = model(text(FORMS["torch"]), opset=13)
    graph, _ = run_shaped(RestoreLayernorm(), proto)
    new = irstat.to_model(graph)
    assert [(node.domain, node.op_type) for node in new.graph.node] == [("irstat", "LayerNormalization")]
    assert [row.op_type for row in irstat.analyze(new).rows] == ["LayerNormalization"]
    assert irstat.analyze(new).totals == irstat.analyze(proto).totals


def test_cost():
    """40 elements, 10 rows: 7·40 + 3·10 operations (LayerNormalization-17); 8 parameters either way."""
    proto = model(text(FORMS["torch"]), opset=13)
    report = irstat.analyze(proto)
    assert [(row.op_type, row.flops, row.params) for row in report.rows] == [("LayerNormalization", 310, 8)]
    assert irstat.analyze(proto, raw=True).totals["params"] == 8


def test_free_sizes():
    report = irstat.analyze(model(text(FORMS["torch"]).replace("[2,5,4]", "[N,T,4]"), opset=13))
    assert [(row.op_type, str(row.flops)) for row in report.rows] == [("LayerNormalization", "31*N*T")]


def test_one_proof_for_equal_layers():
    form = FORMS["torch"].replace("y = Add", "u = Add")
    second = re.sub(r"\b([mdpvasntu])\b(?! =)(?=[,)])|\b([mdpvasntu])(?= =)", lambda found: (found[1] or found[2]) + "2", form)
    second = second.replace("(x)", "(u)").replace("(x, ", "(u, ").replace("u2 = Add", "y = Add")
    proto = model(text(f"{form}  {second}"), opset=17)
    graph_pass = RestoreLayernorm()
    graph, result = run_shaped(graph_pass, proto)
    assert result.changed == 2
    assert [node.op_type for node in graph.nodes()] == ["LayerNormalization"] * 2
    known = len(graph_pass.proofs.verdicts)
    assert run_shaped(graph_pass, proto)[1].changed == 2
    assert len(graph_pass.proofs.verdicts) == known
    checked_close(graph, proto)


def test_shapes_stay_those_that_inference_gives():
    graph, _ = run_shaped(RestoreLayernorm(), model(text(FORMS["tf2onnx"]), opset=17))
    assert facts_of(irstat.load(irstat.to_model(graph))).types["y"].dims == graph.tensor("y").shape == (2, 5, 4)


def test_the_comparison_can_fail():
    one = model(text(FORMS["torch"]), opset=17)
    other = model(text(FORMS["torch"]).replace("0.001", "0.002"), opset=17)
    assert_close(one, one)
    with pytest.raises(AssertionError):
        assert_close(one, other)
