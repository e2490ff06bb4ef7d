"""Kinds of operators in a legend, and their colours: at most eight, the same operator in the same colour in every picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

MOST_KINDS = 8
_LEAST_SHARE = 0.001
"""Kinds below it can't be seen in a bar."""

OTHERS, ADDED, UNMAPPED = "others", "added by the runtime", "not mapped"

_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#8C564B")
"""Told apart by people with any colour vision (Okabe and Ito, Color Universal Design, 2008), and brown."""

_FIXED = {OTHERS: "#999999", ADDED: "#222222", UNMAPPED: "#CC0000"}
_PREFERRED = {
    **dict.fromkeys(("Conv", "ConvTranspose", "ConvInteger", "QLinearConv"), "#0072B2"),
    **dict.fromkeys(("Relu", "Clip", "Gelu", "Swish", "Sigmoid", "HardSwish", "Erf"), "#E69F00"),
    **dict.fromkeys(("MatMul", "Attention", "Einsum"), "#009E73"),
    **dict.fromkeys(("Gemm", "LSTM", "GRU", "RNN"), "#8C564B"),
    **dict.fromkeys(("BatchNormalization", "LayerNormalization", "InstanceNormalization"), "#CC79A7"),
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean"), "#56B4E9"),
    **dict.fromkeys(("Add", "Mul", "Sub", "Div", "Concat"), "#D55E00"),
    **dict.fromkeys(("Softmax", "Transpose", "Reshape"), "#F0E442"),
}
"""Where the colour is still free."""


def legend(amounts: Iterable[tuple[str, float]]) -> list[str]:
    """The kinds to tell apart, those of the largest sums first; the rest are `others`.

    Args:
        amounts: (kind, amount) of each row. `ADDED` and `UNMAPPED` are never among the others.
    """
    sums: dict[str, float] = {}
    for kind, amount in amounts:
        sums[kind] = sums.get(kind, 0) + amount
    special = [kind for kind in (ADDED, UNMAPPED) if sums.get(kind)]
    ordinary = sorted((kind for kind in sums if kind not in special and sums[kind]), key=lambda kind: (-sums[kind], kind))
    room = MOST_KINDS - len(special)
    seen = [kind for kind in ordinary if sums[kind] >= _LEAST_SHARE * sum(sums.values())]
    if len(ordinary) <= room and len(ordinary) <= len(seen) + 1:
        return [*ordinary, *special]
    return [*seen[: room - 1], OTHERS, *special]


def kind_in(kinds: Sequence[str], kind: str) -> str:
    """The kind as the legend has it."""
    return kind if kind in kinds else OTHERS


def colors(kinds: Sequence[str]) -> Mapping[str, str]:
    """A colour for each kind of a legend, `#0072B2`."""
    found: dict[str, str] = {kind: _FIXED[kind] for kind in kinds if kind in _FIXED}
    for kind in kinds:
        wanted = _PREFERRED.get(kind)
        if wanted is not None and wanted not in found.values():
            found.setdefault(kind, wanted)
    free = [color for color in _PALETTE if color not in found.values()]
    for kind in kinds:
        if kind not in found:
            found[kind] = free.pop(0)
    return {kind: found[kind] for kind in kinds}
