"""What onnxruntime observes while it runs a model, node by node, and what irstat infers of the same model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, helper, inliner

from irstat.cost.scope import tensor_bytes
from irstat.errors import UsageError
from irstat.graph import Graph, Node, Tensor
from irstat.onnx_reader import load
from irstat.schemas import find_schema, has_body
from irstat.shapes.binding import Sizes
from irstat.shapes.facts import apply
from irstat.shapes.infer import ShapeInference

RENAMED = {"float": "float32", "double": "float64"}
Type = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Observation:
    """One execution of one node."""

    node: str
    inputs: tuple[Type, ...]
    outputs: tuple[Type, ...]
    output_bytes: int
    activation_bytes: int
    """Inputs that are computed."""
    parameter_bytes: int
    """Inputs that are stored."""


def prepared(model: ModelProto) -> ModelProto:
    """The model with functions inlined, a unique name for every node, and no shapes stated behind its inputs."""
    model = inliner.inline_local_functions(model) if model.functions else model
    copy = ModelProto()
    copy.CopyFrom(model)
    names: set[str] = set()
    _name_nodes(copy.graph, names)
    return copy


def _name_nodes(graph: GraphProto, names: set[str]) -> None:
    del graph.value_info[:]
    for info in graph.output:
        if info.type.WhichOneof("value") == "tensor_type":
            info.type.tensor_type.ClearField("shape")
    for node in graph.node:
        stem, number = node.name or node.op_type, 1
        while not node.name or node.name in names:
            node.name, number = f"{stem}.{number}", number + 1
        names.add(node.name)
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                _name_nodes(body, names)


def random_feeds(model: ModelProto, sizes: Mapping[str, int], seed: int = 0, highest: int = 2) -> dict[str, np.ndarray]:
    """Random arrays for the inputs; `sizes` gives values of named dims, integers are below `highest`."""
    random = np.random.default_rng(seed)
    stored = {tensor.name for tensor in model.graph.initializer}
    feeds = {}
    for info in model.graph.input:
        if info.name in stored:
            continue
        tensor = info.type.tensor_type
        shape = [sizes[dim.dim_param] if dim.dim_param else dim.dim_value for dim in tensor.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        if dtype == np.dtype(bool):
            feeds[info.name] = np.ones(shape, dtype=bool)
        elif np.issubdtype(dtype, np.integer):
            feeds[info.name] = random.integers(0, highest, shape).astype(dtype)
        else:
            feeds[info.name] = random.standard_normal(shape).astype(dtype)
    return feeds


def observe(model: ModelProto, feeds: Mapping[str, np.ndarray], folder: Path) -> list[Observation]:
    """Run the model once without optimizations; what the profile says of every node."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.disable_prepacking", "1")  # packed weights are not counted among the inputs
    path = folder / "observed.onnx"
    onnx.save(model, str(path))
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    session.run(None, dict(feeds))
    profile = Path(session.end_profiling())
    events = json.loads(profile.read_text())
    profile.unlink()
    path.unlink()
    suffix = "_kernel_time"
    return [
        Observation(
            event["name"].removesuffix(suffix),
            _types(event["args"]["input_type_shape"]),
            _types(event["args"]["output_type_shape"]),
            int(event["args"]["output_size"]),
            int(event["args"]["activation_size"]),
            int(event["args"]["parameter_size"]),
        )
        for event in events
        if event["cat"] == "Node" and event["name"].endswith(suffix)
    ]


def _types(entries: Iterable[Mapping[str, list[int]]]) -> tuple[Type, ...]:
    return tuple((RENAMED.get(dtype, dtype), tuple(dims)) for entry in entries for dtype, dims in entry.items())


def infer(model: ModelProto, feeds: Mapping[str, np.ndarray]) -> Graph:
    """The model's graph with the shapes that irstat infers for inputs shaped like `feeds`; nothing is folded."""
    graph = load(model)
    sizes = Sizes(graph)
    bound: dict[str, int] = {}
    for name, array in feeds.items():
        for axis, dim in enumerate(graph.tensor(name).shape or ()):
            if not isinstance(dim, int):
                bound.update(_resolved(sizes, dim or f"{name}_{axis}", array.shape[axis]))
    binding = sizes.bind(bound)
    facts = ShapeInference().infer(graph, binding.input_types, binding.sizes)
    assert facts.problems == {}
    apply(graph, facts)
    return graph


