import pytest

from irstat.passes import FusePad
from tests.support.models import model
from tests.support.passes import checked, checked_close, nodes_of, table
from tests.support.unbound import run_unbound

ONES = "float[2,3,3,3] w = {" + ",".join(str(number % 7 - 3) for number in range(54)) + "}"
PADS = "int64[8] p = {0,0,1,2, 0,0,2,1}"
IN = "g (float[N,3,6,7] x) => (float[N,C,H,W] y)"

CHANGED = {
    "Conv": (
        f"{IN} <{ONES}, {PADS}> {{ a = Pad(x, p)  y = Conv(a, w) }}",
        "y = Conv<pads=[1, 2, 2, 1]>(x, w)",
        20,
    ),
    "Conv with pads": (
        f"{IN} <{ONES}, {PADS}, float z = {{0}}> {{ a = Pad(x, p, z)  y = Conv<pads = [1,0,0,1], strides = [2,2]>(a, w) }}",
        "y = Conv<pads=[2, 2, 2, 2], strides=[2, 2]>(x, w)",
        20,
    ),
    "Conv, VALID": (
        f'{IN} <{ONES}, {PADS}> {{ a = Pad(x, p)  y = Conv<auto_pad = "VALID">(a, w) }}',
        "y = Conv<pads=[1, 2, 2, 1]>(x, w)",
        20,
    ),
    "axes as an input": (
        f"{IN} <{ONES}, int64[4] p = {{1,2,3,4}}, int64[2] axes = {{-1,2}}> {{ a = Pad(x, p, , axes)  y = Conv(a, w) }}",
        "y = Conv<pads=[2, 1, 4, 3]>(x, w)",
        20,
    ),
    "amounts as an attribute": (
        f"{IN} <{ONES}> {{ a = Pad<pads = [0,0,1,2,0,0,2,1], value = 0.0>(x)  y = Conv(a, w) }}",
        "y = Conv<pads=[1, 2, 2, 1]>(x, w)",
        9,
    ),
    "two readers": (
        f"""{IN} <{ONES}, {PADS}> {{ a = Pad(x, p)  b = Conv(a, w)  c = Conv<dilations = [2,2], pads = [1,1,1,1]>(a, w)
            y = Add(b, c) }}""",
        """
        b = Conv<pads=[1, 2, 2, 1]>(x, w)
        c = Conv<dilations=[2, 2], pads=[2, 3, 3, 2]>(x, w)
        y = Add(b, c)
        """,
        20,
    ),
    "MaxPool": (
        f"""{IN} <{PADS}, float low = {{-inf}}> {{ a = Pad(x, p, low)  y = MaxPool<kernel_shape = [3,3]>(a) }}""",
        "y = MaxPool<kernel_shape=[3, 3], pads=[1, 2, 2, 1]>(x)",
        20,
    ),
    "MaxPool, the lowest number": (
        f"""{IN} <{PADS}, float l = {{-3.4028234663852886e38}}> {{ a = Pad(x, p, l)  y = MaxPool<kernel_shape = [3,3]>(a) }}""",
        "y = MaxPool<kernel_shape=[3, 3], pads=[1, 2, 2, 1]>(x)",
        20,
    ),
    "MaxPool of what is not negative": (
        f"""{IN} <{PADS}> {{ r = Relu(x)  a = Pad(r, p)  y = MaxPool<kernel_shape = [3,3], strides = [2,2]>(a) }}""",
        "r = Relu(x)\ny = MaxPool<kernel_shape=[3, 3], pads=[1, 2, 2, 1], strides=[2, 2]>(r)",
        20,
    ),
    "AveragePool": (
        f"{IN} <{PADS}> {{ a = Pad(x, p)  y = AveragePool<kernel_shape = [3,3]>(a) }}",
        "y = AveragePool<count_include_pad=1, kernel_shape=[3, 3], pads=[1, 2, 2, 1]>(x)",
        20,
    ),
    "AveragePool that counts its pads": (
        f"""{IN} <int64[8] p = {{0,0,1,1,0,0,1,1}}> {{ a = Pad(x, p)
            y = AveragePool<kernel_shape = [3,3], pads = [1,1,0,0], count_include_pad = 1>(a) }}""",
        "y = AveragePool<count_include_pad=1, kernel_shape=[3, 3], pads=[2, 2, 1, 1]>(x)",
        20,
    ),
    "LpPool": (
        f"{IN} <{PADS}> {{ a = Pad(x, p)  y = LpPool<kernel_shape = [3,3]>(a) }}",
        "y = LpPool<kernel_shape=[3, 3], pads=[1, 2, 2, 1]>(x)",
        20,
    ),
    "ConvInteger": (
        """g (uint8[1,1,4,4] x) => (int32[N,C,H,W] y) <uint8[1,1,2,2] w = {1,2,3,4}, uint8 z = {7},
            int64[8] p = {0,0,1,1,0,0,1,1}> { a = Pad(x, p, z)  y = ConvInteger(a, w, z) }""",
        "y = ConvInteger<pads=[1, 1, 1, 1]>(x, w, z)",
        20,
    ),
    "QLinearConv": (
        """g (uint8[1,1,4,4] x) => (uint8[N,C,H,W] y) <uint8[1,1,2,2] w = {1,2,3,4}, uint8 z = {7}, float s = {0.5},
            int64[8] p = {0,0,1,1,0,0,1,1}> { a = Pad(x, p, z)  y = QLinearConv(a, s, z, w, s, z, s, z) }""",
        "y = QLinearConv<pads=[1, 1, 1, 1]>(x, s, z, w, s, z, s, z)",
        20,
    ),
}


