"""Convolutions of Keras as one marker each, whatever TensorFlow would make of them (padding, dilation, groups, 1-D)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from irstat_keras.markers import Markers, as_tensor
from irstat_keras.patches import Replacement
from irstat_keras.whole_operators import is_dense


@dataclass(frozen=True, slots=True)
class Window:
    """How a kernel moves over its input."""

    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: str
    """`valid` or `same`."""
    channels_last: bool

    @property
    def rank(self) -> int:
        """Number of spatial dimensions."""
        return len(self.strides)

    def spatial(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Spatial sizes of a tensor."""
        return tuple(shape[1:-1]) if self.channels_last else tuple(shape[2:])

    def channels(self, shape: Sequence[int | None]) -> int | None:
        """Channels of a tensor."""
        return shape[-1] if self.channels_last else shape[1]

    def shape(self, batch: int | None, channels: int | None, spatial: Sequence[int | None]) -> tuple[int | None, ...]:
        """Shape of a tensor of this layout."""
        return (batch, *spatial, channels) if self.channels_last else (batch, channels, *spatial)


def replacements(markers: Markers) -> list[Replacement]:
    """What to replace while a model is traced."""
    from keras.src.backend.tensorflow import nn

    depthwise = _depthwise_conv(markers, nn.depthwise_conv)
    convolution = _conv(markers, nn.conv)
    return [
        (nn, "conv", convolution),
        (nn, "depthwise_conv", depthwise),
        (nn, "separable_conv", _separable_conv(depthwise, convolution)),
        (nn, "conv_transpose", _conv_transpose(markers, nn.conv_transpose)),
    ]


def _window(inputs: Any, strides: Any, padding: str, data_format: Any, dilation: Any) -> Window:
    from keras.src import backend

    rank = inputs.shape.rank - 2
    strides = (strides,) * rank if isinstance(strides, int) else tuple(strides)
    dilation = 1 if dilation is None else dilation
    dilations = (dilation,) * rank if isinstance(dilation, int) else tuple(dilation)
    last = backend.standardize_data_format(data_format) == "channels_last"
    return Window(strides, dilations, padding.lower(), last)


def _out_sizes(window: Window, sizes: Sequence[int | None], kernel: Sequence[int]) -> list[int | None]:
    """Keras' own formula: same gives ceil(n / stride), valid ceil((n - reach) / stride) with reach = dilation (k - 1)."""
    found: list[int | None] = []
    for n, k, stride, dilation in zip(sizes, kernel, window.strides, window.dilations, strict=True):
        reach = dilation * (k - 1) if window.padding == "valid" else 0
        found.append(None if n is None else -(-(n - reach) // stride))
    return found


def _fits(inputs: Any, kernel: Any) -> bool:
    return is_dense(inputs, kernel) and kernel.shape.is_fully_defined() and inputs.dtype == kernel.dtype


def _conv(markers: Markers, original: Any) -> Any:
    def conv(
        inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", data_format: Any = None, dilation_rate: Any = 1
    ) -> Any:
        inputs, kernel = as_tensor(inputs), as_tensor(kernel)
        if not _fits(inputs, kernel):
            return original(inputs, kernel, strides, padding, data_format, dilation_rate)
        window = _window(inputs, strides, padding, data_format, dilation_rate)
        channels = window.channels(inputs.shape)
        if channels is None or window.padding not in ("valid", "same"):
            return original(inputs, kernel, strides, padding, data_format, dilation_rate)
        sizes = _out_sizes(window, window.spatial(inputs.shape), kernel.shape[:-2])
        if any(size is not None and size <= 0 for size in sizes):
            raise ValueError(f"The convolution gives an empty output of sizes {sizes} for the input {inputs.shape}")
        shape = window.shape(inputs.shape[0], kernel.shape[-1], sizes)
        groups = channels // kernel.shape[-2]
        return markers.emit("Conv", [inputs, kernel], [(inputs.dtype, shape)], window=window, group=groups, depthwise=False)[0]

    return conv


def _depthwise_conv(markers: Markers, original: Any) -> Any:
    def depthwise_conv(
        inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", data_format: Any = None, dilation_rate: Any = 1
    ) -> Any:
        inputs, kernel = as_tensor(inputs), as_tensor(kernel)
        if not _fits(inputs, kernel):
            return original(inputs, kernel, strides, padding, data_format, dilation_rate)
        window = _window(inputs, strides, padding, data_format, dilation_rate)
        channels = kernel.shape[-2]
        sizes = _out_sizes(window, window.spatial(inputs.shape), kernel.shape[:-2])
        shape = window.shape(inputs.shape[0], channels * kernel.shape[-1], sizes)
        return markers.emit("Conv", [inputs, kernel], [(inputs.dtype, shape)], window=window, group=channels, depthwise=True)[0]

    return depthwise_conv


def _separable_conv(depthwise: Any, convolution: Any) -> Any:
    def separable_conv(
        inputs: Any,
        depthwise_kernel: Any,
        pointwise_kernel: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: Any = None,
        dilation_rate: Any = 1,
    ) -> Any:
        between = depthwise(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
        return convolution(between, pointwise_kernel, 1, "valid", data_format, 1)

    return separable_conv


def _conv_transpose(markers: Markers, original: Any) -> Any:
    def conv_transpose(
        inputs: Any,
        kernel: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: Any = None,
        dilation_rate: Any = 1,
    ) -> Any:
        inputs, kernel = as_tensor(inputs), as_tensor(kernel)
        if not _fits(inputs, kernel):
            return original(inputs, kernel, strides, padding, output_padding, data_format, dilation_rate)
        window = _window(inputs, strides, padding, data_format, dilation_rate)
        extra = _extra(window, kernel.shape[:-2], output_padding)
        sizes = [
            None if n is None else n * stride + more
            for n, stride, more in zip(window.spatial(inputs.shape), window.strides, extra, strict=True)
        ]
        shape = window.shape(inputs.shape[0], kernel.shape[-2], sizes)
        return markers.emit("ConvTranspose", [inputs, kernel], [(inputs.dtype, shape)], window=window, extra=extra)[0]

    return conv_transpose


def _extra(window: Window, kernel: Sequence[int], output_padding: Any) -> tuple[int, ...]:
    """Output size minus input size x stride, which does not depend on the input: Keras' formula at one size."""
    from keras.src.backend.common.backend_utils import compute_conv_transpose_output_shape

    size = 64
    shape = window.shape(1, 1, (size,) * window.rank)
    form = "channels_last" if window.channels_last else "channels_first"
    padding = window.padding
    out = compute_conv_transpose_output_shape(
        list(shape), tuple(kernel), 1, window.strides, padding, output_padding, form, window.dilations
    )
    return tuple(int(n or 0) - size * stride for n, stride in zip(window.spatial(out), window.strides, strict=True))
