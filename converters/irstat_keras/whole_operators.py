"""Keras functions that emit one marker instead of TensorFlow's arithmetic: normalization, activation, matrix product, flip.

Each falls back on the function it replaces where ONNX has no single operator for what is asked.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from irstat_keras.markers import Markers, as_tensor
from irstat_keras.patches import Replacement

LAYER_NORMALIZATION_OPSET = 17
GELU_OPSET = 20


def replacements(markers: Markers, opset: int) -> list[Replacement]:
    """What to replace while a model is traced.

    Args:
        markers: gets the markers.
        opset: version of ai.onnx that the model will have.
    """
    from keras.src.backend.tensorflow import nn, numpy
    from keras.src.ops import nn as nn_operations

    found: list[Replacement] = [
        (nn, "batch_normalization", _batch_normalization(markers, nn.batch_normalization)),
        (numpy, "matmul", _matmul(markers, numpy.matmul)),
        (numpy, "einsum", _einsum(markers, numpy.einsum)),
        (numpy, "flip", _flip(markers, numpy.flip)),
        (numpy, "concatenate", _concatenate(markers, numpy.concatenate)),
        (numpy, "take", _take(numpy.take)),
        (nn, "silu", _silu(nn.silu)),
        (tf.nn, "bias_add", _bias_add(tf.nn.bias_add)),
    ]
    original = getattr(nn_operations, "_layer_normalization", None)  # older Keras has it inside the layer
    if opset >= LAYER_NORMALIZATION_OPSET and original is not None:
        found.append((nn_operations, "_layer_normalization", _layer_normalization(markers, original)))
    found.append((nn, "gelu", _gelu(markers, nn.gelu) if opset >= GELU_OPSET else _gelu_by_erf(nn.gelu)))
    return found


def is_dense(*tensors: Any) -> bool:
    """Whether all are ordinary tensors of known rank; None counts."""
    return all(tensor is None or (isinstance(tensor, tf.Tensor) and tensor.shape.rank is not None) for tensor in tensors)


def _batch_normalization(markers: Markers, original: Any) -> Any:
    def batch_normalization(
        x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
    ) -> Any:
        x, mean, variance, offset, scale = map(as_tensor, (x, mean, variance, offset, scale))
        statistics = [tensor for tensor in (mean, variance, offset, scale) if tensor is not None]
        whole = is_dense(x, *statistics) and x.shape.rank >= 2 and axis % x.shape.rank > 0
        if not whole or any(s.shape.rank != 1 or s.shape[0] is None or s.dtype != x.dtype for s in statistics):
            return original(x, mean, variance, axis, offset, scale, epsilon)
        given = [tensor for tensor in (scale, offset) if tensor is not None]
        inputs = [x, *given, mean, variance]
        has = {"scale": scale is not None, "offset": offset is not None}
        axis %= x.shape.rank
        return markers.emit("BatchNormalization", inputs, [(x.dtype, x.shape)], axis=axis, epsilon=epsilon, **has)[0]

    return batch_normalization


def _layer_normalization(markers: Markers, original: Any) -> Any:
    from keras.src import backend

    def layer_normalization(
        x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: Any = None, rms_scaling: bool = False
    ) -> Any:
        axes = sorted(a % len(x.shape) for a in (axis if isinstance(axis, list | tuple) else [axis]))
        first = len(x.shape) - len(axes)
        sizes = x.shape[first:]
        if rms_scaling or not is_dense(x) or axes != list(range(first, len(x.shape))) or None in tuple(sizes):
            return original(x, gamma, beta, axis, epsilon, rms_scaling)
        given = x.dtype
        x = as_tensor(x, backend.result_type(x.dtype, "float32"))
        gamma, beta = (_of_shape(as_tensor(value, x.dtype), sizes) for value in (gamma, beta))
        inputs = [x, *(tensor for tensor in (gamma, beta) if tensor is not None)]
        attributes = {
            "axis": first,
            "epsilon": backend.epsilon() if epsilon is None else epsilon,
            "sizes": tuple(sizes),
            "scale": gamma is not None,
        }
        return tf.cast(markers.emit("LayerNormalization", inputs, [(x.dtype, x.shape)], **attributes)[0], given)

    return layer_normalization


def _of_shape(tensor: Any, shape: Any) -> Any:
    return tensor if tensor is None or tensor.shape == shape else tf.reshape(tensor, shape)


def _gelu(markers: Markers, original: Any) -> Any:
    def gelu(x: Any, approximate: bool = True) -> Any:
        x = as_tensor(x)
        if not is_dense(x) or not x.dtype.is_floating:
            return original(x, approximate)
        return markers.emit("Gelu", [x], [(x.dtype, x.shape)], approximate="tanh" if approximate else "none")[0]

    return gelu


def _gelu_by_erf(original: Any) -> Any:
    """x (1 + erf(x / √2)) / 2; tf2onnx does not know erfc, which TensorFlow uses."""

    def gelu(x: Any, approximate: bool = True) -> Any:
        x = as_tensor(x)
        if approximate or not is_dense(x) or not x.dtype.is_floating:
            return original(x, approximate)
        return 0.5 * x * (1 + tf.math.erf(x * math.sqrt(0.5)))

    return gelu


def _matmul(markers: Markers, original: Any) -> Any:
    """TensorFlow multiplies a tensor of more than two dimensions with a matrix by way of two reshapes."""

    def matmul(x1: Any, x2: Any) -> Any:
        a, b = as_tensor(x1), as_tensor(x2)
        if not is_dense(a, b) or a.dtype != b.dtype or not a.dtype.is_floating or a.shape.rank < 3 or b.shape.rank != 2:
            return original(x1, x2)
        return markers.emit("MatMul", [a, b], [(a.dtype, (*a.shape[:-1], b.shape[-1]))])[0]

    return matmul


def _einsum(markers: Markers, original: Any) -> Any:
    """Keras writes some products as reshapes and matrix products."""

    def einsum(subscripts: str, *operands: Any, **options: Any) -> Any:
        tensors = [as_tensor(operand) for operand in operands]
        given, arrow, wanted = subscripts.replace(" ", "").partition("->")
        terms = given.split(",")
        if options or not arrow or "." in subscripts or len(terms) != len(tensors) or not is_dense(*tensors):
            return original(subscripts, *operands, **options)
        same = all(tensor.dtype == tensors[0].dtype for tensor in tensors) and tensors[0].dtype.is_floating
        if not same or any(len(term) != tensor.shape.rank for term, tensor in zip(terms, tensors, strict=True)):
            return original(subscripts, *operands, **options)
        sizes: dict[str, Any] = {}
        for term, tensor in zip(terms, tensors, strict=True):
            sizes.update((letter, size) for letter, size in zip(term, tensor.shape, strict=True) if size is not None)
        shape = tuple(sizes.get(letter) for letter in wanted)
        equation = f"{given}->{wanted}"
        return markers.emit("Einsum", tensors, [(tensors[0].dtype, shape)], equation=equation)[0]

    return einsum


def _silu(original: Any) -> Any:
    """TensorFlow multiplies with a factor of one."""

    def silu(x: Any) -> Any:
        x = as_tensor(x)
        return x * tf.sigmoid(x) if is_dense(x) and x.dtype.is_floating else original(x)

    return silu


def _take(original: Any) -> Any:
    """Keras makes negative indices positive first; ONNX's Gather takes them as they are."""

    def take(x: Any, indices: Any, axis: Any = None) -> Any:
        if axis is None or not isinstance(indices, tf.Tensor) or indices.dtype not in (tf.int32, tf.int64):
            return original(x, indices, axis)
        return tf.gather(as_tensor(x), indices, axis=axis)

    return take


