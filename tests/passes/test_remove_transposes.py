import time

import numpy as np
import pytest
from onnx import TensorProto, helper

from irstat.passes import RemoveDead, RemoveTransposes
from tests.support.models import model
from tests.support.passes import checked, nodes_of, table
from tests.support.unbound import run_unbound

IN = "g (float[N,3,4,5] x) => (float[N,3,4,5] y)"
LAST = "g (float[N,3,4,5] x) => (float[N,4,5,3] y)"
TO, BACK = "Transpose<perm = [0,2,3,1]>", "Transpose<perm = [0,3,1,2]>"

CHANGED = {
    "a pair": (f"{IN} {{ a = Exp(x)  t = {TO}(a)  u = {BACK}(t)  y = Neg(u) }}", "a = Exp(x)\ny = Neg(a)"),
    "a pair before an output": (f"{IN} {{ a = Exp(x)  t = {TO}(a)  y = {BACK}(t) }}", "y = Exp(x)"),
    "a pair from input to output": (f"{IN} {{ t = {TO}(x)  y = {BACK}(t) }}", "y = Identity(x)"),
    "two into one": (
        f"g (float[N,3,4,5] x) => (float[N,5,3,4] y) {{ t = {TO}(x)  y = {TO}(t) }}",
        "y = Transpose<perm=[0, 3, 1, 2]>(x)",
    ),
    "one that changes nothing": (f"{IN} {{ t = Transpose<perm = [0,1,2,3]>(x)  y = Neg(t) }}", "y = Neg(x)"),
    "of the default order": (
        "g (float[3,4] x) => (float[3,4] y) { t = Transpose(x)  r = Relu(t)  y = Transpose(r) }",
        "y = Relu(x)",
    ),
    "the same twice": (
        f"{LAST} {{ t = {TO}(x)  u = {TO}(x)  a = Exp(t)  b = Neg(u)  y = Add(a, b) }}",
        """
        u = Transpose<perm=[0, 2, 3, 1]>(x)
        a = Exp(u)
        b = Neg(u)
        y = Add(a, b)
        """,
    ),
    "around an operator of one input": (f"{IN} {{ t = {TO}(x)  r = Relu(t)  y = {BACK}(r) }}", "y = Relu(x)"),
    "around constants": (
        f"""{IN} <float[3] b = {{1,2,3}}, float two = {{2}}, float[4,5,3] m> {{
            t = {TO}(x)  a = Add(t, b)  c = Mul(two, a)  d = Mul(c, c)  y = {BACK}(d) }}""".replace(", float[4,5,3] m", ""),
        """
        constant b: float32[3] = [1, 2, 3]
        constant two: float32[] = 2
        constant b_transposed: float32[1, 3, 1, 1] = [[[[1]], [[2]], [[3]]]]
        a_transposed = Add(x, b_transposed)
        c_transposed = Mul(two, a_transposed)
        y = Mul(c_transposed, c_transposed)
        """,
    ),
    "a constant of several axes": (
        f"""{IN} <float[5,3] b = {{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}}> {{
            t = {TO}(x)  a = Add(t, b)  y = {BACK}(a) }}""",
        """
        constant b: float32[5, 3] = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12], [13, 14, 15]]
        constant b_transposed: float32[1, 3, 1, 5] = [[[[1, 4, 7, 10, 13]], [[2, 5, 8, 11, 14]], [[3, 6, 9, 12, 15]]]]
        y = Add(x, b_transposed)
        """,
    ),
    "a residual block": (
        f"""{IN} {{ a = Exp(x)  t = {TO}(a)  r = Relu(t)  u = {BACK}(r)  b = Neg(u)  v = {TO}(b)
            s = Add(v, r)  y = {BACK}(s) }}""",
        """
        a = Exp(x)
        r_transposed = Relu(a)
        b = Neg(r_transposed)
        y = Add(b, r_transposed)
        """,
    ),
    "Concat and Softmax": (
        f"""g (float[N,3,4,5] x) => (float[N,6,4,5] y) {{ t = {TO}(x)  s = Softmax<axis = 3>(t)
            c = Concat<axis = -1>(t, s)  y = {BACK}(c) }}""",
        """
        s_transposed = Softmax<axis=1>(x)
        y = Concat<axis=1>(x, s_transposed)
        """,
    ),
    "Split": (
        f"""g (float[N,4,4,5] x) => (float[N,2,4,5] y) {{ t = {TO}(x)  a, b = Split<axis = 3, num_outputs = 2>(t)
            c = Mul(a, b)  y = {BACK}(c) }}""",
        """
        a_transposed, b_transposed = Split<axis=1, num_outputs=2>(x)
        y = Mul(a_transposed, b_transposed)
        """,
    ),
    "Pad, Slice and a maximum": (
        f"""g (float[N,3,4,5] x) => (float[N,1,4,4] y) <int64[8] p = {{0,1,2,0, 0,0,0,0}}, int64[2] s = {{1,1}},
            int64[2] e = {{5,5}}, int64[2] axes = {{1,-2}}, int64[1] last = {{3}}> {{
            t = {TO}(x)  a = Pad(t, p)  b = Slice(a, s, e, axes)  c = ReduceMax(b, last)  y = {BACK}(c) }}""",
        """
        constant p: int64[8] = [0, 1, 2, 0, 0, 0, 0, 0]
        constant s: int64[2] = [1, 1]
        constant e: int64[2] = [5, 5]
        constant axes: int64[2] = [1, -2]
        constant last: int64[1] = [3]
        constant a_axes: int64[8] = [0, 0, 1, 2, 0, 0, 0, 0]
        constant b_axes: int64[2] = [2, 3]
        constant c_axes: int64[1] = [1]
        a_transposed = Pad(x, a_axes)
        b_transposed = Slice(a_transposed, s, e, b_axes)
        y = ReduceMax(b_transposed, c_axes)
        """,
    ),
    "a part of a region": (
        f"""g (float[N,3,4,5] x, float[N,4,5,3] z) => (float[N,3,4,5] y, float[N,4,5,3] w) {{
            a = Exp(x)  t = {TO}(a)  r = Relu(t)  u = {BACK}(r)  y = Neg(u)  s = Add(r, z)  w = Mul(s, z) }}""",
        """
        a = Exp(x)
        r_transposed = Relu(a)
        r = Transpose<perm=[0, 2, 3, 1]>(r_transposed)
        y = Neg(r_transposed)
        s = Add(r, z)
        w = Mul(s, z)
        """,
    ),
    "a read result too": (
        f"g (float[N,3,4,5] x) => (float[N,3,4,5] y, float[N,4,5,3] r) {{ t = {TO}(x)  r = Relu(t)  y = {BACK}(r) }}",
        """
        y = Relu(x)
        r = Transpose<perm=[0, 2, 3, 1]>(y)
        """,
    ),
    "to where less is transposed": (
        """g (float[N,4,5,3] x) => (float[N,3,6,7] y) <int64[8] p = {0,1,1,0, 0,1,1,0}> {
            a = Pad(x, p)  y = Transpose<perm = [0,3,1,2]>(a) }""",
        """
        constant p: int64[8] = [0, 1, 1, 0, 0, 1, 1, 0]
        constant a_axes: int64[8] = [0, 0, 1, 1, 0, 0, 1, 1]
        x_transposed = Transpose<perm=[0, 3, 1, 2]>(x)
        y = Pad(x_transposed, a_axes)
        """,
    ),
    "into Squeeze": (
        f"""g (float[N,3,4,5] x) => (float[N,3] y) <int64[2] axes = {{1,2}}> {{
            p = GlobalAveragePool(x)  t = {TO}(p)  y = Squeeze(t, axes) }}""",
        """
        constant axes: int64[2] = [1, 2]
        constant y_axes: int64[2] = [2, 3]
        p = GlobalAveragePool(x)
        y = Squeeze(p, y_axes)
        """,
    ),
    "into Flatten": (
        f"g (float[N,3,4,5] x) => (float[N,3] y) {{ p = GlobalAveragePool(x)  t = {TO}(p)  y = Flatten(t) }}",
        "p = GlobalAveragePool(x)\ny = Flatten<axis=1>(p)",
    ),
    "into Reshape": (
        f"""g (float[N,3,4,5] x) => (float[N,3] y) <int64[2] s = {{-1,3}}> {{
            p = GlobalAveragePool(x)  t = {TO}(p)  y = Reshape(t, s) }}""",
        """
        constant s: int64[2] = [-1, 3]
        p = GlobalAveragePool(x)
        y = Reshape(p, s)
        """,
    ),
    "into Reshape that copies a size": (
        f"""g (float[2,3,4,5] x) => (float[2,1,3] y) <int64[3] s = {{0,0,-1}}> {{
            p = GlobalAveragePool(x)  t = {TO}(p)  y = Reshape(t, s) }}""",
        """
        constant s: int64[3] = [0, 0, -1]
        constant y_shape: int64[3] = [0, 1, -1]
        p = GlobalAveragePool(x)
        y = Reshape(p, y_shape)
        """,
    ),
    "behind Reshape": (
        f"""g (float[N,12] x) => (float[N,1,1,12] y) <int64[4] s = {{-1,1,1,12}}> {{
            r = Reshape(x, s)  t = Transpose<perm = [0,3,1,2]>(r)  n = Neg(t)  y = {TO}(n) }}""",
        """
        constant s: int64[4] = [-1, 1, 1, 12]
        r = Reshape(x, s)
        y = Neg(r)
        """,
    ),
    "behind Unsqueeze": (
        f"""g (float[N,12] x) => (float[N,12,1,1] y) <int64[2] axes = {{1,2}}> {{
            u = Unsqueeze(x, axes)  t = {BACK}(u)  y = Neg(t) }}""",
        """
        constant axes: int64[2] = [1, 2]
        constant u_axes: int64[2] = [2, 3]
        t = Unsqueeze(x, u_axes)
        y = Neg(t)
        """,
    ),
    "into a Reshape of its own": (
        f"g (float[N,1,4,5] x) => (float[N,4,5,1] y) {{ y = {TO}(x) }}",
        """
        constant y_shape: int64[4] = [0, 4, 5, 1]
        y = Reshape(x, y_shape)
        """,
    ),
}


