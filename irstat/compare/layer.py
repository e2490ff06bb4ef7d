"""A model as what its layers do, whatever wrote it: `Layer`, and the graph of them.

A layer stands for one or more nodes of the model: a convolution with the Add of its bias and the batch normalization behind it
is one. Operators that only change the order or the grouping of axes are no layers; nor are Identity, Dropout and casts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Value = bool | int | float | str | tuple[object, ...] | None
"""A property: sizes per axis are tuples, padding is a tuple of (before, after) per axis."""

LINEAR = "linear"
"""Family of convolutions and dense layers: a dense layer is a convolution with a 1×1 kernel."""


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """What the file computes of a stored tensor before it is used: its axes in another order, or in another shape."""

    op_type: str
    """`Transpose`, `Reshape`, or any other operator on constants alone."""
    perm: tuple[int, ...] | None = None
    """Of a Transpose: axis of the result -> axis of what is permuted."""
    shape: tuple[int, ...] | None = None
    """Of the result, where it is known."""


@dataclass(frozen=True, slots=True)
class Weight:
    """A constant of a layer, and how its values in the file become those of the canonical layout.

    Canonical layouts: convolutions (out, in / groups, kernel …), transposed ones (in, out / groups, kernel …), dense layers
    (out, in), vectors (channels,). Recurrent layers have the layout of ONNX.
    """

    role: str
    """`weight`, `bias`, `gamma`, `beta`, `mean`, `variance`, `recurrent_weight` …"""
    name: str
    """Of the tensor that the normalized graph uses."""
    stored: tuple[str, ...]
    """Names of the stored tensors it is computed from; its own name where it is stored itself."""
    steps: tuple[Rearrangement, ...]
    """From the stored tensor to the one that is used, in order."""
    order: tuple[int, ...] | None
    """Permutation from the used tensor's axes to the canonical ones, as of a Transpose; None where nothing is permuted."""
    shape: tuple[int, ...] | None
    """Canonical; None where it is not known."""
    is_parameter: bool = True
    """False for running statistics and plain constants."""
    is_made: bool = False
    """Whether irstat made the values up: a mean of zeros where the file has folded it."""


@dataclass(frozen=True, slots=True)
class LayerCost:
    """What the nodes of a layer cost together."""

    macs: int = 0
    flops: int = 0
    params: int = 0
    param_bytes: int = 0
    moved_bytes: int = 0
    """Bytes read and written."""
    output_bytes: int = 0
    """Bytes of the layer's result."""

    def __add__(self, more: LayerCost) -> LayerCost:
        return LayerCost(
            self.macs + more.macs,
            self.flops + more.flops,
            self.params + more.params,
            self.param_bytes + more.param_bytes,
            self.moved_bytes + more.moved_bytes,
            more.output_bytes,
        )


@dataclass(frozen=True, slots=True)
class Layer:
    """What some nodes of a model do."""

    index: int
    """Unique in its graph; layers are numbered in the order of their nodes."""
    family: str
    """What layers of different properties have in common: `linear`, `pool`, `activation`, `add` …"""
    kind: str
    """As people call it: `Conv`, `Dense`, `ReLU` …"""
    properties: Mapping[str, Value]
    """What was chosen: channels, kernel, stride … Sizes that follow from the layers before are no properties."""
    inputs: tuple[int, ...]
    """Indices of the layers whose results it reads, by operand."""
    name: str
    """Path of the layer in the source model, else the name of its first node."""
    nodes: tuple[str, ...] = ()
    """Names of the model's nodes it stands for."""
    weights: tuple[Weight, ...] = ()
    cost: LayerCost = LayerCost()
    shape: tuple[int | str | None, ...] | None = None
    """Of the result, axes in canonical order where that is known: batch, channels, spatial ones."""
    dtype: str | None = None
    is_ordered: bool = False
    """Whether operands can't change places."""
    notes: Mapping[str, Value] = field(default_factory=dict)
    """What makes no other network: a batch normalization of its own, the order of flattened axes."""


class LayerGraph:
    """Layers in execution order, and who reads whom."""

    def __init__(self, layers: list[Layer]) -> None:
        self.layers = layers
        self.by_index = {layer.index: layer for layer in layers}
        self.readers: dict[int, list[int]] = {layer.index: [] for layer in layers}
        for layer in layers:
            for used in dict.fromkeys(layer.inputs):
                self.readers[used].append(layer.index)

        self._reader_sets: dict[int, frozenset[int]] = {}

    def __len__(self) -> int:
        return len(self.layers)

    def reader_set(self, index: int) -> frozenset[int]:
        """The layers that read a result."""
        if index not in self._reader_sets:
            self._reader_sets[index] = frozenset(self.readers[index])
        return self._reader_sets[index]

    def __getitem__(self, index: int) -> Layer:
        return self.by_index[index]
