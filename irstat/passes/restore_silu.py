"""Puts SiLU back: x·Sigmoid(x), in any order.

    s = Sigmoid(x)
    y = Mul(x, s)          →     y = Swish(x)

`Swish` is the ONNX operator for it since opset 24. In a model of an older opset the node is of opset 24 all the same: so
reports, cost rules and shape inference know it under the name users expect (com.microsoft's QuickGelu with alpha 1 is the
same function, but not the same word). The writer turns a node that the model's opset lacks into a call of a function in
the model (`irstat.local_functions`), which reads back as this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from irstat.graph import Graph
from irstat.passes.activations import Activation, restore
from irstat.passes.arithmetic import Array, compute
from irstat.passes.base import PassResult
from irstat.passes.restore import Proofs


def silu(x: Array) -> Array:
    """x / (1 + exp(-x)) in float64."""
    result: Array = x * compute("Sigmoid", (x,), {})
    return result


SILU = Activation("Swish", 24, "x·Sigmoid(x)", silu, ("Sigmoid",))


@dataclass(frozen=True, slots=True)
class RestoreSilu:
    """SiLU with a factor inside the sigmoid (QuickGELU: 1.702) stays as it is."""

    name: ClassVar[str] = "restore_silu"
    proofs: Proofs = field(default_factory=Proofs, compare=False)

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place. Looks at shapes and element types: infer them first."""
        return restore(graph, SILU, self.proofs)
