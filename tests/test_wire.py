import mmap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto, helper, numpy_helper

from irstat import wire
from irstat.errors import ModelError
from tests.support.files import canonical, perceptron, random_tensor, with_functions
from tests.support.models import model

UNKNOWN = {
    "varint": b"\xf8\x3f\xac\x02",  # field 1023
    "eight bytes": b"\xf1\x3f12345678",
    "four bytes": b"\xf5\x3f1234",
    "bytes": b"\xf2\x3f\x03abc",
    "empty bytes": b"\xf2\x3f\x00",
    "group": b"\xf3\x3f\x08\x05\xf3\x3f\xf4\x3f\x12\x01x\xf4\x3f",  # with a number, an empty group and a string inside
    "largest field number": b"\xfa\xff\xff\xff\x0f\x01z",
}


def restored(content, buffer=None):
    """What restore makes of what strip left, with the payloads cut out of the original; in canonical order."""
    stripped, payloads = wire.strip(content if buffer is None else buffer)
    fields = {token: [content[a:b] for a, b in payload.fields] for token, payload in payloads.items()}
    pieces, length = wire.restore(ModelProto.FromString(stripped).SerializeToString(), fields, len)
    assert length == sum(map(len, pieces))
    return canonical(ModelProto.FromString(b"".join(pieces)))


def everywhere(tensor):
    """A model with a tensor in every place that can hold one."""
    proto = model(
        """g (float[2] x, bool c) => (float[2] y) { y = If(c) <
            then_branch = t () => (float[2] a) { a = Relu(x) }, else_branch = e () => (float[2] a) { a = Exp(x) }> }
        <domain: "my", opset_import: ["": 20]> f (p) => (q) { q = Relu(p) }"""
    )
    proto.training_info.add().algorithm.initializer.add().CopyFrom(tensor)
    branch = proto.graph.node[0].attribute[0].g
    for graph in (proto.graph, branch):
        graph.initializer.add().CopyFrom(tensor)
        sparse = graph.sparse_initializer.add()
        sparse.values.CopyFrom(tensor)
        sparse.indices.CopyFrom(numpy_helper.from_array(np.arange(300)))
    for node in (branch.node[0], proto.functions[0].node[0]):
        node.attribute.append(helper.make_attribute("one", tensor))
        node.attribute.append(helper.make_attribute("many", [tensor, tensor]))
    proto.functions[0].attribute_proto.append(helper.make_attribute("default", tensor))
    return proto


PLACES = 1 + 2 * 2 + 2 * 3 + 1
"""Times that `everywhere` uses its tensor; there are two arrays of indices beside."""


def large(kind):
    if kind == "raw":
        return random_tensor("w", (300,))
    if kind == "typed":
        return helper.make_tensor("w", TensorProto.FLOAT, [300], [0.5] * 300)
    if kind == "int64":
        return helper.make_tensor("w", TensorProto.INT64, [700], list(range(-350, 350)))
    return helper.make_tensor("w", TensorProto.STRING, [300], [b"weight"] * 300)


@pytest.mark.parametrize("kind", ["raw", "typed", "int64", "strings"])
def test_large_tensors_are_left_out_wherever_they_are_and_put_back(kind):
    content = everywhere(large(kind)).SerializeToString()
    stripped, payloads = wire.strip(content)
    assert len(payloads) == PLACES + 2
    assert len(stripped) < 3000 < len(content) / 5
    assert restored(content) == canonical(ModelProto.FromString(content))


def test_a_payload_says_where_raw_data_lies():
    proto = ModelProto.FromString(perceptron())
    stripped, payloads = wire.strip(perceptron())
    left = ModelProto.FromString(stripped)
    found = {t.name: payloads[t.raw_data] for t in left.graph.initializer if wire.is_token(t.raw_data)}
    assert sorted(found) == ["w1", "w2"]
    for tensor in proto.graph.initializer[:1]:
        start, stop = found[tensor.name].raw
        assert perceptron()[start:stop] == tensor.raw_data
    assert left.graph.initializer[3].raw_data == proto.graph.initializer[3].raw_data


def test_data_in_typed_fields_has_no_raw_range():
    content = everywhere(large("typed")).SerializeToString()
    _, payloads = wire.strip(content)
    assert {payload.raw is None for payload in payloads.values() if payload.nbytes == 1203} == {True}


def test_data_split_into_several_fields_is_all_put_back():
    tensor = TensorProto(name="w", dims=[600], data_type=TensorProto.FLOAT)
    half = TensorProto(float_data=[0.25] * 300).SerializeToString()
    body = tensor.SerializeToString() + half + TensorProto(doc_string="between").SerializeToString() + half
    graph = wire.length_delimited(5, len(body)) + body
    content = ModelProto(ir_version=8).SerializeToString() + wire.length_delimited(7, len(graph)) + graph
    _, payloads = wire.strip(content)
    (payload,) = payloads.values()
    assert len(payload.fields) == 2
    assert payload.raw is None
    assert restored(content) == canonical(ModelProto.FromString(content))


