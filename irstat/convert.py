"""Models of other frameworks: finds the converter that understands one, and lets it write ONNX.

A converter is an object in the entry-point group `irstat.converters`; the ones that come with irstat use the same door. It is
found and asked without importing its framework; only `export` does that.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol, runtime_checkable

from irstat.errors import ConverterConflictError, IrstatError, MissingDependencyError, UsageError
from irstat.onnx_reader import load
from irstat.onnx_writer import save

GROUP = "irstat.converters"
EXPORTER_KEY = "irstat.exporter"
"""Metadata property of a converted model: which exporter wrote it, and how."""

Shape = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What to feed a model for its export."""

    shape: Shape
    """Sizes; a name makes the size free in the exported model."""
    dtype: str | None = None
    """Element type, `int64`; None for what the framework expects there."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How to export a model."""

    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    """By name of the model's input; those the framework knows itself may be left out."""
    opset: int | None = None
    """Version of ai.onnx; None for what the converter thinks best."""
    trust_code: bool = False
    """Whether code inside a model file (pickles, Lambda layers) may run."""
    custom_objects: Mapping[str, object] = field(default_factory=dict)
    """Classes and functions that a model file refers to by name."""


@runtime_checkable
class Converter(Protocol):
    """Turns models of one framework into ONNX."""

    name: str
    """The framework, `pytorch`."""
    suffixes: Sequence[str]
    """Suffixes of the files it reads, `.keras`."""

    def recognises(self, model: object) -> bool:
        """Whether it can export the object or path. Must not import its framework: a model that exists has done so."""
        ...

    def export(self, model: object, target: Path, options: ExportOptions) -> str:
        """Write the model as ONNX; returns which exporter was used, for the record.

        The file holds the model as its author wrote it (batch norms present, one node an operation), each node with the
        metadata `irstat.layer` and `irstat.layer_type` or what `irstat.layers` reads, and the metadata property
        `irstat.exporter`. The model itself is left as it was.

        Raises:
            MissingDependencyError: the framework is not installed.
            ConversionError: the framework can't export the model.
            UntrustedCodeError: a file holds code and `options.trust_code` is off.
            UsageError: the inputs don't fit the model.
        """
        ...


@dataclass(frozen=True, slots=True)
class Installed:
    """A converter as its distribution announces it, not imported."""

    name: str
    module: str
    distribution: str
    version: str


def installed() -> list[Installed]:
    """All converters by name, without importing any.

    Raises:
        ConverterConflictError: two distributions provide one of the same name.
    """
    found: dict[str, Installed] = {}
    for entry in entry_points(group=GROUP):
        distribution = entry.dist
        owner = (distribution.name, distribution.version) if distribution is not None else ("unknown", "")
        other = found.get(entry.name)
        announced = Installed(entry.name, entry.value.partition(":")[0], *owner)
        if other is not None and (other.distribution, other.module) != (announced.distribution, announced.module):
            raise ConverterConflictError(
                f"two converters are named '{entry.name}': {other.module} of {other.distribution}"
                f" and {announced.module} of {announced.distribution}; uninstall one"
            )
        found[entry.name] = announced
    return [found[name] for name in sorted(found)]


@cache
def load_converter(name: str) -> Converter:
    """The converter of that name, its package imported (not its framework).

    Raises:
        UsageError: there is none, or it is no converter.
    """
    known = [entry.name for entry in installed()]
    if name not in known:
        raise UsageError(f"no converter is named '{name}'; installed: {', '.join(known) or 'none'}")
    entry: EntryPoint = next(entry for entry in entry_points(group=GROUP) if entry.name == name)
    try:
        converter = entry.load()
    except ImportError as error:
        raise MissingDependencyError(f"converter '{name}' can't be imported: {error}") from error
    if not isinstance(converter, Converter):
        raise UsageError(f"{entry.value} does not satisfy irstat.convert.Converter")
    return converter


def converter_for(model: object) -> Converter:
    """The converter that recognises a model object or the path of a model file.

    Raises:
        UsageError: none does; the message says what is installed.
    """
    converters = [load_converter(entry.name) for entry in installed()]
    for converter in converters:
        if converter.recognises(model):
            return converter
    what = f"{model}" if isinstance(model, Path) else f"an object of type {type(model).__module__}.{type(model).__qualname__}"
    suffixes = ", ".join(suffix for converter in converters for suffix in converter.suffixes)
    raise UsageError(f"{what}: neither ONNX nor understood by a converter ({suffixes or 'none is installed'})")


def convert(model: object, target: Path | str, options: ExportOptions | None = None) -> str:
    """Write a model of another framework as ONNX; returns which exporter was used.

    Args:
        model: an object of a framework, or the path of a file a converter reads.
        target: the ONNX file to write.
        options: inputs, opset, trust.

    Raises:
        UsageError: the file can't be written; an old one of that name is left whole.
        UsageError, MissingDependencyError, ConversionError, UntrustedCodeError: as `Converter.export`.
    """
    converter, target = converter_for(model), Path(os.path.realpath(target))
    if not target.parent.is_dir():
        raise UsageError(f"{target}: the folder {target.parent} does not exist")
    try:
        with tempfile.TemporaryDirectory(prefix=".irstat-", dir=target.parent) as folder:
            written = Path(folder) / target.name
            exporter = converter.export(model, written, options or ExportOptions())
            if len(list(written.parent.iterdir())) == 1:
                written.replace(target)
            else:
                save(load(written), target, weights="beside")
    except OSError as error:
        if isinstance(error, IrstatError):
            raise
        raise UsageError(f"{target}: can't be written: {error.strerror or error}") from error
    return exporter
