"""From a module to ONNX with torch's own exporters."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import torch

from irstat.convert import EXPORTER_KEY, ExportOptions, InputSpec
from irstat.errors import ConversionError, UsageError

_MAX_INLINE_BYTES = 1_500_000_000
_TORCHSCRIPT_OPSET = 18


def export_module(module: torch.nn.Module, target: Path, options: ExportOptions) -> str:
    """Export a module in inference mode; whether it and its submodules were training is restored afterwards.

    Raises:
        UsageError: an input lacks a shape, or there is none of a name that was given.
        ConversionError: both exporters fail; the message is that of the first one.
    """
    names, tensors = example_inputs(module, options.inputs)
    training = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with quiet(), torch.no_grad():
            return _export(module, target, options, names, tensors)
    finally:
        for part, was_training in training:
            part.training = was_training


def _export(
    module: torch.nn.Module, target: Path, options: ExportOptions, names: list[str], tensors: tuple[torch.Tensor, ...]
) -> str:
    if isinstance(module, torch.jit.ScriptModule):
        return _torchscript(module, target, options, names, tensors, "a scripted module")
    try:
        program = torch.onnx.export(
            module,
            kwargs=dict(zip(names, tensors, strict=True)),
            dynamo=True,
            optimize=False,
            verbose=False,
            opset_version=options.opset,
            dynamic_shapes=_dynamic_shapes(names, options.inputs),
        )
        if program is None:
            raise ConversionError("torch.onnx.export gave no program")
        return save(program, target)
    except Exception as error:  # noqa: BLE001 # the exporter raises anything; the other one gets its chance
        first = error
    try:
        reason = (str(first).strip().splitlines() or [type(first).__name__])[0]
        return _torchscript(module, target, options, names, tensors, f"dynamo failed: {reason}")
    except Exception as second:
        raise ConversionError(f"torch can't export {type(module).__name__}: {reason}") from second


def export_program(program: torch.export.ExportedProgram, target: Path, options: ExportOptions) -> str:
    """Export a program that torch.export made; its inputs are part of it.

    Raises:
        UsageError: inputs were given.
        ConversionError: the exporter fails.
    """
    if options.inputs:
        raise UsageError("an exported program has its inputs fixed; leave --input out")
    try:
        with quiet(), torch.no_grad():
            exported = torch.onnx.export(program, dynamo=True, optimize=False, verbose=False, opset_version=options.opset)
    except Exception as error:
        raise ConversionError(f"torch can't export the program: {error}") from error
    if exported is None:
        raise ConversionError("torch.onnx.export gave no program")
    return save(exported, target)


def save(program: Any, target: Path) -> str:
    """Write an ONNX program with the record of how it was made."""
    exporter = f"torch.onnx {torch.__version__}, dynamo exporter, optimize=False"
    program.model.metadata_props[EXPORTER_KEY] = exporter
    _remove_casts(program.model.graph)
    size = sum(value.const_value.nbytes for value in program.model.graph.initializers.values() if value.const_value is not None)
    program.save(str(target), external_data=size > _MAX_INLINE_BYTES)
    return exporter


def _remove_casts(graph: Any) -> None:
    """Remove casts of constants to the type that they have.

    Without its optimizations, torch puts one before each constant. onnxruntime then finds no constants where it looks for
    them, fuses nothing, and takes 2.5 times as long for mobilenet_v2. With its optimizations, torch would fold batch norms.
    """
    for node in list(graph):
        if node.op_type != "CastLike":
            continue
        (value, like), cast = node.inputs, node.outputs[0]
        known = _constant_type(value)
        if known is not None and known == like.dtype and not cast.is_graph_output():
            cast.replace_all_uses_with(value)
            graph.remove(node, safe=True)


def _constant_type(value: Any) -> Any:
    """Element type of what a Constant node gives; None for anything else."""
    producer = value.producer()
    if producer is None or producer.op_type != "Constant" or len(producer.attributes) != 1:
        return None
    ((name, attribute),) = producer.attributes.items()
    if name == "value":
        return attribute.value.dtype
    return {"value_float": onnx.TensorProto.FLOAT, "value_int": onnx.TensorProto.INT64}.get(name)


def _torchscript(
    module: torch.nn.Module,
    target: Path,
    options: ExportOptions,
    names: list[str],
    tensors: tuple[torch.Tensor, ...],
    why: str,
) -> str:
    """Export by tracing; batch norms stay, names of modules are found in the names of nodes."""
    axes = {
        name: {axis: dim for axis, dim in enumerate(options.inputs[name].shape) if isinstance(dim, str)}
        for name in names
        if name in options.inputs
    }
    in_order = names == list(inspect.signature(module.forward).parameters)[: len(names)]
    torch.onnx.export(
        module,
        tensors if in_order or isinstance(module, torch.jit.ScriptModule) else (),
        str(target),
        kwargs=None if in_order or isinstance(module, torch.jit.ScriptModule) else dict(zip(names, tensors, strict=True)),
        dynamo=False,
        opset_version=min(options.opset or _TORCHSCRIPT_OPSET, 20),
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        input_names=names,
        dynamic_axes={name: dims for name, dims in axes.items() if dims},
    )
    exporter = f"torch.onnx {torch.__version__}, TorchScript exporter ({why})"
    model = onnx.load(target, load_external_data=False)
    model.metadata_props.add(key=EXPORTER_KEY, value=exporter)
    onnx.save(model, target)
    return exporter


def example_inputs(module: torch.nn.Module, inputs: dict[str, InputSpec] | Any) -> tuple[list[str], tuple[torch.Tensor, ...]]:
    """Names of the inputs of `forward`, in its order, and random tensors to trace it with.

    Raises:
        UsageError: a name is no argument of `forward`, or an argument without a default has no shape.
    """
    signature = inspect.signature(module.forward)
    parameters = [parameter for name, parameter in signature.parameters.items() if name != "self"]
    known = [parameter.name for parameter in parameters]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    for name in inputs:
        if name not in known and not takes_any:
            raise UsageError(f"{type(module).__name__}.forward has no argument '{name}'; it has: {', '.join(known)}")
    required = [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    missing = [name for name in required if name not in inputs]
    if missing or not inputs:
        wanted = missing or known[:1]
        raise UsageError(
            f"irstat needs the shape of {type(module).__name__}.forward({', '.join(wanted)}):"
            f" give --input {wanted[0] if wanted else 'x'}=1,3,224,224 (or 1,128:int64 for token ids)"
        )
    names = [name for name in known if name in inputs] + [name for name in inputs if name not in known]
    sizes: dict[str, int] = {}
    return names, tuple(_tensor(inputs[name], name, sizes) for name in names)


def _tensor(spec: InputSpec, name: str, sizes: dict[str, int]) -> torch.Tensor:
    """A random tensor; `sizes` are those that free sizes were given before, by name."""
    shape = [
        dim if isinstance(dim, int) else sizes.setdefault(dim, _example_size(axis, len(sizes)))
        for axis, dim in enumerate(spec.shape)
    ]
    dtype = getattr(torch, spec.dtype or "float32", None)
    if not isinstance(dtype, torch.dtype):
        raise UsageError(f"input '{name}': torch has no element type '{spec.dtype}'")
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(shape, dtype=dtype)
    return torch.ones(shape, dtype=dtype)


def _example_size(axis: int, number: int) -> int:
    """A size to trace a free size with: neither 0 nor 1, which exporters take for constants, and different for each."""
    return 2 + number if axis == 0 else 64 + 32 * axis + 128 * number


def _dynamic_shapes(names: list[str], inputs: Any) -> dict[str, dict[int, Any]] | None:
    dims: dict[str, Any] = {}
    shapes: dict[str, dict[int, Any]] = {}
    for name in names:
        free = {axis: dim for axis, dim in enumerate(inputs[name].shape) if isinstance(dim, str)}
        shapes[name] = {axis: dims.setdefault(dim, torch.export.Dim(dim)) for axis, dim in free.items()}
    return shapes if dims else None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters' progress messages, warnings and logs to themselves."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
