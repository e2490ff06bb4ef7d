import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, TypeProto, ValueInfoProto, helper, numpy_helper

import irstat
from irstat.errors import IrstatError, ModelError, UsageError
from irstat.graph import Graph
from irstat.stated_type import stated_type, type_name
from irstat.tensor_data import TensorData
from irstat.text import as_text
from irstat.wire import length_delimited
from tests.support.files import perceptron, quantized, random_tensor, with_bodies, with_functions, with_weights
from tests.support.models import model

ALL = {"weights": perceptron(), "functions": with_functions(), "bodies": with_bodies(), "quantized": quantized()}


def relu(**changes):
    """The smallest model, with fields changed."""
    proto = model("g (float[2] x) => (float[2] y) { y = Relu(x) }")
    for key, value in changes.items():
        setattr(proto, key, value)
    return proto


# ---- sources


@pytest.mark.parametrize("content", ALL.values(), ids=ALL)
def test_path_bytes_and_message_give_the_same_graph(tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(content)
    (tmp_path / "M.ONNX").write_bytes(content)
    sources = [content, ModelProto.FromString(content), tmp_path / "m.onnx", str(tmp_path / "m.onnx"), tmp_path / "M.ONNX"]
    texts = {as_text(irstat.load(source), names=True) for source in sources}
    assert len(texts) == 1


def test_a_message_is_not_changed_and_its_weights_are_not_copied():
    proto = ModelProto.FromString(perceptron())
    graph = irstat.load(proto)
    irstat.analyze(proto, dims={"N": 2})
    assert proto.SerializeToString() == perceptron()
    assert graph.tensor("w1").data.proto is not None
    proto.graph.initializer[0].raw_data = bytes(4096)
    assert not graph.tensor("w1").data.array().any()


def test_what_is_known_of_the_model(tmp_path):
    proto = relu(producer_name="me", ir_version=9)
    proto.opset_import[0].domain = "ai.onnx"
    proto.opset_import.add(domain="com.example", version=3)
    proto.graph.node[0].domain = "ai.onnx"
    (tmp_path / "net.v2.onnx").write_bytes(proto.SerializeToString())
    graph = irstat.load(tmp_path / "net.v2.onnx")
    assert graph.info.name == "net.v2"
    assert graph.info.path == tmp_path / "net.v2.onnx"
    assert graph.info.opsets == {"": 20, "com.example": 3}
    assert graph.info.proto.producer_name == "me"
    node = graph.nodes()[0]
    assert (node.domain, node.version, node.qualified_type) == ("", 20, "Relu")
    assert irstat.load(proto).info.name == "g"
    proto.graph.name = ""
    assert irstat.load(proto).info.name == "model"


def test_an_operator_of_a_domain_that_is_not_imported_has_version_0():
    proto = relu()
    proto.graph.node[0].domain = "com.example"
    node = irstat.load(proto).nodes()[0]
    assert (node.version, node.qualified_type) == (0, "com.example::Relu")


# ---- tensors


def test_kinds():
    text = """g (float[2] x, float[2] given, float[2] w) => (float[2] y) <float[2] w = {1,2}, float[2] k = {3,4}> {
        a = Add(x, given) b = Add(a, w) y = Add(b, k)
    }"""
    graph = irstat.load(model(text, ir_version=3, opset=9))
    assert graph.inputs == ["x", "given", "w"]
    assert {name: tensor.kind for name, tensor in graph.tensor_by_name.items()} == {
        "x": "input",
        "given": "input",
        "w": "constant",
        "k": "constant",
        "a": "activation",
        "b": "activation",
        "y": "activation",
    }
    assert graph.tensor("w").data.array().tolist() == [1, 2]


def test_weights_are_not_in_memory(tmp_path):
    proto = with_weights(
        "g (float[300] x) => (float[300] y) { y = Add(x, w) }",
        random_tensor("w", (300,)),
        numpy_helper.from_array(np.ones(8), "s"),
    )
    proto.graph.node.add(op_type="Constant", output=["c"]).attribute.append(
        helper.make_attribute("value", random_tensor("", (500,)))
    )
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    graph = irstat.load(tmp_path / "m.onnx")
    constant = graph.nodes()[1].attrs["value"]
    for data, size in ((graph.tensor("w").data, 1200), (constant, 2000)):
        assert not data.is_small
        assert data.header.ByteSize() < 100
        assert len(data.raw_range()) == size
        assert data.raw_range().source.path == tmp_path / "m.onnx"
    assert graph.tensor("s").data.is_small
    assert graph.info.proto.ByteSize() < 1000


def test_small_tensors_are_those_up_to_a_kibibyte():
    for size in range(250, 260):
        proto = with_weights("g (float[1] x) => (float[1] y) { y = Relu(x) }", random_tensor("w", (size,)))
        for source in (proto, proto.SerializeToString()):
            assert irstat.load(source).tensor("w").data.is_small == (size * 4 + 3 <= 1024)  # three bytes of tag and length


def test_sparse_initializers():
    proto = relu()
    sparse = proto.graph.sparse_initializer.add(dims=[1000, 1000])
    sparse.values.CopyFrom(random_tensor("w", (3,)))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([1, 7, 9])))
    tensor = irstat.load(proto).tensor("w")
    assert (tensor.kind, tensor.dtype, tensor.shape, tensor.data) == ("constant", "float32", (1000, 1000), None)
    for dims, problem in (([-1, 5], "negative dim"), ([1 << 40, 1 << 40], "more elements than can exist")):
        sparse.dims[:] = dims
        with pytest.raises(ModelError, match=f"tensor 'w' has .*{problem}|tensor 'w' has a {problem}"):
            irstat.load(proto)


