"""One small model of the bank, and how it is written in two to eight lines.

A model is the text of its graph, `float[N,3,9,9] x => y { c = Conv(x, w)  y = norm(c, n) }`, and its constants by name:
a shape stands for random weights, `Norm` for the four parameters that `norm(value, name)` reads, `Away` for numbers away
from zero, an array for itself. Types of outputs are inferred. Every number is random, with a seed made of the text.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, numpy_helper

EPSILON = 0.013
"""Of every `norm(…)` that states none; not what a reader would assume."""

NORM = re.compile(r"\bnorm\((\w+), ?(\w+)\)")


@dataclass(frozen=True)
class Norm:
    """Scale, bias, mean and variance of a batch norm."""

    channels: int
    positive: bool = False
    """All scales above zero; otherwise some are below."""
    shift: float | None = None
    """The same t for all channels (mean 0); random if not given."""
    centre: float | None = None
    """The same mean for all channels and no bias: y = s·(x − centre)."""
    dtype: Any = None
    """If it is not the one of the other constants."""

    def arrays(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        count = self.channels
        bias, mean = random.standard_normal(count) * 0.5 + 0.3, random.standard_normal(count) * 0.5 - 0.2
        if self.shift is not None:
            bias, mean = np.full(count, self.shift), np.zeros(count)
        if self.centre is not None:
            bias, mean = np.zeros(count), np.full(count, self.centre)
        scale = Away((count,), self.positive).array(random)
        return {"scale": scale, "bias": bias, "mean": mean, "var": random.uniform(0.3, 2.5, count)}


@dataclass(frozen=True)
class Away:
    """Numbers between 0.5 and 1.5, some of them negative."""

    shape: tuple[int, ...]
    positive: bool = False

    def array(self, random: np.random.Generator) -> np.ndarray:
        signs = np.where(np.arange(np.prod(self.shape, dtype=int)) % 3 == 1, -1.0, 1.0).reshape(self.shape)
        return random.uniform(0.5, 1.5, self.shape) * (1.0 if self.positive else signs)


Constant = tuple[int, ...] | Norm | Away | np.ndarray


def arrays_of(name: str, constant: Constant, random: np.random.Generator) -> dict[str, np.ndarray]:
    """The arrays that a constant stands for, by their names in the graph; those of floating point still in double."""
    if isinstance(constant, Norm):
        return {f"{name}_{part}": values for part, values in constant.arrays(random).items()}
    if isinstance(constant, Away):
        return {name: constant.array(random)}
    if isinstance(constant, tuple):
        return {name: random.standard_normal(constant) * 0.4}
    return {name: constant}


def put(graph: GraphProto, constants: Mapping[str, Constant], dtype: Any, random: np.random.Generator) -> None:
    """Add initializers to a graph; arrays given as such keep their type."""
    for name, constant in constants.items():
        for key, values in arrays_of(name, constant, random).items():
            own = constant.dtype if isinstance(constant, Norm) and constant.dtype else dtype
            typed = values if isinstance(constant, np.ndarray) else values.astype(own)
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(typed).reshape(typed.shape), key))


def body_of(graph: GraphProto, name: str) -> GraphProto:
    """The body of that name, at any depth."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                if attribute.g.name == name:
                    return attribute.g
                try:
                    return body_of(attribute.g, name)
                except LookupError:
                    continue
    raise LookupError(name)


def outputs_of(text: str) -> list[str]:
    """The outputs of a graph's text, with their types where it states them."""
    stated = text.split("{", 1)[0].split("=>")[1]
    return [part.strip() for part in re.split(r",(?![^\[]*\])", stated)]


def graph_text(text: str) -> str:
    """The text that ONNX's parser reads: a name, brackets, types of outputs, batch norms written out."""
    head, rest = text.split("{", 1)
    inputs = head.split("=>")[0]
    typed = ", ".join(part if " " in part else f"float {part}" for part in outputs_of(text))
    normed = f"BatchNormalization<epsilon: float = {EPSILON}>(\\1, \\2_scale, \\2_bias, \\2_mean, \\2_var)"
    return f"g ({inputs}) => ({typed}) {{{NORM.sub(normed, rest)}"


