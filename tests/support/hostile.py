"""Small model files that ask for a lot: huge sizes, endless loops, functions that multiply, nesting without end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from onnx import FunctionProto, GraphProto, ModelProto, helper

from irstat.wire import length_delimited
from tests.support.models import model

BIG = 10**9
HUGE = 1 << 62


def chain(calls: int, depth: int, name: str = "f", nodes: int = 1) -> ModelProto:
    """Functions that each call the next one several times: calls ** depth nodes."""
    proto = model(f"g (float[2] x) => (float[2] y) {{ y = my.{name}0(x) }}", imports='"my": 1')
    for level in range(depth):
        called = [helper.make_node(f"{name}{level + 1}", ["x"], [f"t{call}"], domain="my") for call in range(calls)]
        called.append(helper.make_node("Sum", [f"t{call}" for call in range(calls)], ["y"]))
        proto.functions.append(function(f"{name}{level}", called))
    body = [helper.make_node("Relu", ["x" if step == 0 else f"s{step}"], [f"s{step + 1}"]) for step in range(nodes)]
    proto.functions.append(function(f"{name}{depth}", [*body, helper.make_node("Identity", [f"s{nodes}"], ["y"])]))
    return proto


def function(name: str, nodes: Sequence[object]) -> FunctionProto:
    """my.name(x) => y."""
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("my", 1)]
    return helper.make_function("my", name, ["x"], ["y"], nodes, opsets)


def recursive(*names: str) -> ModelProto:
    """Functions in a ring, each calling the next."""
    proto = model(f"g (float[2] x) => (float[2] y) {{ y = my.{names[0]}(x) }}", imports='"my": 1')
    for name, called in zip(names, (*names[1:], names[0]), strict=True):
        proto.functions.append(function(name, [helper.make_node(called, ["x"], ["y"], domain="my")]))
    return proto


def nested(depth: int, op_type: str = "If") -> bytes:
    """If in If in If, encoded by hand: protobuf refuses to encode as much."""
    inner = GraphProto(name="inner", doc_string="x" * 1100, output=[helper.make_tensor_value_info("p", 1, [2])])
    inner.node.add(op_type="Abs", input=["x"], output=["p"])
    graph = inner.SerializeToString()
    for _ in range(depth):
        node = (
            length_delimited(1, 1) + b"c" + length_delimited(2, 1) + b"p" + length_delimited(4, len(op_type)) + op_type.encode()
        )
        for branch in (b"then_branch", b"else_branch")[: 1 if depth > 12 else 2]:
            attribute = length_delimited(1, len(branch)) + branch + b"\xa0\x01\x05" + length_delimited(6, len(graph)) + graph
            node += length_delimited(5, len(attribute)) + attribute
        output = helper.make_tensor_value_info("p", 1, [2]).SerializeToString()
        graph = length_delimited(1, len(node)) + node + length_delimited(12, len(output)) + output
    for info in (helper.make_tensor_value_info("x", 1, [2]), helper.make_tensor_value_info("c", 9, [])):
        content = info.SerializeToString()
        graph += length_delimited(11, len(content)) + content
    header = ModelProto(ir_version=10, opset_import=[helper.make_opsetid("", 20)]).SerializeToString()
    return header + length_delimited(7, len(graph)) + graph


def nested_loops(depth: int, innermost: str) -> str:
    """A node z = Loop(n, yes, v) that runs others like it, in the end one that makes z of v."""
    body = f"z = {innermost}"
    for level in range(depth):
        inside = body.replace("z =", f"z{level} =", 1)
        body = f"""z = Loop(n, yes, v) <body = b{level} (int64 i{level}, bool c{level}, float[2] v{level})
            => (bool d{level}, float[2] z{level}) {{ d{level} = Identity(c{level})  {inside} }}>"""
    return body


def loops(depth: int, turns: int) -> str:
    """Loops in loops."""
    constants = f"int64 n = {{{turns}}}, bool yes = {{1}}"
    return f"g (float[2] v) => (float[2] z) <{constants}> {{ {nested_loops(depth, 'Neg(v)')} }}"


def loops_in_functions(levels: int, depth: int, turns: int) -> ModelProto:
    """Functions that call the next one inside loops in loops."""
    proto = model("g (float[2] x) => (float[2] y) { y = my.f0(x) }", imports='"my": 1')
    constants = f"n = Constant<value_int = {turns}>()  yes = Constant<value = bool {{1}}>()"
    for level in range(levels):
        body = nested_loops(depth, f"my.f{level + 1}(v)" if level < levels - 1 else "Neg(v)")
        graph = model(f"g (float[2] v) => (float[2] z) {{ {constants}  {body} }}", imports='"my": 1').graph
        opsets = list(proto.opset_import)
        proto.functions.append(helper.make_function("my", f"f{level}", ["v"], ["z"], list(graph.node), opsets))
    return proto


def sized(node: str, shape: str = "2", constants: str = "", dtype: str = "float") -> str:
    """One operator over one input."""
    return f"g ({dtype}[{shape}] x) => (y) <{constants or 'int64 zero = {0}'}> {{ y = {node} }}"


LEGAL: Mapping[str, Callable[[], ModelProto | bytes] | str] = {
    "dims of 10^9": sized("Relu(x)", f"{BIG},{BIG}"),
    "matmul of 10^6": f"g (float[{10**6},{10**6}] x) => (y) {{ y = MatMul(x, x) }}",
    "determinant of 10^9": sized("Det(x)", f"{BIG},{BIG}"),
    "convolution of a huge image": sized("Conv<pads=[1,1,1,1]>(x, w)", f"1,1,{BIG},{BIG}", "float[1,1,1,1] w = {1}"),
    "constant of 10^18": sized("ConstantOfShape(s)", "2", f"int64[2] s = {{{BIG},{BIG}}}"),
    "range of 10^18": sized("Range(a, b, c)", "2", f"int64 a = {{0}}, int64 b = {{{BIG * BIG}}}, int64 c = {{1}}"),
    "range of tiny steps": sized("Range(a, b, c)", "2", "double a = {0}, double b = {1e9}, double c = {1e-9}"),
    "expand to 10^18": sized("Expand(x, s)", "1,1", f"int64[2] s = {{{BIG},{BIG}}}"),
    "tile by 10^18": sized("Tile(x, s)", "1,1", f"int64[2] s = {{{BIG},{BIG}}}"),
    "pad by 10^18": sized("Pad(x, s)", "1", f"int64[2] s = {{0,{BIG * BIG}}}"),
    "one hot of 10^18": sized("OneHot(x, d, v)", "2", f"int64 d = {{{BIG * BIG}}}, float[2] v = {{0,1}}", "int64"),
    "resize by 10^6": sized("Resize(x, , , s)", "1,1,1000,1000", f"int64[4] s = {{1,1,{BIG},{BIG}}}"),
    "upsample by 10^9": sized("Resize(x, , s)", "1,1,1,1", "float[4] s = {1,1,1e9,1e9}"),
    "eye of 10^9": sized("EyeLike(x)", f"{BIG},{BIG}"),
    "loops in loops": loops(12, 10**9),
    "loop of 10^18 turns": loops(1, BIG * BIG),
    "scan of 10^9 rows": f"""g (float[{BIG},2] x) => (y) <float[2] s = {{0,0}}> {{
        last, y = Scan(s, x) <num_scan_inputs = 1, body = b (float[2] m, float[2] r) => (float[2] k, float[2] o) {{
            k = Add(m, r)  o = Neg(r) }}> }}""",
    "growing loop": f"""g (float[2] x) => (y) <int64 n = {{{BIG}}}, bool c = {{1}}> {{
        y = Loop(n, c, x) <body = b (int64 i, bool go, float[k] a) => (bool on, float[m] r) {{
            on = Identity(go)  r = Concat<axis=0>(a, a) }}> }}""",
    "counting loop": f"""g (float[2] x) => (y) <int64 n = {{{2**31 - 1}}}, bool c = {{1}}, int64 z = {{0}}> {{
        m, y = Loop(n, c, z, x) <body = b (int64 i, bool go, int64 k, float[2] a) => (bool on, int64 l, float[2] r) {{
            one = Constant<value_int=1>()  l = Add(k, one)  top = Constant<value_int={2**31 - 2}>()
            on = Less(l, top)  r = Neg(a) }}> }}""",
    "sequence of a loop": f"""g (float[2] x) => (y) <int64 n = {{{BIG}}}, bool c = {{1}}> {{
        e = SequenceEmpty()
        y = Loop(n, c, e) <body = b (int64 i, bool go, seq(float[2]) a) => (bool on, seq(float[2]) r) {{
            on = Identity(go)  r = SequenceInsert(a, x) }}> }}""",
    "tile beyond 2^63": sized("Tile(x, s)", f"{1 << 32}", f"int64[1] s = {{{1 << 32}}}"),
    "pad beyond 2^63": sized("Pad(x, s)", "1", f"int64[2] s = {{{HUGE},{HUGE}}}"),
    "concat beyond 2^63": f"g (float[{HUGE}] x) => (y) {{ y = Concat<axis=0>(x, x, x, x) }}",
    "doubling": lambda: doubling(40),
    "a list of 2^31": f"g (float x, float[{1 << 31}] y) => (z) {{ a = my.Odd(x)  b = Sub(a, y)  z = Add(b, y) }}",
    "an index of 2^63": f"""g (float[2] x) => (y) <float[2] d = {{1,2}}, int64[2] i = {{0, {(1 << 63) - 1}}}> {{
        e = GatherElements(d, i)  y = Add(x, e) }}""",
    "loops in functions": lambda: loops_in_functions(4, 8, 10**9),
    "functions in functions": lambda: chain(2, 10),
    "a layer of 100,000 levels": lambda: named_layers(100_000),
    "an attribute of a million": lambda: ints(10**6),
    "a thousand ifs in a row": lambda: ifs_in_a_row(1000),
    "if in if, eight deep": lambda: nested(8),
}
"""Models that are valid, however large what they describe: exit status 0."""

REFUSED: Mapping[str, tuple[Callable[[], ModelProto | bytes] | str, str]] = {
    "exponential functions": (lambda: chain(2, 40), "functions stand for more than"),
    "wide functions": (lambda: chain(1000, 5), "functions stand for more than"),
    "deep functions": (lambda: chain(1, 150), "more than 100 deep"),
    "a function that calls itself": (lambda: recursive("f"), "calls itself"),
    "functions in a ring": (lambda: recursive("f", "g", "h"), "calls itself"),
    "if in if, a thousand deep": (lambda: nested(1000), "more than 100 deep"),
    "names that grow": (lambda: chain(2, 14, "f" * 20_000), "the names of the nodes that the model's functions stand for"),
    "loops in functions in loops": (lambda: loops_in_functions(12, 8, 9), "nest bodies 96 deep"),
    "an axis of 2^63": (
        f"g (float[4,3] x, float[3] w) => (y) {{ y = LayerNormalization<axis={(1 << 63) - 1}>(x, w) }}", "attribute 'axis'"
    ),
    "fewer than no batch dims": (
        "g (float[4,3] x, int64[4,1] i) => (y) { y = GatherND<batch_dims=-5>(x, i) }", "attribute 'batch_dims'"
    ),
    "constant of 2^124": (sized("ConstantOfShape(s)", "2", f"int64[2] s = {{{HUGE},{HUGE}}}"), "can't exist"),
    "expand beyond 2^63": (sized("Expand(x, s)", "1,1", f"int64[2] s = {{{HUGE},{HUGE}}}"), "can't exist"),
    "flatten beyond 2^63": (f"g (float[{1 << 40},{1 << 10}] a) => (y) {{ b = Transpose(a)  y = MatMul(a, b) }}", "can't exist"),
}  # fmt: skip
"""Models that can't exist or that nobody could run: exit status 2, with these words in the error."""


