"""Slices, splits, gathers, repetitions and mirrored pads between what makes a value and its batch norm (R1)."""

from __future__ import annotations

import numpy as np

from tests.support.fold_bank.case import Constant, Norm, folds, keeps

IMAGE = "float[N,3,8,8] x => y { c = Conv(x, w)  "
CONV: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4)}


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


SELECTIONS = (
    folds(
        "crop",
        "R1",
        IMAGE + "t = Slice(c, start, end, axes)  y = norm(t, n) }",
        **CONV,
        start=ints(1, 1),
        end=ints(-1, -2),
        axes=ints(2, 3),
    ),
    folds("crop_opset9", "R1", IMAGE + "t = Slice<starts=[1],ends=[5],axes=[3]>(c)  y = norm(t, n) }", **CONV, opset=9),
    folds(
        "slice_channels",
        "R1",
        IMAGE + "t = Slice(c, start, end, axes)  y = norm(t, n) }",
        w=(6, 3, 3, 3),
        n=Norm(4),
        start=ints(1),
        end=ints(5),
        axes=ints(1),
        note="channels that nobody reads are free",
    ),
    folds(
        "slice_other_channels_read",
        "R1",
        "float[N,3,8,8] x => y, z { c = Conv(x, w)  t = Slice(c, zero, four, one)"
        "  y = norm(t, n)  u = Slice(c, four, six, one)  z = Relu(u) }",
        w=(6, 3, 3, 3),
        n=Norm(4),
        zero=ints(0),
        four=ints(4),
        six=ints(6),
        one=ints(1),
        note="channels that others read keep scale 1 and shift 0",
    ),
    keeps(
        "slice_overlap_read",
        "R1",
        "float[N,3,8,8] x => y, z { c = Conv(x, w)  t = Slice(c, zero, four, one)"
        "  y = norm(t, n)  u = Slice(c, three, six, one)  z = Relu(u) }",
        w=(6, 3, 3, 3),
        n=Norm(4),
        zero=ints(0),
        four=ints(4),
        three=ints(3),
        six=ints(6),
        one=ints(1),
        note="one channel is read with and without the norm",
    ),
    folds(
        "slice_channels_backwards",
        "R1",
        IMAGE + "t = Slice(c, start, end, axes, step)  y = norm(t, n) }",
        **CONV,
        start=ints(-1),
        end=ints(-100),
        axes=ints(1),
        step=ints(-1),
    ),
    folds(
        "slice_stride",
        "R1",
        IMAGE + "t = Slice(c, start, end, axes, step)  y = norm(t, n) }",
        **CONV,
        start=ints(0, 0),
        end=ints(100, 100),
        axes=ints(2, 3),
        step=ints(2, 2),
    ),
    folds("gather_channels", "R1", IMAGE + "t = Gather<axis=1>(c, order)  y = norm(t, n) }", **CONV, order=ints(2, 0, 3, 1)),
    keeps(
        "gather_channel_twice",
        "R1",
        IMAGE + "t = Gather<axis=1>(c, order)  y = norm(t, n) }",
        **CONV,
        order=ints(2, 0, 0, 1),
        note="one channel would need two scales",
    ),
    folds(
        "gather_negative_index", "R1", IMAGE + "t = Gather<axis=1>(c, order)  y = norm(t, n) }", **CONV, order=ints(-1, 0, 1, 2)
    ),
    folds("gather_rows", "R1", IMAGE + "t = Gather<axis=2>(c, order)  y = norm(t, n) }", **CONV, order=ints(1, 1, 4)),
    folds("gather_one_pixel", "R1", IMAGE + "t = Gather<axis=3>(c, one)  y = norm(t, n) }", **CONV, one=np.array(1, np.int64)),
    folds(
        "split_one_half_normed",
        "R1",
        "float[N,3,8,8] x => y, z { c = Conv(x, w)  y, u = Split<axis=1,num_outputs=2>(c)  z = norm(u, n) }",
        w=(8, 3, 3, 3),
        n=Norm(4),
    ),
    folds(
        "split_both_halves_normed",
        "R1",
        "float[N,3,8,8] x => y, z { c = Conv(x, w)  t, u = Split<axis=1>(c, parts)  y = norm(t, n)  z = norm(u, m) }",
        w=(7, 3, 3, 3),
        n=Norm(4),
        m=Norm(3),
        parts=ints(4, 3),
    ),
    folds(
        "split_opset11",
        "R1",
        "float[N,3,8,8] x => y, z { c = Conv(x, w)  t, u = Split<axis=1,split=[4,3]>(c)  y = norm(t, n)  z = norm(u, m) }",
        w=(7, 3, 3, 3),
        n=Norm(4),
        m=Norm(3),
        opset=11,
    ),
    folds(
        "split_rows_same_norm",
        "R1",
        "float[N,3,8,8] x => y, z { c = Conv(x, w)  t, u = Split<axis=2,num_outputs=2>(c)  y = norm(t, n)  z = norm(u, n) }",
        **CONV,
    ),
    keeps(
        "split_rows_other_norms",
        "R1",
        "float[N,3,8,8] x => y, z { c = Conv(x, w)  t, u = Split<axis=2,num_outputs=2>(c)  y = norm(t, n)  z = norm(u, m) }",
        **CONV,
        m=Norm(4),
    ),
    folds(
        "expand_pixels",
        "R1",
        "float[N,3,3,3] x => y { c = Conv(x, w)  t = Expand(c, to)  y = norm(t, n) }",
        **CONV,
        to=ints(1, 4, 5, 6),
    ),
    keeps(
        "expand_channels", "R1", IMAGE + "t = Expand(c, to)  y = norm(t, n) }", w=(1, 3, 3, 3), n=Norm(4), to=ints(1, 4, 1, 1)
    ),
    folds("tile_pixels", "R1", IMAGE + "t = Tile(c, times)  y = norm(t, n) }", **CONV, times=ints(1, 1, 2, 1)),
    folds(
        "resize_nearest",
        "R1",
        IMAGE + 't = Resize<mode="nearest">(c, "", scales)  y = norm(t, n) }',
        **CONV,
        scales=np.array([1, 1, 2, 2], np.float32),
    ),
    folds(
        "resize_nearest_sizes",
        "R1",
        IMAGE + 't = Resize<mode="nearest">(c, "", "", sizes)  y = norm(t, n) }',
        **CONV,
        sizes=ints(2, 4, 9, 7),
        change=lambda proto: setattr(proto.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 2),
    ),
    folds(
        "upsample_opset9",
        "R1",
        IMAGE + 't = Upsample<mode="nearest">(c, scales)  y = norm(t, n) }',
        **CONV,
        opset=9,
        scales=np.array([1, 1, 2, 2], np.float32),
    ),
    folds(
        "pad_reflect",
        "R1",
        IMAGE + 't = Pad<mode="reflect">(c, pads)  y = norm(t, n) }',
        **CONV,
        pads=ints(0, 0, 1, 1, 0, 0, 1, 1),
    ),
    folds(
        "pad_edge", "R1", IMAGE + 't = Pad<mode="edge">(c, pads)  y = norm(t, n) }', **CONV, pads=ints(0, 0, 2, 0, 0, 0, 0, 1)
    ),
    folds(
        "pad_crops",
        "R1",
        IMAGE + "t = Pad(c, pads)  y = norm(t, n) }",
        **CONV,
        pads=ints(0, 0, -1, 0, 0, 0, 0, -1),
        judges=("onnxruntime",),
        note="ONNX's reference evaluator does not crop by negative pads",
    ),
    keeps(
        "pad_edge_channels",
        "R1",
        IMAGE + 't = Pad<mode="edge">(c, pads)  y = norm(t, n) }',
        w=(3, 3, 3, 3),
        n=Norm(4),
        pads=ints(0, 1, 0, 0, 0, 0, 0, 0),
    ),
)

CASES = SELECTIONS