def _bias_add(original: Any) -> Any:
    """Of a bias of channels that come first tf2onnx makes a sum along the last axis."""

    def bias_add(value: Any, bias: Any, data_format: Any = None, name: Any = None) -> Any:
        if not str(data_format).startswith("NC") or not is_dense(value, bias):
            return original(value, bias, data_format=data_format, name=name)
        return tf.add(value, tf.reshape(bias, [-1, *[1] * (value.shape.rank - 2)]), name=name)

    return bias_add


def _flip(markers: Markers, original: Any) -> Any:
    def flip(x: Any, axis: Any = None) -> Any:
        x = as_tensor(x)
        if not is_dense(x):
            return original(x, axis)
        rank = x.shape.rank
        given = range(rank) if axis is None else (axis if isinstance(axis, list | tuple) else [axis])
        axes = tuple(sorted(a % rank for a in given))
        before = markers.made(x)
        if before is not None and before.kind == "Flip" and before.attributes["axes"] == axes:
            return x.op.inputs[0].op.inputs[0]  # flipped back, as Bidirectional does
        return markers.emit("Flip", [x], [(x.dtype, x.shape)], axes=axes)[0]

    return flip


def _concatenate(markers: Markers, original: Any) -> Any:
    """TensorFlow takes a concatenation into the one that uses it."""

    def concatenate(xs: Any, axis: int = 0) -> Any:
        tensors = [as_tensor(x) for x in xs]
        nested = any(getattr(getattr(tensor, "op", None), "type", "") == "ConcatV2" for tensor in tensors)
        if not nested or not is_dense(*tensors) or len({(tensor.dtype, tensor.shape.rank) for tensor in tensors}) > 1:
            return original(xs, axis)
        axis %= tensors[0].shape.rank
        shape = [
            next((size for size in sizes if size is not None), None) for sizes in zip(*(t.shape for t in tensors), strict=True)
        ]
        along = [tensor.shape[axis] for tensor in tensors]
        shape[axis] = None if None in along else sum(along)
        return markers.emit("Concat", tensors, [(tensors[0].dtype, shape)], axis=axis)[0]

    return concatenate
