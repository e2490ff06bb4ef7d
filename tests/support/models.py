"""Small models, written in ONNX text syntax."""

from __future__ import annotations

import onnx
from onnx import ModelProto


def model(text: str, *, opset: int = 20, ir_version: int = 10, imports: str = "") -> ModelProto:
    """A model from the text of its graph.

    Args:
        text: `g (float[1,3,8,8] x) => (float[1,3,8,8] y) { y = Relu(x) }`, with functions behind it if there are any.
        opset: version of ai.onnx.
        ir_version: of the file format.
        imports: more operator sets, `"com.microsoft": 1`.
    """
    more = f", {imports}" if imports else ""
    return onnx.parser.parse_model(f'<ir_version: {ir_version}, opset_import: ["": {opset}{more}]>\n{text}')
