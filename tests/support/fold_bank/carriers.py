"""What else can take a scale and a shift for each channel: other norms and embeddings (R12); chains (R15)."""

from __future__ import annotations

import numpy as np

from tests.support.fold_bank.case import Away, Norm, folds, keeps, partly

IMAGE = "float[N,4,6,6] x => y "
TOKENS = "float[N,5,6] x => y "


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


NORMS = (
    folds(
        "instance_norm",
        "R12",
        IMAGE + "{ c = InstanceNormalization(x, g, b)  y = norm(c, n) }",
        g=Away((4,)),
        b=(4,),
        n=Norm(4),
    ),
    folds(
        "instance_norm_mul",
        "R12",
        IMAGE + "{ c = InstanceNormalization(x, g, b)  y = Mul(c, s) }",
        g=Away((4,)),
        b=(4,),
        s=Away((4, 1, 1)),
    ),
    folds(
        "group_norm_opset21",
        "R12",
        IMAGE.replace("y ", "float[N,4,6,6] y ") + "{ c = GroupNormalization<num_groups=2>(x, g, b)  y = norm(c, n) }",
        opset=21,
        g=Away((4,)),
        b=(4,),
        n=Norm(4),
    ),
    folds(
        "layer_norm_mul_add",
        "R12",
        TOKENS + "{ c = LayerNormalization(x, g, b)  m = Mul(c, s)  y = Add(m, t) }",
        g=Away((6,)),
        b=(6,),
        s=Away((6,)),
        t=(6,),
    ),
    folds(
        "layer_norm_without_bias",
        "R12",
        TOKENS + "{ c = LayerNormalization(x, g)  m = Mul(c, s)  y = Add(m, t) }",
        g=Away((6,)),
        s=Away((6,)),
        t=(6,),
    ),
    folds(
        "layer_norm_transposed_norm",
        "R12",
        TOKENS + "{ c = LayerNormalization<axis=-1>(x, g, b)  t = Transpose<perm=[0,2,1]>(c)  y = norm(t, n) }",
        g=Away((6,)),
        b=(6,),
        n=Norm(6),
    ),
    folds(
        "layer_norm_of_all_axes_norm",
        "R12",
        IMAGE + "{ c = LayerNormalization<axis=1>(x, g, b)  y = norm(c, n) }",
        g=Away((4, 6, 6)),
        b=(4, 6, 6),
        n=Norm(4),
    ),
    keeps(
        "layer_norm_norm_on_tokens",
        "trap 3.1",
        TOKENS + "{ c = LayerNormalization(x, g, b)  y = norm(c, n) }",
        g=Away((6,)),
        b=(6,),
        n=Norm(5),
    ),
    keeps(
        "layer_norm_square_norm_on_tokens",
        "trap 3.1",
        "float[N,6,6] x => y { c = LayerNormalization(x, g, b)  y = norm(c, n) }",
        g=Away((6,)),
        b=(6,),
        n=Norm(6),
    ),
    keeps(
        "norm_before_instance_norm",
        "refusal",
        IMAGE + "{ d = norm(x, n)  y = InstanceNormalization(d, g, b) }",
        g=Away((4,)),
        b=(4,),
        n=Norm(4),
        tolerance=1e-4,
    ),
    keeps(
        "norm_before_layer_norm",
        "refusal",
        "float[N,6] x => y { d = norm(x, n)  y = LayerNormalization(d, g) }",
        g=Away((6,)),
        n=Norm(6),
    ),
    keeps(
        "mean_variance_normalization",
        "refusal",
        IMAGE.replace("y ", "float[N,4,6,6] y ") + "{ c = MeanVarianceNormalization(x)  y = norm(c, n) }",
        n=Norm(4),
        opset=13,
    ),
)

