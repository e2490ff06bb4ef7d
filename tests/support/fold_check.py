"""The judge of folded models: what is left in them, and whether they still compute the same."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from tests.support.fold_bank.case import Case

FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}
AFFINE = {"Mul", "Add", "Sub", "Div", "Sum", "Neg"}
LINEAR = {"Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "DeformConv", "LSTM", "GRU", "RNN"}
LINEAR |= {"FusedConv", "FusedMatMul", "FusedGemm"}
TOLERANCES = {TensorProto.FLOAT16: 2e-2, TensorProto.FLOAT: 2e-5, TensorProto.DOUBLE: 1e-11}
"""Of max|y|, by the coarsest element type in the model; a rounding of float32 is 6e-8, and these models are shallow."""
SIZES = {"N": (1, 2, 3), "H": (9, 8, 11), "W": (8, 10, 9), "T": (5, 4, 6), "C": (3, 3, 3)}
"""Of free dimensions, on each run."""

Constants = Mapping[str, bool]
"""Constant tensors, and whether they are floating."""


@dataclass(slots=True)
class Count:
    """Operators of a model, those of bodies and of called functions included."""

    batchnorms: int = 0
    affine: int = 0
    linears: int = 0
    computed: int = 0
    """Operators whose inputs are all constant, quantized weights aside: work left for when the model is loaded."""


def constants_of(graph: GraphProto) -> dict[str, bool]:
    """The initializers that nobody can override, and whether they are floating."""
    given = {info.name for info in graph.input}
    stored = [*graph.initializer, *(sparse.values for sparse in graph.sparse_initializer)]
    return {tensor.name: tensor.data_type in FLOATS for tensor in stored if tensor.name not in given}


def is_floating(node: NodeProto, known: Constants) -> bool:
    """Whether a node with constant inputs makes floating numbers."""
    if node.op_type == "Constant":
        attribute = node.attribute[0]
        return attribute.t.data_type in FLOATS if attribute.name == "value" else "float" in attribute.name
    if node.op_type == "Cast":
        return next(attribute.i for attribute in node.attribute if attribute.name == "to") in FLOATS
    if node.op_type in ("Shape", "Size", "QuantizeLinear"):
        return False
    return node.op_type == "DequantizeLinear" or any(known[name] for name in node.input if name)


def is_constant(node: NodeProto, known: Constants) -> bool:
    """Whether all that a node reads is constant."""
    if node.op_type.startswith("Random") or any(attribute.HasField("g") for attribute in node.attribute):
        return False
    return node.op_type == "Constant" or (any(node.input) and all(name in known for name in node.input if name))


def is_affine(node: NodeProto, known: Constants) -> bool:
    """Whether a node is arithmetic of one value and floating constants."""
    if node.op_type not in AFFINE:
        return False
    return node.op_type == "Neg" or any(known.get(name, False) for name in node.input)


class Counter:
    """Counts operators, once for each call of a function."""

    def __init__(self, proto: ModelProto) -> None:
        self.functions = {(function.domain, function.name): function for function in proto.functions}
        self.count = Count()

    def walk(self, nodes: Iterator[NodeProto], known: dict[str, bool]) -> None:
        for node in nodes:
            function = self.functions.get((node.domain, node.op_type))
            if function is not None:
                self.walk(iter(function.node), self.arguments(node, function, known))
            elif is_constant(node, known):
                known.update(dict.fromkeys(node.output, is_floating(node, known)))
                self.count.computed += node.op_type not in ("Constant", "QuantizeLinear", "DequantizeLinear")
                continue
            self.count.batchnorms += node.op_type == "BatchNormalization"
            self.count.affine += is_affine(node, known)
            self.count.linears += node.op_type in LINEAR
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    self.walk(iter(attribute.g.node), {**known, **constants_of(attribute.g)})

    @staticmethod
    def arguments(node: NodeProto, function: FunctionProto, known: Constants) -> dict[str, bool]:
        pairs = zip(function.input, node.input, strict=False)
        return {inner: known[outer] for inner, outer in pairs if outer in known}


def count(proto: ModelProto) -> Count:
    """Batch norms, affine and linear operators of a model."""
    counter = Counter(proto)
    counter.walk(iter(proto.graph.node), constants_of(proto.graph))
    return counter.count


def counted(proto: ModelProto) -> tuple[int, int]:
    """Batch norms, and arithmetic with floating constants."""
    found = count(proto)
    return found.batchnorms, found.affine


def interface(proto: ModelProto) -> tuple[list[bytes], list[bytes]]:
    """Inputs, overridable ones included, and outputs, each with type and shape."""

    def described(info: ValueInfoProto) -> bytes:
        bare = ValueInfoProto(name=info.name, type=info.type)
        return bare.SerializeToString(deterministic=True)

    return [described(info) for info in proto.graph.input], [described(info) for info in proto.graph.output]


def feeds_of(proto: ModelProto, case: Case, run: int) -> dict[str, np.ndarray]:
    """Random inputs of one run. Overridable initializers are given from the second run on."""
    random = np.random.default_rng(1000 + run)
    stored = {tensor.name: tensor for tensor in proto.graph.initializer}
    feeds = {}
    for info in proto.graph.input:
        tensor = info.type.tensor_type
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        shape = [dim.dim_value or SIZES.get(dim.dim_param, (4, 4, 4))[run % 3] for dim in tensor.shape.dim]
        if info.name in stored:
            if run and proto.ir_version >= 4:
                values = numpy_helper.to_array(stored[info.name])
                feeds[info.name] = (values * random.uniform(0.6, 1.6, values.shape)).astype(dtype)
        elif dtype.kind == "b":
            feeds[info.name] = np.full(shape, run % 2 == 0)
        elif np.issubdtype(dtype, np.integer):
            feeds[info.name] = random.integers(*case.integers, shape).astype(dtype)
        else:
            feeds[info.name] = np.asarray(random.standard_normal(shape) * case.magnitudes[run], dtype)
    return feeds


def by_onnxruntime(proto: ModelProto) -> Callable[[Mapping[str, Any]], list[Any]]:
    """A model in onnxruntime, its own optimizations off."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda feeds: list(session.run(None, dict(feeds)))


