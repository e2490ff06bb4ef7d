"""Keras models that compute with torch: through the PyTorch converter, with the names of the Keras layers put back.

torch's exporter follows modules, and Keras layers don't call each other as such. So each call of a layer runs inside an empty
module whose number says which call it is; the weights are parameters of one wrapper around the model.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import onnx
import torch
from onnx import ModelProto, NodeProto

from irstat.convert import EXPORTER_KEY, ExportOptions, InputSpec, load_converter
from irstat.errors import ConversionError, IrstatError
from irstat.tensor import ROLE_KEY
from irstat_keras import finish, walk
from irstat_keras.attribution import label
from irstat_keras.calls import Calls, recording
from irstat_keras.frameworks import reason
from irstat_keras.patches import Replacement, replaced
from irstat_keras.signature import Signature, built, output_names, signature_of
from irstat_keras.variables import weights_of
from irstat_keras.write import MAX_INLINE_BYTES

_SCOPES_A_LAYER = 8
_MORE_SCOPES = 512
"""How many calls can be told apart: so many for each layer, and these."""


def export_torch(model: Any, target: Path, options: ExportOptions) -> str:
    """Export a model or layer in inference mode; gives which exporter was used.

    Raises:
        UsageError: an input lacks a shape, or there is none of a name that was given.
        ConversionError: the model can't be called, or torch can't export it.
        MissingDependencyError: the PyTorch converter lacks something.
    """
    converter = load_converter("pytorch")
    try:
        signature = signature_of(model, options.inputs)
        model = built(model, signature)
    except IrstatError:
        raise
    except Exception as error:  # the model's own code raises anything
        raise ConversionError(f"{type(model).__name__} '{model.name}' can't be called: {reason(error)}") from error
    subject = Subject(model, signature)
    inputs = {f"irstat_x{number}": InputSpec(item.symbols, item.dtype) for number, item in enumerate(signature.inputs)}
    with tempfile.TemporaryDirectory(prefix="irstat-") as folder:
        written = Path(folder) / "model.onnx"
        with replaced([_batch_normalization(), *recording(subject.calls, model, subject.in_scope)]):
            how = converter.export(Wrapper(subject), written, ExportOptions(inputs, options.opset, options.trust_code))
        converted = onnx.load(written)
    exporter = f"Keras {keras.__version__} on torch: {how}"
    _relabel(converted, subject, exporter)
    size = sum(len(tensor.raw_data) for tensor in converted.graph.initializer)
    beside = f"{target.name}.data"
    onnx.save(converted, target, save_as_external_data=size > MAX_INLINE_BYTES, location=beside)
    return exporter


class Subject:
    """What is exported; torch looks at the attributes of modules, so this stands outside of them."""

    def __init__(self, model: Any, signature: Signature) -> None:
        self.model, self.signature = model, signature
        self.weights = weights_of(model)
        self.calls = Calls(type(model).__name__)
        self.output_names: list[str] = []
        self.scopes = [Scope() for _ in range(_SCOPES_A_LAYER * len(list(model._flatten_layers())) + _MORE_SCOPES)]

    def run(self, values: Sequence[Any], tensors: Sequence[Any]) -> tuple[Any, ...]:
        """Call the model with these values of its weights."""
        self.calls.restart()
        mapping = list(zip([weight.variable for weight in self.weights], values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            result = self.signature.call(self.model, tensors)
        self.output_names = output_names(self.model, result)
        return tuple(keras.tree.flatten(result))

    def in_scope(self, number: int, call: Callable[[], Any]) -> Any:
        """Run a call inside the module of its number."""
        return self.scopes[number](call) if number < len(self.scopes) else call()


class Wrapper(torch.nn.Module):
    """A Keras model as a torch module whose parameters are the model's weights."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        for number, weight in enumerate(subject.weights):
            value = weight.variable.value
            parameter = value if isinstance(value, torch.nn.Parameter) else torch.nn.Parameter(value, requires_grad=False)
            self.register_parameter(f"irstat_w{number}", parameter)
        for number, scope in enumerate(subject.scopes):
            self.add_module(f"irstat_{number}", scope)
        names = [f"irstat_x{number}" for number in range(len(subject.signature.inputs))]
        parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]

        def forward(*args: Any, **kwargs: Any) -> Any:
            values = [getattr(self, f"irstat_w{number}") for number in range(len(subject.weights))]
            return subject.run(values, [*args, *(kwargs[name] for name in names[len(args) :])])

        vars(forward)["__signature__"] = inspect.Signature(parameters)
        object.__setattr__(self, "forward", forward)


class Scope(torch.nn.Module):
    """An empty module that runs what it is given."""

    def forward(self, call: Callable[[], Any]) -> Any:
        """Run it."""
        return call()


def _batch_normalization() -> Replacement:
    """Keras writes batch normalization as arithmetic here too; torch has it whole."""
    from keras.src.backend.torch import nn
    from keras.src.backend.torch.core import convert_to_tensor

    original = nn.batch_normalization

    def batch_normalization(
        x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
    ) -> Any:
        x, mean, variance = convert_to_tensor(x), convert_to_tensor(mean), convert_to_tensor(variance)
        axis %= x.ndim
        if x.ndim < 2 or axis == 0 or mean.ndim != 1 or x.dtype != mean.dtype:
            return original(x, mean, variance, axis, offset, scale, epsilon)
        weight, bias = (None if t is None else convert_to_tensor(t) for t in (scale, offset))
        first = torch.movedim(x, axis, 1)
        normal = torch.nn.functional.batch_norm(first, mean, variance, weight, bias, training=False, eps=epsilon)
        return torch.movedim(normal, 1, axis)

    return nn, "batch_normalization", batch_normalization


def _relabel(model: ModelProto, subject: Subject, exporter: str) -> None:
    """Layers, names and roles as Keras has them."""
    graph = model.graph
    signature = subject.signature
    names = {f"irstat_w{number}": weight for number, weight in enumerate(subject.weights)}
    for tensor in graph.initializer:
        weight = names.get(tensor.name)
        if weight is not None:
            del tensor.metadata_props[:]
            tensor.metadata_props.add(key=ROLE_KEY, value=weight.role)
    for node in walk.nodes(graph):
        number = _scope(node, subject.calls)
        if number is not None:
            node.name = f"irstat.{number}/{node.op_type}"
    made = [name for node in walk.nodes(graph) for name in node.output if name]
    walk.rename(graph, {name: f"irstat.tensor.{number}" for number, name in enumerate(made)})  # free to take other names
    inputs = [f"irstat_x{number}" for number in range(len(signature.inputs))]
    present = {info.name for info in graph.input}
    given = [(name, item) for name, item in zip(inputs, signature.inputs, strict=True) if name in present]
    outputs = [info.name for info in graph.output]
    finish.name_ends(graph, [name for name, _ in given], [item for _, item in given], outputs, subject.output_names)
    walk.rename(graph, {name: weight.name for name, weight in names.items()})
    fixed = [info.name for info in (*graph.input, *graph.output)]
    label(graph, subject.calls, [*fixed, *(weight.name for weight in subject.weights)])
    model.ir_version = max(model.ir_version, 10)
    for entry in list(model.metadata_props):
        if entry.key == EXPORTER_KEY:
            entry.value = exporter


def _scope(node: NodeProto, calls: Calls) -> int | None:
    texts = [entry.value for entry in node.metadata_props if entry.key in ("pkg.torch.onnx.name_scopes", "namespace")]
    for text in (*texts, node.name):
        number = calls.number_in(text)
        if number is not None and number < len(calls.records):
            return number
    return None
