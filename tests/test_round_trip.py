"""Reading and writing without a pass in between gives the same model."""

import io
import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

import irstat
from irstat.text import as_text
from tests.support.conformance import conformance_cases
from tests.support.files import (
    assert_same_bits,
    beside,
    canonical,
    feeds_for,
    perceptron,
    quantized,
    random_tensor,
    run,
    with_bodies,
    with_functions,
    with_weights,
)
from tests.support.models import model

SMALL = {"weights": perceptron(), "functions": with_functions(), "bodies": with_bodies(), "quantized": quantized()}

UNKNOWN = b"\xf2\x3f\x07unknown\xf8\x3f\x05"
"""Two fields that no version of ONNX has."""


def everything() -> ModelProto:
    """A model that uses all of the format, most of which irstat does not look at."""
    proto = with_weights(
        """g (float[2,300] x, float[300] w) => (float[2,300] y) { [n] a = Mul(x, w) b = Add(a, v) y = my.f<alpha = 0.5>(b) }
        <domain: "my", opset_import: ["": 18], doc_string: "of a function"> f <alpha> (p) => (q) {
            c = Constant <value = float[1] {2}> ()  s = Add(p, c)  q = LeakyRelu<alpha: float = @alpha>(s)
        }""",
        random_tensor("v", (300,)),
        random_tensor("w", (300,)),
        helper.make_tensor("typed", TensorProto.FLOAT, [400], [0.25] * 400),
        helper.make_tensor("texts", TensorProto.STRING, [200], [f"text {i}" for i in range(200)]),
        opset=18,
        imports='"my": 1, "com.example": 7',
    )
    proto.producer_name, proto.producer_version, proto.domain = "me", "1.2", "com.example"
    proto.model_version, proto.doc_string = 42, "of the model\nwith lines"
    for message in (
        proto,
        proto.graph,
        proto.graph.node[0],
        proto.graph.input[0],
        proto.graph.initializer[0],
        proto.functions[0],
    ):
        message.metadata_props.add(key="author", value="me ü")
        message.metadata_props.add(key="", value="")
    graph = proto.graph
    graph.doc_string, graph.node[0].doc_string, graph.initializer[0].doc_string = "of a graph", "of a node", "of a tensor"
    graph.input[0].type.denotation = "IMAGE"
    graph.input[0].type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    annotation = graph.quantization_annotation.add(tensor_name="a")
    annotation.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="v")
    graph.value_info.append(helper.make_tensor_value_info("a", 1, [2, 300]))
    graph.value_info.append(helper.make_tensor_value_info("stale", 1, [2, 300]))
    for size in (2, 400):
        sparse = graph.sparse_initializer.add(dims=[10_000])
        sparse.values.CopyFrom(random_tensor(f"sparse{size}", (size,)))
        sparse.indices.CopyFrom(numpy_helper.from_array(np.arange(size)))
    training = proto.training_info.add()
    training.initialization.name = training.algorithm.name = "t"
    training.algorithm.node.add(op_type="Odd", domain="com.example")
    training.algorithm.initializer.append(random_tensor("t", (300,)))
    training.update_binding.add(key="v", value="t")
    node = graph.node.add(op_type="Odd", domain="com.example", output=["odd"], overload="o")
    node.attribute.append(helper.make_attribute("big", random_tensor("", (500,)), "of an attribute"))
    node.attribute.append(helper.make_attribute("sp", graph.sparse_initializer[1]))
    for message in (
        proto,
        graph,
        node,
        node.attribute[0],
        graph.input[0],
        graph.input[0].type.tensor_type,
        graph.initializer[0],
        graph.initializer[2],
        graph.initializer[3],
        proto.functions[0],
        training,
    ):
        message.MergeFromString(UNKNOWN)
    return proto


def assert_same(content, graph):
    assert canonical(irstat.to_model(graph)) == canonical(ModelProto.FromString(content))


@pytest.mark.parametrize("content", SMALL.values(), ids=SMALL)
def test_path_bytes_and_message(tmp_path, content):
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    for source in (path, content, ModelProto.FromString(content)):
        graph = irstat.load(source)
        assert_same(content, graph)
        assert_same(content, graph.copy())
        irstat.save(graph, tmp_path / "again.onnx")
        assert (tmp_path / "again.onnx").read_bytes() == content


