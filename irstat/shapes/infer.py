"""Shapes, element types and small constant values of every tensor, given the types of the graph's inputs.

One walk in execution order. Each node is given to `onnx.shape_inference.infer_node_outputs`, ONNX's official rule for its
operator, together with the values of its small integer inputs; nodes that only compute sizes are evaluated, so that what
depends on them further down is known when its turn comes. Results are remembered by operator, attributes and input types:
the blocks of a network repeat, and so do the points at which a formula in named sizes is evaluated.

Why not the bulk `infer_shapes` first: it gets stuck at each size its data propagation can't follow (a swin_t export leaves
1,374 outputs open) and needs one more round for each; the walk needs no round. Bulk inference is still asked, once, where
the walk leaves something open, because it can follow shapes of which only a part is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import helper

from irstat.element_types import NAME_OF, NUMBER_OF
from irstat.errors import ShapeError
from irstat.graph import Graph, Node
from irstat.schemas import RANDOM
from irstat.shapes import contrib, control
from irstat.shapes.bulk import refine_in_bulk
from irstat.shapes.evaluate import BOUNDED_BY_INPUT, MAX_ELEMENTS, Evaluator, worth_evaluating
from irstat.shapes.facts import Facts, stated
from irstat.shapes.onnx_rules import answer
from irstat.shapes.unknown import at_bounds, cause, explanation, upper_bound
from irstat.shapes.value_type import UNKNOWN, TensorType, ValueType, refine
from irstat.tensor_data import TensorData

_VALUE_DTYPES = frozenset({"int32", "int64"})
_OTHER_VALUES_MATTER = frozenset({"Resize", "Upsample", "Range", "Compress"})
_MAX_SHAPE_VALUES = 256
_KNOWN_DOMAINS = frozenset({"", "ai.onnx.ml"})

NOT_FOLDED = RANDOM | frozenset("DequantizeLinear If Loop Scan SequenceMap".split())
"""Operators whose result is not a constant even if all inputs are: random ones, bodies, and dequantization, which
runtimes keep so that weights stay small."""


ONLY_TYPE = {"CastLike": 1, "EyeLike": 0}
"""Operators that look at the type of an input and not at its content, and that input's slot."""


