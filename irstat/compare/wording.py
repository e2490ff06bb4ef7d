"""Properties and layers as people write them."""

from __future__ import annotations

from collections.abc import Iterable

from irstat.compare.differences import BATCH_NORM
from irstat.compare.layer import LINEAR, Layer, Value

_PER_AXIS = {"kernel": "1x1", "stride": "1", "dilation": "1"}
_NOUNS = {
    "activation": "activations",
    "pool": "pools",
    "batch_norm": "batch norms",
    "norm": "normalizations",
    "add": "sums",
    "mul": "products by element",
    "concat": "concatenations",
    "softmax": "softmaxes",
    "recurrent": "recurrent layers",
    "attention": "attentions",
    "product": "matrix products",
    "embedding": "embeddings",
    "input": "inputs",
    "output": "outputs",
}
_WORDS = {
    "counts_padding": "padding in averages",
    "rounds_up": "size rounded",
    "linear_before_reset": "linear before reset",
    "output_padding": "output padding",
    "gamma": "scale",
    "beta": "shift",
}
_YES = {
    "bias": ("bias", "none"),
    BATCH_NORM: ("batch norm", "none"),
    "counts_padding": ("counted", "not counted"),
    "rounds_up": ("up", "down"),
    "gamma": ("learnt", "none"),
    "beta": ("learnt", "none"),
}


def value_text(name: str, value: Value) -> str:
    """A value, `3x3`, `2`, `(0,1)`, `bias`."""
    if name in _YES and not isinstance(value, float):
        return _YES[name][0 if value else 1]
    if name in _PER_AXIS:
        if not isinstance(value, tuple) or not value:
            return _PER_AXIS[name] if value == () else "none"
        if name != "kernel" and len(set(value)) == 1:
            return str(value[0])
        return "x".join(map(str, value))
    if name == "padding":
        return _padding(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(str, value))})"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)


def _padding(value: Value) -> str:
    if not isinstance(value, tuple) or not value:
        return "0"
    texts = [f"({','.join(map(str, pair))})" if isinstance(pair, tuple) else str(pair) for pair in value]
    return texts[0] if len(set(texts)) == 1 else " ".join(texts)


def property_text(name: str) -> str:
    """The name of a property with a space behind it; nothing where its values are words for it."""
    return "" if name in ("bias", BATCH_NORM) else f"{_WORDS.get(name, name.replace('_', ' '))} "


def noun(layers: Iterable[Layer], name: str = "") -> str:
    """What layers are called together."""
    found = list(layers)
    families = {layer.family for layer in found}
    if name in ("epsilon", "gamma", "beta", BATCH_NORM) and families <= {LINEAR, "batch_norm"}:
        return "batch norms"
    if families == {LINEAR}:
        dense = [layer.kind == "Dense" for layer in found]
        return "dense layers" if all(dense) else "layers" if any(dense) else "convolutions"
    return _NOUNS.get(next(iter(families)), f"{found[0].kind} layers") if len(families) == 1 else "layers"


def belongs(layer: Layer, to: str) -> bool:
    """Whether a layer is one of those that a noun means."""
    if to == "batch norms":
        return layer.family == "batch_norm" or bool(layer.notes.get("batch_norm"))
    return noun([layer]) == to or (to == "layers" and layer.family not in ("input", "output"))


def kind_text(layer: Layer) -> str:
    """One layer, `3x3 Conv`, `ReLU`, `max Pool`."""
    properties = layer.properties
    if layer.family == LINEAR and layer.kind != "Dense":
        depthwise = "depthwise " if properties.get("groups") == "depthwise" else ""
        return f"{depthwise}{value_text('kernel', properties['kernel'])} {layer.kind}"
    if layer.family in ("pool", "reduce", "norm", "recurrent") and isinstance(properties.get("function"), str):
        function = str(properties["function"])
        return f"{function} Pool" if layer.family == "pool" else function
    return layer.kind
