"""Pooling, resampling and region operators of ai.onnx.

k is the product of the kernel's sizes; padded taps count as computed. Source: the operators' definitions (MaxPool-22,
AveragePool-22, LpPool-22, GlobalAveragePool-22, Resize-19, GridSample-22, RoiAlign-22, MaxRoiPool-22).
"""

from __future__ import annotations

import math

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op
from irstat.cost.registry import rule


def _taps(op: Op) -> int:
    return math.prod(op.attr("kernel_shape", ()))


@rule("MaxPool")
def max_pool(op: Op) -> Work:
    """k - 1 comparisons an output element. Backward adds each gradient where the maximum was (8-byte indices kept)."""
    return Work(Arithmetic(other=(_taps(op) - 1) * op.out), {0: Gradient(Arithmetic(other=op.out))}, kept_bytes=8 * op.out)


@rule("AveragePool")
def average_pool(op: Op) -> Work:
    """k - 1 adds and a divide an output element. Backward: a divide, then one add for each tap."""
    taps = _taps(op)
    return Work(Arithmetic(other=taps * op.out), {0: Gradient(Arithmetic(other=(taps + 1) * op.out))})


@rule("LpPool")
def lp_pool(op: Op) -> Work:
    """k powers, k - 1 adds and a root an output element. Backward: power, multiply, divide and add for each tap."""
    taps = _taps(op)
    return Work(Arithmetic(other=2 * taps * op.out), {0: Gradient(Arithmetic(other=4 * taps * op.out), ("i0", "o0"))})


@rule("GlobalMaxPool")
def global_max_pool(op: Op) -> Work:
    """in - out comparisons."""
    return Work(Arithmetic(other=op.input(0).elements - op.out), {0: Gradient()}, kept_bytes=8 * op.out)


@rule("GlobalAveragePool")
def global_average_pool(op: Op) -> Work:
    """in - out adds and a divide for each result. Backward: the divide; every element gets the same value."""
    return Work(Arithmetic(other=op.input(0).elements), {0: Gradient(Arithmetic(other=op.out))})


@rule("GlobalLpPool")
def global_lp_pool(op: Op) -> Work:
    """A power an element, in - out adds, a root for each result."""
    elements = op.input(0).elements
    return Work(Arithmetic(other=2 * elements), {0: Gradient(Arithmetic(other=3 * elements), ("i0", "o0"))})


@rule("Resize", "Upsample")
def resize(op: Op) -> Work:
    """Nearest: none. Linear over d resized axes: 2^d multiplies and 2^d - 1 adds an output element; cubic: 4^d and 4^d - 1.

    Coordinates and weights depend on the position along one axis only and are not counted. With `antialias` the taps of an
    axis that shrinks grow by its factor, rounded up. Backward is the transpose: as many.
    """
    mode = str(op.attr("mode", "nearest"))
    before, after = op.input(0).dims, op.output().dims
    base = {"linear": 2, "bilinear": 2, "cubic": 4, "bicubic": 4}.get(mode, 1)
    stretched = bool(op.attr("antialias", 0)) and any(new < old for old, new in zip(before, after, strict=True))
    taps = 1
    for old, new in zip(before, after, strict=True):
        if old != new and base > 1:
            taps *= math.ceil(base * old / new) if stretched and new < old else base
    if taps == 1:
        repeated = Arithmetic(other=max(op.out - op.input(0).elements, 0))
        return Work(gradients={0: Gradient(repeated)}, basis="free", note="copies values")
    work = Arithmetic(other=(2 * taps - 1) * op.out)
    note = "taps of the stretched filter; fewer at borders" if stretched else ""
    return Work(work, {0: Gradient(work)}, basis="approximate" if stretched else "exact", note=note)


