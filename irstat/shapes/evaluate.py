"""Values of small constant tensors, so that shape arithmetic becomes shapes.

Exporters write sizes as graphs of tiny integer tensors (Shape, Gather, Concat …). Such a node is run by
`onnx.reference`, the ONNX project's own executable specification, and only if it is on the list below and its result is
known to be small *before* it runs: a model file decides neither what is executed nor how much memory that takes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from irstat.graph import Node

MAX_ELEMENTS = 1 << 14
"""Tensors of more elements are never evaluated."""

EVALUATED = frozenset(
    (
        "Abs Add And ArgMax ArgMin Cast CastLike Ceil Clip Concat ConstantOfShape Cos CumSum Div Equal Exp Expand"
        " EyeLike Flatten Floor Gather GatherElements GatherND Greater GreaterOrEqual Identity Less LessOrEqual Log Max"
        " Min Mod Mul Neg Not OneHot Or Pad Pow Range Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum"
        " Relu Reshape Round ScatterElements ScatterND Shape Sign Sin Size Slice Split Sqrt Squeeze Sub Sum Tile TopK"
        " Transpose Trilu Unsqueeze Where Xor"
    ).split()
)
"""Operators of ai.onnx whose result size is known before they run."""

BOUNDED_BY_INPUT = frozenset({"NonZero", "Compress", "Unique"})
"""Operators of ai.onnx whose result is of unknown size, but never much larger than their first input."""


class Evaluator:
    """Runs single nodes, remembering results: exporters repeat the same arithmetic in every block."""

    def __init__(self) -> None:
        self._results: dict[Any, tuple[np.ndarray, ...] | None] = {}
        self._programs: dict[Any, Any] = {}

    def run(self, node: Node, key: Any, values: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...] | None:
        """The node's outputs, or None if the node can't be evaluated.

        Args:
            node: an ai.onnx operator on the lists above.
            key: hashable; equal for nodes that compute the same function; None if there is no such key.
            values: one array an input, None for an input left out.
        """
        if node.op_type == "GatherElements" and not _inside(node, values):
            return None
        result_key = (key, tuple(None if v is None else (v.dtype.str, v.shape, v.tobytes()) for v in values))
        if key is None or result_key not in self._results:
            try:
                with warnings.catch_warnings(), np.errstate(all="ignore"):
                    warnings.simplefilter("ignore")
                    program = self._program(node, key)
                    feeds = {f"i{slot}": value for slot, value in enumerate(values) if value is not None}
                    result = tuple(np.asarray(value) for value in program.run(None, feeds, {}))
            except Exception:  # noqa: BLE001 # a model that asks for the impossible: its shape stays unknown, with a reason
                result = None
            if key is None:
                return result
            self._results[result_key] = result
        return self._results[result_key]

    def _program(self, node: Node, key: Any) -> Any:
        from onnx.reference import ReferenceEvaluator

        slots = tuple(bool(name) for name in node.inputs)
        program = self._programs.get((key, slots)) if key is not None else None
        if program is None:
            proto = NodeProto()
            if node.proto is not None:
                proto.attribute.extend(node.proto.attribute)
            proto.op_type = node.op_type
            proto.input.extend(f"i{slot}" if used else "" for slot, used in enumerate(slots))
            proto.output.extend(f"o{slot}" for slot in range(len(node.outputs)))
            function = helper.make_function(
                "irstat",
                "evaluate",
                [name for name in proto.input if name],
                list(proto.output),
                [proto],
                [helper.make_opsetid("", node.version)],
            )
            program = ReferenceEvaluator(function)
            if key is not None:
                self._programs[key, slots] = program
        return program


def _inside(node: Node, values: Sequence[np.ndarray | None]) -> bool:
    """Whether all indices are; onnx.reference adds the dim to one that isn't until it is."""
    data, indices = values[0], values[1]
    axis = node.attrs.get("axis", 0)
    if data is None or indices is None or not -data.ndim <= axis < data.ndim:
        return False
    return bool(np.all((indices >= -data.shape[axis]) & (indices < data.shape[axis])))


def worth_evaluating(node: Node) -> bool:
    """Whether the operator is on one of the lists."""
    return not node.domain and (node.op_type in EVALUATED or node.op_type in BOUNDED_BY_INPUT)
