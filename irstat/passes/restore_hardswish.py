"""Puts HardSwish back: x·max(0, min(1, x/6 + 1/2)), in any order.

    a = Add(x, 3)
    c = Clip(a, 0, 6)
    m = Mul(c, 0.166666672)
    y = Mul(x, m)          →     y = HardSwish(x)

`HardSwish` is an operator of ONNX since opset 14; in a model of an older one see `irstat.passes.restore_silu`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from irstat.graph import Graph
from irstat.passes.activations import Activation, restore
from irstat.passes.arithmetic import Array
from irstat.passes.base import PassResult
from irstat.passes.restore import Proofs


def hard_swish(x: Array) -> Array:
    """HardSwish in float64."""
    return x * np.clip(x / 6 + 0.5, 0, 1)


HARD_SWISH = Activation("HardSwish", 14, "x·max(0, min(1, x/6 + 1/2))", hard_swish, ("Clip", "HardSigmoid", "Min"))


@dataclass(frozen=True, slots=True)
class RestoreHardswish:
    """A HardSigmoid that nothing is multiplied with is left alone."""

    name: ClassVar[str] = "restore_hardswish"
    proofs: Proofs = field(default_factory=Proofs, compare=False)

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place. Looks at shapes and element types: infer them first."""
        return restore(graph, HARD_SWISH, self.proofs)