def by_reference(proto: ModelProto) -> Callable[[Mapping[str, Any]], list[Any]]:
    """A model in the reference evaluator of ONNX."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(proto)

    def run(feeds: Mapping[str, Any]) -> list[Any]:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(evaluator.run(None, dict(feeds)))

    return run


JUDGES = {"onnxruntime": by_onnxruntime, "reference": by_reference}


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a candidate is not the original; false if it is."""

    error: float = 0.0
    """Largest difference of an output, relative to the largest number in it."""
    where: str = ""
    """What is wrong; empty if nothing is."""

    def __bool__(self) -> bool:
        return bool(self.where)


def tolerance_of(proto: ModelProto, case: Case) -> float:
    """How far outputs may differ: by the coarsest floating type of inputs, weights, casts and outputs."""
    if case.tolerance is not None:
        return case.tolerance
    infos = (*proto.graph.input, *proto.graph.output)
    kinds = {info.type.tensor_type.elem_type for info in infos} | {tensor.data_type for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        kinds |= {attribute.i for attribute in node.attribute if node.op_type == "Cast"}
    return max((TOLERANCES[kind] for kind in kinds if kind in TOLERANCES), default=0.0)


def relative_error(left: np.ndarray, right: np.ndarray) -> float:
    """max|left − right| / max|right|; infinite if types, shapes or places of NaN and infinity differ."""
    if (left.dtype, left.shape) != (right.dtype, right.shape):
        return float("inf")
    if left.dtype.kind not in "fiu":
        return 0.0 if np.array_equal(left, right) else float("inf")
    one, other = left.astype(np.float64), right.astype(np.float64)
    finite = np.isfinite(other)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True) or not np.isfinite(one[finite]).all():
        return float("inf")
    largest = float(np.max(np.abs(other[finite]), initial=0.0))
    return float(np.max(np.abs(one[finite] - other[finite]), initial=0.0)) / max(largest, 1e-30)


def runs_of(judge: str, case: Case) -> range:
    """onnxruntime runs all magnitudes; the reference evaluator, which is slow, the second."""
    return range(len(case.magnitudes)) if judge == "onnxruntime" else range(1, 2)


@lru_cache(maxsize=8)
def expected(content: bytes, judge: str, case: Case) -> list[list[Any]]:
    """What a judge computes for the original, on each run."""
    proto = ModelProto.FromString(content)
    compute = JUDGES[judge](proto)
    return [compute(feeds_of(proto, case, run)) for run in runs_of(judge, case)]


def difference(original: ModelProto, candidate: ModelProto, case: Case) -> Difference:
    """Compare a model with what was made of it, by every judge that can run the case."""
    if interface(original) != interface(candidate):
        return Difference(float("inf"), "the interface changed")
    worst, content, tolerance = Difference(), original.SerializeToString(), tolerance_of(original, case)
    for judge in case.judges:
        wanted = expected(content, judge, case)
        try:
            compute = JUDGES[judge](candidate)
        except Exception as error:  # noqa: BLE001  # whatever it is, the output does not load
            return Difference(float("inf"), f"does not load in {judge}: {error}")
        for run, outputs in zip(runs_of(judge, case), wanted, strict=True):
            given = compute(feeds_of(original, case, run))
            for info, one, other in zip(original.graph.output, given, outputs, strict=True):
                error = relative_error(np.asarray(one), np.asarray(other))
                if not error <= tolerance:
                    return Difference(error, f"{info.name} differs by {error:.1e} in {judge} at {case.magnitudes[run]}")
                worst = max(worst, Difference(error), key=lambda found: found.error)
    return worst


def unexpected(original: ModelProto, candidate: ModelProto, case: Case) -> str:
    """What is not as mathematics allows in a model made of a case; empty if all is."""
    if case.expect == "invalid":
        return "" if counted(candidate) == counted(original) else "an invalid model was changed"
    found = difference(original, candidate, case)
    if found:
        return found.where
    before, after = count(original), count(candidate)
    if case.expect == "keeps":
        return ""
    if after.linears > before.linears + case.linears:
        return f"{after.linears} linear operators instead of {before.linears}"
    if after.batchnorms > case.batchnorms:
        return f"{after.batchnorms} batch norms left, not {case.batchnorms}"
    if after.affine > case.affine:
        return f"{after.affine} affine operators left, not {case.affine}"
    return ""