@rule("GridSample")
def grid_sample(op: Op) -> Work:
    """Each output element mixes 2^d (linear) or 4^d (cubic) pixels: as many multiplies, one add fewer; nearest copies.

    Each grid point takes, for each of d coordinates, 3 operations to denormalize and 2 (cubic 20, nearest 1 to round) for
    its weights; the products of the weights take 2^d (4^d) more. Backward for the image as for the grid is as many; a
    nearest pixel adds its gradient and has none for the grid.
    """
    dims = op.input(0).dims
    rank = len(dims) - 2
    mode = str(op.attr("mode", "linear"))
    base = 1 if mode == "nearest" else 4 if "cubic" in mode else 2
    taps = base**rank
    points = op.input(1).elements // rank
    per_point = 3 * rank + ({1: 1, 2: 2, 4: 20}[base]) * rank + (taps if base > 1 else 0)
    if base == 1:
        return Work(Arithmetic(other=per_point * points), {0: Gradient(Arithmetic(other=op.out), ("i1",))})
    work = Arithmetic(other=(2 * taps - 1) * op.out + per_point * points)
    return Work(work, {0: Gradient(work, ("i1",)), 1: Gradient(work, ("i0", "i1"))})


@rule("RoiAlign")
def roi_align(op: Op) -> Work:
    """Each bin averages (or takes the maximum of) sampling_ratio² bilinear samples: 7 operations each and one to combine.

    With sampling_ratio 0 the number adapts to the size of the region; then 2 x 2 is assumed.
    """
    ratio = int(op.attr("sampling_ratio", 0))
    samples = ratio * ratio or 4
    rois, _, height, width = op.output().dims
    work = Arithmetic(other=samples * 8 * op.out + rois * height * width * samples * 10)
    return Work(
        work,
        {0: Gradient(Arithmetic(other=samples * 8 * op.out), ("i1",))},
        basis="exact" if ratio else "approximate",
        note="" if ratio else "samples a bin depend on the regions; 2 x 2 assumed",
    )


@rule("MaxRoiPool")
def max_roi_pool(op: Op) -> Work:
    """Each region's pixels are compared once; regions as large as the image are assumed."""
    image = math.prod(op.input(0).dims[2:])
    rois, channels = op.output().dims[:2]
    return Work(
        Arithmetic(other=max(rois * channels * image - op.out, 0)),
        {0: Gradient()},
        kept_bytes=8 * op.out,
        basis="approximate",
        note="upper bound: regions as large as the image",
    )


@rule("MaxUnpool")
def max_unpool(op: Op) -> Work:
    """Puts each value where its index says; the gradient gathers."""
    return Work(gradients={0: Gradient(Arithmetic(), ("i1",))}, basis="free", note="moves data")


@rule("NonMaxSuppression")
def non_max_suppression(op: Op) -> Work:
    """Overlap of each kept box with each candidate, for each batch and class: 15 operations (4 extrema, 2 x 3 areas,
    2 clamps, product, union 2, ratio) and a comparison. How many are kept depends on the data; the limit is assumed."""
    scores = op.input(1)
    batches, classes, boxes = scores.dims
    kept = min(boxes, op.number(2) or 0)
    return Work(
        Arithmetic(other=batches * classes * (kept * boxes * 16 + boxes)),
        basis="approximate",
        note="upper bound: as many boxes kept as max_output_boxes_per_class allows",
    )


@rule("DepthToSpace", "SpaceToDepth")
def rearrange(op: Op) -> Work:
    """Permutes elements."""
    return Work(gradients={0: Gradient()}, basis="free", note="moves data")


@rule("AffineGrid")
def affine_grid(op: Op) -> Work:
    """theta (N, d, d+1) times the homogeneous grid: d (d + 1) multiply-accumulates a point, and 2 operations a coordinate
    for the grid itself (one of them more when corners are not aligned)."""
    points = op.out // op.output().dims[-1]
    rank = op.output().dims[-1]
    steps = 2 if op.attr("align_corners", 0) else 3
    macs = points * rank * (rank + 1)
    return Work(Arithmetic(macs, steps * sum(op.output().dims[1:-1])), {0: Gradient(Arithmetic(macs))})