def without_constants(graph):
    return "".join(f"{line}\n" for line in nodes_of(graph).splitlines() if not line.startswith("constant"))


@pytest.mark.parametrize(("text", "after", "opset"), CHANGED.values(), ids=CHANGED)
def test_changed(text, after, opset):
    proto = model(text, opset=opset)
    graph, result = run_unbound(FusePad(), proto)
    assert without_constants(graph) == table(after)
    assert result.changed == after.count("pads=")
    assert result.refusals == []
    (checked if "uint8" in text else checked_close)(graph, proto)


REFUSED = {
    "another value": (f"<{ONES}, {PADS}, float v = {{1}}> {{ a = Pad(x, p, v)  y = Conv(a, w) }}", "it pads with 1.0; Conv "),
    "reflected": (f'<{ONES}, {PADS}> {{ a = Pad<mode = "reflect">(x, p)  y = Conv(a, w) }}', "it pads with mode 'reflect'"),
    "cropped": (
        f"<{ONES}, int64[8] p = {{0,0,-1,0,0,0,1,1}}> {{ a = Pad(x, p)  y = Conv(a, w) }}",
        "it crops: an amount is negative",
    ),
    "channels": (
        "<float[2,4,1,1] w = {1,2,3,4,5,6,7,8}, int64[8] p = {0,1,0,0,0,0,0,0}> { a = Pad(x, p)  y = Conv(a, w) }",
        "it pads along batch or channels",
    ),
    "SAME": (f'<{ONES}, {PADS}> {{ a = Pad(x, p)  y = Conv<auto_pad = "SAME_UPPER">(a, w) }}', "has auto_pad SAME_UPPER"),
    "another reader": (
        f"<{ONES}, {PADS}> {{ a = Pad(x, p)  b = Conv<pads = [1,1,1,1]>(a, w)  c = ReduceMax(a)  y = Add(b, c) }}",
        "ReduceMax 'ReduceMax_0' reads it too",
    ),
    "ConvTranspose": (
        f"<float[3,1,1,1] w = {{1,2,3}}, {PADS}> {{ a = Pad(x, p)  y = ConvTranspose(a, w) }}",
        "ConvTranspose 'ConvTranspose_0' reads it too, or has no pads for it",
    ),
    "MaxPool with zeros": (
        f"<{PADS}> {{ a = Pad(x, p)  y = MaxPool<kernel_shape = [3,3]>(a) }}",
        "it pads with 0; MaxPool 'MaxPool_0' pads with nothing",
    ),
    "MaxPool with dilated windows": (
        f"<{PADS}> {{ r = Relu(x)  a = Pad(r, p)  y = MaxPool<kernel_shape = [3,3], dilations = [2,2]>(a) }}",
        "has dilated windows",
    ),
    "MaxPool rounding up": (
        f"<{PADS}> {{ r = Relu(x)  a = Pad(r, p)  y = MaxPool<kernel_shape = [3,3], strides = [2,2], ceil_mode = 1>(a) }}",
        "rounds its size up",
    ),
    "as wide as the window": (
        f"<{PADS}> {{ r = Relu(x)  a = Pad(r, p)  y = MaxPool<kernel_shape = [2,2]>(a) }}",
        "would be as large as its window",
    ),
    "AveragePool with pads that don't count": (
        f"<{PADS}> {{ a = Pad(x, p)  y = AveragePool<kernel_shape = [4,4], pads = [1,1,1,1]>(a) }}",
        "does not count its own pads",
    ),
    "amounts from an input": (f"<{ONES}> {{ a = Pad(x, q)  y = Conv(a, w) }}", "its amounts are computed"),
}


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(body, reason):
    start = IN.replace("x)", "x, int64[8] q)") if "(x, q)" in body else IN
    proto = model(f"{start} {body}", opset=20)
    graph, result = run_unbound(FusePad(), proto)
    assert (result.changed, len(graph)) == (0, len(proto.graph.node))
    (refusal,) = result.refusals
    assert (refusal.node, reason in refusal.reason) == ("Pad_0", True), refusal.reason


