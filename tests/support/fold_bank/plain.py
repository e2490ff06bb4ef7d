"""The plain pattern: one batch norm straight behind a convolution, in every shape a convolution has."""

from __future__ import annotations

from onnx import ModelProto, TensorProto, helper

from tests.support.fold_bank.case import GROUPED_TRANSPOSED, Norm, folds

IMAGE = "float[N,3,9,9] x => y "
SEQUENCE = "float[N,3,12] x => y "


def with_unranked_middle(proto: ModelProto) -> None:
    """State a type without shape for what the convolution makes."""
    proto.graph.value_info.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, None))


CONVOLUTIONS = (
    folds("conv2d", "point 2", IMAGE + "{ c = Conv(x, w)  y = norm(c, n) }", w=(4, 3, 3, 3), n=Norm(4)),
    folds("conv2d_bias", "point 2", IMAGE + "{ c = Conv(x, w, b)  y = norm(c, n) }", w=(4, 3, 3, 3), b=(4,), n=Norm(4)),
    folds("conv2d_relu", "point 2", IMAGE + "{ c = Conv(x, w)  d = norm(c, n)  y = Relu(d) }", w=(4, 3, 3, 3), n=Norm(4)),
    folds("conv2d_1x1", "point 2", IMAGE + "{ c = Conv(x, w)  y = norm(c, n) }", w=(5, 3, 1, 1), n=Norm(5)),
    folds("conv2d_padded", "point 2", IMAGE + "{ c = Conv<pads=[1,1,1,1]>(x, w)  y = norm(c, n) }", w=(4, 3, 3, 3), n=Norm(4)),
    folds(
        "conv2d_odd_pads", "point 2", IMAGE + "{ c = Conv<pads=[0,1,2,0]>(x, w)  y = norm(c, n) }", w=(4, 3, 3, 3), n=Norm(4)
    ),
    folds(
        "conv2d_same",
        "point 2",
        IMAGE + '{ c = Conv<auto_pad="SAME_UPPER",strides=[2,2]>(x, w)  y = norm(c, n) }',
        w=(4, 3, 3, 3),
        n=Norm(4),
    ),
    folds(
        "conv2d_same_lower",
        "point 2",
        IMAGE + '{ c = Conv<auto_pad="SAME_LOWER">(x, w)  y = norm(c, n) }',
        w=(4, 3, 2, 2),
        n=Norm(4),
    ),
    folds("conv2d_strided", "point 2", IMAGE + "{ c = Conv<strides=[2,1]>(x, w)  y = norm(c, n) }", w=(4, 3, 3, 3), n=Norm(4)),
    folds(
        "conv2d_dilated", "point 2", IMAGE + "{ c = Conv<dilations=[2,2]>(x, w)  y = norm(c, n) }", w=(4, 3, 3, 3), n=Norm(4)
    ),
    folds(
        "conv2d_grouped",
        "point 2",
        "float[N,4,9,9] x => y { c = Conv<group=2>(x, w, b)  y = norm(c, n) }",
        w=(6, 2, 3, 3),
        b=(6,),
        n=Norm(6),
    ),
    folds(
        "conv2d_depthwise",
        "point 2",
        "float[N,4,9,9] x => y { c = Conv<group=4>(x, w)  y = norm(c, n) }",
        w=(4, 1, 3, 3),
        n=Norm(4),
    ),
    folds(
        "conv2d_depthwise_multiplier",
        "point 2",
        "float[N,4,9,9] x => y { c = Conv<group=4>(x, w)  y = norm(c, n) }",
        w=(12, 1, 3, 3),
        n=Norm(12),
    ),
    folds("conv2d_one_channel", "point 2", IMAGE + "{ c = Conv(x, w)  y = norm(c, n) }", w=(1, 3, 3, 3), n=Norm(1)),
    folds(
        "conv2d_as_many_channels_as_columns",
        "trap 3.1",
        "float[N,3,6,6] x => y { c = Conv(x, w)  y = norm(c, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
    ),
    folds("conv2d_free_size", "point 2", "float[N,3,H,W] x => y { c = Conv(x, w)  y = norm(c, n) }", w=(4, 3, 3, 3), n=Norm(4)),
    folds(
        "conv2d_unranked",
        "point 2",
        IMAGE + "{ c = Conv(x, w)  y = norm(c, n) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
        change=with_unranked_middle,
    ),
    folds(
        "conv2d_twice",
        "point 2",
        IMAGE + "{ c = Conv(x, w)  d = norm(c, n)  r = Relu(d)  e = Conv(r, v)  y = norm(e, m) }",
        w=(4, 3, 3, 3),
        n=Norm(4),
        v=(2, 4, 3, 3),
        m=Norm(2),
    ),
    folds("conv1d", "point 2", SEQUENCE + "{ c = Conv(x, w)  y = norm(c, n) }", w=(4, 3, 3), n=Norm(4)),
    folds(
        "conv1d_causal",
        "point 2",
        SEQUENCE + "{ c = Conv<pads=[2,0]>(x, w, b)  y = norm(c, n) }",
        w=(4, 3, 3),
        b=(4,),
        n=Norm(4),
    ),
    folds(
        "conv1d_depthwise",
        "point 2",
        SEQUENCE + "{ c = Conv<group=3,dilations=[2]>(x, w)  y = norm(c, n) }",
        w=(6, 1, 3),
        n=Norm(6),
    ),
    folds("conv3d", "point 2", "float[N,2,5,5,5] x => y { c = Conv(x, w)  y = norm(c, n) }", w=(4, 2, 3, 3, 3), n=Norm(4)),
    folds(
        "conv3d_grouped",
        "point 2",
        "float[N,2,5,5,5] x => y { c = Conv<group=2,strides=[1,2,1]>(x, w, b)  y = norm(c, n) }",
        w=(4, 1, 3, 2, 3),
        b=(4,),
        n=Norm(4),
    ),
)

