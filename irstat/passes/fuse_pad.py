"""Puts a Pad into the convolutions and pools that read it.

p = Pad(x, [0, 0, 1, 1, 0, 0, 1, 1])
y = Conv<kernel_shape = [3, 3]>(p, w)            →     y = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x, w)

p = Pad(x, [0, 0, 1, 1, 0, 0, 1, 1], -inf)
y = MaxPool<kernel_shape = [3, 3]>(p)            →     y = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x)

All readers have to take it, or it stays. What a reader pads with: a convolution with zeros (with its input's zero point if it
is quantized), an average with zeros that count, a maximum with nothing: that is −∞, or the lowest number of the type, or 0 if
the values are known not to be negative, and each window has one of them. Source: the operators' definitions in the ONNX
specification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from onnx import helper

from irstat.element_types import NUMBER_OF
from irstat.graph import Graph, Node
from irstat.passes.attributes import with_attributes
from irstat.passes.base import Change, PassResult, Refusal, run_in_bodies
from irstat.passes.no_ops import numbers, small_value

_NOT_NEGATIVE = frozenset("Relu Sigmoid HardSigmoid Softmax Abs Exp Softplus".split())
"""Operators whose results are zero or more."""

_LAYER = frozenset("MaxPool AveragePool LpPool Conv ConvInteger QLinearConv ConvTranspose".split())
"""Operators with pads of their own: a Pad before one that stays gets a reason."""


class _NotExactError(Exception):
    """Why a reader can't take the Pad."""


@dataclass(frozen=True, slots=True)
class _Padding:
    """What a Pad does: amounts at the begin of each spatial axis and at the end, and the value."""

    node: Node
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    value: Any
    """A numpy scalar, or a plain 0 where none is given."""
    not_negative: bool
    """Whether what is padded is known to be zero or more."""


@dataclass(frozen=True, slots=True)
class FusePad:
    """The reader's `pads` grow by the amounts of the Pad; `auto_pad` VALID becomes explicit pads."""

    name: ClassVar[str] = "fuse_pad"

    def run(self, graph: Graph) -> PassResult:
        """Change the graph in place."""
        result = PassResult()
        for name in [node.name for node in graph.nodes()]:
            node = graph.node(name)
            run_in_bodies(graph, node, self.run, result)
            if node.op_type == "Pad" and not node.domain and node.inputs and node.inputs[0]:
                self._fuse(graph, node, result)
        return result

    def _fuse(self, graph: Graph, pad: Node, result: PassResult) -> None:
        readers = graph.consumers(pad.outputs[0])
        if not any(reader.op_type in _LAYER and not reader.domain for reader in readers):
            return
        try:
            padding = _padding(graph, pad)
            if pad.outputs[0] in graph.outputs:
                raise _NotExactError("its result is an output of the graph")
            padded = [_padded(graph, reader, padding) for reader in readers]
        except _NotExactError as error:
            result.refusals.append(Refusal(pad.name, str(error)))
            return
        graph.remove_node(pad.name)
        for old, new in zip(readers, padded, strict=True):
            graph.replace_nodes([old], [replace(new, source=(*pad.source, *old.source))])
            text = f"Pad{_of(pad)} put into {old.op_type}{_of(old)}"
            result.add(Change(old.name, f"Pad into {old.op_type}", text, (pad.name,)))
        graph.remove_tensor(pad.outputs[0])


def _of(node: Node) -> str:
    return f" of layer {node.layer}" if node.layer else f" '{node.name}'"