def test_an_output_of_the_graph():
    proto = model(
        f"g (float[1,3,6,7] x) => (float[N,C,H,W] y, float[N,C,H,W] a) <{ONES}, {PADS}> {{ a = Pad(x, p)  y = Conv(a, w) }}"
    )
    _, result = run_unbound(FusePad(), proto)
    assert [refusal.reason for refusal in result.refusals] == ["its result is an output of the graph"]


def test_no_layer_behind():
    """Nothing there that could take it: no refusal."""
    proto = model(f"g (float[1,3,6,7] x) => (float[N,C,H,W] y) <{PADS}> {{ a = Pad(x, p)  y = Neg(a) }}")
    _, result = run_unbound(FusePad(), proto)
    assert (result.changed, result.refusals) == (0, [])


def test_in_a_body():
    proto = model(
        f"""g (float[1,3,6,7] x, bool c) => (float[N,C,H,W] y) <{ONES}, int64[8] p = {{0,0,1,1,0,0,1,1}}> {{ y = If(c) <
            then_branch = t () => (float[N,C,H,W] r) {{ k = Constant<value = int64[8] {{0,0,1,1,0,0,1,1}}>()
                a = Pad(x, k)  r = Conv(a, w) }},
            else_branch = e () => (float[N,C,H,W] r) {{ r = Conv<pads = [1,1,1,1]>(x, w) }}> }}"""
    )
    graph, result = run_unbound(FusePad(), proto)
    assert result.changed == 1
    checked_close(graph, proto)


def test_layers_are_told():
    proto = model(f"g (float[1,3,6,7] x) => (float[N,C,H,W] y) <{ONES}, {PADS}> {{ [p] a = Pad(x, p)  [c] y = Conv(a, w) }}")
    graph, result = run_unbound(FusePad(), proto)
    (change,) = result.changes
    assert (change.node, change.pattern, change.merged) == ("c", "Pad into Conv", ("p",))
    assert change.text == "Pad 'p' put into Conv 'c'"
    assert graph.node("c").source == ("p", "c")
