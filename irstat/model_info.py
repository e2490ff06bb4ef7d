"""`ModelInfo`: what a model file holds beside its graph."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from dataclasses import dataclass, field, replace
from pathlib import Path

from onnx import ModelProto

from irstat.tensor_data import TensorData


class Scratch:
    """A temporary folder that lives as long as somebody refers to this object."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="irstat-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(slots=True)
class ModelInfo:
    """What a model file holds beside its graph; shared by a graph, its bodies and its copies."""

    proto: ModelProto
    """Everything but nodes and initializers of the graph."""
    name: str = ""
    """Name for reports: the file's name without its suffix, or the graph's."""
    path: Path | None = None
    opsets: dict[str, int] = field(default_factory=dict)
    tokens: dict[bytes, TensorData] = field(default_factory=dict)
    """Large tensors outside initializers (attributes, functions, training info) by their token."""
    folder: Scratch | None = None
    """Where its file is, if that is to go with the model."""

    def copy(self) -> ModelInfo:
        """One whose message can be changed without changing this one."""
        proto = ModelProto()
        proto.CopyFrom(self.proto)
        return replace(self, proto=proto, opsets=dict(self.opsets))
