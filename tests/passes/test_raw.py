"""`--raw` and `raw=True`: operators as they are in the file."""

import json

import onnx
import pytest

import irstat
from irstat.cli import main
from tests.support.models import model

SILU = """g (float[N,3] x) => (float[N,3] y) {
    i = Identity(x)  s = Sigmoid(i)  m = Mul(i, s)  c = Constant<value_float = 2.0>()  y = Add(m, c) }"""


@pytest.fixture
def path(tmp_path):
    onnx.save(model(SILU, opset=17), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


@pytest.mark.parametrize(("options", "operators"), [([], ["Swish", "Add"]), (["--raw"], ["Sigmoid", "Mul", "Add"])])
def test_command_line(path, capsys, options, operators):
    """What does no work on data is left out either way."""
    assert main(["analyze", str(path), "--dim", "N=2", "--format", "json", *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [node["op_type"] for node in report["nodes"]] == operators
    assert report["totals"]["flops"] == 6 * 5 + 6


@pytest.mark.parametrize(("options", "peak"), [([], 3 * 4 * 2), (["--raw"], 3 * 4 * 3)])
def test_sweep(path, capsys, options, peak):
    """Live at the peak: x, Sigmoid(x) and their product, or x and the SiLU; 3 numbers of 4 bytes a row."""
    assert main(["analyze", str(path), "--sweep", "N=1:2", "--format", "json", *options]) == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert [point["peak_activation_bytes"] for point in points] == [peak, 2 * peak]


def test_in_python(path):
    assert [row.op_type for row in irstat.analyze(path, raw=True).rows] == ["Sigmoid", "Mul", "Add"]
    assert [str(row.flops) for row in irstat.analyze(path).rows] == ["15*N", "3*N"]