def test_roles_that_exporters_record():
    proto = relu()
    for name, kind in (("w", "PARAMETER"), ("b", "BUFFER"), ("t", "CONSTANT_TENSOR"), ("x", "USER_INPUT")):
        info = proto.graph.value_info.add(name=name)
        info.metadata_props.add(key="pkg.torch.export.graph_signature.InputSpec.kind", value=kind)
        if name != "x":
            proto.graph.initializer.append(random_tensor(name, (2,)))
    graph = irstat.load(proto)
    assert {name: graph.tensor(name).role for name in "wbtx"} == {"w": "parameter", "b": "buffer", "t": None, "x": None}


def info_of(text):
    return model(f"g ({text} x) => (float[2] y) {{ y = Odd(x) }}").graph.input[0]


@pytest.mark.parametrize(
    ("text", "dtype", "shape"),
    [
        ("float[2,N,3]", "float32", (2, "N", 3)),
        ("float[]", "float32", None),
        ("float", "float32", ()),
        ("float[?,2]", "float32", (None, 2)),
        ("float[0,3]", "float32", (0, 3)),
        ("bfloat16[1]", "bfloat16", (1,)),
        ("seq(float[2])", "sequence(float32)", None),
        ("optional(seq(int64))", "optional(sequence(int64))", None),
        ("map(string, float)", "map(string, float32)", None),
        ("sparse_tensor(double[3])", "sparse(float64)", None),
        ("seq(map(int64, float))", "sequence(map(int64, float32))", None),
    ],
)
def test_types_that_files_state(text, dtype, shape):
    info = info_of(text)
    found, dims, proto = stated_type(info)
    assert (found, dims) == (dtype, shape)
    assert (proto is None) == info.type.HasField("tensor_type")


def test_types_that_files_leave_open():
    assert stated_type(ValueInfoProto(name="x")) == (None, None, None)
    assert type_name(TypeProto()) is None
    strange = info_of("float[2]")
    strange.type.tensor_type.elem_type = 99
    with pytest.raises(ModelError, match="'x' has element type 99, which this onnx does not know"):
        stated_type(strange)
    strange.type.tensor_type.elem_type = 0
    assert stated_type(strange) == (None, (2,), None)
    unnamed = info_of("float[2]")
    unnamed.type.tensor_type.shape.dim[0].dim_param = ""
    assert stated_type(unnamed)[1] == (None,)


# ---- nodes


