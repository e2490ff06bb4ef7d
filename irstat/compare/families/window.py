"""Pooling, padding, reductions and changes of resolution."""

from __future__ import annotations

from irstat.compare import axes as meaning
from irstat.compare.families.linear import padding, per_axis, plain_ones
from irstat.compare.layer import Value
from irstat.compare.view import Draft, View, number, plain
from irstat.graph import Node

_POOLS = {"MaxPool": "max", "AveragePool": "average", "LpPool": "Lp"}
_GLOBAL = {"GlobalAveragePool": "average", "GlobalMaxPool": "max", "GlobalLpPool": "Lp"}
_REDUCTIONS = {"ReduceMean": "average", "ReduceMax": "max"}


def pool(view: View, node: Node) -> Draft | None:
    """MaxPool, AveragePool, LpPool. A window of everything is a global pool."""
    kernel = tuple(node.attrs.get("kernel_shape", ()))
    rank = len(kernel)
    image, result = view.shape(node.inputs[0]), view.shape(node.outputs[0])
    strides, dilations = per_axis(node, "strides", rank), per_axis(node, "dilations", rank)
    pads = padding(view, node, kernel, strides, dilations)
    axes = meaning.image(result) if result is not None else None
    if image is not None and image[2:] == kernel and not pads and result is not None and all(dim == 1 for dim in result[2:]):
        return Draft("pool", "Pool", {"function": f"global {_POOLS[node.op_type]}"}, (node.inputs[0],), axes=axes)
    properties: dict[str, Value] = {
        "function": _POOLS[node.op_type],
        "kernel": plain_ones(kernel),
        "stride": plain_ones(strides),
        "dilation": plain_ones(dilations),
        "padding": pads,
    }
    if pads and node.op_type == "AveragePool":
        properties["counts_padding"] = bool(node.attrs.get("count_include_pad", 0))
    if node.attrs.get("ceil_mode", 0) and image is not None and result is not None:
        properties["rounds_up"] = _rounds_up(image[2:], result[2:], kernel, strides, dilations, pads)
    return Draft("pool", "Pool", properties, (node.inputs[0],), axes=axes)


def _rounds_up(
    image: tuple[int, ...],
    result: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    pads: tuple[tuple[int, int], ...],
) -> bool:
    """Whether rounding the size up makes a difference here."""
    for axis, size in enumerate(image):
        span = dilations[axis] * (kernel[axis] - 1) + 1
        room = size + (sum(pads[axis]) if pads else 0) - span
        if result[axis] != room // strides[axis] + 1:
            return True
    return False


def global_pool(view: View, node: Node) -> Draft | None:
    """GlobalAveragePool and the like."""
    result = view.shape(node.outputs[0])
    axes = meaning.image(result) if result is not None else None
    return Draft("pool", "Pool", {"function": f"global {_GLOBAL[node.op_type]}"}, (node.inputs[0],), axes=axes)


def reduction(view: View, node: Node) -> Draft | None:
    """A reduction; over all spatial axes it is a global pool."""
    before = view.axes_of(node.inputs[0])
    if before is None:
        return None
    rank = len(before)
    stated = view.integers(node, 1, "axes")
    if stated is None and view.given(node, 1):
        return None
    reduced = (
        {axis % rank for axis in stated} if stated else (set() if node.attrs.get("noop_with_empty_axes") else set(range(rank)))
    )
    keep = bool(node.attrs.get("keepdims", 1))
    after = tuple(() if axis in reduced else digits for axis, digits in enumerate(before) if keep or axis not in reduced)
    data = (node.inputs[0],)
    spatial = {axis for axis, digits in enumerate(before) if (meaning.meaning(digits) or "").isdigit()}
    gone = {axis for axis in reduced if before[axis]}
    if node.op_type in _REDUCTIONS and spatial and gone == spatial:
        return Draft("pool", "Pool", {"function": f"global {_REDUCTIONS[node.op_type]}"}, data, axes=after)
    names = sorted(meaning.meaning(before[axis]) or str(axis - rank) for axis in gone)
    return Draft("reduce", node.op_type, {"axes": tuple(names)}, data, axes=after)


def pad(view: View, node: Node) -> Draft | None:
    """Pad, amounts by axis in canonical order."""
    before = view.axes_of(node.inputs[0])
    amounts = view.integers(node, 1, "pads")
    if before is None or amounts is None:
        return None
    rank = len(before)
    axes = view.integers(node, 3, "axes") or tuple(range(rank))
    by_axis = {axis % rank: (amounts[place], amounts[len(axes) + place]) for place, axis in enumerate(axes)}
    order = canonical(before)
    value = view.scalar(view.given(node, 2)) if view.given(node, 2) else number(node.attrs.get("value", 0.0))
    properties: dict[str, Value] = {
        "padding": tuple(by_axis.get(axis, (0, 0)) for axis in order),
        "mode": node.attrs.get("mode", "constant"),
        "value": value,
    }
    result = view.shape(node.outputs[0])
    after = before
    if result is not None:
        after = tuple(
            digits if not any(by_axis.get(axis, ())) else ((_name(digits, axis), 1, result[axis]),) if result[axis] > 1 else ()
            for axis, digits in enumerate(before)
        )
    return Draft("pad", "Pad", properties, (node.inputs[0],), axes=after)


def _name(digits: meaning.Axis, axis: int) -> str:
    return meaning.meaning(digits) or (digits[0][0] if digits else f"pad.{axis}")


def canonical(axes: meaning.Axes) -> list[int]:
    """Axes in canonical order: batch, channels, spatial ones; as they are where that is not known.

    An axis of size 1 has no meaning of its own; it stays where the others leave a place.
    """
    names = [meaning.meaning(digits) for digits in axes]
    if len(axes) < 2 or any(name is None and digits for name, digits in zip(names, axes, strict=True)):
        return list(range(len(axes)))
    wanted = ["n", "c", *map(str, range(len(axes) - 2))]
    found = [names.index(name) if name in names else -1 for name in wanted]
    if any(name is not None and name not in wanted for name in names) or len({*names} - {None}) < sum(map(bool, axes)):
        return list(range(len(axes)))
    free = [axis for axis in range(len(axes)) if axis not in found]
    return [axis if axis >= 0 else free.pop(0) for axis in found]


def resize(view: View, node: Node) -> Draft | None:
    """Resize and Upsample by the factor between sizes."""
    before, after = view.shape(node.inputs[0]), view.shape(node.outputs[0])
    axes = view.axes_of(node.inputs[0])
    if before is None or after is None or axes is None or len(before) != len(after):
        return None
    factors = tuple(number(after[axis] / before[axis]) if before[axis] else 0.0 for axis in canonical(axes))
    mode = node.attrs.get("mode", "nearest")
    coordinates = node.attrs.get("coordinate_transformation_mode", "half_pixel" if node.op_type == "Resize" else "asymmetric")
    properties: dict[str, Value] = {"factors": factors, "mode": plain(mode), "coordinates": plain(coordinates)}
    digits = tuple(((_name(axis, place), 1, after[place]),) if after[place] > 1 else () for place, axis in enumerate(axes))
    return Draft("resize", "Resize", properties, (node.inputs[0],), axes=digits)
