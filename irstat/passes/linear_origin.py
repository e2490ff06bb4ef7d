"""Whether a value comes from a convolution or matrix product, through what networks put between such layers."""

from __future__ import annotations

from irstat.graph import Graph

LINEAR = frozenset("Conv ConvTranspose MatMul Gemm Einsum BatchNormalization FusedConv NhwcConv".split())
"""Operators after which a batch normalization stands."""

PASSING = frozenset(
    (
        "Relu LeakyRelu PRelu ThresholdedRelu Clip Sigmoid Tanh Elu Selu Celu Softplus Softsign HardSigmoid HardSwish Swish"
        " Gelu Mish MaxPool AveragePool GlobalAveragePool GlobalMaxPool Concat Add Sum Mul Max Min Transpose Identity Cast"
        " Dropout Pad Flatten Reshape Squeeze Unsqueeze Resize Upsample Slice Split DepthToSpace SpaceToDepth"
    ).split()
)
"""Operators that may stand between: activations, pooling, joins of branches, gates, and what only rearranges."""


class LinearOrigin:
    """Answers for one graph, remembering what it saw."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._known: dict[str, str] = {}

    def problem(self, name: str) -> str:
        """ "" if everything that flows into the tensor comes from linear layers, else what does not."""
        if name in self._known:
            return self._known[name]
        seen: dict[str, None] = {}
        pending = [name]
        problem = ""
        while pending and not problem:
            current = pending.pop()
            if current in seen or self._known.get(current) == "":
                continue
            seen[current] = None
            tensor = self.graph.find_tensor(current)
            if tensor is not None and tensor.kind == "constant":
                continue
            node = self.graph.producer(current)
            if node is None:
                problem = "an input of the graph"
            elif node.op_type in PASSING:
                pending += [used for used in node.inputs if used and self._varies(used)]
            elif node.op_type not in LINEAR and node.op_type != "Constant":
                problem = f"{node.qualified_type} '{node.name}'"
        if problem:
            self._known[name] = problem
        else:
            self._known.update(dict.fromkeys(seen, ""))
        return problem

    def _varies(self, name: str) -> bool:
        """Whether a value carries data: not where it describes sizes."""
        tensor = self.graph.find_tensor(name)
        return tensor is None or tensor.dtype not in ("int32", "int64", "bool")
