"""Random valid graphs of what folding meets: linear operators, norms, arithmetic, layout, pools, joins, bodies; from a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

Dims = tuple[int, ...]
MOST_ELEMENTS = 6000
OPSETS = (11, 13, 17, 18, 20, 21)
TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "float16": TensorProto.FLOAT16}


NOT_IN_DOUBLE = frozenset(
    (
        "Conv ConvTranspose AveragePool GlobalAveragePool GlobalMaxPool LeakyRelu PRelu Softplus InstanceNormalization Resize"
        " DequantizeLinear GroupNormalization"
    ).split()
)
"""What onnxruntime has in float32 only."""


class DoesNotFitError(Exception):
    """A node that was tried gives no valid graph."""


@dataclass(slots=True)
class Sketch:
    """A graph that grows node by node, at concrete sizes."""

    random: Random
    opset: int
    dtype: str
    shapes: dict[str, Dims] = field(default_factory=dict)
    """Computed floating tensors of this graph and those around it."""
    nodes: list[NodeProto] = field(default_factory=list)
    stored: dict[str, np.ndarray] = field(default_factory=dict)
    outer: Sketch | None = None
    prefix: str = ""
    given: list[str] = field(default_factory=list)
    """Inputs of booleans."""
    written: dict[str, np.ndarray] = field(default_factory=dict)
    """Values of Constant nodes."""
    others: dict[str, onnx.TypeProto] = field(default_factory=dict)
    """Constants that are computed, and what is of another type."""

    @property
    def rng(self) -> np.random.Generator:
        """Numbers that follow from the seed."""
        return np.random.default_rng(self.random.getrandbits(48))

    def name(self, kind: str) -> str:
        """A new name."""
        return f"{self.prefix}{kind}{len(self.nodes) + len(self.stored)}"

    def chance(self, share: float) -> bool:
        """Whether something rare happens."""
        return self.random.random() < share

    def tensor(self, ranks: tuple[int, ...] = (1, 2, 3, 4, 5)) -> str:
        """A computed tensor, mostly a late one."""
        fitting = [name for name, shape in self.shapes.items() if len(shape) in ranks]
        if not fitting:
            raise DoesNotFitError
        return fitting[-1] if self.chance(0.6) else fitting[-1 - int(len(fitting) * self.random.random() ** 2)]

    # ---- constants

    def store(self, values: np.ndarray) -> str:
        """A stored tensor; now and then one that is there, or a Constant node."""
        if values.dtype.kind == "f":
            values = values.astype(self.dtype)
        same = [name for name, one in self.stored.items() if one.shape == values.shape and one.dtype == values.dtype]
        if values.dtype.kind == "f" and same and self.chance(0.15):
            return self.random.choice(same)
        name = self.name("k")
        if self.chance(0.07):
            node = helper.make_node("Constant", [], [name], value=numpy_helper.from_array(values, name))
            self.nodes.append(node)
            self.written[name] = values
            return name
        return self.keep(name, values)

    def keep(self, name: str, values: np.ndarray) -> str:
        """Store a tensor under a name of its own."""
        self.stored[name] = values.astype(self.dtype) if values.dtype.kind == "f" else values
        return name

    def integers(self, values: Any) -> str:
        """A stored tensor of axes, sizes or amounts."""
        return self.store(np.asarray(values, dtype=np.int64))

    def away(self, shape: Dims, positive: float = 0.5) -> np.ndarray:
        """Numbers that are not near zero, of both signs or all positive."""
        values = self.rng.uniform(0.5, 1.6, shape)
        return values if self.chance(positive) else values * self.rng.choice([-1.0, 1.0], shape)

    def numbers(self, shape: Dims) -> np.ndarray:
        """Numbers around zero."""
        return self.rng.standard_normal(shape) * 0.7

    def weight(self, shape: Dims, fan: int, plain: bool = False) -> str:
        """Weights: stored, or from integers, or through a Transpose."""
        values = self.numbers(shape) / max(fan, 1) ** 0.5
        if self.chance(0.85) or self.dtype != "float32" or plain or self.opset < 13:
            return self.store(values)
        if self.chance(0.3):
            return self.add("Transpose", [self.store(values.transpose())], computed=False)
        whole = self.store(np.clip(np.round(values * 60), -127, 127).astype(np.int8))
        if self.chance(0.5):
            return self.add("DequantizeLinear", [whole, self.keep(self.name("q"), np.array(0.017))], computed=False)
        axis = self.random.randrange(len(shape))
        scales = self.keep(self.name("q"), self.rng.uniform(0.01, 0.03, shape[axis]))
        return self.add("DequantizeLinear", [whole, scales], computed=False, axis=axis)

    # ---- nodes

    def value_of(self, name: str) -> np.ndarray | None:
        """The values of a constant."""
        found = self.stored.get(name)
        found = self.written.get(name) if found is None else found
        return self.outer.value_of(name) if found is None and self.outer is not None else found

    def kind(self, name: str) -> onnx.TypeProto:
        """The type of a tensor."""
        values = self.value_of(name)
        if values is not None:
            return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(values.dtype), values.shape)
        found = self.others.get(name)
        return found if found is not None else helper.make_tensor_type_proto(TYPES[self.dtype], self.shapes[name])

    def add(self, op_type: str, inputs: list[str], outputs: int = 1, computed: bool = True, **attributes: Any) -> str:
        """A node; the name of its first output.

        Raises:
            DoesNotFitError: ONNX infers no sizes for it, or too large ones.
        """
        if self.dtype == "float64" and op_type in NOT_IN_DOUBLE:
            raise DoesNotFitError
        names = [self.name("t") + ("" if place == 0 else f"_{place}") for place in range(outputs)]
        node = helper.make_node(op_type, inputs, names, name=f"{op_type}_{names[0]}", **attributes)
        types = self.inferred(node)
        for name in names:
            dims = tuple(dim.dim_value for dim in types[name].tensor_type.shape.dim) if name in types else ()
            if name not in types or min(dims, default=1) < 1 or np.prod(dims) > MOST_ELEMENTS:
                raise DoesNotFitError
        self.nodes.append(node)
        for name in names:
            elements = types[name].tensor_type
            if computed and elements.elem_type == TYPES[self.dtype]:
                self.shapes[name] = tuple(dim.dim_value for dim in elements.shape.dim)
            else:
                self.others[name] = types[name]
        return names[0]

    def inferred(self, node: NodeProto) -> dict[str, onnx.TypeProto]:
        """Types of a node's outputs."""
        used = [name for name in node.input if name]
        constants = {name: values for name in used if (values := self.value_of(name)) is not None}
        data = {name: numpy_helper.from_array(values, name) for name, values in constants.items()}
        schema = onnx.defs.get_schema(node.op_type, self.opset)
        imports = [helper.make_opsetid("", self.opset)]
        try:
            return shape_inference.infer_node_outputs(
                schema, node, {name: self.kind(name) for name in used}, data, opset_imports=imports, ir_version=8
            )
        except (shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError) as error:
            raise DoesNotFitError from error

    def inside(self, name: str) -> Sketch:
        """A body that sees what this graph has."""
        body = Sketch(self.random, self.opset, self.dtype, dict(self.shapes), outer=self, prefix=f"{name}_")
        body.others = dict(self.others)
        return body

    def graph(self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> onnx.GraphProto:
        """The graph as ONNX has it."""
        stored = [numpy_helper.from_array(values, name) for name, values in self.stored.items()]
        return helper.make_graph(self.nodes, f"{self.prefix}g", inputs, outputs, stored)


def random_model(seed: int, most: int = 12) -> ModelProto:
    """The model of a seed."""
    from tests.support.random_nodes import grow

    random = Random(seed)
    dtype = random.choices(["float32", "float64", "float16"], [0.74, 0.22, 0.04])[0]
    sketch = Sketch(random, random.choice(OPSETS), dtype)
    for place in range(random.choice((1, 1, 1, 2))):
        rank = random.choice((2, 3, 3)) if dtype == "float64" else random.choice((2, 3, 4, 4, 4, 4, 5))
        sketch.shapes[f"x{place}"] = tuple(random.choice((1, 2, 3, 4, 5, 6)) for _ in range(rank))
        if place and random.random() < 0.6:
            sketch.shapes["x1"] = sketch.shapes["x0"]
    grow(sketch, random.randint(2, most))
    return finished(sketch)


def finished(sketch: Sketch) -> ModelProto:
    """The model: leaves are outputs, now and then something else too; some sizes are free."""
    random = sketch.random
    used = {name for node in sketch.nodes for name in _read(node)}
    inputs = [name for name in sketch.shapes if name.startswith("x")]
    made = [name for name in sketch.shapes if name not in inputs]
    leaves = [name for name in made if name not in used]
    outputs = [name for name in leaves if name == leaves[-1] or random.random() < 0.75]
    outputs += [name for name in made if name in used and random.random() < 0.04]
    infos = [helper.make_tensor_value_info(name, TYPES[sketch.dtype], free(sketch, name)) for name in inputs]
    infos += [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in sketch.given]
    overridable = [name for name, values in sketch.stored.items() if values.dtype.kind == "f" and random.random() < 0.02]
    infos += [helper.make_tensor_value_info(name, TYPES[sketch.dtype], sketch.stored[name].shape) for name in overridable]
    results = [helper.make_tensor_value_info(name, TYPES[sketch.dtype], None) for name in outputs]
    opsets = [helper.make_opsetid("", sketch.opset)]
    proto = helper.make_model(sketch.graph(infos, results), opset_imports=opsets, ir_version=8)
    inferred = shape_inference.infer_shapes(proto, data_prop=True)
    for info, known in zip(proto.graph.output, inferred.graph.output, strict=True):
        if known.type.tensor_type.HasField("shape"):
            info.CopyFrom(known)
        else:
            info.CopyFrom(helper.make_tensor_value_info(info.name, TYPES[sketch.dtype], [None] * len(sketch.shapes[info.name])))
    return proto


def free(sketch: Sketch, name: str) -> list[int | str]:
    """Sizes of an input, some of them free: their names end in the size that fits for sure."""
    share = sketch.random.choice((0.0, 0.0, 0.3, 0.8))
    return [f"{name}_{axis}_{size}" if sketch.chance(share) else size for axis, size in enumerate(sketch.shapes[name])]


def _read(node: NodeProto) -> list[str]:
    found = list(node.input)
    for attribute in node.attribute:
        found += [info.name for info in attribute.g.output]
        for inner in attribute.g.node:
            found += _read(inner)
    return found
