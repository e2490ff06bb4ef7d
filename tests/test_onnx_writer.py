import errno
import os
import stat
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

import irstat
from irstat import atomic_file, onnx_writer
from irstat.element_types import NAME_OF
from irstat.errors import ModelError, UsageError
from irstat.graph import Node, Tensor
from irstat.onnx_writer import node_message
from irstat.passes import InlineFunctions, RemoveDead, RemoveIdentity
from irstat.source_file import ByteRange
from irstat.tensor_data import from_array
from irstat.text import as_text
from tests.support.files import (
    assert_same_bits,
    canonical,
    feeds_for,
    perceptron,
    random_tensor,
    run,
    with_bodies,
    with_functions,
    with_weights,
)
from tests.support.models import model

# ---- atomic files

OLD = b"what was there before"


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(OLD)
    return path


def test_a_file_is_replaced(target):
    irstat.save(irstat.load(perceptron()), target)
    assert target.read_bytes() == perceptron()
    assert os.listdir(target.parent) == ["m.onnx"]


class FullDiskError(OSError):
    def __init__(self):
        super().__init__(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("weights", ["inside", "beside"])
@pytest.mark.parametrize("failure", [FullDiskError, KeyboardInterrupt, MemoryError])
def test_a_failure_leaves_the_old_file_whole(target, monkeypatch, weights, failure):
    (target.parent / "m.onnx.data").write_bytes(OLD)
    graph = irstat.load(perceptron())
    write = onnx_writer._write
    for chunks in (0, 1, 2):
        left = [chunks]

        def failing(file, chunk, left=left):
            if not left[0]:
                raise failure()
            left[0] -= 1
            write(file, chunk)

        monkeypatch.setattr(onnx_writer, "_write", failing)
        with pytest.raises(UsageError if failure is FullDiskError else failure) as raised:
            irstat.save(graph, target, weights)
        if failure is FullDiskError:
            assert str(raised.value) == f"{target}: can't be written: No space left on device"
        assert target.read_bytes() == OLD
        assert (target.parent / "m.onnx.data").read_bytes() == OLD
        assert sorted(os.listdir(target.parent)) == ["m.onnx", "m.onnx.data"]


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(UsageError, match=r"the folder .*nowhere does not exist"):
        irstat.save(irstat.load(perceptron()), tmp_path / "nowhere" / "m.onnx")


def test_a_target_that_is_a_folder(tmp_path):
    (tmp_path / "m.onnx").mkdir()
    (tmp_path / "m.onnx.data").write_bytes(OLD)
    with pytest.raises(UsageError, match=r"m\.onnx: can't be written: Is a directory"):
        irstat.save(irstat.load(perceptron()), tmp_path / "m.onnx", "beside")
    assert (tmp_path / "m.onnx.data").read_bytes() == OLD


def test_a_data_file_that_is_a_folder(target):
    (target.parent / "m.onnx.data").mkdir()
    with pytest.raises(UsageError, match="can't be written: Is a directory"):
        irstat.save(irstat.load(perceptron()), target, "beside")
    assert target.read_bytes() == OLD


def test_a_folder_that_may_not_be_written(target, monkeypatch):
    def refuse(**options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(atomic_file.tempfile, "mkstemp", refuse)  # root may write everywhere
    with pytest.raises(UsageError, match=r"m\.onnx: can't be written: Permission denied"):
        irstat.save(irstat.load(perceptron()), target)
    assert target.read_bytes() == OLD


def test_a_link_is_followed(target):
    link = target.parent / "link.onnx"
    link.symlink_to("m.onnx")
    irstat.save(irstat.load(perceptron()), link)
    assert link.is_symlink()
    assert target.read_bytes() == perceptron()
    loop = target.parent / "loop.onnx"
    loop.symlink_to("loop.onnx")
    with pytest.raises(UsageError, match="can't be written: Too many levels of symbolic links"):
        irstat.save(irstat.load(perceptron()), loop)


def test_a_device_is_written_directly():
    irstat.save(irstat.load(perceptron()), "/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_permissions(target):
    target.chmod(0o640)
    irstat.save(irstat.load(perceptron()), target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    old = os.umask(0o027)
    try:
        irstat.save(irstat.load(perceptron()), target.parent / "new.onnx")
    finally:
        os.umask(old)
    assert stat.S_IMODE((target.parent / "new.onnx").stat().st_mode) == 0o640


def test_a_long_name(tmp_path):
    irstat.save(irstat.load(perceptron()), tmp_path / ("x" * 250 + ".onnx"))
    assert os.listdir(tmp_path) == ["x" * 250 + ".onnx"]


# ---- where weights go


def test_auto_goes_beside_only_when_the_file_would_be_too_large(tmp_path, monkeypatch):
    for limit, room, beside in ((10_000, 5_000, True), (10_000, 8_000, False), (6_000, 8_000, True), (6_647, 8_000, True)):
        folder = tmp_path / f"{limit}-{room}"
        folder.mkdir()
        monkeypatch.setattr(onnx_writer, "MAX_FILE_BYTES", limit)
        monkeypatch.setattr(onnx_writer, "_AUTO_BESIDE", room)
        irstat.save(irstat.load(perceptron()), folder / "m.onnx")
        assert sorted(os.listdir(folder)) == (["m.onnx", "m.onnx.data"] if beside else ["m.onnx"])


def test_what_does_not_fit_is_said(target, monkeypatch):
    monkeypatch.setattr(onnx_writer, "MAX_FILE_BYTES", 6_647)  # one less than the model has
    graph = irstat.load(perceptron())
    with pytest.raises(UsageError, match="6,648 bytes do not fit one ONNX file; keep the weights beside it"):
        irstat.save(graph, target, "inside")
    with pytest.raises(ModelError, match="6,648 bytes do not fit one protobuf message"):
        irstat.to_model(graph)
    assert target.read_bytes() == OLD


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("source", ["bytes", "message", "path"])
def test_every_element_type_beside_and_back(tmp_path, raw, source):
    tensors = []
    for number, name in sorted(NAME_OF.items()):
        if number == TensorProto.STRING:
            tensors.append(helper.make_tensor(name, number, [500], [f"text {i}" for i in range(500)]))
            continue
        dtype = helper.tensor_dtype_to_np_dtype(number)
        values = (np.arange(9001) % 3 + 1).astype(np.float32).astype(dtype)
        tensors.append(helper.make_tensor(name, number, [9001], values, raw=raw))
    proto = with_weights("g (float[1] x) => (float[1] y) { y = Relu(x) }", *tensors)
    content = proto.SerializeToString()
    (tmp_path / "source.onnx").write_bytes(content)
    graph = irstat.load({"bytes": content, "message": proto, "path": tmp_path / "source.onnx"}[source])
    irstat.save(graph, tmp_path / "m.onnx", "beside")
    again = onnx.load(tmp_path / "m.onnx")
    for old, new in zip(proto.graph.initializer, again.graph.initializer, strict=True):
        assert old.name == new.name
        assert_same_bits([numpy_helper.to_array(old)], [numpy_helper.to_array(new)])
    irstat.save(irstat.load(tmp_path / "m.onnx"), tmp_path / "inside.onnx")
    inside = onnx.load(tmp_path / "inside.onnx", load_external_data=False)
    for old, new in zip(proto.graph.initializer, inside.graph.initializer, strict=True):
        assert_same_bits([numpy_helper.to_array(old)], [numpy_helper.to_array(new)])
    if raw:
        assert inside == proto


def test_a_message_without_weights():
    proto = irstat.to_model(irstat.load(perceptron()), with_weights=False)
    assert proto.ByteSize() < 1500
    assert [tensor.data_location for tensor in proto.graph.initializer] == [1, 0, 1, 0]
    assert onnx.shape_inference.infer_shapes(proto).graph.value_info[0].name == "a"


def test_nothing_is_read_for_what_is_left_out(tmp_path, monkeypatch):
    graph = irstat.load(perceptron())
    monkeypatch.setattr(ByteRange, "blocks", None)
    irstat.save(graph, tmp_path / "m.onnx", "omit")
    irstat.to_model(graph, with_weights=False)


# ---- changed graphs


def read(text, **options):
    return irstat.load(model(text, **options))


def written(graph):
    """The message, checked."""
    proto = irstat.to_model(graph)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def test_changes_are_written():
    graph = read("g (float[2] x) => (float[2] y) { a = Relu(x) b = Exp(a) y = Neg(b) }")
    graph.replace_uses("b", "a")
    graph.remove_node("Exp_0")
    graph.replace_nodes([graph.node("Neg_0")], [replace(graph.node("Neg_0"), op_type="Abs")])
    graph.set_tensor(Tensor("k", "float32", (2,), "constant", from_array("ignored", np.float32([3, 4]))))
    graph.set_tensor(Tensor("y2", "float32", (2,), "activation"))
    attrs = {"alpha": 0.5}
    graph.add_node(Node("leaky", "LeakyRelu", "", 20, ("y",), ("y2",), attrs))
    graph.outputs = ["y2"]
    proto = written(graph)
    assert [(node.op_type, list(node.input), list(node.output)) for node in proto.graph.node] == [
        ("Relu", ["x"], ["a"]),
        ("Abs", ["a"], ["y"]),
        ("LeakyRelu", ["y"], ["y2"]),
    ]
    assert numpy_helper.to_array(proto.graph.initializer[0]).tolist() == [3, 4]
    assert proto.graph.initializer[0].name == "k"
    assert proto.graph.output[0].type == graph.info.proto.graph.output[0].type
    assert as_text(irstat.load(proto)) == as_text(graph)
    assert len(run(proto, {"x": np.float32([1, 2])})[0]) == 2


def test_inputs_and_outputs_may_be_more_or_fewer():
    graph = read("g (float[2] x, int64[3] z) => (float[2] y) { a = Relu(x) y = Neg(a) }")
    graph.outputs = ["y", "a"]
    graph.inputs = ["x"]
    graph.remove_tensor("z")
    proto = irstat.to_model(graph)
    assert [info.name for info in proto.graph.input] == ["x"]
    assert [info.name for info in proto.graph.output] == ["y", "a"]
    assert proto.graph.output[0].type.tensor_type.shape.dim[0].dim_value == 2
    assert not proto.graph.output[1].HasField("type")


def test_new_nodes():
    body = read("b (float[2] a) => (float[2] r) { r = Neg(a) }")
    attrs = {"i": 3, "f": 0.5, "s": "t", "is": (1, 2), "t": from_array("", np.float32([1])), "g": body}
    node = Node("n", "Odd", "com.example", 1, ("x", ""), ("y",), attrs)
    graph = irstat.load(model("g (float[2] x) => (float[2] y) { y = Relu(x) }", imports='"com.example": 1'))
    graph.replace_nodes([graph.nodes()[0]], [replace(node, bodies=(body,))])
    proto = irstat.to_model(graph).graph.node[0]
    assert (proto.op_type, proto.domain, list(proto.input)) == ("Odd", "com.example", ["x", ""])
    found = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
    assert (found["i"], found["f"], found["s"], found["is"]) == (3, 0.5, b"t", [1, 2])
    assert numpy_helper.to_array(found["t"]).tolist() == [1]
    assert [inner.op_type for inner in found["g"].node] == ["Neg"]
    assert node_message(node).attribute[-1].g.ByteSize() == 0


def test_what_the_file_states_of_removed_tensors_goes_and_the_rest_stays():
    proto = model("g (float[2] x) => (float[2] y) { a = Relu(x) dead = Exp(a) y = Neg(a) }")
    for name in ("a", "dead", "of a function, say"):
        proto.graph.value_info.append(helper.make_tensor_value_info(name, 1, [2]))
    for name in ("unused", "used"):
        sparse = proto.graph.sparse_initializer.add(dims=[4])
        sparse.values.CopyFrom(random_tensor(name, (1,)))
        sparse.indices.CopyFrom(numpy_helper.from_array(np.array([1])))
    proto.graph.node.add(op_type="Add", input=["a", "used"], output=["s"])
    proto.graph.output.add(name="s").type.CopyFrom(proto.graph.output[0].type)
    graph = irstat.load(proto)
    assert canonical(irstat.to_model(graph)) == canonical(proto)
    RemoveDead().run(graph)
    graph = graph.copy()
    new = irstat.to_model(graph)
    assert [info.name for info in new.graph.value_info] == ["a", "of a function, say"]
    assert [sparse.values.name for sparse in new.graph.sparse_initializer] == ["used"]
    graph.set_tensor(Tensor("dead", "float32", (2,), "constant", from_array("", np.float32([1, 2]))))
    assert [info.name for info in irstat.to_model(graph).graph.value_info] == ["a", "dead", "of a function, say"]


def test_a_constant_that_nobody_computed_can_not_be_written():
    graph = read("g (float[2] x) => (float[2] y) { c = Constant<value_floats = [1.0, 2.0]>() y = Add(x, c) }")
    constant = graph.remove_node("Constant_0")
    graph.set_tensor(Tensor(constant.outputs[0], "float32", (2,), "constant"))
    with pytest.raises(ModelError, match="tensor 'c' was folded without computing it; write the graph as it was before"):
        irstat.to_model(graph)


def test_inlined_functions_compute_the_same():
    proto = ModelProto.FromString(with_functions())
    graph = irstat.load(proto)
    InlineFunctions().run(graph)
    new = written(graph)
    assert {node.domain for node in new.graph.node} == {""}
    for condition in (True, False):
        feeds = {**feeds_for(proto), "c": np.array(condition)}
        assert_same_bits(run(proto, feeds), run(new, feeds))


def call(function_opset, op="Relu"):
    graph = read(
        f"""g (float[2] x) => (float[2] y) {{ y = my.f(x) }}
        <domain: "my", opset_import: [{function_opset}]> f (a) => (b) {{ b = {op}(a) }}""",
        imports='"my": 1',
    )
    InlineFunctions().run(graph)
    return graph


def test_operator_sets_of_functions():
    """What a function imports is imported by the model, or has to be the same operator there."""
    assert {entry.domain: entry.version for entry in written(call('"": 20')).opset_import} == {"": 20, "my": 1}
    assert len(written(call('"": 18')).opset_import) == 2  # Relu has not changed since 14
    proto = irstat.to_model(call('"ai.onnx.ml": 3, "": 20', "ai.onnx.ml.Binarizer"))
    assert {entry.domain: entry.version for entry in proto.opset_import} == {"": 20, "my": 1, "ai.onnx.ml": 3}
    with pytest.raises(ModelError, match=r"node 'y?.*' is Relu of opset 13, from a function; the model imports opset 20"):
        irstat.to_model(call('"": 13'))


def test_bodies_that_were_changed_are_written():
    proto = ModelProto.FromString(with_bodies())
    graph = irstat.load(proto)
    result = RemoveIdentity().run(graph)
    assert result.changed == 0  # all of them give outputs of bodies
    loop = graph.nodes()[1]
    branch = loop.bodies[0].nodes()[-1]
    loop.bodies[0].replace_nodes([branch], [replace(branch, inputs=("go2",))])
    loop.bodies[0].set_tensor(Tensor("go2", "bool", (), "activation"))
    loop.bodies[0].add_node(Node("not", "Not", "", 20, ("go",), ("go2",), {}))
    new = written(graph)
    assert [node.op_type for node in new.graph.node[1].attribute[0].g.node] == ["Identity", "Add", "Not", "If"]
    assert proto.SerializeToString() == with_bodies()
