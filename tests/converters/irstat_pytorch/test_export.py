"""PyTorch models through the converter: what the graph still knows of them, and what is left untouched."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import irstat
from irstat.convert import EXPORTER_KEY, ExportOptions, InputSpec, convert
from irstat.errors import UsageError

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


@pytest.fixture
def network(torch: Any) -> Any:
    """Convolution, batch norm, dropout, activation, residual, pooling, linear; random statistics."""

    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(4, 4, 3, padding=1, bias=False)
            self.norm = torch.nn.BatchNorm2d(4)
            self.act = torch.nn.SiLU()

        def forward(self, x: Any) -> Any:
            return x + self.act(self.norm(self.conv(x)))

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = torch.nn.Conv2d(3, 4, 3, stride=2)
            self.blocks = torch.nn.Sequential(Block(), Block())
            self.dropout = torch.nn.Dropout(0.5)
            self.head = torch.nn.Linear(4, 5)

        def forward(self, x: Any) -> Any:
            return self.head(self.dropout(self.blocks(self.stem(x)).mean((2, 3))))

    torch.manual_seed(0)
    module = Network()
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)
    return module


def export(module: Any, target: Path, **shapes: Any) -> str:
    return convert(module, target, ExportOptions({name: InputSpec(shape) for name, shape in shapes.items()}))


def test_the_model_stays_as_its_author_wrote_it(network: Any, tmp_path: Path) -> None:
    exporter = export(network, tmp_path / "net.onnx", x=(2, 3, 17, 17))
    assert "dynamo exporter, optimize=False" in exporter
    report = irstat.analyze(tmp_path / "net.onnx")
    kinds = Counter(row.op_type for row in report.rows)
    assert kinds["Conv"] == 3
    assert kinds["BatchNormalization"] == 2
    assert not kinds.keys() & {"CastLike", "Expand", "Shape", "Constant", "Identity"}
    by_type = Counter((row.layer, row.layer_type) for row in report.rows)
    assert by_type["blocks.0.conv", "Conv2d"] == 1
    assert by_type["blocks.1.norm", "BatchNorm2d"] == 1
    assert all(row.layer_type for row in report.rows)
    properties = {entry.key: entry.value for entry in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert properties[EXPORTER_KEY] == exporter


def test_each_layer_has_the_parameters_and_macs_of_its_module(network: Any, tmp_path: Path, torch: Any) -> None:
    export(network, tmp_path / "net.onnx", x=(2, 3, 17, 17))
    report = irstat.analyze(tmp_path / "net.onnx")
    sums = {group.name: group.counts for group in report.by_layer()}
    sizes = {"stem": 64, "blocks.0.conv": 64, "blocks.1.conv": 64, "head": 1}
    for name, module in network.named_modules():
        own = sum(tensor.numel() for tensor in module.parameters())
        if name and own:
            assert sums[name]["params"] == own, name
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            assert sums[name]["macs"] == 2 * module.weight.numel() * sizes[name], name
    assert report.totals["buffers"] == 2 * 2 * 4
    assert report.totals["params"] == sum(tensor.numel() for tensor in network.parameters())


def test_outputs_are_those_of_the_module(network: Any, tmp_path: Path, torch: Any) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    x = torch.randn(2, 3, 17, 17)
    export(network, tmp_path / "net.onnx", x=(2, 3, 17, 17))
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    expected = network.eval()(x).detach().numpy()
    (actual,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_the_module_is_left_as_it_was(network: Any, tmp_path: Path, torch: Any) -> None:
    network.train()
    network.blocks[0].eval()
    flags = [module.training for module in network.modules()]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    gradients = [parameter.requires_grad for parameter in network.parameters()]
    export(network, tmp_path / "net.onnx", x=(2, 3, 17, 17))
    assert [module.training for module in network.modules()] == flags
    assert [parameter.requires_grad for parameter in network.parameters()] == gradients
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_names_in_a_shape_leave_sizes_free(network: Any, tmp_path: Path) -> None:
    export(network, tmp_path / "net.onnx", x=("N", 3, 17, 17))
    report = irstat.analyze(tmp_path / "net.onnx")
    assert str(report.totals["macs"]) == f"{64 * (3 * 4 * 9 + 2 * 4 * 4 * 9) + 20}*N"


def test_dropout_is_remembered_where_it_was(network: Any, tmp_path: Path) -> None:
    export(network, tmp_path / "net.onnx", x=(2, 3, 17, 17))
    graph = irstat.load(tmp_path / "net.onnx")
    dropout = [node for node in graph.nodes() if node.layer == "dropout"]
    assert [(node.op_type, node.layer_type) for node in dropout] == [("Identity", "Dropout")]
    report = irstat.analyze(graph)
    assert any(dropout[0].name in row.source for row in report.rows)


def test_what_dynamo_can_not_export_goes_through_torchscript(tmp_path: Path, torch: Any) -> None:
    class Data(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x * 2 if x.sum().item() > 1e9 else x + 1

    exporter = export(Data(), tmp_path / "net.onnx", x=(2, 3))
    assert "TorchScript exporter (dynamo failed: " in exporter
    assert irstat.analyze(tmp_path / "net.onnx").totals["flops"] == 6


def test_an_exported_program_and_its_file(network: Any, tmp_path: Path, torch: Any) -> None:
    program = torch.export.export(network.eval(), (torch.randn(2, 3, 17, 17),))
    convert(program, tmp_path / "program.onnx")
    torch.export.save(program, tmp_path / "net.pt2")
    convert(tmp_path / "net.pt2", tmp_path / "file.onnx")
    totals = [irstat.analyze(tmp_path / name).totals for name in ("program.onnx", "file.onnx")]
    assert totals[0] == totals[1]
    assert totals[0]["macs"] == 2 * (64 * (3 * 4 * 9 + 2 * 4 * 4 * 9) + 20)


def test_analyze_takes_a_module(network: Any) -> None:
    report = irstat.analyze(network, inputs={"x": (2, 3, 17, 17)})
    assert report.totals["macs"] == 2 * (64 * (3 * 4 * 9 + 2 * 4 * 4 * 9) + 20)
    assert report.model.name == "Network"


def test_integer_inputs(torch: Any) -> None:
    embedding = torch.nn.Embedding(10, 4)
    report = irstat.analyze(embedding, inputs={"input": InputSpec((2, 3), "int64")})
    assert report.totals["params"] == 40


def test_inputs_that_do_not_fit_are_errors(network: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"needs the shape of Network.forward\(x\)"):
        convert(network, tmp_path / "net.onnx")
    with pytest.raises(UsageError, match="has no argument 'y'; it has: x"):
        export(network, tmp_path / "net.onnx", y=(1, 3))
    with pytest.raises(UsageError, match="no element type 'float31'"):
        convert(network, tmp_path / "net.onnx", ExportOptions({"x": InputSpec((1, 3, 17, 17), "float31")}))


def test_the_package_imports_no_framework() -> None:
    program = "import sys, irstat_pytorch; irstat_pytorch.CONVERTER.recognises(3); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"


def test_without_torch_the_error_is_the_command_to_type(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    program = (
        "from pathlib import Path; from irstat.convert import convert\n"
        "try: convert(Path('net.pt2'), 'out.onnx')\n"
        "except ImportError as error: print(type(error).__name__, error)"
    )
    environment = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "MissingDependencyError PyTorch models need torch: pip install 'irstat[pytorch]'\n"


def test_a_name_is_one_size_wherever_it_stands(torch: Any) -> None:
    class Masked(torch.nn.Module):
        def forward(self, x: Any, mask: Any) -> Any:
            return x.transpose(1, 2) @ mask

    report = irstat.analyze(Masked().eval(), inputs={"x": (1, "T", 8), "mask": (1, "T", "T")})
    assert str(report.totals["macs"]) == "8*T**2"


def test_inputs_reach_their_arguments_through_torchscript_too(tmp_path: Path, torch: Any) -> None:
    from irstat_pytorch.export import _torchscript, example_inputs, quiet

    class Optional(torch.nn.Module):
        def forward(self, x: Any, mask: Any = None, y: Any = None) -> Any:
            return x + 2 * y if mask is None else x * mask

    options = ExportOptions({"x": InputSpec((2, 4)), "y": InputSpec((1, 4))})
    names, tensors = example_inputs(Optional(), options.inputs)
    with quiet():
        _torchscript(Optional().eval(), tmp_path / "m.onnx", options, names, tensors, "asked for")
    assert [row.op_type for row in irstat.analyze(tmp_path / "m.onnx").rows] == ["Mul", "Add"]
    assert [
        value.name for row in irstat.analyze(tmp_path / "m.onnx").rows for value in row.inputs if value.kind == "input"
    ] == ["y", "x"]