def infer_outputs(proto: ModelProto, text: str) -> None:
    """Give the outputs whose type the text leaves open the one that ONNX infers."""
    unknown = [info for info, part in zip(proto.graph.output, outputs_of(text), strict=True) if " " not in part]
    for info in unknown:
        info.ClearField("type")
    version, proto.ir_version = proto.ir_version, max(proto.ir_version, 4)
    inferred = onnx.shape_inference.infer_shapes(proto) if unknown else proto
    proto.ir_version = version
    for info, known in zip(proto.graph.output, inferred.graph.output, strict=True):
        if not known.type.tensor_type.elem_type:
            raise ValueError(f"state the type of '{known.name}': {text}")
        info.CopyFrom(known)


@dataclass(frozen=True)
class Options:
    """What a model is made with besides its text and its constants."""

    opset: int = 18
    ir_version: int = 8
    imports: str = ""
    dtype: Any = np.float32
    bodies: Mapping[str, Mapping[str, Constant]] = field(default_factory=dict)
    """Constants of bodies, by the body's name."""
    change: Callable[[ModelProto], None] | None = None
    """What text cannot say."""


def build_model(text: str, constants: Mapping[str, Constant], options: Options) -> ModelProto:
    """The model of a text."""
    more = f", {options.imports}" if options.imports else ""
    head = f'<ir_version: {options.ir_version}, opset_import: ["": {options.opset}{more}]>\n'
    proto = onnx.parser.parse_model(head + graph_text(text))
    random = np.random.default_rng(zlib.crc32(text.encode()))
    put(proto.graph, constants, options.dtype, random)
    for name, inner in options.bodies.items():
        put(body_of(proto.graph, name), inner, options.dtype, random)
    infer_outputs(proto, text)
    if options.change is not None:
        options.change(proto)
    return proto


@dataclass(frozen=True)
class Case:
    """One model and what mathematics allows."""

    name: str
    build: Callable[[], ModelProto]
    expect: str
    """`folds`, `partly`, `keeps` or `invalid`."""
    rule: str
    affine: int = 0
    """Operators with a constant that may be left: at most if it folds, exactly if it folds partly."""
    batchnorms: int = 0
    """Batch norms that must be left."""
    judges: tuple[str, ...] = ("onnxruntime", "reference")
    """Who can run the model. Where one is missing, `note` says why."""
    magnitudes: tuple[float, ...] = (0.1, 1.0, 30.0)
    integers: tuple[int, int] = (0, 2)
    """Range of the integers fed."""
    tolerance: float | None = None
    """Where the element type's own is not the right one."""
    external: bool = False
    """Weights beside the file."""
    linears: int = 0
    """How many more linear operators than before there may be."""
    note: str = ""

    def write(self, folder: Path) -> Path:
        """Its file, with weights beside it if the case is about that."""
        path = folder / f"{self.name}.onnx"
        beside = {"location": f"{self.name}.data", "size_threshold": 0} if self.external else {}
        onnx.save(self.build(), path, save_as_external_data=self.external, **beside)
        return path


ONNXRUNTIME_ONLY = {
    "old norm": "ONNX's reference evaluator fails on batch norm of opset 7 and 8, and takes that of 9 to 13 for training",
    "grouped transposed": "ONNX's reference evaluator fails on most ConvTranspose with groups",
}
"""Why only one of the two can judge."""

OPTIONS = tuple(Options.__dataclass_fields__)
JUDGED = tuple(name for name in Case.__dataclass_fields__ if name not in ("name", "build", "expect", "rule", "affine"))


def case(expect: str, name: str, rule: str, text: str, affine: int = 0, **others: Any) -> Case:
    """A case; what is neither an option of the model nor a field of the case is a constant of the graph."""
    options = Options(**{key: others.pop(key) for key in OPTIONS if key in others})
    judged = {key: others.pop(key) for key in JUDGED if key in others}
    if "BatchNormalization" in graph_text(text) and options.opset < 14:
        judged = {"judges": ("onnxruntime",), "note": ONNXRUNTIME_ONLY["old norm"], **judged}
    return Case(name, partial(build_model, text, others, options), expect, rule, affine, **judged)


GROUPED_TRANSPOSED = {"judges": ("onnxruntime",), "note": ONNXRUNTIME_ONLY["grouped transposed"]}

folds = partial(case, "folds")
partly = partial(case, "partly")
keeps = partial(case, "keeps")
invalid = partial(case, "invalid")
