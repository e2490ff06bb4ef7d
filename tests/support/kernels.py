"""Small models as kernels: what is predicted, and what onnxruntime makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import ModelProto, numpy_helper

import irstat
from irstat.analyze import Point
from irstat.onnx_reader import load
from irstat.prediction.fusion import Group, groups
from irstat.prediction.layout import reorders
from irstat.prediction.samples import names_in_file, normalized
from tests.support.models import model

Names = list[tuple[str, ...]]


def with_weights(text: str, shapes: Mapping[str, Sequence[int]]) -> ModelProto:
    """A model with stored random tensors of given shapes, from 0.5 to 1.5."""
    made, random = model(text), np.random.default_rng(0)
    for name, shape in shapes.items():
        array = np.asarray(random.random(tuple(shape)) + 0.5, np.float32)
        made.graph.initializer.append(numpy_helper.from_array(array, name))
    return made


def seen(made: ModelProto) -> Point:
    """The model as prediction sees it."""
    return normalized(load(made.SerializeToString()))


def predicted(made: ModelProto, block: int = 16) -> list[Group]:
    """Kernels, in order."""
    return groups(seen(made).graph, block)


def named(found: Sequence[Group]) -> Names:
    """Names of the nodes of each group, sorted."""
    return sorted(tuple(sorted(name for node in group.members for name in names_in_file(node))) for group in found)


def predicted_reorders(made: ModelProto, block: int = 16) -> list[tuple[str, str]]:
    """(direction, tensor) of each, in order."""
    graph = seen(made).graph
    return [(reorder.direction, reorder.tensor) for reorder in reorders(graph, groups(graph, block), block)[0]]


def real(made: ModelProto) -> tuple[Names, list[str]]:
    """What onnxruntime runs: nodes of each kernel, sorted; and its reorders' operators that do nothing else, sorted."""
    kernels = irstat.profile(made, runs=1, warmup=0).kernels
    own = sorted({tuple(sorted(kernel.nodes)) for kernel in kernels if kernel.nodes})
    added = [kernel.op_type.rpartition("::")[2] for kernel in kernels if kernel.kind == "added"]
    return own, sorted(kind for kind in added if kind.startswith("Reorder"))
