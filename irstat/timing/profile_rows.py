"""Time of kernels -> time of the user's nodes.

A kernel that does the work of several nodes is shared out in proportion to max(FLOPs, bytes read and written) of each, equally
where all of these are 0. Times are whole nanoseconds, and so are shares: they add up to the kernel's time exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from irstat.cost.cost import Cost
from irstat.graph import Graph
from irstat.timing.kernel_map import Kernel, KernelMap

RowKind = Literal["node", "added", "unmapped"]
_NANOSECONDS_A_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """Time of one node, or of a kernel that is no node's."""

    name: str
    op_type: str
    """With its domain outside ai.onnx."""
    kind: RowKind
    """`node` of the user's graph; kernel that onnxruntime `added`; `unmapped` kernel."""
    status: str
    """`measured`: kernels of its own; `shared`: part of a kernel's time; else why there is no kernel: `folded`, `removed`,
    `unused`, `merged into X`, `moved past X`, `not found`. `needed by X` for an added kernel."""
    nanoseconds: int
    kernels: tuple[str, ...] = ()
    """Kernels of the optimized model whose time is in here."""
    together: tuple[str, ...] = ()
    """Nodes that share a kernel with this one, itself among them; empty if none does."""
    added_nanoseconds: int = 0
    """Time of kernels that onnxruntime added for this node; it is in rows of its own, not in `nanoseconds`."""
    needed_by: str = ""
    """For an added kernel: the node it is there for."""
    layer: str = ""
    layer_type: str = ""
    macs: int = 0
    flops: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    counter: str = ""
    """What OpenVINO says of it: `EXECUTED`, `OPTIMIZED_OUT`, or `NOT_RUN` (fused into another layer, nothing to do, or done in
    less than a microsecond); empty for onnxruntime's kernels, and for nodes that OpenVINO doesn't mention."""

    bound_nanoseconds: int = 0
    """The shortest that it could take on this machine, by its roofline; 0 where that is not known."""
    bound_by: str = ""
    """`compute` or `memory`: what sets the bound; empty where there is none."""

    @property
    def intensity(self) -> float | None:
        """FLOPs for each byte read or written; None where nothing is moved."""
        moved = self.read_bytes + self.write_bytes
        return self.flops / moved if moved else None

    @property
    def efficiency(self) -> float | None:
        """Bound ÷ measured time; None where one of them is not known."""
        return self.bound_nanoseconds / self.nanoseconds if self.bound_nanoseconds and self.nanoseconds else None

    @property
    def flops_per_second(self) -> int | None:
        """None where no time was measured, or there is no arithmetic."""
        return self.flops * _NANOSECONDS_A_SECOND // self.nanoseconds if self.nanoseconds and self.flops else None

    @property
    def bytes_per_second(self) -> int | None:
        """Bytes read and written; None where no time was measured, or nothing is moved."""
        moved = self.read_bytes + self.write_bytes
        return moved * _NANOSECONDS_A_SECOND // self.nanoseconds if self.nanoseconds and moved else None


def weight(cost: Cost | None) -> int:
    """Predicted cost of a node: the larger of its FLOPs and of the bytes it moves."""
    return 0 if cost is None else max(cost.forward.flops, cost.read + cost.written)


def share_out(nanoseconds: int, weights: Sequence[int]) -> list[int]:
    """Split a time in proportion to weights into whole numbers that add up to it (largest remainders first)."""
    if not any(weights):
        weights = [1] * len(weights)
    total = sum(weights)
    shares = [nanoseconds * part // total for part in weights]
    remainders = sorted(range(len(weights)), key=lambda index: (-(nanoseconds * weights[index] % total), index))
    for index in remainders[: nanoseconds - sum(shares)]:
        shares[index] += 1
    return shares


@dataclass(slots=True)
class _Account:
    nanoseconds: int = 0
    added: int = 0
    kernels: tuple[str, ...] = ()
    together: tuple[str, ...] = ()


def rows_of(
    graph: Graph,
    costs: Mapping[str, Cost],
    mapping: KernelMap,
    nanoseconds: Mapping[str, int],
    unknown: Mapping[tuple[str, str], int],
) -> list[ProfileRow]:
    """All rows: nodes in execution order, then added kernels, then kernels that are no node's.

    Args:
        graph: the user's.
        costs: by node; nodes left out cost nothing.
        mapping: of kernels to nodes.
        nanoseconds: by kernel; kernels left out did not run.
        unknown: time of kernels that are not in the mapping, by name and operator.
    """
    accounts = {node.name: _Account() for node in graph.nodes()}
    own: list[ProfileRow] = []
    for kernel in mapping.kernels:
        time = nanoseconds.get(kernel.name, 0)
        if kernel.kind == "added":
            needed_by = _main_node(mapping.kernels, kernel, costs)
            if needed_by:
                accounts[needed_by].added += time
            status = f"needed by {needed_by}" if needed_by else "needed by no node"
            layer = _layer(graph, needed_by)
            own.append(ProfileRow(kernel.name, kernel.op_type, "added", status, time, (kernel.name,), (), 0, needed_by, *layer))
        elif kernel.kind == "unmapped":
            own.append(ProfileRow(kernel.name, kernel.op_type, "unmapped", "not mapped", time, (kernel.name,)))
        _charge(accounts, kernel, time, costs)
    own += [ProfileRow(name, op_type, "unmapped", "not mapped", time, (name,)) for (name, op_type), time in unknown.items()]
    own.sort(key=lambda row: row.kind != "added")
    return [*_node_rows(graph, costs, mapping, accounts), *own]


def _charge(accounts: Mapping[str, _Account], kernel: Kernel, time: int, costs: Mapping[str, Cost]) -> None:
    shares = share_out(time, [weight(costs.get(name)) for name in kernel.nodes])
    for name, share in zip(kernel.nodes, shares, strict=True):
        account = accounts[name]
        account.nanoseconds += share
        account.kernels = (*account.kernels, kernel.name)
        if len(kernel.nodes) > 1:
            account.together = tuple(dict.fromkeys((*account.together, *kernel.nodes)))


def _node_rows(
    graph: Graph, costs: Mapping[str, Cost], mapping: KernelMap, accounts: Mapping[str, _Account]
) -> list[ProfileRow]:
    rows = []
    for node in graph.nodes():
        account, cost = accounts[node.name], costs.get(node.name, Cost())
        status = mapping.gone.get(node.name) or ("shared" if account.together else "measured")
        rows.append(
            ProfileRow(
                name=node.name,
                op_type=node.qualified_type,
                kind="node",
                status=status,
                nanoseconds=account.nanoseconds,
                kernels=account.kernels,
                together=account.together,
                added_nanoseconds=account.added,
                layer=node.layer,
                layer_type=node.layer_type,
                macs=cost.forward.macs,
                flops=cost.forward.flops,
                read_bytes=cost.read,
                write_bytes=cost.written,
            )
        )
    return rows


def _main_node(kernels: Sequence[Kernel], kernel: Kernel, costs: Mapping[str, Cost]) -> str:
    """The costliest node of the kernel that an added one is there for."""
    if kernel.needed_by is None:
        return ""
    return max(kernels[kernel.needed_by].nodes, key=lambda name: weight(costs.get(name)), default="")


def _layer(graph: Graph, name: str) -> tuple[str, str]:
    node = graph.node(name) if name else None
    return ("", "") if node is None else (node.layer, node.layer_type)