def test_attributes_of_every_kind():
    proto = relu()
    body = helper.make_graph([], "body", [], [helper.make_tensor_value_info("x", 1, [2])])
    sparse = helper.make_sparse_tensor(random_tensor("", (2,)), numpy_helper.from_array(np.array([0, 4])), [9])
    values = {
        "f": 0.5,
        "nan": float("nan"),
        "inf": float("-inf"),
        "i": -(1 << 63),
        "zero": 0,
        "s": "text ü",
        "raw": b"\xff\xfe",
        "empty": "",
        "fs": [0.5, float("inf")],
        "is": [1, -2],
        "ss": ["a", b"\xff"],
        "t": random_tensor("", (2,)),
        "ts": [random_tensor("", (2,)), random_tensor("", (3,))],
        "g": body,
        "gs": [body, body],
        "sp": sparse,
        "sps": [sparse],
        "tp": helper.make_tensor_type_proto(1, [2]),
        "tps": [helper.make_tensor_type_proto(1, [2])],
    }
    node = proto.graph.node[0]
    node.domain = "com.example"
    for key, value in values.items():
        node.attribute.append(helper.make_attribute(key, value))
    node.attribute.append(helper.make_attribute("nothing", [], attr_type=AttributeProto.INTS))
    attrs = irstat.load(proto).nodes()[0].attrs
    assert list(attrs) == [*values, "nothing"]
    assert (attrs["f"], attrs["inf"], attrs["i"], attrs["zero"]) == (0.5, float("-inf"), -(1 << 63), 0)
    assert attrs["nan"] != attrs["nan"]
    assert (attrs["s"], attrs["raw"], attrs["empty"], attrs["nothing"]) == ("text ü", b"\xff\xfe", "", ())
    assert (attrs["fs"], attrs["is"], attrs["ss"]) == ((0.5, float("inf")), (1, -2), ("a", b"\xff"))
    assert isinstance(attrs["t"], TensorData)
    assert [data.shape for data in attrs["ts"]] == [(2,), (3,)]
    assert isinstance(attrs["g"], Graph)
    assert [graph.name for graph in attrs["gs"]] == ["body", "body"]
    assert irstat.load(proto).nodes()[0].bodies[0].outputs == ["x"]
    assert len(irstat.load(proto).nodes()[0].bodies) == 3
    assert attrs["tp"].tensor_type.elem_type == 1
    assert attrs["sp"].sparse_tensor.dims == [9]
    assert irstat.to_model(irstat.load(proto)) == proto


def branch(proto):
    """An If around the smallest model's graph."""
    outer = model(
        """g (float[2] x, bool c) => (float[2] y) { y = If(c) <
            then_branch = t () => (float[2] p) { p = Neg(x) }, else_branch = e () => (float[2] p) { p = Abs(x) }> }"""
    )
    body = outer.graph.node[0].attribute[0].g
    body.CopyFrom(proto.graph)
    del body.input[:]
    return outer


def changed(change):
    proto = relu()
    change(proto.graph)
    return proto


def attribute(**fields):
    def change(graph):
        graph.node[0].attribute.add(name="a", **fields)

    return change


def double_output(graph):
    graph.node.add(op_type="Exp", name="second", input=["x"], output=["y"])


def double_initializer(graph):
    graph.initializer.extend([random_tensor("w", (2,)), random_tensor("w", (2,))])


def double_attribute(graph):
    graph.node[0].attribute.add(name="a", type=2, i=1)
    graph.node[0].attribute.add(name="a", type=2, i=2)


BROKEN = {
    "missing input": (lambda g: g.node[0].input.__setitem__(0, "nowhere"), r"node number 0 \(Relu, unnamed\) reads 'nowhere'"),
    "missing output": (lambda g: g.output.add(name="nowhere"), "output 'nowhere' is computed by no node"),
    "unnamed output": (lambda g: g.output.add(), "output '' is computed by no node"),
    "two producers": (double_output, r"tensor 'y' has two producers; the second is node 'second' \(Exp\)"),
    "one node, one name twice": (lambda g: g.node[0].output.append("y"), "tensor 'y' has two producers"),
    "input computed": (lambda g: g.node.add(op_type="Exp", input=["y"], output=["x"]), "'x' has two producers|branch"),
    "initializer computed": (lambda g: g.initializer.append(random_tensor("y", (2,))), "tensor 'y' has two producers"),
    "two initializers": (double_initializer, "two initializers are named 'w'"),
    "unnamed initializer": (lambda g: g.initializer.append(random_tensor("", (2,))), "an initializer has no name"),
    "negative dim": (lambda g: g.value_info.add().CopyFrom(info_of_dims("y", [-5])), "'y' has a negative dim: -5"),
    "dims too large": (lambda g: g.value_info.add().CopyFrom(info_of_dims("y", [1 << 40] * 2)), "more elements than can exist"),
    "dims far too large": (lambda g: g.value_info.add().CopyFrom(info_of_dims("y", [1 << 62] * 9999)), "more elements"),
    "attribute without a type": (attribute(i=3), "attribute 'a' of node 'Relu' has no type"),
    "attribute of a function": (attribute(type=2, ref_attr_name="b"), "refers to the attribute 'b' of a function"),
    "attribute twice": (double_attribute, "node 'Relu' has two attributes of one name"),
    "If without branches": (lambda g: setattr(g.node[0], "op_type", "If"), "'If_0' .If. has no graph 'then_branch'"),
    "Loop without a body": (lambda g: setattr(g.node[0], "op_type", "Loop"), "'Loop_0' .Loop. has no graph 'body'"),
}


