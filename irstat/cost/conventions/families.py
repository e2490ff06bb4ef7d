"""Which kind of layer a class of PyTorch or Keras is, or an operator where no class is known."""

from __future__ import annotations

from irstat.graph import Node


def _each(family: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), family)


CLASSES: dict[str, str] = {
    **_each("conv", "Conv1d Conv2d Conv3d Conv1D Conv2D Conv3D"),
    **_each("depthwise_conv", "DepthwiseConv1D DepthwiseConv2D"),
    **_each("separable_conv", "SeparableConv1D SeparableConv2D"),
    **_each("conv_transpose", "ConvTranspose1d ConvTranspose2d ConvTranspose3d"),
    **_each("conv_transpose", "Conv1DTranspose Conv2DTranspose Conv3DTranspose"),
    **_each("linear", "Linear Dense"),
    **_each("batch_norm", "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm BatchNormalization"),
    **_each("layer_norm", "LayerNorm LayerNormalization"),
    **_each("group_norm", "GroupNorm GroupNormalization"),
    **_each("instance_norm", "InstanceNorm1d InstanceNorm2d InstanceNorm3d"),
    **_each("relu", "ReLU"),
    **_each("relu6", "ReLU6"),
    **_each("leaky_relu", "LeakyReLU"),
    **_each("prelu", "PReLU"),
    **_each("activation", "Activation ELU GELU SiLU SELU Hardswish Hardsigmoid Sigmoid Tanh Softplus Mish"),
    **_each("softmax", "Softmax"),
    **_each("max_pool", "MaxPool1d MaxPool2d MaxPool3d MaxPooling1D MaxPooling2D MaxPooling3D"),
    **_each("avg_pool", "AvgPool1d AvgPool2d AvgPool3d AveragePooling1D AveragePooling2D AveragePooling3D"),
    **_each("adaptive_max_pool", "AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d"),
    **_each("adaptive_avg_pool", "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d"),
    **_each("global_avg_pool", "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D"),
    **_each("global_max_pool", "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D"),
    **_each("upsample", "Upsample UpsamplingNearest2d UpsamplingBilinear2d UpSampling1D UpSampling2D UpSampling3D"),
    **_each("padding", "ZeroPad2d ZeroPadding1D ZeroPadding2D ZeroPadding3D"),
    **_each("dropout", "Dropout Dropout1d Dropout2d Dropout3d SpatialDropout1D SpatialDropout2D"),
    **_each("add", "Add"),
    **_each("maximum", "Maximum"),
    **_each("average", "Average"),
    **_each("concatenate", "Concatenate"),
    **_each("rnn", "RNN SimpleRNN"),
    **_each("gru", "GRU"),
    **_each("lstm", "LSTM"),
    **_each("bidirectional", "Bidirectional"),
    **_each("time_distributed", "TimeDistributed"),
}
"""Class name -> family. Exact names: a subclass of another name has no family."""

_OPERATORS: dict[str, str] = {
    "Conv": "conv",
    "ConvTranspose": "conv_transpose",
    "Gemm": "linear",
    "BatchNormalization": "batch_norm",
    "LayerNormalization": "layer_norm",
    "GroupNormalization": "group_norm",
    "InstanceNormalization": "instance_norm",
    "Relu": "relu",
    "LeakyRelu": "leaky_relu",
    "PRelu": "prelu",
    "Softmax": "softmax",
    "MaxPool": "max_pool",
    "AveragePool": "avg_pool",
    "GlobalAveragePool": "adaptive_avg_pool",
    "GlobalMaxPool": "adaptive_max_pool",
    "RNN": "rnn",
    "GRU": "gru",
    "LSTM": "lstm",
    **_each("activation", "Elu Selu Sigmoid Tanh HardSigmoid HardSwish Gelu Softplus Mish Swish"),
}
"""Operator -> family, where no class is recorded. Additions and such are left out: nothing says that they are layers."""

_RELU6_BOUND = 6.0


def family_of_class(name: str) -> str:
    """Family of a class; "" for one that no convention knows."""
    return CLASSES.get(name, "")


def family_of_operator(node: Node, is_weight: bool, upper_bound: float | None) -> str:
    """Family that an operator suggests.

    Args:
        node: of ai.onnx, else nothing is suggested.
        is_weight: whether one of its operands is a learnable constant; MatMul is a linear layer only then.
        upper_bound: of a Clip, if it is a constant; 6 makes it a ReLU6.
    """
    if node.domain:
        return ""
    if node.op_type == "MatMul":
        return "linear" if is_weight else ""
    if node.op_type == "Clip":
        return "relu6" if upper_bound == _RELU6_BOUND else ""
    return _OPERATORS.get(node.op_type, "")