def test_what_irstat_does_not_understand_is_kept(tmp_path):
    proto = everything()
    content = proto.SerializeToString()
    assert content.count(UNKNOWN) == 11
    assert_same(content, irstat.load(content))
    assert_same(content, irstat.load(proto))
    (tmp_path / "m.onnx").write_bytes(content)
    irstat.save(irstat.load(tmp_path / "m.onnx"), tmp_path / "again.onnx")
    again = (tmp_path / "again.onnx").read_bytes()
    assert canonical(ModelProto.FromString(again)) == canonical(proto)
    assert again.count(UNKNOWN) == 11
    irstat.save(irstat.load(content), tmp_path / "beside.onnx", "beside")
    moved = onnx.load(tmp_path / "beside.onnx")
    for tensor in moved.graph.initializer:
        tensor.ClearField("data_location")
    kept = ModelProto.FromString(content)
    kept.graph.initializer[2].CopyFrom(moved.graph.initializer[2])  # beside, data is raw
    assert numpy_helper.to_array(moved.graph.initializer[2]).tolist() == [0.25] * 400
    assert canonical(moved) == canonical(kept)


def test_it_stays_the_same_however_often():
    content = everything().SerializeToString()
    once = irstat.to_model(irstat.load(content))
    assert canonical(irstat.to_model(irstat.load(once))) == canonical(once)


def test_a_copy_of_another_order_is_the_same_model():
    """Fields in another order than protobuf writes them: same content."""
    tensor = TensorProto.FromString(random_tensor("w", (300,)).SerializeToString())
    fields = [TensorProto(raw_data=tensor.raw_data), TensorProto(dims=[300]), TensorProto(name="w", data_type=1)]
    body = b"".join(part.SerializeToString() for part in fields)
    graph = b"".join((bytes([5 << 3 | 2]), bytes([len(body) & 0x7F | 0x80, len(body) >> 7]), body))
    small = model("g (float[300] x) => (float[300] y) { y = Add(x, w) }", imports="")
    rest = small.graph.SerializeToString()
    graph = graph + rest
    header = ModelProto(ir_version=10, opset_import=small.opset_import).SerializeToString()
    length = len(graph)
    content = bytes([7 << 3 | 2, length & 0x7F | 0x80, length >> 7]) + graph + header
    assert_same(content, irstat.load(content))


# ---- conformance models


CHUNKS = 6
together = pytest.mark.xdist_group("conformance")  # one process generates the models


@together
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_conformance_models_are_written_as_they_were(chunk):
    seen = 0
    for case in list(conformance_cases().values())[chunk::CHUNKS]:
        content = case.model.SerializeToString()
        graph = irstat.load(content)
        assert canonical(irstat.to_model(graph)) == canonical(case.model), case.name
        assert canonical(irstat.to_model(irstat.load(case.model))) == canonical(case.model), case.name
        assert as_text(graph.copy()) == as_text(graph), case.name
        seen += 1
    assert seen > 1500 / CHUNKS


@together
def test_conformance_models_pass_the_checker_as_they_did():
    passed = 0
    for case in list(conformance_cases().values())[::5]:
        try:
            onnx.checker.check_model(case.model)
        except onnx.checker.ValidationError:
            continue
        onnx.checker.check_model(irstat.to_model(irstat.load(case.model)))
        passed += 1
    assert passed > 300


def outputs(proto, feeds):
    """What onnxruntime computes; None if it can't run the model."""
    import onnxruntime.capi.onnxruntime_pybind11_state as runtime

    try:
        return run(proto, feeds)
    except (runtime.Fail, runtime.InvalidGraph, runtime.NotImplemented, runtime.InvalidArgument, runtime.RuntimeException):
        return None


def feeds_of(case):
    """The case's own inputs; None where onnxruntime can't be given them as arrays."""
    given = case.data_sets[0][0]
    names = [info.name for info in case.model.graph.input]
    if len(names) != len(given) or not all(isinstance(value, np.ndarray) and value.dtype.kind in "biufUO" for value in given):
        return None
    return dict(zip(names, given, strict=True))


RANDOM = ("bernoulli", "dropout", "multinomial", "random")


@together
def test_onnxruntime_computes_the_same():
    compared = 0
    for case in list(conformance_cases().values())[::9]:
        feeds = feeds_of(case)
        if feeds is None or any(word in case.name for word in RANDOM):
            continue
        expected = outputs(case.model, feeds)
        if expected is None:
            continue
        assert_same_bits(run(irstat.to_model(irstat.load(case.model.SerializeToString())), feeds), expected)
        compared += 1
    assert compared > 100