def info_of_dims(name, dims):
    return helper.make_tensor_value_info(name, 1, dims)


@pytest.mark.parametrize(("change", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_graph_that_contradicts_itself_is_refused(change, problem):
    proto = changed(change)
    for source in (proto, proto.SerializeToString()):
        with pytest.raises(ModelError, match=problem):
            irstat.load(source)


@pytest.mark.parametrize("case", [name for name in BROKEN if name != "input computed"])
def test_so_is_a_body_and_the_message_says_where(case):
    change, problem = BROKEN[case]
    with pytest.raises(ModelError, match=problem) as raised:
        irstat.load(branch(changed(change)))
    stated = "dim" in case or "initializers" in case  # found before the nodes are looked at
    assert "in then_branch of node 'If'" in str(raised.value) or stated


def two_inputs():
    proto = relu()
    proto.graph.input.append(proto.graph.input[0])
    return proto


def unnamed_input():
    proto = relu()
    proto.graph.input.add()
    return proto


@pytest.mark.parametrize(
    ("proto", "problem"),
    [
        (relu(ir_version=2), "IR version 2; irstat reads ONNX from IR version 3 on"),
        (ModelProto(ir_version=8), "has no graph"),
        (ModelProto(ir_version=8, graph=GraphProto()), "opset_import is empty"),
        (model("g (float[2] x) => (float[2] y) { y = Relu(x) }", opset=999), "opset 999 of ai.onnx; onnx .* knows 1 to"),
        (model("g (float[2] x) => (float[2] y) { y = Relu(x) }", opset=0), "opset 0 of ai.onnx"),
        (model("g (float[2] x) => (float[2] y) { y = Relu(x) }", imports='"my": 9000000000'), "opset 9000000000 of my"),
        (two_inputs(), "two inputs are named 'x'"),
        (unnamed_input(), "an input has no name"),
    ],
)
def test_a_model_that_is_none_is_refused(proto, problem):
    for source in (proto, proto.SerializeToString()):
        with pytest.raises(ModelError, match=problem):
            irstat.load(source)


def test_the_newest_opset_is_read():
    newest = onnx.defs.onnx_opset_version()
    graph = irstat.load(model("g (float[2] x) => (float[2] y) { y = Relu(x) }", opset=newest))
    assert graph.nodes()[0].version == newest


TEXTS = {
    "tensor": "name1",
    "input": "input",
    "node": "node1",
    "operator": "Operator",
    "domain": "com.domain",
    "attribute": "attr1",
    "graph": "graph1",
    "producer": "producer",
    "size": "SIZE",
    "function": "function1",
    "initializer": "init1",
    "opset": "com.opset",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_names_that_are_no_utf8_are_refused(text):
    proto = model(
        """graph1 (float[SIZE] input) => (float[2] y) <float[1] init1 = {1}> {
            [node1] name1 = com.domain.Operator <attr1 = 1> (input)
            y = com.domain.function1(name1)
        }
        <domain: "com.domain", opset_import: ["": 20]> function1 (a) => (b) { b = Relu(a) }""",
        imports='"com.domain": 1, "com.opset": 2',
    )
    proto.producer_name = "producer"
    content = proto.SerializeToString()
    irstat.analyze(content)
    broken = content.replace(text.encode(), text[:-1].encode() + b"\xff")
    assert broken != content
    for source in (broken, ModelProto.FromString(broken)):
        with pytest.raises(ModelError, match=r"UTF-8|'utf-8'"):
            irstat.analyze(source)


def nested(depth):
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["p"])], "inner", [], [helper.make_tensor_value_info("p", 1, [2])]
    )
    for _ in range(depth):
        node = helper.make_node("If", ["c"], ["p"], then_branch=graph, else_branch=graph)
        graph = GraphProto(name="g", node=[node], output=[helper.make_tensor_value_info("p", 1, [2])])
    graph.input.extend([helper.make_tensor_value_info("x", 1, [2]), helper.make_tensor_value_info("c", 9, [])])
    return graph


def test_bodies_in_bodies():
    graph = irstat.load(helper.make_model(nested(8), opset_imports=[helper.make_opsetid("", 18)]))
    depth = 0
    while graph.nodes()[0].bodies:
        assert set(graph.nodes()[0].captures) == {"x", "c"} if depth < 7 else {"x"}
        graph = graph.nodes()[0].bodies[0]
        depth += 1
    assert depth == 8


