"""Constant pads (R4), and what lets a scale through but no shift (R5), between a convolution and its batch norm."""

from __future__ import annotations

import numpy as np

from tests.support.fold_bank.case import Away, Constant, Norm, folds, keeps, partly

IMAGE = "float[N,3,8,8] x => y { c = Conv(x, w)  "
FREE = "float[N,3,H,W] x => y { c = Conv(x, w)  "
CONV: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4)}
RISING: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4, positive=True)}
SCALED: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4, positive=True, shift=0.0)}


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


RING = ints(0, 0, 1, 1, 0, 0, 1, 1)

UNIFORM: dict[str, Constant] = {"w": (4, 3, 3, 3), "n": Norm(4, shift=0.75)}
PADS = (
    folds(
        "pad_zero_scaled", "R4", IMAGE + "p = Pad(c, ring)  y = norm(p, n) }", w=(4, 3, 3, 3), n=Norm(4, shift=0.0), ring=RING
    ),
    folds("pad_zero_shift_uniform", "R4", IMAGE + "p = Pad(c, ring)  y = norm(p, n) }", **UNIFORM, ring=RING),
    folds(
        "pad_zero_stated_mul",
        "R4",
        IMAGE + "p = Pad(c, ring, zero)  y = Mul(p, s) }",
        w=(4, 3, 3, 3),
        s=Away((4, 1, 1)),
        ring=RING,
        zero=np.array(0, np.float32),
    ),
    folds(
        "pad_value_scalar_affine",
        "R4",
        IMAGE + "p = Pad(c, ring, two)  m = Mul(p, s)  y = Add(m, a) }",
        w=(4, 3, 3, 3),
        ring=RING,
        two=np.array(2, np.float32),
        s=floats(-1.5),
        a=floats(0.5),
    ),
    folds(
        "pad_value_agrees_by_chance",
        "R4",
        IMAGE + "p = Pad(c, ring, two)  m = Mul(p, s)  y = Add(m, a) }",
        w=(4, 3, 3, 3),
        ring=RING,
        two=np.array(2, np.float32),
        s=floats(0.5, 1.25, -1.0, 2.0).reshape(4, 1, 1),
        a=floats(2.0, 0.5, 5.0, -1.0).reshape(4, 1, 1),
        note="2·s + a is 3 for every channel",
    ),
    folds(
        "pad_opset9_attributes",
        "R4",
        IMAGE + "p = Pad<pads=[0,0,1,1,0,0,1,1],value=2.0>(c)  m = Mul(p, s)  y = Add(m, a) }",
        w=(4, 3, 3, 3),
        s=floats(-1.5),
        a=floats(0.5),
        opset=9,
    ),
    folds(
        "pad_axes_opset18",
        "R4",
        IMAGE + 'p = Pad(c, pads, "", axes)  y = norm(p, n) }',
        **UNIFORM,
        pads=ints(1, 2),
        axes=ints(3),
    ),
    folds(
        "pad_channels_mul",
        "R4",
        IMAGE + "p = Pad(c, pads)  y = Mul(p, s) }",
        w=(4, 3, 3, 3),
        s=Away((6, 1, 1)),
        pads=ints(0, 1, 0, 0, 0, 1, 0, 0),
    ),
    partly(
        "pad_channels_norm",
        "R5",
        IMAGE + "p = Pad(c, pads)  y = norm(p, n) }",
        1,
        w=(4, 3, 3, 3),
        n=Norm(6),
        pads=ints(0, 1, 0, 0, 0, 1, 0, 0),
    ),
    partly("pad_zero_norm", "R5", IMAGE + "p = Pad(c, ring)  y = norm(p, n) }", 1, **CONV, ring=RING),
    partly("pad_zero_norm_opset9", "R5", IMAGE + "p = Pad<pads=[0,0,1,1,0,0,1,1]>(c)  y = norm(p, n) }", 1, **CONV, opset=9),
    keeps(
        "pad_value_norm",
        "R4",
        IMAGE + "p = Pad(c, ring, two)  y = norm(p, n) }",
        **CONV,
        ring=RING,
        two=np.array(2, np.float32),
    ),
    keeps(
        "pad_value_from_input",
        "R4",
        "float[N,3,8,8] x, float v => y { c = Conv(x, w)  p = Pad(c, ring, v)  y = norm(p, n) }",
        **CONV,
        ring=RING,
    ),
)

SHIFT_STAYS = (
    partly(
        "average_pool_padded_included",
        "R5",
        IMAGE + "p = AveragePool<kernel_shape=[3,3],pads=[1,1,1,1],count_include_pad=1>(c)  y = norm(p, n) }",
        1,
        **CONV,
    ),
    folds(
        "average_pool_padded_included_scaled",
        "R5",
        IMAGE + "p = AveragePool<kernel_shape=[3,3],pads=[1,1,1,1],count_include_pad=1>(c)  y = Mul(p, s) }",
        w=(4, 3, 3, 3),
        s=Away((4, 1, 1)),
    ),
    partly("reduce_sum_free_size", "R5", FREE + "p = ReduceSum(c, axes)  y = norm(p, n) }", 1, **CONV, axes=ints(2, 3)),
    partly(
        "gate",
        "R5",
        "float[N,3,8,8] x => y { c = Conv(x, w)  p = GlobalAveragePool(x)  d = Conv(p, v)  g = Sigmoid(d)"
        "  m = Mul(c, g)  y = norm(m, n) }",
        1,
        **CONV,
        v=(4, 3, 1, 1),
    ),
    partly(
        "gate_first",
        "R5",
        "float[N,3,8,8] x, float[N,4,6,6] g => y { c = Conv(x, w, b)  m = Mul(g, c)  y = norm(m, n) }",
        1,
        **CONV,
        b=(4,),
    ),
    folds(
        "gate_scaled",
        "R5",
        "float[N,3,8,8] x, float[N,4,1,1] g => y { c = Conv(x, w, b)  m = Mul(c, g)  y = Mul(m, s) }",
        b=(4,),
        w=(4, 3, 3, 3),
        s=Away((4, 1, 1)),
    ),
    partly(
        "divided_by_input",
        "R5",
        "float[N,3,8,8] x, float[N,4,1,1] g => y { c = Conv(x, w)  e = Exp(g)  m = Div(c, e)  y = norm(m, n) }",
        1,
        **CONV,
    ),
    keeps(
        "input_divided_by_conv",
        "R5",
        "float[N,3,8,8] x, float[N,4,1,1] g => y { c = Conv(x, w)  e = Exp(c)  m = Div(g, e)  y = norm(m, n) }",
        **CONV,
        magnitudes=(0.1, 1.0, 2.0),
    ),
    partly("constant_map_added", "R5", IMAGE + "m = Add(c, map)  y = norm(m, n) }", 1, **CONV, map=(1, 4, 6, 6)),
    partly("constant_map_subtracted_from", "R5", IMAGE + "m = Sub(map, c)  y = norm(m, n) }", 1, **CONV, map=(4, 6, 6)),
)

CASES = (*PADS, *SHIFT_STAYS)
