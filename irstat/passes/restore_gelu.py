"""Puts GELU back: 0.5·x·(1 + Erf(x/√2)), or its approximation with Tanh, in any order.

    d = Div(x, 1.41421354)
    e = Erf(d)
    a = Add(e, 1)
    m = Mul(x, a)
    y = Mul(m, 0.5)          →     y = Gelu(x)

`Gelu` is an operator of ONNX since opset 20; in a model of an older one see `irstat.passes.restore_silu`. The tanh form is
0.5·x·(1 + Tanh(√(2/π)·(x + 0.044715·x³))) (Hendrycks and Gimpel 2016, "Gaussian Error Linear Units").
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from irstat.graph import Graph
from irstat.passes.activations import Activation, restore
from irstat.passes.arithmetic import Array, compute
from irstat.passes.base import PassResult
from irstat.passes.restore import Proofs


def gelu(x: Array) -> Array:
    """x·Φ(x) in float64, with the tail of Φ exact."""
    result: Array = 0.5 * x * compute("Erfc", (-x / math.sqrt(2),), {})
    return result


def gelu_tanh(x: Array) -> Array:
    """The approximation with Tanh, in float64."""
    result: Array = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return result


GELU = Activation("Gelu", 20, "GELU", gelu, ("Erf", "Erfc"))
TANH_GELU = Activation("Gelu", 20, "the tanh form of GELU", gelu_tanh, ("Tanh",), {"approximate": "tanh"})


@dataclass(frozen=True, slots=True)
class RestoreGelu:
    """The exact form is told from the approximate one; they differ by up to 0.0005."""

    name: ClassVar[str] = "restore_gelu"
    proofs: Proofs = field(default_factory=Proofs, compare=False)

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place. Looks at shapes and element types: infer them first."""
        result = restore(graph, GELU, self.proofs)
        approximate = restore(graph, TANH_GELU, self.proofs)
        return PassResult(result.changed + approximate.changed, [*result.refusals, *approximate.refusals])