def transposes(graph):
    inside = sum(transposes(body) for node in graph.nodes() for body in node.bodies)
    return inside + sum(node.op_type == "Transpose" for node in graph.nodes())


@pytest.mark.parametrize(("text", "after"), CHANGED.values(), ids=CHANGED)
def test_changed(text, after):
    proto = model(text)
    graph, result = run_unbound(RemoveTransposes(), proto)
    assert nodes_of(graph).splitlines() == table(after).splitlines()
    assert result.changed > 0
    assert result.refusals == []
    checked(graph, proto)
    assert RemoveTransposes().run(graph).changed == 0


UNTOUCHED = {
    "one alone": f"{LAST} {{ t = {TO}(x)  y = Relu(t) }}",
    "a sum, which would be rounded differently": f"""g (float[N,3,4,5] x) => (float[N,3,1,5] y) <int64[1] a = {{1}}> {{
        t = {TO}(x)  s = ReduceSum(t, a)  y = {BACK}(s) }}""",
    "no inverse": f"g (float[N,3,4,5] x) => (float[N,4,3,5] y) {{ t = {TO}(x)  r = Relu(t)  s = Softmax(r)  n = MatMul(s, s)"
    f"  y = Transpose<perm = [0,1,3,2]>(n) }}",
    "another tensor of fewer axes": f"""g (float[N,3,4,5] x, float[3] b) => (float[N,3,4,5] y) {{
        t = {TO}(x)  a = Add(t, b)  y = {BACK}(a) }}""",
    "another domain": "g (float[2,3] x) => (float[2,3] y) { a = my.Transpose(x)  y = my.Transpose(a) }",
    "Softmax of old, over all axes behind": f"""g (float[N,3,4,5] x) => (float[N,3,4,5] y) {{
        t = {TO}(x)  s = Softmax<axis = 1>(t)  y = {BACK}(s) }}""",
}