def _resolved(sizes: Sizes, name: str, value: int) -> dict[str, int]:
    try:
        return sizes.resolve({name: value})
    except UsageError:  # an expression in other sizes
        return {}


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many nodes were compared, and what differs."""

    nodes: int
    executions: int
    differences: list[str]
    open_nodes: set[str]
    """Nodes with an output whose shape irstat does not know."""
    expanded: dict[str, int]
    """Operator -> how many of its nodes onnxruntime replaced by their function bodies, for want of a kernel; what such a node
    computes is compared where others read it."""


def compare(model: ModelProto, feeds: Mapping[str, np.ndarray], folder: Path) -> Comparison:
    """Compare the shape, element type and bytes of every output and input of every node that was executed."""
    model = prepared(model)
    observations = observe(model, feeds, folder)
    places = {node.name: (graph, node) for graph, node in _all_nodes(infer(model, feeds))}
    differences: list[str] = []
    open_nodes: set[str] = set()
    executed = {seen.node for seen in observations}
    expanded = Counter(
        node.qualified_type
        for (*outer, _), node in places.values()
        if not outer and node.name not in executed and _has_body(node)
    )
    for seen in observations:
        if seen.node in places:
            _compare_node(*places[seen.node], seen, differences, open_nodes)
        elif not expanded:
            differences.append(f"{seen.node}: not a node of the model")
    return Comparison(len(executed & places.keys()), len(observations), differences, open_nodes, dict(expanded))


def _has_body(node: Node) -> bool:
    schema = find_schema(node.op_type, node.domain, node.version)
    return schema is not None and has_body(schema)


def _all_nodes(graph: Graph, outer: tuple[Graph, ...] = ()) -> Iterable[tuple[tuple[Graph, ...], Node]]:
    graphs = (*outer, graph)
    for node in graph.nodes():
        yield graphs, node
        for body in node.bodies:
            yield from _all_nodes(body, graphs)


def _find(graphs: tuple[Graph, ...], name: str) -> Tensor:
    for graph in reversed(graphs):
        found = graph.find_tensor(name)
        if found is not None:
            return found
    raise KeyError(name)


def _compare_node(
    graphs: tuple[Graph, ...], node: Node, seen: Observation, differences: list[str], open_nodes: set[str]
) -> None:
    outputs = [_find(graphs, name) for name in node.outputs if name]
    if any(tensor.dtype is not None and "(" in tensor.dtype for tensor in outputs):
        return  # a sequence: onnxruntime records no shape
    if len(outputs) != len(seen.outputs):
        differences.append(f"{seen.node}: {len(outputs)} outputs, onnxruntime gave {len(seen.outputs)}")
        return
    for tensor, (dtype, shape) in zip(outputs, seen.outputs, strict=True):
        difference = _difference(tensor, dtype, shape)
        if difference:
            differences.append(f"{node.op_type} {seen.node}: {difference}")
        if tensor_bytes(tensor) is None:
            open_nodes.add(seen.node)
    if seen.node in open_nodes or node.bodies:
        return
    written = sum(tensor_bytes(tensor) or 0 for tensor in outputs)
    if written != seen.output_bytes:
        differences.append(f"{node.op_type} {seen.node}: writes {written} bytes, onnxruntime says {seen.output_bytes}")
    inputs = [_find(graphs, name) for name in node.inputs if name]
    sizes = [tensor_bytes(tensor) for tensor in inputs]
    if None not in sizes and not any(tensor.dtype == "string" for tensor in inputs):
        read = sum(size or 0 for size in sizes)
        if read != seen.activation_bytes + seen.parameter_bytes:
            total = seen.activation_bytes + seen.parameter_bytes
            differences.append(f"{node.op_type} {seen.node}: reads {read} bytes, onnxruntime says {total}")


def _difference(tensor: Tensor, dtype: str, shape: tuple[int, ...]) -> str:
    if tensor.shape is None:
        fits = tensor.bound is None or _within(shape, tensor.bound)
    else:
        fits = len(tensor.shape) == len(shape) and all(a is None or a == b for a, b in zip(tensor.shape, shape, strict=True))
        fits = fits and (tensor.bound is None or _within(shape, tensor.bound))
    if fits and tensor.dtype in (None, dtype):
        return ""
    return f"'{tensor.name}' is {tensor.dtype}{tensor.shape} within {tensor.bound}, onnxruntime gave {dtype}{shape}"


def _within(shape: tuple[int, ...], bound: tuple[Any, ...]) -> bool:
    return len(shape) == len(bound) and all(a <= b for a, b in zip(shape, bound, strict=True))
