"""A comparison as plain data; the names are a contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from irstat.compare.effects import Effect, Place
from irstat.compare.layer import Layer
from irstat.compare.side import Side

if TYPE_CHECKING:
    from irstat.compare.comparison import Comparison


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Totals, differences and every layer, keys in a fixed order."""
    shares = comparison.aligned_macs
    return {
        "schema": 1,
        "same": comparison.is_same,
        "a": _side(comparison.a, comparison.sizes[0]),
        "b": _side(comparison.b, comparison.sizes[1]),
        "totals": {name: {"a": a, "b": b, "ratio": b / a if a else None} for name, (a, b) in comparison.totals.items()},
        "aligned_macs": {"a": shares[0], "b": shares[1]},
        "summary": comparison.summary,
        "differences": [
            {
                "sort": group.sort,
                "what": group.what,
                "count": len(group.places),
                "values": [{"a": a, "b": b, "count": count} for a, b, count in group.values],
                "effect": _effect(group.effect),
                "layers": [_names(place) for place in group.places],
            }
            for group in comparison.groups
        ],
        "remarks": list(comparison.remarks),
        "layers": [_place(place) for place in comparison.places],
        **({} if comparison.transfer is None else {"transfer": comparison.transfer.to_json()}),
    }


def _side(side: Side, sizes: Any) -> dict[str, Any]:
    return {"name": side.name, "layers": len(side.layers), "dims": dict(sizes)}


def _effect(effect: Effect) -> dict[str, int]:
    return {"macs": effect.macs, "flops": effect.flops, "params": effect.params, "activation_bytes": effect.memory}


def _names(place: Place) -> dict[str, str | None]:
    return {"a": None if place.a is None else place.a.name, "b": None if place.b is None else place.b.name}


def _place(place: Place) -> dict[str, Any]:
    return {
        "status": place.status,
        "a": _layer(place.a),
        "b": _layer(place.b),
        "differences": [{"property": each.property, "a": each.a, "b": each.b} for each in place.differences],
        "effect": _effect(place.effect),
    }


def _layer(layer: Layer | None) -> dict[str, Any] | None:
    if layer is None:
        return None
    return {
        "name": layer.name,
        "family": layer.family,
        "kind": layer.kind,
        "properties": dict(layer.properties),
        "notes": dict(layer.notes),
        "nodes": list(layer.nodes),
        "shape": None if layer.shape is None else list(layer.shape),
        "dtype": layer.dtype,
        "macs": layer.cost.macs,
        "flops": layer.cost.flops,
        "params": layer.cost.params,
    }
