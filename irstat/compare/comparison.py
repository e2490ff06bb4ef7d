"""The result of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from irstat.compare.effects import Place
from irstat.compare.groups import Group
from irstat.compare.layer import LayerGraph
from irstat.compare.side import Side

if TYPE_CHECKING:
    from irstat.compare.transfer.result import Transfer
    from irstat.gates.increase import IncreaseResult

TOTALS = (
    "macs",
    "flops",
    "params",
    "folded_params",
    "buffers",
    "param_bytes",
    "storage_bytes",
    "read_bytes",
    "write_bytes",
    "activation_bytes",
    "peak_activation_bytes",
)
"""Totals side by side, as `irstat.Report.totals` names them; `folded_params` without batch normalizations that fold."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models, layer by layer."""

    a: Side
    b: Side
    sizes: tuple[Mapping[str, int], Mapping[str, int]]
    """Values of the named sizes of both, at which they were compared."""
    places: tuple[Place, ...]
    """Every layer of both, each once, in the order of A; a layer that only B has comes where B has it."""
    groups: tuple[Group, ...]
    """The differences, alike ones together, those with the largest effect first."""
    remarks: tuple[str, ...]
    """What differs and makes no other network."""
    transfer: Transfer | None = None
    """What both compute with the weights of A; None where nobody asked."""

    @property
    def is_same(self) -> bool:
        """Whether both are the same network. Whether they have the same weights nobody looked at."""
        return not self.groups

    @property
    def totals(self) -> dict[str, tuple[int, int]]:
        """Name -> (A, B)."""
        of_a, of_b = (_totals(side) for side in (self.a, self.b))
        return {name: (of_a[name], of_b[name]) for name in TOTALS}

    @property
    def aligned_macs(self) -> tuple[float, float]:
        """The share of each model's MACs in layers that have a partner, from 0 to 1; 1 where a model has none."""
        paired = [place for place in self.places if place.a is not None and place.b is not None]
        a = sum(place.a.cost.macs for place in paired if place.a is not None)
        b = sum(place.b.cost.macs for place in paired if place.b is not None)
        return _share(a, self.a.totals["macs"]), _share(b, self.b.totals["macs"])

    @property
    def summary(self) -> list[str]:
        """What differs, in at most ten lines."""
        from irstat.compare.summary import summary

        return summary(self)

    def check(self, increases: Mapping[str, int | float | str]) -> list[IncreaseResult]:
        """Hold the totals of B against those of A, `{"macs": "2%", "params": 0}`; the results name the layers to blame."""
        from irstat.compare.increases import check

        return check(self, increases)

    def as_text(self) -> str:
        """Totals, summary, and the layers that differ."""
        from irstat.compare.render import as_text

        return as_text(self)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        from irstat.compare.as_json import to_json

        return to_json(self)

    def __str__(self) -> str:
        return self.as_text()


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _totals(side: Side) -> dict[str, int]:
    return {**side.totals, "folded_params": side.totals["params"] - foldable_params(side.layers)}


def foldable_params(layers: LayerGraph) -> int:
    """Parameters that go when batch normalizations are folded: γ and β, less a bias for each layer that had none."""
    gone = 0
    for layer in layers.layers:
        if layer.notes.get("batch_norm"):
            sizes = {weight.role: weight.shape for weight in layer.weights if weight.is_parameter}
            vectors = [shape[0] for role in ("gamma", "beta") if (shape := sizes.get(role))]
            gone += sum(vectors) - (0 if layer.properties["bias"] else max(vectors, default=0))
    return gone
