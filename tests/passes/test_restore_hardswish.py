import re

import pytest

import irstat
from irstat.passes import RestoreHardswish
from tests.support.models import model
from tests.support.passes import assert_close, checked_close, nodes_of, run_shaped

MAIN = "g (float[2,3] x) => (float[2,3] y)"
NUMBERS = "<float three = {3}, float[1,1] three2 = {3}, float zero = {0}, float six = {6}, float sixth = {0.166666672}>"

FORMS = {
    "tf2onnx": "{ a = Add(x, three)  c = Clip(a, zero, six)  m = Mul(c, sixth)  y = Mul(x, m) }",
    "tf2onnx, a constant of more axes": "{ a = Add(x, three2)  c = Clip(a, zero, six)  m = Mul(sixth, c)  y = Mul(m, x) }",
    "torchvision of old": "{ a = Add(x, three)  c = Clip(a, zero, six)  m = Mul(x, c)  y = Div(m, six) }",
    "HardSigmoid": "{ h = HardSigmoid<alpha = 0.166666672>(x)  y = Mul(x, h) }",
    "HardSigmoid, both given": "{ h = HardSigmoid<alpha = 0.166666672, beta = 0.5>(x)  y = Mul(h, x) }",
    "Relu and Min": "{ a = Add(three, x)  r = Relu(a)  c = Min(r, six)  m = Mul(c, sixth)  y = Mul(x, m) }",
    "Max and Min": "{ a = Add(three, x)  r = Max(a, zero)  c = Min(six, r)  m = Mul(x, c)  y = Mul(m, sixth) }",
}


def text(body):
    used = [entry for entry in re.findall(r"float\S* \w+ = \{[^}]*\}", NUMBERS) if re.search(rf"\b{entry.split()[1]}\b", body)]
    return f"{MAIN} <{', '.join(used)}> {body}" if used else f"{MAIN} {body}"


@pytest.mark.parametrize("opset", [13, 14, 22])
@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
def test_changed(body, opset):
    proto = model(text(body), opset=opset)
    graph, result = run_shaped(RestoreHardswish(), proto)
    assert (result.changed, result.refusals) == (1, [])
    assert nodes_of(graph) == "y = HardSwish(x)\n"
    checked_close(graph, proto)


def test_bounds_as_attributes():
    proto = model(text("{ a = Add(x, three)  c = Clip<min = 0.0, max = 6.0>(a)  m = Mul(x, c)  y = Div(m, six) }"), opset=10)
    graph, _ = run_shaped(RestoreHardswish(), proto)
    assert nodes_of(graph) == "y = HardSwish(x)\n"
    checked_close(graph, proto)


REFUSED = {
    "the default slope of HardSigmoid": (
        "{ h = HardSigmoid(x)  y = Mul(x, h) }",
        r"it is not x·max\(0, min\(1, x/6 [+] 1/2\)\)",
    ),
    "another bound": (
        "<float t = {3}, float z = {0}, float s = {5}> { a = Add(x, t)  c = Clip(a, z, s)  m = Mul(x, c)  y = Div(m, s) }",
        "it is not x·max",
    ),
    "no lower bound": (
        "<float t = {3}, float s = {6}> { a = Add(x, t)  c = Min(a, s)  m = Mul(x, c)  y = Div(m, s) }",
        "it is not x·max",
    ),
    "used elsewhere": (
        "<float t = {3}, float z = {0}, float s = {6}>"
        " { a = Add(x, t)  c = Clip(a, z, s)  m = Mul(x, c)  h = Div(m, s)  y = Add(h, c) }",
        "'c' is used outside of it too",
    ),
}


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(body, reason):
    proto = model(f"{MAIN} {body}")
    graph, result = run_shaped(RestoreHardswish(), proto)
    assert result.changed == 0
    assert nodes_of(graph) == nodes_of(irstat.load(proto))
    (refusal,) = result.refusals
    assert re.search(reason, refusal.reason)


UNTOUCHED = {
    "ReLU6": "{ y = Clip(x, zero, six) }",
    "HardSigmoid as Keras writes it": "{ a = Add(x, three)  c = Clip(a, zero, six)  y = Mul(c, sixth) }",
    "a residual ReLU": "{ r = Relu(x)  y = Add(x, r) }",
}


@pytest.mark.parametrize("body", UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched(body):
    proto = model(text(body))
    graph, result = run_shaped(RestoreHardswish(), proto)
    assert (result.changed, result.refusals) == (0, [])
    assert nodes_of(graph) == nodes_of(irstat.load(proto))


def test_squeeze_and_excitation_of_mobilenet_v3():
    """The gate is a HardSigmoid of another value."""
    proto = model(
        """g (float[1,3,4,4] x) => (float[1,3,4,4] y) <float[3,3,1,1] w = {1,0,0,0,1,0,0,0,1}> {
            p = GlobalAveragePool(x)  c = Conv(p, w)  h = HardSigmoid<alpha = 0.166666672>(c)  y = Mul(x, h) }"""
    )
    assert run_shaped(RestoreHardswish(), proto)[1].changed == 0


def test_the_comparison_can_fail():
    one, other = model(text(FORMS["HardSigmoid"])), model(f"{MAIN} {{ h = HardSigmoid<alpha = 0.16666>(x)  y = Mul(x, h) }}")
    assert_close(one, one)
    with pytest.raises(AssertionError):
        assert_close(one, other)