def _padding(graph: Graph, pad: Node) -> _Padding:
    mode = pad.attrs.get("mode", "constant")
    if mode != "constant":
        raise _NotExactError(f"it pads with mode '{mode}'")
    amounts = numbers(graph, pad, 1, "pads", "paddings")
    if amounts is None:
        raise _NotExactError("its amounts are computed")
    tensor = graph.find_tensor(pad.inputs[0])
    rank = len(tensor.shape) if tensor is not None and tensor.shape is not None else 0
    if len(pad.inputs) > 3 and pad.inputs[3]:
        axes = numbers(graph, pad, 3)
        if axes is None or not rank:
            raise _NotExactError("its axes are computed, or the rank of its input is not known")
    else:
        axes = list(range(len(amounts) // 2))
        rank = len(axes)
    begins, ends = [0] * rank, [0] * rank
    for place, axis in enumerate(axes):
        begins[axis], ends[axis] = amounts[place], amounts[len(axes) + place]
    if rank < 3 or any((*begins[:2], *ends[:2])):
        raise _NotExactError("it pads along batch or channels")
    if min(begins + ends) < 0:
        raise _NotExactError("it crops: an amount is negative")
    value = _value(graph, pad)
    return _Padding(pad, tuple(begins[2:]), tuple(ends[2:]), value, _is_not_negative(graph, pad.inputs[0]))


def _value(graph: Graph, pad: Node) -> Any:
    if len(pad.inputs) > 2 and pad.inputs[2]:
        found = small_value(graph, pad.inputs[2])
        if found is None or found.size != 1:
            raise _NotExactError("the value it pads with is computed")
        return found.reshape(-1)[0]
    return pad.attrs.get("value", 0)


def _is_not_negative(graph: Graph, name: str) -> bool:
    node = graph.producer(name)
    if node is None or node.domain:
        return False
    if node.op_type == "Clip":
        least = node.attrs.get("min")
        if least is None and len(node.inputs) > 1 and node.inputs[1]:
            found = small_value(graph, node.inputs[1])
            least = None if found is None else float(found.reshape(-1)[0])
        return least is not None and least >= 0
    return node.op_type in _NOT_NEGATIVE or (node.op_type == "MaxPool" and _is_not_negative(graph, node.inputs[0]))


# ---- readers


def _padded(graph: Graph, reader: Node, padding: _Padding) -> Node:
    """The reader with the Pad in it.

    Raises:
        _NotExactError: it can't take the Pad.
    """
    name = padding.node.outputs[0]
    check = _READERS.get(reader.op_type)
    if check is None or reader.domain:
        raise _NotExactError(f"{reader.qualified_type} '{reader.name}' reads it too, or has no pads for it")
    if reader.inputs[0] != name or name in reader.inputs[1:]:
        raise _NotExactError(f"{reader.op_type} '{reader.name}' reads it as something else than data")
    auto = reader.attrs.get("auto_pad", "NOTSET")
    if auto not in ("NOTSET", "VALID"):
        raise _NotExactError(f"{reader.op_type} '{reader.name}' has auto_pad {auto}, which depends on the padded size")
    own = tuple(reader.attrs.get("pads", ())) if auto == "NOTSET" else ()
    spatial = len(padding.begins)
    own = own or (0,) * (2 * spatial)
    if len(own) != 2 * spatial:
        raise _NotExactError(f"{reader.op_type} '{reader.name}' has pads for another number of axes")
    pads = tuple(a + b for a, b in zip(own, (*padding.begins, *padding.ends), strict=True))
    changed = {"pads": pads, **check(graph, reader, padding, own, pads)}
    if "auto_pad" in reader.attrs:
        changed["auto_pad"] = None
    return with_attributes(replace(reader, inputs=(padding.node.inputs[0], *reader.inputs[1:])), changed)


Pads = tuple[int, ...]


def _conv(graph: Graph, reader: Node, padding: _Padding, own: Pads, pads: Pads) -> dict[str, Any]:
    _need_zero(reader, padding)
    return {}


def _quantized(graph: Graph, reader: Node, padding: _Padding, own: Pads, pads: Pads) -> dict[str, Any]:
    zero: Any = 0
    if len(reader.inputs) > 2 and reader.inputs[2]:
        found = small_value(graph, reader.inputs[2])
        if found is None or found.size != 1:
            raise _NotExactError(f"the zero point of {reader.op_type} '{reader.name}' is computed")
        zero = found.reshape(-1)[0]
    if int(padding.value) != int(zero):
        raise _NotExactError(f"it pads with {padding.value}; {reader.op_type} '{reader.name}' pads with its zero point, {zero}")
    return {}


def _max_pool(graph: Graph, reader: Node, padding: _Padding, own: Pads, pads: Pads) -> dict[str, Any]:
    if len(reader.outputs) > 1 and reader.outputs[1]:
        raise _NotExactError(f"MaxPool '{reader.name}' gives out indices, which count padded elements")
    is_least = float(padding.value) == -np.inf or padding.value == _least(graph, padding)
    is_least = is_least or (not float(padding.value) and padding.not_negative)
    if not is_least:
        raise _NotExactError(f"it pads with {padding.value}; MaxPool '{reader.name}' pads with nothing")
    if any(dilation != 1 for dilation in reader.attrs.get("dilations", ())):
        raise _NotExactError(f"MaxPool '{reader.name}' has dilated windows, some of which may see nothing but the padding")
    return _window(reader, pads)


def _least(graph: Graph, padding: _Padding) -> Any:
    """The lowest number of the padded tensor's type; None where that is not known."""
    tensor = graph.find_tensor(padding.node.inputs[0])
    if tensor is None or tensor.dtype is None:
        return None
    dtype = helper.tensor_dtype_to_np_dtype(NUMBER_OF[tensor.dtype])
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return np.finfo(dtype).min if dtype.kind == "f" else None


def _average_pool(graph: Graph, reader: Node, padding: _Padding, own: Pads, pads: Pads) -> dict[str, Any]:
    _need_zero(reader, padding)
    if reader.version < 7:
        raise _NotExactError(f"AveragePool '{reader.name}' can't count padded elements before opset 7")
    if any(own) and not reader.attrs.get("count_include_pad", 0):
        raise _NotExactError(f"AveragePool '{reader.name}' does not count its own pads, but those of the Pad")
    return {"count_include_pad": 1, **_window(reader, pads)}


def _lp_pool(graph: Graph, reader: Node, padding: _Padding, own: Pads, pads: Pads) -> dict[str, Any]:
    _need_zero(reader, padding)
    return _window(reader, pads)


def _need_zero(reader: Node, padding: _Padding) -> None:
    if float(padding.value) != 0:
        raise _NotExactError(f"it pads with {padding.value}; {reader.op_type} '{reader.name}' pads with zeros")


def _window(reader: Node, pads: Pads) -> dict[str, Any]:
    """What pools ask of pads: less than a window, and a size that is not rounded up."""
    if reader.attrs.get("ceil_mode", 0):
        raise _NotExactError(f"{reader.op_type} '{reader.name}' rounds its size up, which goes by the unpadded size")
    kernel = tuple(reader.attrs.get("kernel_shape", ()))
    if 2 * len(kernel) != len(pads) or any(pad >= size for pad, size in zip(pads, (*kernel, *kernel), strict=True)):
        raise _NotExactError(f"the pads of {reader.op_type} '{reader.name}' would be as large as its window")
    return {}


_READERS: Mapping[str, Callable[[Graph, Node, _Padding, Pads, Pads], dict[str, Any]]] = {
    "Conv": _conv,
    "ConvInteger": _quantized,
    "QLinearConv": _quantized,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "LpPool": _lp_pool,
}
"""Operator -> attributes it gets besides `pads`; raises where it can't take the Pad."""
