import os
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import irstat
from irstat.element_types import BITS, NAME_OF, nbytes
from irstat.errors import IrstatError, MissingWeightsError, ModelError
from irstat.source_file import ByteRange, SourceFile
from irstat.tensor_data import TensorData, check_data, count_elements, from_array
from tests.support.files import assert_same_bits, perceptron, random_tensor, with_weights

TYPES = sorted(NAME_OF)


def example(number, elements, raw):
    """A tensor of `elements` elements of any type."""
    dtype = helper.tensor_dtype_to_np_dtype(number)
    if number == TensorProto.STRING:
        return helper.make_tensor("w", number, [elements], [f"text {i % 7}" for i in range(elements)])
    values = (np.arange(elements) % 3).astype(np.float32).astype(dtype)
    return helper.make_tensor("w", number, [elements], values, raw=raw)


@pytest.mark.parametrize("elements", [0, 1, 7, 5000])
@pytest.mark.parametrize(
    ("number", "raw"),
    [
        pytest.param(number, raw, id=f"{NAME_OF[number]}-{'raw' if raw else 'typed'}")
        for number in TYPES
        for raw in (False, True)
        if not (raw and number == TensorProto.STRING)
    ],
)
def test_every_element_type_is_read_like_onnx_reads_it(number, raw, elements):
    proto = with_weights("g (float[1] x) => (float[1] y) { y = Relu(x) }", example(number, elements, raw))
    expected = numpy_helper.to_array(proto.graph.initializer[0])
    for source in (proto.SerializeToString(), proto):
        data = irstat.load(source).tensor("w").data
        assert data.dtype == NAME_OF[number]
        assert data.shape == (elements,)
        assert data.is_small == (proto.graph.initializer[0].ByteSize() <= 1024)
        assert_same_bits([data.array()], [expected])


@pytest.mark.parametrize("number", [number for number in TYPES if number != TensorProto.STRING], ids=NAME_OF.get)
def test_bytes_of_raw_data_are_counted_like_onnx_writes_them(number):
    for elements in (1, 3, 8, 9):
        assert len(example(number, elements, True).raw_data) == nbytes(NAME_OF[number], elements)


def test_every_type_of_the_installed_onnx_has_a_size():
    assert set(NAME_OF.values()) <= set(BITS)


@pytest.mark.parametrize(
    "array",
    [
        np.float32(3.5),
        np.array(7, dtype=np.int64),
        np.zeros((0, 3), np.float32),
        np.arange(6).reshape(2, 3).T,
        np.array(["a", "bc"], dtype=object),
        np.array([True, False]),
    ],
    ids=["scalar", "0-d", "empty", "transposed", "strings", "bool"],
)
def test_an_array_comes_back_with_its_shape(array):
    data = from_array("c", array)
    assert data.shape == np.shape(array)
    assert data.is_small
    back = data.array()
    assert back.shape == np.shape(array)
    assert back.tolist() == np.asarray(array).tolist()


def tensor(dims, number=TensorProto.FLOAT, **values):
    return TensorProto(name="w", dims=dims, data_type=number, **values)


@pytest.mark.parametrize(
    ("proto", "problem"),
    [
        (tensor([2, -1], raw_data=b"1234"), r"tensor 'w' has a negative dim: \[2, -1\]"),
        (tensor([1 << 32, 1 << 32]), r"tensor 'w' has dims \[4294967296, 4294967296\]: more elements than can exist"),
        (tensor([1 << 62] * 5000), r"\.\.\.|…\]: more elements than can exist"),
        (tensor([1], 99, raw_data=b"1234"), "element type 99, which this onnx does not know"),
        (tensor([1], 0, raw_data=b"1234"), "element type 0, which"),
        (tensor([3], raw_data=b"12345678"), r"has dims \[3\] of float32, 12 bytes; the file holds 8"),
        (tensor([1], raw_data=b"12345678"), "4 bytes; the file holds 8"),
        (tensor([3]), "3 values; the file holds 0"),
        (tensor([10**9, 10**9]), "1,000,000,000,000,000,000 values; the file holds 0"),
        (tensor([3], float_data=[1.0]), "3 values; the file holds 1"),
        (tensor([1], float_data=[1.0] * 4), "1 values; the file holds 4"),
        (tensor([10**9], float_data=[1.0]), "1,000,000,000 values; the file holds 1"),
        (tensor([2], TensorProto.COMPLEX64, float_data=[1.0] * 2), "4 values; the file holds 2"),
        (tensor([5], TensorProto.INT4, int32_data=[1] * 2), "3 values; the file holds 2"),
        (tensor([5], TensorProto.INT4, raw_data=b"12"), "3 bytes; the file holds 2"),
        (tensor([2], TensorProto.STRING, string_data=[b"a"]), "2 strings; the file holds 1"),
        (tensor([10**6], TensorProto.STRING), "1,000,000 strings; the file holds 0"),
        (tensor([], raw_data=b""), "4 bytes; the file holds 0"),
    ],
)
def test_dims_are_not_believed_without_data(proto, problem):
    with pytest.raises(ModelError, match=problem):
        check_data(TensorData(proto))
    if proto.data_type in NAME_OF and min(proto.dims, default=0) >= 0 and len(proto.dims) < 9:
        with pytest.raises((ValueError, TypeError)):  # numpy's judgement; for what it can be asked about
            numpy_helper.to_array(proto)