class ShapeInference:
    """Infers shapes; keeps what it learnt about operators from one call to the next."""

    def __init__(self) -> None:
        self._types: dict[Any, tuple[tuple[ValueType, ...], str]] = {}
        self.evaluator = Evaluator()

    def infer(
        self, graph: Graph, input_types: Mapping[str, ValueType], sizes: Mapping[str, int], *, trust_stated: bool = True
    ) -> Facts:
        """Walk the graph.

        Args:
            graph: whose tensors to find out about; not changed.
            input_types: type of each input that is not an initializer.
            sizes: values of named sizes, for the shapes that the file states.
            trust_stated: whether shapes stated in the file still hold (they don't when an input's shape was overridden).

        Raises:
            ShapeError: a tensor would have more elements than can exist.
        """
        stated_sizes = sizes if trust_stated else None
        facts = Facts(types=dict(input_types), sizes=stated_sizes)
        self.walk(graph, facts)
        if facts.reasons and not facts.problems:
            better = refine_in_bulk(graph, facts)
            if better:
                second = Facts(types=dict(input_types), sizes=stated_sizes, hints=better)
                self.walk(graph, second)
                return second
        return facts

    def walk(self, graph: Graph, facts: Facts) -> None:
        """Fill `facts`, which hold the types of the graph's inputs, for all other tensors of the graph."""
        for tensor in graph.tensors():
            if tensor.kind == "constant":
                facts.types[tensor.name] = TensorType(tensor.dtype, _fixed(tensor.shape))
                facts.constants.add(tensor.name)
        for node in graph.nodes():
            if node.op_type == "Constant" and not node.domain:
                self._constant(node, facts)
            else:
                self._node(graph, node, facts)

    def _node(self, graph: Graph, node: Node, facts: Facts) -> None:
        is_control = node.op_type in control.RULES and not node.domain
        found, problem = self._control(graph, node, facts) if is_control else self._infer(graph, node, facts)
        for name, value_type in zip(node.outputs, found, strict=False):
            if name:
                facts.types[name] = value_type if _is_complete(value_type) else self._completed(graph, name, value_type, facts)
        if problem and not any(used in facts.reasons for used in node.inputs):
            facts.problems[node.name] = problem
        constant = not is_control and self._is_constant(node, facts)
        if not node.domain:
            self._values(graph, node, facts, constant)
        for name in node.outputs:
            if not name:
                continue
            value_type = facts.types.get(name, UNKNOWN)
            if not _is_complete(value_type):
                self._explain(node, name, facts, problem)
                continue
            _refuse_impossible(node, name, value_type)
            if constant:
                facts.constants.add(name)
            if is_control:
                facts.reasons.pop(name, None)
                facts.bounds.pop(name, None)
        if facts.reasons:
            self._pass_on_cause(node, facts)

    def _control(self, graph: Graph, node: Node, facts: Facts) -> tuple[Sequence[ValueType], str]:
        problem = control.incomplete(node)
        if problem:
            return (UNKNOWN,) * len(node.outputs), problem
        for name in (*node.inputs, *node.captures):
            self.value(graph, name, facts)
        return control.RULES[node.op_type](self, node, facts), ""

    def _completed(self, graph: Graph, name: str, value_type: ValueType, facts: Facts) -> ValueType:
        """The type, with what is open taken from other sources."""
        if name in facts.hints:
            value_type = refine(value_type, facts.hints[name])
        return value_type if facts.sizes is None else refine(value_type, stated(graph, name, facts.sizes))

    def _is_constant(self, node: Node, facts: Facts) -> bool:
        """Whether the results depend on no input's content."""
        constants = facts.constants
        only_type = ONLY_TYPE.get(node.op_type)
        for slot, name in enumerate(node.inputs):
            if name not in constants and name and slot != only_type:
                return False
        if node.op_type in NOT_FOLDED or not all(name in constants for name in node.captures):
            return False
        return node.domain in _KNOWN_DOMAINS or (node.domain, node.op_type) in contrib.RULES

    def _pass_on_cause(self, node: Node, facts: Facts) -> None:
        """Values computed from sizes that nobody knows are not known for the same reason."""
        reason = cause(node, facts)
        if reason is not None:
            for name in node.outputs:
                if name and name not in facts.values:
                    facts.causes[name] = reason

    def _constant(self, node: Node, facts: Facts) -> None:
        if len(node.outputs) != 1:  # the operator set that says so is not imported
            return
        name, value = node.outputs[0], constant_value(node)
        facts.constants.add(name)
        if isinstance(value, TensorData):
            facts.types[name] = TensorType(value.dtype, value.shape)
            if value.is_small:
                facts.values[name] = value.array()
        elif value is not None:
            facts.values[name] = value
            facts.types[name] = _type_of_array(value)

    def _values(self, graph: Graph, node: Node, facts: Facts, constant: bool) -> None:
        """Evaluate the node if that gives small values which no input's content can change."""
        if node.op_type in ("Shape", "Size"):
            source = facts.type_of(node.inputs[0])
            if isinstance(source, TensorType) and source.is_known and source.dims is not None:
                bounds = (node.attrs.get("start", 0), node.attrs.get("end"))
                if not all(bound is None or isinstance(bound, int) for bound in bounds):
                    return
                dims = source.dims[slice(*bounds)]
                value = np.array(dims if node.op_type == "Shape" else source.elements, dtype=np.int64)
                self._set_values(node, facts, (value,))
            return
        if not constant or not worth_evaluating(node):
            return
        if node.op_type not in BOUNDED_BY_INPUT and not all(_is_small(facts.type_of(name)) for name in node.outputs if name):
            return
        values = [self.value(graph, name, facts) if name else None for name in node.inputs]
        if node.op_type == "CastLike":
            values[1] = _sample(facts.type_of(node.inputs[1]))
        if any(value is None and name for value, name in zip(values, node.inputs, strict=True)):
            return
        results = self.evaluator.run(node, operator_key(node), values)
        if results is not None:
            self._set_values(node, facts, results)

    def _set_values(self, node: Node, facts: Facts, values: tuple[np.ndarray, ...]) -> None:
        for name, value in zip(node.outputs, values, strict=False):
            if name:
                facts.values[name] = value
                facts.constants.add(name)
                facts.types[name] = _type_of_array(value)
                facts.reasons.pop(name, None)

    def value(self, graph: Graph, name: str, facts: Facts) -> np.ndarray | None:
        """The value of a small constant; None for anything else."""
        if name not in facts.values and name in facts.constants:
            tensor = graph.find_tensor(name)
            if tensor is None or tensor.data is None or not tensor.data.is_small or not _is_small(facts.type_of(name)):
                return None
            facts.values[name] = tensor.data.array()
        return facts.values.get(name)

    def _infer(self, graph: Graph, node: Node, facts: Facts) -> tuple[tuple[ValueType, ...], str]:
        """Types of the node's outputs, and what went wrong if something did."""
        types = [facts.types.get(name, UNKNOWN) if name else None for name in node.inputs]
        data: dict[int, np.ndarray] = {}
        for slot, value_type in enumerate(types):
            if isinstance(value_type, TensorType) and (
                value_type.dtype in _VALUE_DTYPES or node.op_type in _OTHER_VALUES_MATTER
            ):
                elements = value_type.elements
                if elements is not None and elements <= _MAX_SHAPE_VALUES:
                    value = self.value(graph, node.inputs[slot], facts)
                    if value is not None:
                        data[slot] = value
        key = operator_key(node)
        if key is not None:
            known = tuple((slot, value.tobytes()) for slot, value in data.items())
            key = (key, tuple(types), known, tuple(map(bool, node.outputs)))
            if key in self._types:
                return self._types[key]
        result = self._ask(node, types, data)
        if key is not None:
            self._types[key] = result
        return result

    def _ask(
        self, node: Node, types: Sequence[ValueType | None], data: Mapping[int, np.ndarray]
    ) -> tuple[tuple[ValueType, ...], str]:
        rule = contrib.RULES.get((node.domain, node.op_type))
        return answer(node, types, data) if rule is None else contrib.infer(rule, node, types, data)

    def _explain(self, node: Node, name: str, facts: Facts, problem: str) -> None:
        """Record why a shape is open, and what it can't exceed."""
        if node.op_type in control.RULES and not node.domain:
            if problem or name not in facts.reasons:
                facts.reasons[name] = problem or f"{node.op_type} '{node.name}' gives no shape here"
            return
        facts.reasons[name] = explanation(node, facts, problem)
        if problem:
            return
        bound = upper_bound(node, name, facts)
        if bound is None:
            types = at_bounds(node, facts)
            if types is not None:
                data = {slot: facts.values[used] for slot, used in enumerate(node.inputs) if used in facts.values}
                found, _ = self._ask(node, types, data)
                candidate = found[node.outputs.index(name)]
                bound = candidate.dims if isinstance(candidate, TensorType) and candidate.is_known else None
        if bound is not None:
            facts.bounds[name] = bound