@pytest.mark.parametrize("name", ["weights", "functions", "bodies", "quantized"])
def test_onnxruntime_computes_the_same_from_files(tmp_path, name):
    proto = ModelProto.FromString(SMALL[name])
    feeds = feeds_for(proto)
    feeds.update({key: np.array(value) for key, value in {"n": 3, "c": True}.items() if key in feeds})
    expected = run(proto, feeds)
    irstat.save(irstat.load(beside(tmp_path, SMALL[name])), tmp_path / "inside.onnx")
    assert_same_bits(run(tmp_path / "inside.onnx", feeds), expected)
    irstat.save(irstat.load(SMALL[name]), tmp_path / "beside.onnx", "beside")
    assert_same_bits(run(tmp_path / "beside.onnx", feeds), expected)


# ---- real exports


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    return torch


def networks(torch):
    nn = torch.nn
    convolutional = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(32)
            self.query, self.key, self.value = nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 32)
            self.feed_forward = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))

        def forward(self, x):
            y = self.norm(x)
            scores = self.query(y) @ self.key(y).transpose(1, 2) / 32**0.5
            x = x + torch.softmax(scores, -1) @ self.value(y)
            return x + self.feed_forward(x)

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(50, 16)
            self.rnn = nn.LSTM(16, 24, batch_first=True)
            self.head = nn.Linear(24, 5)

        def forward(self, x):
            return self.head(self.rnn(self.embedding(x))[0][:, -1])

    return {
        "convolutional": (convolutional.eval(), (torch.randn(2, 3, 16, 16),)),
        "transformer": (Attention().eval(), (torch.randn(2, 7, 32),)),
        "recurrent": (Recurrent().eval(), (torch.randint(0, 50, (2, 6)),)),
    }


def exported(torch, network, arguments, dynamo, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, arguments, str(path), dynamo=dynamo, verbose=False, external_data=False)
    return path


@pytest.mark.frameworks
@pytest.mark.parametrize("name", ["convolutional", "transformer", "recurrent"])
@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
def test_exports_of_torch(torch, tmp_path, name, dynamo, capsys):
    network, arguments = networks(torch)[name]
    path = exported(torch, network, arguments, dynamo, tmp_path / "m.onnx")
    original = onnx.load(path)
    graph = irstat.load(path)
    irstat.save(graph, tmp_path / "again.onnx")
    irstat.save(graph, tmp_path / "beside.onnx", "beside")
    again = onnx.load(tmp_path / "again.onnx")
    assert canonical(again) == canonical(original)
    onnx.checker.check_model(again, full_check=True)
    onnx.checker.check_model(str(tmp_path / "beside.onnx"))
    feeds = {info.name: value.numpy() for info, value in zip(original.graph.input, arguments, strict=True)}
    expected = run(path, feeds)
    assert math.isfinite(float(np.sum(expected[0])))
    for written in ("again.onnx", "beside.onnx"):
        assert_same_bits(run(tmp_path / written, feeds), expected)
    layers = {node.layer for node in graph.nodes()}
    parts = {"convolutional": "4.0", "transformer": "feed_forward.0", "recurrent": "rnn"}
    assert parts[name] in layers, layers


@pytest.mark.frameworks
def test_exports_with_external_data(torch, tmp_path):
    network, arguments = networks(torch)["transformer"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(network, arguments, dynamo=True, verbose=False)
    program.save(str(tmp_path / "m.onnx"), external_data=True)
    graph = irstat.load(tmp_path / "m.onnx")
    assert any(tensor.data is not None and tensor.data.external is not None for tensor in graph.tensors())
    irstat.save(graph, tmp_path / "again.onnx")
    feeds = {onnx.load(tmp_path / "again.onnx").graph.input[0].name: arguments[0].numpy()}
    assert_same_bits(run(tmp_path / "again.onnx", feeds), run(tmp_path / "m.onnx", feeds))


def test_a_model_piped_through_a_process(tmp_path):
    """Another process writes the same bytes: nothing depends on the token of this one."""
    (tmp_path / "m.onnx").write_bytes(everything().SerializeToString())
    code = "import sys, irstat; irstat.save(irstat.load(sys.argv[1]), sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, "m.onnx", "again.onnx"], cwd=tmp_path, check=True, env=environment())
    here = io.BytesIO(irstat.to_model(irstat.load(tmp_path / "m.onnx")).SerializeToString(deterministic=True)).getvalue()
    assert canonical(ModelProto.FromString((tmp_path / "again.onnx").read_bytes())) == here


def environment():
    import os

    root = str(Path(irstat.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": root}
