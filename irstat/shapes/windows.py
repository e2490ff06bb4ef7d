"""Sizes of convolutions and pooling.

ONNX's own rules are not used because they divide towards zero, so that a window larger than its image seems to fit, let the
last window of a pooling that rounds up start behind the image (before opset 22), and misread `auto_pad` together with
`ceil_mode`, `output_shape` or `output_padding`.
Source: Conv-22, ConvTranspose-22, MaxPool-22 and AveragePool-22 in the ONNX specification; checked against onnxruntime.
"""

from __future__ import annotations

from irstat.shapes.call import Call, MisfitError, OpenShapeError
from irstat.shapes.value_type import Dims

Sizes = tuple[int, ...]
_SAME = ("SAME_UPPER", "SAME_LOWER")


def convolved(call: Call, image: Dims, weight: Sizes) -> Dims:
    """Image (N, Ci, spatial…) of which dims may be unknown, weight (Co, Ci/group, kernel…) -> (N, Co, spatial…).

    Raises:
        MisfitError: channels do not match, or the window does not fit into the image.
    """
    group = int(call.attr("group", 1))
    _check_rank(image, weight)
    if image[1] not in (None, weight[1] * group) or group < 1 or weight[0] % group:
        raise MisfitError(f"{image[1]} channels do not fit weights {list(weight)} in {group} groups")
    return (image[0], weight[0], *_slid(call, image[2:], _kernel(call, weight[2:])))


def pooled(call: Call, image: Dims) -> Dims:
    """Image (N, C, spatial…) of which dims may be unknown -> (N, C, spatial…).

    Raises:
        MisfitError: the window does not fit into the image.
    """
    kernel = call.attr("kernel_shape")
    if kernel is None or len(kernel) != len(image) - 2:
        raise OpenShapeError
    return (*image[:2], *_slid(call, image[2:], tuple(kernel)))


def transposed(call: Call, image: Dims, weight: Sizes) -> Dims:
    """Image (N, Ci, spatial…) of which dims may be unknown, weight (Ci, Co/group, kernel…) -> (N, Co, spatial…).

    Raises:
        MisfitError: channels do not match, or more is cut off than there is.
    """
    group = int(call.attr("group", 1))
    _check_rank(image, weight)
    if image[1] not in (None, weight[0]) or group < 1 or weight[0] % group:
        raise MisfitError(f"{image[1]} channels do not fit weights {list(weight)} in {group} groups")
    kernel, rank = _kernel(call, weight[2:]), len(image) - 2
    stated = call.attr("output_shape")
    if stated:
        if len(stated) != rank:
            raise OpenShapeError
        return (image[0], weight[1] * group, *(int(dim) for dim in stated))
    strides, dilations = _per_axis(call, "strides", rank), _per_axis(call, "dilations", rank)
    extra, pads = _per_axis(call, "output_padding", rank, 0), _pads(call, rank)
    dims: list[int | None] = []
    for axis, size in enumerate(image[2:]):
        if size is None:
            dims.append(None)
            continue
        span = dilations[axis] * (kernel[axis] - 1) + 1
        dim = strides[axis] * (size - 1) + extra[axis] + span - pads[axis] - pads[axis + rank]
        if call.attr("auto_pad", "NOTSET") in _SAME:
            dim = min(dim, size * strides[axis])
        if dim < 1:
            raise MisfitError(f"padding {list(pads)} cuts off more than there is")
        dims.append(dim)
    return (image[0], weight[1] * group, *dims)


def _slid(call: Call, image: Dims, kernel: Sizes) -> Dims:
    rank = len(image)
    strides, dilations, pads = _per_axis(call, "strides", rank), _per_axis(call, "dilations", rank), _pads(call, rank)
    same, up = call.attr("auto_pad", "NOTSET") in _SAME, bool(call.attr("ceil_mode", 0))
    dims: list[int | None] = []
    for axis, size in enumerate(image):
        stride = strides[axis]
        if size is None:
            dims.append(None)
            continue
        if same:
            dims.append(-(-size // stride))
            continue
        span = dilations[axis] * (kernel[axis] - 1) + 1
        before, after = pads[axis], pads[axis + rank]
        room = size + before + after - span
        dim = (-(-room // stride) if up else room // stride) + 1
        if up and (dim - 1) * stride >= size + before:
            dim -= 1
        if dim < 1:
            raise MisfitError(f"a window of {span} does not fit into {size} with padding {before} + {after}")
        dims.append(dim)
    return tuple(dims)


def _check_rank(image: Dims, weight: Sizes) -> None:
    if len(image) != len(weight) or len(image) < 3:
        raise MisfitError(f"weights of {len(weight)} dims do not fit an image of {len(image)}")


def _kernel(call: Call, of_weight: Sizes) -> Sizes:
    kernel = tuple(call.attr("kernel_shape") or of_weight)
    if kernel != of_weight:
        raise MisfitError(f"kernel_shape {list(kernel)} is not that of the weights, {list(of_weight)}")
    return kernel


def _per_axis(call: Call, name: str, rank: int, default: int = 1) -> Sizes:
    values = tuple(call.attr(name) or (default,) * rank)
    if len(values) != rank or min(values, default=default) < default:
        raise OpenShapeError
    return values


def _pads(call: Call, rank: int) -> Sizes:
    """Padding before each axis, then after each."""
    if call.attr("auto_pad", "NOTSET") not in ("NOTSET", ""):
        return (0,) * 2 * rank
    pads = tuple(call.attr("pads") or (0,) * 2 * rank)
    if len(pads) != 2 * rank:
        raise OpenShapeError
    return pads