def _sample(value_type: ValueType) -> np.ndarray | None:
    """An array of the element type."""
    if not isinstance(value_type, TensorType) or value_type.dtype is None:
        return None
    return np.zeros((), dtype=helper.tensor_dtype_to_np_dtype(NUMBER_OF[value_type.dtype]))


def operator_key(node: Node) -> Any:
    """Hashable identity of what the node computes, names aside; None where attributes are not hashable."""
    key = (node.op_type, node.domain, node.version, tuple(node.attrs.items()))
    try:
        hash(key)
    except TypeError:
        return None
    return key


def constant_value(node: Node) -> np.ndarray | TensorData | None:
    """What a Constant node holds; None for a sparse tensor."""
    attrs = node.attrs
    if "value" in attrs:
        data = attrs["value"]
        return data if isinstance(data, TensorData) else None
    dtypes = {"float": np.float32, "int": np.int64, "string": np.object_}
    for kind, dtype in dtypes.items():
        for key in (f"value_{kind}", f"value_{kind}s"):
            if key in attrs:
                return np.array(attrs[key], dtype=dtype)
    return None


def _type_of_array(value: np.ndarray) -> TensorType:
    number = helper.np_dtype_to_tensor_dtype(value.dtype)
    return TensorType(NAME_OF[number], value.shape)


def _fixed(shape: Any) -> tuple[int | None, ...] | None:
    return None if shape is None else tuple(dim if isinstance(dim, int) else None for dim in shape)


def _is_small(value_type: ValueType) -> bool:
    if not isinstance(value_type, TensorType):
        return False
    elements = value_type.elements
    return elements is not None and elements <= MAX_ELEMENTS


def _is_complete(value_type: ValueType) -> bool:
    return not isinstance(value_type, TensorType) or (value_type.is_known and value_type.dtype is not None)


def _refuse_impossible(node: Node, name: str, value_type: ValueType) -> None:
    if isinstance(value_type, TensorType):
        elements = value_type.elements
        if elements is not None and (elements >= 1 << 63 or any(dim is not None and dim < 0 for dim in value_type.dims or ())):
            dims = list(value_type.dims or ())
            raise ShapeError(f"node '{node.name}' ({node.op_type}) would give '{name}' the shape {dims}, which can't exist")