def test_a_memory_map_gives_the_same_as_bytes(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(perceptron())
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        assert restored(perceptron(), buffer) == perceptron()


@pytest.mark.parametrize("field", UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_fields_pass_through(field):
    large_tensor = random_tensor("w", (300,)).SerializeToString() + field
    graph = b"".join(wire.length_delimited(5, len(t)) + t for t in (large_tensor, field)) + field
    node = NodeProto(op_type="Relu").SerializeToString() + field
    graph += wire.length_delimited(1, len(node)) + node
    content = field + wire.length_delimited(7, len(graph)) + graph + field
    assert restored(content) == canonical(ModelProto.FromString(content))
    assert restored(content).count(field) == 6


@pytest.mark.parametrize("field", UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_fields_of_a_message_in_memory(field):
    message = StringStringEntryProto(key="k", value="v")
    known = message.SerializeToString()
    message.MergeFromString(field + field)
    again = StringStringEntryProto.FromString(known + wire.unknown_fields(message))
    assert again.SerializeToString() == message.SerializeToString() == known + field + field
    assert wire.unknown_fields(GraphProto(name="g")) == b""


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\x08", "broken protobuf field at byte 1"),
        (b"\x08\xff", "broken protobuf field at byte 2"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "broken protobuf field"),
        (b"\x3a", "the field at byte 0 has no length"),
        (b"\x3a\x05ab", "the field at byte 0 does not fit the file"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "does not fit the file"),
        (b"\x09abc", "does not fit the file"),
        (b"\x0dabc", "does not fit the file"),
        (b"\x02\x00", "does not fit the file"),  # field number 0
        (b"\x0e", "impossible protobuf wire type 6 at byte 0"),
        (b"\x0f", "impossible protobuf wire type 7 at byte 0"),
        (b"\x0c", "impossible protobuf wire type 4 at byte 0"),  # the end of a group that has no start
        (b"\x0b\x08\x01", "the group at byte 1 has no end"),
        (b"\x0b" * 300, "nests messages more than 100 deep"),
    ],
)
def test_what_is_no_protobuf_message_is_refused(content, problem):
    with pytest.raises(ModelError, match=problem):
        wire.strip(content)


@pytest.mark.parametrize("second", ["large", "small"])
def test_one_tensor_given_twice_is_refused(second):
    # protobuf would append the second's values to the first's
    tensors = [large("typed"), large("typed") if second == "large" else helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])]
    attribute = b"".join(wire.length_delimited(5, t.ByteSize()) + t.SerializeToString() for t in tensors)
    node = wire.length_delimited(5, len(attribute)) + attribute
    graph = wire.length_delimited(1, len(node)) + node
    with pytest.raises(ModelError, match="gives a tensor a second time"):
        wire.strip(wire.length_delimited(7, len(graph)) + graph)


def test_files_joined_into_one_are_merged_as_protobuf_does_it():
    content = perceptron() + with_functions()
    assert restored(content) == canonical(ModelProto.FromString(content))


def test_bodies_nested_too_deep_are_refused():
    graph = GraphProto(doc_string="x" * 2000).SerializeToString()
    for _ in range(60):
        attribute = wire.length_delimited(6, len(graph)) + graph
        node = wire.length_delimited(5, len(attribute)) + attribute
        graph = wire.length_delimited(1, len(node)) + node
    with pytest.raises(ModelError, match="nests messages more than 100 deep"):
        wire.strip(wire.length_delimited(7, len(graph)) + graph)


@pytest.mark.parametrize("content", [perceptron(), with_functions(), everywhere(large("raw")).SerializeToString()])
def test_a_file_cut_anywhere_is_refused_or_is_a_message_by_chance(content):
    refused = 0
    for length in {*range(0, len(content), 37), *range(120)}:
        try:
            stripped, payloads = wire.strip(content[:length])
        except ModelError:
            refused += 1
        else:
            assert len(stripped) <= length
            assert all(0 <= a <= b <= length for payload in payloads.values() for a, b in payload.fields)
    assert refused > len(content) / 37 / 2


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_stripped_or_refused(content):
    try:
        stripped, payloads = wire.strip(content)
    except ModelError:
        return
    assert stripped == content  # too small to have anything to leave out
    assert payloads == {}


@given(st.integers(0, (1 << 64) - 1))
def test_varints(value):
    encoded = wire.varint(value)
    assert TensorProto(uint64_data=[value]).SerializeToString()[-len(encoded) :] == encoded
    assert encoded[-1] < 0x80


def test_tokens_are_unique_and_only_of_this_process():
    tokens = {wire.new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(map(wire.is_token, tokens))
    token = next(iter(tokens))
    assert not wire.is_token(token[:-1])
    assert not wire.is_token(token + b"x")
    assert not wire.is_token(bytes([token[0] ^ 1]) + token[1:])


def test_a_token_of_another_model_is_refused():
    stripped, _ = wire.strip(perceptron())
    with pytest.raises(ModelError, match="belongs to another model"):
        wire.restore(stripped, {}, len)


def test_data_that_looks_like_a_token_is_data():
    proto = model("g (float[2] x) => (float[2] y) { y = Relu(x) }")
    strange = wire.new_token()[:-1] + b"?"  # right start, and a number nobody gave out, in a tensor of 24 bytes
    proto.graph.initializer.append(TensorProto(name="w", dims=[6], data_type=TensorProto.FLOAT, raw_data=b"?" + strange[1:]))
    content = proto.SerializeToString()
    assert restored(content) == content