def doubling(count: int) -> str:
    """Each tensor is twice as long as the one before."""
    steps = "".join(f"a{step + 1} = Concat<axis=0>(a{step}, a{step}) " for step in range(count))
    return f"g (float[{(1 << 31) - 1}] a0) => (a{count}) {{ {steps} }}"


def named_layers(depth: int) -> ModelProto:
    """A node deep in a tree of layers."""
    proto = model("g (float[2] x) => (float[2] y) { y = Relu(x) }")
    proto.graph.node[0].name = "a/" * depth + "relu"
    return proto


def ints(count: int) -> ModelProto:
    """A Transpose with a permutation that is far too long."""
    proto = model("g (float[2] x) => (float[2] y) { y = my.Odd(x) }", imports='"my": 1')
    proto.graph.node[0].attribute.append(helper.make_attribute("numbers", list(range(count))))
    return proto


def ifs_in_a_row(count: int) -> str:
    """Each takes the result of the one before."""
    text = ""
    for step in range(count):
        before = f"a{step}" if step else "x"
        text += f"""a{step + 1} = If(c) <then_branch = t{step} () => (p{step}) {{ p{step} = Neg({before}) }},
            else_branch = e{step} () => (q{step}) {{ q{step} = Abs({before}) }}> """
    return f"g (float[2] x, bool c) => (float[2] a{count}) {{ {text} }}"


def content(source: Callable[[], ModelProto | bytes | str] | str) -> bytes:
    """The file of one of the models above."""
    made = source() if callable(source) else source
    if isinstance(made, str):
        made = model(made, imports='"my": 1')
    return made if isinstance(made, bytes) else made.SerializeToString()
