import onnx
import pytest

import irstat
from irstat.passes import MergeInitializers
from tests.support.files import assert_same_bits, feeds_for, random_tensor, run, with_weights
from tests.support.models import model
from tests.support.passes import checked, nodes_of, table
from tests.support.unbound import run_unbound

CHANGED = {
    "two": (
        "g (float[2] x) => (float[2] y) <float[2] v = {1,2}, float[2] w = {1,2}> { a = Mul(x, v)  y = Add(a, w) }",
        """
        constant v: float32[2] = [1, 2]
        a = Mul(x, v)
        y = Add(a, v)
        """,
    ),
    "three, one of them the graph's output": (
        """g (float[2] x) => (float[2] y, float[2] c) <float[2] a = {1,2}, float[2] b = {1,2}, float[2] c = {1,2}> {
            d = Mul(x, a)  y = Add(d, b) }""",
        """
        constant c: float32[2] = [1, 2]
        d = Mul(x, c)
        y = Add(d, c)
        """,
    ),
    "in a body": (
        """g (float[2] x, bool k) => (float[2] y) <float[2] v = {1,2}> { a = Mul(x, v)  y = If(k) <
            then_branch = t () => (float[2] r) <float[2] w = {1,2}> { r = Add(a, w) },
            else_branch = e () => (float[2] q) { q = Neg(a) }> }""",
        """
        constant v: float32[2] = [1, 2]
        a = Mul(x, v)
        y = If(k)
          else_branch: graph e
            q = Neg(a)
            output q: float32[2]
          then_branch: graph t
            r = Add(a, v)
            output r: float32[2]
        """,
    ),
}


@pytest.mark.parametrize(("text", "after"), CHANGED.values(), ids=CHANGED)
def test_changed(text, after):
    proto = model(text)
    graph, result = run_unbound(MergeInitializers(), proto)
    assert nodes_of(graph) == table(after)
    assert result.changed == len(result.changes) > 0
    checked(graph, proto)
    assert MergeInitializers().run(graph).changed == 0


UNTOUCHED = {
    "other values": "g (float[2] x) => (float[2] y) <float[2] v = {1,2}, float[2] w = {1,3}> { a = Mul(x, v)  y = Add(a, w) }",
    "zero and minus zero": """g (float[1] x) => (float[1] y) <float[1] v = {0}, float[1] w = {-0.0}> {
        a = Mul(x, v)  y = Add(a, w) }""",
    "another shape": """g (float[2] x) => (float[1,2] y) <float[2] v = {1,2}, float[1,2] w = {1,2}> {
        a = Mul(x, v)  y = Add(a, w) }""",
    "another type": """g (float[2] x, uint8[2] z) => (float[2] y, uint8[2] u) <float[2] v = {0,0}, uint8[2] w = {0,0}> {
        y = Mul(x, v)  u = Add(z, w) }""",
    "what callers may override": """g (float[2] x, float[2] v) => (float[2] y) <float[2] v = {1,2}, float[2] w = {1,2}> {
        a = Mul(x, v)  y = Add(a, w) }""",
    "both outputs": """g (float[2] x) => (float[2] v, float[2] w, float[2] y) <float[2] v = {1,2}, float[2] w = {1,2}> {
        y = Neg(x) }""",
    "a body with a tensor of that name": """g (float[2] x, bool k) => (float[2] y) <float[2] v = {1,2}> { a = Mul(x, v)
        y = If(k) <then_branch = t () => (float[2] r) <float[2] w = {1,2}> { v = Neg(a)  r = Add(v, w) },
            else_branch = e () => (float[2] q) { q = Neg(a) }> }""",
}


@pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED)
def test_untouched(text):
    proto = model(text)
    graph, result = run_unbound(MergeInitializers(), proto)
    before = nodes_of(run_unbound(MergeInitializers(), proto)[0])
    assert (result.changed, result.refusals) == (0, [])
    assert nodes_of(graph) == before
    assert sum(tensor.kind == "constant" for tensor in graph.tensors()) == len(proto.graph.initializer)


TEXT = "g (float[N,64] x) => (float[N,64] y) { a = MatMul(x, u)  b = MatMul(a, v)  y = MatMul(b, w) }"


def three(*seeds):
    tensors = [random_tensor(name, (64, 64), seed) for name, seed in zip("uvw", seeds)]
    return with_weights(TEXT, *tensors)


def test_weights_on_disk(tmp_path):
    """In the model's file, in another file, and one of each form of values."""
    proto = three(1, 2, 1)
    feeds = feeds_for(proto)
    expected = run(proto, feeds)
    proto.graph.initializer[2].ClearField("raw_data")
    proto.graph.initializer[2].float_data.extend(onnx.numpy_helper.to_array(three(1, 2, 1).graph.initializer[0]).reshape(-1))
    onnx.save(proto, tmp_path / "inside.onnx")
    onnx.save(three(1, 2, 1), tmp_path / "beside.onnx", save_as_external_data=True, location="w", size_threshold=0)
    for name in ("inside", "beside"):
        graph, result = run_unbound(MergeInitializers(), tmp_path / f"{name}.onnx")
        assert [change.text for change in result.changes] == ["'w' is 'u'"]
        irstat.save(graph, tmp_path / "new.onnx")
        assert_same_bits(run(tmp_path / "new.onnx", feeds), expected)


def test_weights_that_differ_in_the_last_byte(tmp_path):
    proto = three(1, 2, 1)
    raw = bytearray(proto.graph.initializer[2].raw_data)
    raw[-1] ^= 1
    proto.graph.initializer[2].raw_data = bytes(raw)
    onnx.save(proto, tmp_path / "m.onnx")
    assert run_unbound(MergeInitializers(), tmp_path / "m.onnx")[1].changed == 0


def test_missing_weights(tmp_path):
    onnx.save(three(1, 2, 1), tmp_path / "m.onnx", save_as_external_data=True, location="w", size_threshold=0)
    (tmp_path / "w").unlink()
    _, result = run_unbound(MergeInitializers(), tmp_path / "m.onnx")
    assert result.changed == 0
    assert {refusal.reason for refusal in result.refusals} == {
        f"the file with the values of '{name}' is not there" for name in "uvw"
    }


def test_roles_and_metadata():
    proto = three(1, 2, 1)
    for index, (key, value) in enumerate((("irstat.role", "buffer"), ("other", "1"), ("irstat.role", "parameter"))):
        proto.graph.initializer[index].metadata_props.add(key=key, value=value)
    graph, _ = run_unbound(MergeInitializers(), proto)
    (kept,) = [tensor for tensor in graph.tensors() if tensor.name in ("u", "w")]
    assert (kept.name, kept.role) == ("w", "parameter")
    written = {tensor.name: tensor for tensor in irstat.to_model(graph).graph.initializer}["w"]
    assert {entry.key: entry.value for entry in written.metadata_props} == {"irstat.role": "parameter"}
