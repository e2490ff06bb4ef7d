"""From markers to ONNX: what tf2onnx calls for each marker operator, and what each kind becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tf2onnx import tf_utils, utils

from irstat_keras.markers import OPERATOR, Marker, Markers

Shape = Sequence[int]
"""Sizes; -1 for an unknown one, as tf2onnx has it."""


@dataclass(frozen=True, slots=True)
class Site:
    """One marker in tf2onnx's graph, which is being replaced."""

    graph: Any
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    marker: Marker

    def __getitem__(self, attribute: str) -> Any:
        return self.marker.attributes[attribute]

    def dtype(self, output: int = 0) -> int:
        """Element type of an output in ONNX's numbering."""
        return int(tf_utils.map_tf_dtype(self.marker.outputs[output][0]))

    def shape(self, output: int = 0) -> list[int] | None:
        """Sizes of an output, -1 for an unknown one; None where the rank is unknown."""
        shape = self.marker.outputs[output][1]
        return None if shape is None else [-1 if size is None else int(size) for size in shape]

    def rank(self, output: int = 0) -> int:
        """Number of dimensions of an output."""
        return len(self.shape(output) or ())

    def node(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: Sequence[str] | None = None,
        count: int = 1,
        shape: Shape | None = None,
        **attributes: Any,
    ) -> str:
        """Add a node under the marker's name; gives its first output.

        Args:
            operator: of ai.onnx.
            inputs: tensors.
            outputs: names for what it computes; None to make some up.
            count: how many outputs, where no names are given.
            shape: of the first output, where it is known.
            attributes: of the operator.
        """
        name = utils.make_name(f"{self.name}/{operator}")
        names = list(outputs) if outputs is not None else [f"{name}:{index}" for index in range(count)]
        made = self.graph.make_node(
            operator, list(inputs), attr=attributes, outputs=names, name=name, infer_shape_dtype=False, skip_conversion=True
        )
        for output in made.output:
            if output:
                self.graph.set_dtype(output, self.dtype())
        if shape is not None:
            self.graph.set_shape(made.output[0], list(shape))
        return str(made.output[0])

    def result(self, operator: str, inputs: Sequence[str], output: int = 0, **attributes: Any) -> None:
        """Add the node that computes one of the marker's outputs."""
        self.node(operator, inputs, [self.outputs[output]], shape=self.shape(output), **attributes)

    def constant(self, value: np.ndarray) -> str:
        """Add a constant; gives its name."""
        return str(self.graph.make_const(utils.make_name(f"{self.name}/constant"), value).output[0])

    def integers(self, *values: int) -> str:
        """Add a list of integers; gives its name."""
        return self.constant(np.array(values, np.int64))

    def transposed(self, tensor: str, permutation: Sequence[int], shape: Shape | None = None) -> str:
        """The tensor with its axes in another order; `shape` is what it had before."""
        if list(permutation) == sorted(permutation):
            return tensor
        after = None if shape is None else [shape[axis] for axis in permutation]
        return self.node("Transpose", [tensor], shape=after, perm=list(permutation))

    def filled(self, size: int, value: float) -> str:
        """A list of one number repeated, computed rather than stored: it is none of the model's weights."""
        from onnx import numpy_helper

        kind = utils.map_onnx_to_numpy_type(self.dtype())
        return self.node("ConstantOfShape", [self.integers(size)], value=numpy_helper.from_array(np.array([value], kind)))


Handler = Callable[[Site], None]


def custom_op_handlers(markers: Markers, handlers: Mapping[str, Handler]) -> dict[str, Any]:
    """What tf2onnx wants for the marker operator, and for one that it converts in a roundabout way."""

    def convert(graph: Any, node: Any, name: str, arguments: Any) -> None:
        marker = markers.find(node.get_attr_value("token"))
        if marker is None:
            return
        site = Site(graph, node.name, tuple(node.input), tuple(node.output), marker)
        graph.remove_node(node.name)
        handlers[marker.kind](site)

    return {OPERATOR: (convert, []), "SelectV2": (_where, [])}


def _where(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """tf2onnx would make two products and a sum of it."""
    node.type = "Where"