LOOKUP = "int64[N,5] x => y { c = Gather(table, x)  "
EMBEDDINGS = (
    folds(
        "embedding_mul_add",
        "R12",
        LOOKUP + "m = Mul(c, s)  y = Add(m, t) }",
        table=(10, 6),
        s=Away((6,)),
        t=(6,),
        integers=(0, 10),
    ),
    folds("embedding_scalar", "R12", LOOKUP + "y = Mul(s, c) }", table=(10, 6), s=floats(2.449), integers=(0, 10)),
    folds(
        "embedding_transposed_norm",
        "R12",
        LOOKUP + "t = Transpose<perm=[0,2,1]>(c)  y = norm(t, n) }",
        table=(10, 6),
        n=Norm(6),
        integers=(0, 10),
    ),
    keeps("embedding_norm_on_tokens", "trap 3.1", LOOKUP + "y = norm(c, n) }", table=(10, 6), n=Norm(5), integers=(0, 10)),
    keeps(
        "embedding_tied",
        "R12",
        "int64[N,5] x => y { c = Gather(table, x)  m = Mul(c, s)  t = Transpose(table)  r = Tanh(m)  y = MatMul(r, t) }",
        table=(10, 6),
        s=Away((6,)),
        integers=(0, 10),
    ),
    keeps(
        "embedding_from_input",
        "R12",
        "int64[N,5] x, float[10,6] table => y { c = Gather(table, x)  y = Mul(c, s) }",
        s=Away((6,)),
        integers=(0, 10),
    ),
)

CHAIN = (
    folds("two_norms", "R15", IMAGE + "{ d = norm(x, n)  y = norm(d, m) }", n=Norm(4), m=Norm(4), batchnorms=1),
    folds(
        "three_norms",
        "R15",
        IMAGE + "{ d = norm(x, n)  e = norm(d, m)  y = norm(e, k) }",
        n=Norm(4),
        m=Norm(4),
        k=Norm(4),
        batchnorms=1,
    ),
    folds(
        "norm_mul_add",
        "R15",
        IMAGE + "{ d = norm(x, n)  e = Mul(s, d)  y = Add(e, t) }",
        n=Norm(4),
        s=Away((4, 1, 1)),
        t=(4, 1, 1),
        batchnorms=1,
    ),
    folds(
        "mul_add_norm",
        "R15",
        IMAGE + "{ d = Mul(x, s)  e = Sub(t, d)  y = norm(e, n) }",
        n=Norm(4),
        s=Away((4, 1, 1)),
        t=(4, 1, 1),
        batchnorms=1,
    ),
    folds(
        "two_norms_over_identity",
        "R15",
        IMAGE + "{ d = norm(x, n)  i = Identity(d)  y = norm(i, m) }",
        n=Norm(4),
        m=Norm(4),
        batchnorms=1,
    ),
    folds(
        "relu_two_norms",
        "R15",
        IMAGE + "{ r = Relu(x)  d = norm(r, n)  e = norm(d, m)  y = Relu(e) }",
        n=Norm(4),
        m=Norm(4),
        batchnorms=1,
    ),
    folds(
        "conv_two_norms",
        "R15",
        IMAGE + "{ c = Conv(x, w)  d = norm(c, n)  y = norm(d, m) }",
        w=(3, 4, 3, 3),
        n=Norm(3),
        m=Norm(3),
    ),
    folds(
        "conv_norm_mul_add_norm",
        "R15",
        IMAGE + "{ c = Conv(x, w, b)  d = norm(c, n)  e = Mul(d, s)  f = Add(e, t)  y = norm(f, m) }",
        w=(3, 4, 3, 3),
        b=(3,),
        n=Norm(3),
        s=Away((3, 1, 1)),
        t=(3, 1, 1),
        m=Norm(3),
    ),
    partly(
        "gate_norm_norm",
        "R15",
        "float[N,4,6,6] x, float[N,3,1,1] g => y { c = Conv(x, w)  h = Mul(c, g)  d = norm(h, n)  y = norm(d, m) }",
        1,
        w=(3, 4, 3, 3),
        n=Norm(3),
        m=Norm(3),
    ),
    keeps("one_norm_alone", "R15", IMAGE + "{ y = norm(x, n) }", n=Norm(4)),
    keeps("two_norms_around_relu", "R15", IMAGE + "{ d = norm(x, n)  r = Relu(d)  y = norm(r, m) }", n=Norm(4), m=Norm(4)),
    keeps(
        "two_norms_output_between",
        "R15",
        IMAGE.replace("=> y", "=> y, d") + "{ d = norm(x, n)  y = norm(d, m) }",
        n=Norm(4),
        m=Norm(4),
    ),
)

CASES = (*NORMS, *EMBEDDINGS, *CHAIN)