@pytest.mark.parametrize("depth", [30, 34, 60, 400])
def test_bodies_nested_deeper_than_protobuf_allows(depth):
    proto = relu()
    graph = proto.graph
    for _ in range(depth):
        node = graph.node.add(op_type="Odd", domain="com.example")
        graph = node.attribute.add(name="body", type=AttributeProto.GRAPH).g
        graph.name = "inner"
    if depth == 30:
        assert irstat.to_model(irstat.load(proto)) == proto
        return
    with pytest.raises(ModelError, match=r"not an ONNX model: .*MaxDepth"):
        irstat.load(proto)
    message = proto.graph.SerializeToString() if depth < 34 else nested_bytes(depth)
    with pytest.raises(ModelError, match=r"MaxDepth|nests messages more than 100 deep"):
        irstat.load(ModelProto(ir_version=8).SerializeToString() + length_delimited(7, len(message)) + message)


def nested_bytes(depth):
    graph = GraphProto(name="inner", doc_string="x" * 1100).SerializeToString()
    for _ in range(depth):
        attribute = length_delimited(6, len(graph)) + graph
        node = length_delimited(5, len(attribute)) + attribute
        graph = length_delimited(1, len(node)) + node
    return graph


# ---- files


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html>", "not an ONNX model but HTML or XML"),
        (b"\xef\xbb\xbf\r\n  <html>", "not an ONNX model but HTML or XML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"PK\x03\x04rest", "a zip file"),
        (perceptron()[:-100], "cut short|not an ONNX model"),
        (perceptron()[:1000], "cut short"),
        (b"\x08\x08", "it has no graph"),
        (b"not a model, just text", "not an ONNX model"),
        (bytes(100), "not an ONNX model"),
    ],
)
def test_files_that_are_no_models(tmp_path, content, problem):
    path = write(tmp_path, "m.onnx", content)
    with pytest.raises(ModelError, match=f"^{path}: .*({problem})"):
        irstat.load(path)


@pytest.mark.parametrize("name", ["m.pt", "m.onnx.data", "m", ".onnx", "m.onnx.txt"])
def test_files_of_other_names(tmp_path, name):
    with pytest.raises(UsageError, match=r"irstat reads ONNX models from files that end in \.onnx"):
        irstat.load(write(tmp_path, name, perceptron()))


def test_what_is_no_file(tmp_path):
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(UsageError, match=r"folder\.onnx: a folder"):
        irstat.load(tmp_path / "folder.onnx")
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(UsageError, match=r"pipe\.onnx: no plain file"):
        irstat.load(tmp_path / "pipe.onnx")  # and does not wait for a writer
    (tmp_path / "device.onnx").symlink_to("/dev/zero")
    with pytest.raises(UsageError, match=r"device\.onnx: no plain file"):
        irstat.load(tmp_path / "device.onnx")


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("nothing.onnx", "nothing.onnx: no such file"),
        ("nowhere/m.onnx", "nowhere/m.onnx: no such file"),
        ("m.onnx/m.onnx", "m.onnx/m.onnx: Not a directory"),
        ("dangling.onnx", "no such file"),
        ("loop.onnx", "Too many levels of symbolic links"),
        ("x" * 300 + ".onnx", "File name too long"),
        ("nul\0.onnx", "is no path"),
    ],
)
def test_paths_that_lead_nowhere(tmp_path, path, problem):
    write(tmp_path, "m.onnx", perceptron())
    (tmp_path / "dangling.onnx").symlink_to("nothing")
    (tmp_path / "loop.onnx").symlink_to("loop.onnx")
    with pytest.raises(UsageError, match=problem):
        irstat.load(tmp_path / path)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = write(tmp_path, "m.onnx", perceptron())

    def refuse(self, *arguments):
        raise PermissionError(13, "Permission denied", str(self))

    for method in ("open", "stat"):
        with monkeypatch.context() as patched:
            patched.setattr(Path, method, refuse)  # root may read everything
            with pytest.raises(UsageError, match=r"m\.onnx: Permission denied"):
                irstat.load(path)


def test_every_error_of_loading_is_one_of_irstat():
    for error in (ModelError, UsageError):
        assert issubclass(error, IrstatError)
        assert issubclass(error, ValueError)


def test_a_tensor_of_another_model_is_refused():
    other = irstat.load(with_weights("g (float[1] x) => (float[1] y) { y = Relu(x) }", random_tensor("w", (500,))))
    proto = relu()
    proto.graph.initializer.append(other.tensor("w").data.header)  # without values: a token
    proto.graph.initializer.append(TensorProto(name="big", dims=[300], data_type=1, raw_data=bytes(1200)))
    with pytest.raises(ModelError, match=r"belongs to another model|the file holds 24"):
        irstat.load(proto)
