"""Batch norm behind a convolution: versions of the operators, optional inputs left out, what computes nothing between."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, helper

from tests.support.fold_bank.case import EPSILON, Norm, folds, keeps

IMAGE = "float[N,3,9,9] x => y "


def without_bias_input(proto: ModelProto) -> None:
    """Write the optional bias of each convolution as an empty name."""
    for node in proto.graph.node:
        if node.op_type in ("Conv", "ConvTranspose") and len(node.input) == 2:
            node.input.append("")


def with_extra_attributes(**attributes: int) -> object:
    """Put attributes on the batch norm that old versions knew."""

    def change(proto: ModelProto) -> None:
        node = next(node for node in proto.graph.node if node.op_type == "BatchNormalization")
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())

    return change


def with_default_epsilon(proto: ModelProto) -> None:
    """Leave epsilon out."""
    node = next(node for node in proto.graph.node if node.op_type == "BatchNormalization")
    del node.attribute[:]


VERSIONS = (
    *(
        folds(
            f"conv2d_opset{opset}",
            "point 2",
            IMAGE + "{ c = Conv(x, w, b)  y = norm(c, n) }",
            w=(4, 3, 3, 3),
            b=(4,),
            n=Norm(4),
            opset=opset,
        )
        for opset in (7, 8, 9, 11, 13, 14, 15, 17, 20, 21)
    ),
    folds(
        "conv2d_opset7_spatial1",
        "point 2",
        IMAGE + "{ c = Conv(x, w)  y = norm(c, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
        opset=7,
        change=with_extra_attributes(spatial=1),
        judges=("onnxruntime",),
        note="the reference evaluator has no attribute spatial",
    ),
    folds(
        "conv2d_momentum",
        "point 2",
        IMAGE + "{ c = Conv(x, w)  y = norm(c, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
        opset=9,
        change=lambda proto: proto.graph.node[1].attribute.append(helper.make_attribute("momentum", 0.3)),
    ),
    folds(
        "conv2d_inference_mode_stated",
        "point 2",
        IMAGE + "{ c = Conv(x, w)  y = norm(c, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
        change=with_extra_attributes(training_mode=0),
    ),
    folds(
        "conv2d_default_epsilon",
        "point 2",
        IMAGE + "{ c = Conv(x, w)  y = norm(c, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
        change=with_default_epsilon,
    ),
    folds(
        "conv2d_ir4", "point 2", IMAGE + "{ c = Conv(x, w)  y = norm(c, n) }", w=(4, 3, 3, 3), n=Norm(4), opset=8, ir_version=4
    ),
    folds(
        "conv2d_empty_bias_name",
        "R14",
        IMAGE + "{ c = Conv(x, w)  y = norm(c, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
        change=without_bias_input,
    ),
    folds(
        "transposed2d_empty_bias_name",
        "R14",
        IMAGE + "{ c = ConvTranspose(x, w)  y = norm(c, n) }",
        w=(3, 4, 3, 3),
        n=Norm(4),
        change=without_bias_input,
    ),
    folds(
        "deform_conv",
        "R14",
        "float[1,3,6,6] x, float[1,18,4,4] o => y { c = DeformConv(x, w, o)  y = norm(c, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
        opset=19,
        magnitudes=(1.0, 1.0, 3.0),
    ),
    folds(
        "deform_conv_bias",
        "R14",
        "float[1,3,6,6] x, float[1,18,4,4] o => y { c = DeformConv(x, w, o, b)  y = norm(c, n) }",
        w=(4, 3, 3, 3),
        b=(4,),
        n=Norm(4),
        opset=22,
    ),
    folds(
        "deform_conv_mask",
        "R14",
        'float[1,2,6,6] x, float[1,18,4,4] o, float[1,9,4,4] k => y { c = DeformConv(x, w, o, "", k)  y = norm(c, n) }',
        w=(4, 2, 3, 3),
        n=Norm(4),
        opset=22,
    ),
)

TRANSPARENT = (
    folds(
        "identity_between", "point 2", IMAGE + "{ c = Conv(x, w)  i = Identity(c)  y = norm(i, n) }", w=(4, 3, 3, 3), n=Norm(4)
    ),
    folds(
        "dropout_between", "point 2", IMAGE + "{ c = Conv(x, w)  i = Dropout(c)  y = norm(i, n) }", w=(4, 3, 3, 3), n=Norm(4)
    ),
    folds(
        "dropout_ratio_between",
        "point 2",
        IMAGE + "{ c = Conv(x, w)  i = Dropout(c, r)  y = norm(i, n) }",
        w=(4, 3, 3, 3),
        r=np.array(0.4, np.float32),
        n=Norm(4),
    ),
    folds(
        "dropout_opset9_between",
        "point 2",
        IMAGE + "{ c = Conv(x, w)  i = Dropout<ratio=0.4>(c)  y = norm(i, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
        opset=9,
    ),
    folds(
        "dropout_unused_mask",
        "point 2",
        IMAGE + "{ c = Conv(x, w)  i, mask = Dropout(c)  y = norm(i, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
    ),
    folds(
        "two_identities_between",
        "point 2",
        IMAGE + "{ c = Conv(x, w)  i = Identity(c)  j = Identity(i)  y = norm(j, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
    ),
)

TRAINING = (
    keeps(
        "training_mode_one_output",
        "refusal",
        "float[N,3,9,9] x => float[N,4,7,7] y "
        + f"{{ c = Conv(x, w)  y = BatchNormalization<training_mode=1,epsilon={EPSILON}>(c, n_scale, n_bias, n_mean, n_var) }}",
        w=(4, 3, 3, 3),
        n=Norm(4),
        tolerance=1e-4,
        judges=("reference",),
        note="onnxruntime wants all three outputs in training mode",
    ),
    keeps(
        "training_mode_unused_outputs",
        "refusal",
        IMAGE + "{ c = Conv(x, w)  y, mean, var = BatchNormalization<training_mode=1>(c, n_scale, n_bias, n_mean, n_var) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
        tolerance=1e-4,
    ),
    keeps(
        "training_mode_used_outputs",
        "refusal",
        IMAGE.replace("y ", "y, mean, var ") + "{ c = Conv(x, w)  y, mean, var = "
        "BatchNormalization<training_mode=1>(c, n_scale, n_bias, n_mean, n_var) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
        tolerance=1e-4,
    ),
)

CASES = (*VERSIONS, *TRANSPARENT, *TRAINING)