@pytest.mark.parametrize(("name", "text"), UNTOUCHED.items(), ids=UNTOUCHED)
def test_untouched(name, text):
    proto = model(text, imports='"my": 1', opset=11 if "of old" in name else 20)
    graph, result = run_unbound(RemoveTransposes(), proto)
    assert (result.changed, result.refusals) == (0, [])
    assert nodes_of(graph) == nodes_of(run_unbound(RemoveDead(), proto)[0])


def test_in_a_body():
    proto = model(
        f"""g (float[2,3,4,5] x, bool c) => (float[2,3,4,5] y) {{ y = If(c) <
            then_branch = t () => (float[2,3,4,5] r) {{ e = Exp(x)  a = {TO}(e)  b = Relu(a)  r = {BACK}(b) }},
            else_branch = e () => (float[2,3,4,5] r) {{ r = Neg(x) }}> }}"""
    )
    graph, result = run_unbound(RemoveTransposes(), proto)
    assert (transposes(graph), result.changed) == (0, 1)
    checked(graph, proto)


def test_sources():
    proto = model(f"{IN} {{ [e] a = Exp(x)  [t] b = {TO}(a)  [r] c = Relu(b)  [u] d = {BACK}(c)  [n] y = Neg(d) }}")
    graph, result = run_unbound(RemoveTransposes(), proto)
    assert [node.source for node in graph.nodes()] == [("e",), ("r", "t", "u"), ("n",)]
    (change,) = result.changes
    assert (change.pattern, set(change.merged)) == ("operators moved to where transposes cancel", {"t", "u"})