TRANSPOSED = (
    folds(
        "transposed2d",
        "point 2",
        IMAGE + "{ c = ConvTranspose<strides=[2,2]>(x, w)  y = norm(c, n) }",
        w=(3, 4, 3, 3),
        n=Norm(4),
    ),
    folds(
        "transposed2d_bias",
        "point 2",
        IMAGE + "{ c = ConvTranspose(x, w, b)  y = norm(c, n) }",
        w=(3, 4, 2, 2),
        b=(4,),
        n=Norm(4),
    ),
    folds("transposed2d_square", "trap 3.1", IMAGE + "{ c = ConvTranspose(x, w)  y = norm(c, n) }", w=(3, 3, 3, 3), n=Norm(3)),
    folds(
        "transposed2d_grouped",
        "point 2",
        "float[N,4,5,5] x => y { c = ConvTranspose<group=2>(x, w)  y = norm(c, n) }",
        w=(4, 3, 3, 3),
        n=Norm(6),
        **GROUPED_TRANSPOSED,
    ),
    folds(
        "transposed2d_grouped_bias",
        "point 2",
        "float[N,6,5,5] x => y { c = ConvTranspose<group=3,strides=[2,2]>(x, w, b)  y = norm(c, n) }",
        w=(6, 2, 3, 3),
        b=(6,),
        n=Norm(6),
        **GROUPED_TRANSPOSED,
    ),
    folds(
        "transposed2d_depthwise",
        "point 2",
        "float[N,4,5,5] x => y { c = ConvTranspose<group=4>(x, w)  y = norm(c, n) }",
        w=(4, 1, 3, 3),
        n=Norm(4),
        **GROUPED_TRANSPOSED,
    ),
    folds(
        "transposed2d_output_padding",
        "point 2",
        IMAGE + "{ c = ConvTranspose<strides=[2,2],output_padding=[1,1],pads=[1,1,1,1]>(x, w)  y = norm(c, n) }",
        w=(3, 4, 3, 3),
        n=Norm(4),
    ),
    folds(
        "transposed2d_dilated",
        "point 2",
        IMAGE + "{ c = ConvTranspose<dilations=[2,2]>(x, w)  y = norm(c, n) }",
        w=(3, 4, 3, 3),
        n=Norm(4),
    ),
    folds(
        "transposed1d", "point 2", SEQUENCE + "{ c = ConvTranspose<strides=[2]>(x, w)  y = norm(c, n) }", w=(3, 4, 3), n=Norm(4)
    ),
    folds(
        "transposed3d_grouped",
        "point 2",
        "float[N,2,4,4,4] x => y { c = ConvTranspose<group=2>(x, w)  y = norm(c, n) }",
        w=(2, 3, 2, 2, 2),
        n=Norm(6),
        **GROUPED_TRANSPOSED,
    ),
)

CASES = (*CONVOLUTIONS, *TRANSPOSED)