def test_the_same_holds_for_large_tensors():
    for values in ({"raw_data": bytes(4096)}, {"float_data": [1.0] * 1024}):
        for dims in ([1 << 40], [100_000]):
            proto = with_weights("g (float[1] x) => (float[1] y) { y = Relu(x) }", tensor(dims, **values))
            for source in (proto, proto.SerializeToString()):
                with pytest.raises(ModelError, match="tensor 'w' has dims"):
                    irstat.load(source)


def test_an_attribute_is_named_where_its_tensor_is_broken():
    proto = with_weights("g (float[1] x) => (float[1] y) { y = Relu(x) }")
    node = proto.graph.node.add(op_type="Constant", output=["c"], name="const")
    node.attribute.append(helper.make_attribute("value", TensorProto(dims=[-1], data_type=1)))
    with pytest.raises(ModelError, match="attribute 'value' of node 'const': a tensor has a negative dim"):
        irstat.load(proto)


def test_no_elements():
    assert count_elements((3, 0, 5), TensorProto()) == 0
    assert count_elements((), TensorProto()) == 1
    with pytest.raises(ModelError, match="more elements than can exist"):
        count_elements((0, 1 << 62, 4), TensorProto())  # numpy refuses such a shape as well


def test_data_that_does_not_fill_its_shape_is_an_error_where_it_is_read():
    proto = with_weights("g (float[1] x) => (float[1] y) { y = Relu(x) }", tensor([1000], float_data=[1.0] * 999))
    data = irstat.load(proto.SerializeToString()).tensor("w").data
    with pytest.raises(ModelError, match=r"tensor 'w': its data does not fill \[1000\]"):
        data.array()


def test_strings_that_are_no_utf8_are_an_error_where_they_are_read():
    proto = with_weights("g (float[1] x) => (float[1] y) { y = Relu(x) }", tensor([1], 8, string_data=[b"\xff"]))
    with pytest.raises(ModelError, match="tensor 'w'"):
        irstat.load(proto).tensor("w").data.array()


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(perceptron())
    return path


def test_weights_are_read_from_the_file_when_asked_for(saved):
    data = irstat.load(saved).tensor("w1").data
    expected = numpy_helper.to_array(random_tensor("w1", (16, 64), 1))
    assert not data.is_small
    assert np.array_equal(data.array(), expected)
    raw = data.raw_range()
    assert len(raw) == 4096
    assert saved.read_bytes()[raw.start : raw.stop] == expected.tobytes()
    assert data.full_proto().SerializeToString() == random_tensor("w1", (16, 64), 1).SerializeToString()


def test_a_file_that_has_changed_is_not_read(saved):
    data = irstat.load(saved).tensor("w1").data
    saved.write_bytes(perceptron() + b"\x12\x01x")
    with pytest.raises(MissingWeightsError, match=r"m\.onnx has changed since the model was loaded; load it again"):
        data.array()


def test_a_file_rewritten_with_the_same_size_is_not_read(saved):
    data = irstat.load(saved).tensor("w1").data
    os.utime(saved, ns=(1, 1))
    with pytest.raises(MissingWeightsError, match="has changed"):
        data.array()


def test_a_file_that_is_gone(saved):
    data = irstat.load(saved).tensor("w1").data
    saved.unlink()
    with pytest.raises(MissingWeightsError, match=r"weights can't be read from .*m\.onnx: No such file"):
        data.array()
    with pytest.raises(FileNotFoundError):
        data.array()


def test_a_file_replaced_by_a_pipe_does_not_hang(saved):
    data = irstat.load(saved).tensor("w1").data
    saved.unlink()
    os.mkfifo(saved)
    with pytest.raises(IrstatError, match="not a plain file any more"):
        data.array()


def test_a_model_reached_through_a_link_gives_its_weights(saved, tmp_path, monkeypatch):
    link = tmp_path / "link.onnx"
    link.symlink_to(saved)
    monkeypatch.chdir(tmp_path)
    data = irstat.load("link.onnx").tensor("w1").data
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # a relative path still means the same file
    assert np.array_equal(data.array(), numpy_helper.to_array(random_tensor("w1", (16, 64), 1)))


def test_blocks_of_a_long_range(tmp_path):
    path = tmp_path / "data"
    content = np.random.default_rng(0).bytes(2_500_000)
    path.write_bytes(content)
    bytes_range = ByteRange(SourceFile.of(path, path.stat()), 10, len(content) - 3)
    blocks = list(bytes_range.blocks())
    assert [len(block) for block in blocks[:-1]] == [1 << 20] * 2
    assert b"".join(blocks) == bytes_range.read() == content[10:-3]
    assert ByteRange(content, 5, 9).read() == content[5:9]
    assert ByteRange(SourceFile.of(path, path.stat()), 7, 7).read() == b""


def test_a_range_beyond_the_end_of_a_file_that_was_not_there_before(tmp_path):
    path = tmp_path / "data"
    missing = ByteRange(SourceFile(path, None, tmp_path), 0, 100)
    with pytest.raises(MissingWeightsError, match="No such file"):
        missing.read()
    path.write_bytes(b"x" * 60)
    with pytest.raises(MissingWeightsError, match="ends at byte 60; the weights reach to 100"):
        missing.read()


def test_sources_of_a_model_from_memory_have_no_folder():
    with pytest.raises(MissingWeightsError, match="the model was loaded from memory"):
        ByteRange(SourceFile(Path("w.data"), None, is_known=False), 0, 4).read()