def test_many_nodes_take_little_time():
    """5,000 nodes: blocks of Transpose, arithmetic, Transpose, with skip connections."""
    nodes, last = [], "x"
    for index in range(1000):
        nodes += [
            helper.make_node("Transpose", [last], [f"t{index}"], perm=[0, 2, 3, 1]),
            helper.make_node("Relu", [f"t{index}"], [f"r{index}"]),
            helper.make_node("Add", [f"r{index}", f"t{index}"], [f"a{index}"]),
            helper.make_node("Transpose", [f"a{index}"], [f"u{index}"], perm=[0, 3, 1, 2]),
            helper.make_node("GlobalMaxPool" if index % 50 == 49 else "Sin", [f"u{index}"], [f"s{index}"]),
        ]
        last = f"s{index}"
    infos = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 2, 3, 3]), (last, [1, 2, 1, 1]))
    ]
    proto = helper.make_model(
        helper.make_graph(nodes, "g", infos[:1], infos[1:]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    start = time.perf_counter()
    graph, _ = run_unbound(RemoveTransposes(), proto)
    assert time.perf_counter() - start < 20
    assert transposes(graph) == 0
    assert len(graph) == 3000


LINKS = ("Relu", "Add", "Concat", "Split", "Softmax", "Transpose", "Mul", "Pad", "ReduceMax", "Transpose")


def random_model(seed):
    """A graph of random operators on tensors of rank 4, whose transposes are in random places."""
    random = np.random.default_rng(seed)
    perms = [(0, 2, 3, 1), (0, 3, 1, 2), (0, 1, 3, 2), (1, 0, 2, 3)]
    nodes, have = [], [("x", (2, 3, 4, 5))]
    for index in range(int(random.integers(6, 24))):
        name, shape = have[int(random.integers(max(0, len(have) - 5), len(have)))]
        same = [other for other, dims in have if dims == shape]
        out, kind = f"v{index}", LINKS[int(random.integers(len(LINKS)))]
        if kind == "Transpose":
            perm = perms[int(random.integers(len(perms)))]
            nodes.append(helper.make_node("Transpose", [name], [out], perm=perm))
            shape = tuple(shape[axis] for axis in perm)
        elif kind in ("Add", "Mul"):
            nodes.append(helper.make_node(kind, [name, same[int(random.integers(len(same)))]], [out]))
        elif kind == "Concat":
            axis = int(random.integers(4))
            nodes.append(helper.make_node(kind, [name, same[int(random.integers(len(same)))]], [out], axis=axis))
            shape = tuple(2 * dim if place == axis else dim for place, dim in enumerate(shape))
            if np.prod(shape) > 2000:
                nodes.pop()
                continue
        elif kind == "Split":
            axis = int(random.integers(4))
            if shape[axis] % 2:
                continue
            nodes.append(helper.make_node(kind, [name], [out, f"{out}b"], axis=axis))
            shape = tuple(dim // 2 if place == axis else dim for place, dim in enumerate(shape))
            have.append((f"{out}b", shape))
        elif kind in ("Softmax", "ReduceMax"):
            axis = int(random.integers(-4, 4))
            nodes.append(helper.make_node(kind, [name], [out], **({"axis": axis} if kind == "Softmax" else {"axes": [axis]})))
            shape = tuple(1 if kind == "ReduceMax" and place == axis % 4 else dim for place, dim in enumerate(shape))
        elif kind == "Pad":
            nodes.append(helper.make_node("Pad", [name, "pads"], [out]))
            shape = (shape[0], shape[1] + 1, shape[2], shape[3] + 1)
        else:
            nodes.append(helper.make_node(kind, [name], [out]))
        have.append((out, shape))
    outputs = [item for item in have[1:] if random.random() < 0.15] + have[-1:]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in dict(outputs).items()]
    pads = helper.make_tensor("pads", TensorProto.INT64, [8], [0, 1, 0, 0, 0, 0, 0, 1])
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 3, 4, 5))], infos, [pads])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("seed", range(150))
def test_random_graphs(seed):
    proto = random_model(seed)
    before = sum(node.op_type == "Transpose" for node in proto.graph.node)
    graph, result = run_unbound(RemoveTransposes(), proto)
    assert transposes(graph) <= before
    assert result.refusals == []
    checked(graph, proto)
    RemoveTransposes().run(graph)
    checked(graph, proto)
