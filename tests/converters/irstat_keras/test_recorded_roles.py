"""What the converter writes beside a weight is what irstat believes, against its own guess."""

from __future__ import annotations

import onnx
import pytest

import irstat
from irstat.tensor import ROLE_KEY

MODEL = """
<ir_version: 10, opset_import: ["": 20]>
net (float[2, 3] x) => (float[2, 4] y)
<float[3, 4] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, float[4] b = {1, 2, 3, 4}>
{
    product = MatMul(x, w)
    y = Add(product, b)
}
"""


@pytest.mark.parametrize(
    ("roles", "params", "buffers"),
    [
        ({}, 16, 0),
        ({"w": "buffer"}, 4, 12),
        ({"w": "parameter", "b": "buffer"}, 12, 4),
        ({"w": "nonsense"}, 16, 0),
    ],
)
def test_a_recorded_role_counts_first(roles: dict[str, str], params: int, buffers: int) -> None:
    model = onnx.parser.parse_model(MODEL)
    for tensor in model.graph.initializer:
        if tensor.name in roles:
            tensor.metadata_props.add(key=ROLE_KEY, value=roles[tensor.name])
    totals = irstat.analyze(model).totals
    assert (totals["params"], totals["buffers"]) == (params, buffers)
