"""A subgraph as a model of its own, and what goes into it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import helper

from irstat.element_types import NUMBER_OF
from irstat.errors import ModelError
from irstat.shapes.facts import Facts
from irstat.shapes.value_type import TensorType
from irstat.timing.session import Setup, create, first_line

_MOST_BYTES = 1 << 31
"""Of a message: larger models have to have their weights beside."""


def extract(
    path: Path, target: Path, nodes: Iterable[str], inputs: Sequence[str], outputs: Sequence[str], facts: Facts
) -> None:
    """Write some nodes of a model as a model.

    Args:
        path: of the model.
        target: to be written.
        nodes: names, as in the file.
        inputs: tensors that they take from outside; stored ones come with them.
        outputs: tensors that others take from them.
        facts: types of tensors.

    Raises:
        ModelError: the type of an input is not known, or the model is too large.
    """
    model, wanted = onnx.load(path), set(nodes)
    if model.ByteSize() >= _MOST_BYTES:
        raise ModelError(f"{path}: its weights are too large for a subgraph to be looked at alone")
    kept = [node for node in model.graph.node if node.name in wanted]
    used = set(_read(kept))
    stored = [tensor for tensor in model.graph.initializer if tensor.name in used]
    constants = [node for node in model.graph.node if node.op_type == "Constant" and node.output[0] in used - set(inputs)]
    kept = [node for node in kept if node not in constants]
    graph = helper.make_graph(
        [*constants, *kept],
        "subgraph",
        [_info(facts, name) for name in inputs],
        [_info(facts, name) for name in outputs],
        stored,
    )
    onnx.save(helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version), target)


def values_of(path: Path, names: Sequence[str], values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What tensors of a model hold, by name.

    Args:
        path: of the model.
        names: of tensors.
        values: inputs of the model.
        folder: for files that are made on the way.

    Raises:
        ModelError: onnxruntime can't run it.
    """
    found = {name: values[name] for name in names if name in values}
    wanted = [name for name in names if name not in found]
    if not wanted:
        return found
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    target = folder / "values.onnx"
    onnx.save(model, target)
    try:
        session = create(target, Setup(optimization="disable")).session
        return {**found, **dict(zip(wanted, session.run(wanted, dict(values)), strict=True))}
    except ModelError:
        raise
    except Exception as error:  # onnxruntime's exceptions have no base of their own
        raise ModelError(f"{path}: onnxruntime can't run it: {first_line(error)}") from error


def _read(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """Names that nodes and their bodies read."""
    for node in nodes:
        yield from node.input
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _read(body.node)
                yield from (output.name for output in body.output)


def _info(facts: Facts, name: str) -> onnx.ValueInfoProto:
    kind = facts.type_of(name)
    if not isinstance(kind, TensorType) or kind.dtype is None:
        raise ModelError(f"the type of '{name}', where a provider's subgraph begins or ends, is not known")
    return helper.make_tensor_value_info(name, NUMBER_OF[kind.dtype], None if kind.dims is None else list(kind.dims))
