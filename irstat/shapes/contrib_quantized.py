"""Shapes of com.microsoft's quantized operators.

Source: the operators' schemas in onnxruntime (ContribOperators.md), checked against the shapes onnxruntime observes.
"""

from __future__ import annotations

from collections.abc import Sequence

from irstat.element_types import NAME_OF
from irstat.shapes.call import Call, MisfitError
from irstat.shapes.contrib_rules import CONV, POOL, ShapeRule, broadcast, maybe_channels_last, multiplied, same_as
from irstat.shapes.onnx_rules import official
from irstat.shapes.value_type import TensorType, ValueType


def _columns(call: Call, columns: int, rows: int | None = None) -> TensorType:
    """Input (…, rows) times a matrix of that many columns."""
    dims = call.dims(0)
    if rows is not None and dims[-1] != rows:
        raise MisfitError(f"{list(dims)} can't be multiplied by {rows}×{columns}")
    return TensorType(call.dtype(0), (*dims[:-1], columns))


def _matmul_n_bits(call: Call) -> Sequence[ValueType]:
    return [_columns(call, int(call.attr("N")), int(call.attr("K")))]


def _matmul_n_bits_qkv(call: Call) -> Sequence[ValueType]:
    query, key = (_columns(call, int(call.attr(name)), int(call.attr("K"))) for name in ("Nq", "Nkv"))
    return [query, key, key, call.like(0)]


def _matmul_n_bits_mlp(call: Call) -> Sequence[ValueType]:
    return [_columns(call, int(call.attr("N")), int(call.attr("K"))), call.like(0)]


def _matmul_fp_q4(call: Call) -> Sequence[ValueType]:
    return [_columns(call, call.numbers(2)[-1])]


def _block_quantized_weight(call: Call) -> Sequence[ValueType]:
    return [_columns(call, call.dims(1)[0])]


def _matmul_integer_16(call: Call) -> str:
    return "uint32" if call.dtype(0) == call.dtype(1) == "uint16" else "int32"


def _gemm_float8(call: Call) -> Sequence[ValueType]:
    attrs = {name: call.attr(name) for name in ("transA", "transB") if call.attr(name) is not None}
    found = official("Gemm", 13, [TensorType("float32", call.dims(slot)) for slot in (0, 1)], attrs)
    return [TensorType(NAME_OF.get(int(call.attr("dtype", 1))), found.dims)]


def _q_gemm(call: Call) -> Sequence[ValueType]:
    attrs = {name: call.attr(name) for name in ("transA", "transB") if call.attr(name) is not None}
    found = official("Gemm", 13, [TensorType("float32", call.dims(slot)) for slot in (0, 3)], attrs)
    return [TensorType((call.dtype(8) or call.dtype(0)) if call.has(7) else "float32", found.dims)]


def _q_linear_concat(call: Call) -> Sequence[ValueType]:
    """Inputs are scale and zero point of the output, then (tensor, scale, zero point) of each part."""
    parts = [call.dims(slot) for slot in range(2, len(call.types), 3)]
    axis = int(call.attr("axis")) % len(parts[0])
    total = sum(part[axis] for part in parts)
    return [TensorType(call.dtype(1), (*parts[0][:axis], total, *parts[0][axis + 1 :]))]


def _reduced(call: Call, dtype: str | None) -> Sequence[ValueType]:
    attrs = {name: call.node.attrs[name] for name in ("axes", "keepdims") if name in call.node.attrs}
    return [TensorType(dtype, official("ReduceSum", 11, [TensorType("float32", call.dims(0))], attrs).dims)]


def _reduce_sum_integer(call: Call) -> Sequence[ValueType]:
    return _reduced(call, "uint32" if call.dtype(0) == "uint8" else "int32")


def _gather_block_quantized(call: Call) -> Sequence[ValueType]:
    """A byte of uint8 data holds 8/bits values along the last axis."""
    data, indices = list(call.dims(0)), call.dims(1)
    if call.dtype(0) == "uint8":
        data[-1] *= 8 // int(call.attr("bits", 4))
    axis = int(call.attr("gather_axis", 0)) % len(data)
    return [TensorType(call.dtype(2), (*data[:axis], *indices, *data[axis + 1 :]))]


def _with_dtype(slot: int) -> ShapeRule:
    """Shape of the first input, element type of another."""
    return lambda call: [TensorType(call.dtype(slot) or "uint8", call.dims(0))]


def _dequantize_with_order(call: Call) -> Sequence[ValueType]:
    return [TensorType(NAME_OF.get(int(call.attr("to"))), call.dims(0))]


RULES: dict[str, ShapeRule] = {
    **dict.fromkeys(
        "QLinearLeakyRelu QLinearSigmoid QLinearSoftmax QOrderedGelu QOrderedLayerNormalization".split(), same_as(0)
    ),
    "QLinearConv": maybe_channels_last("Conv", 11, CONV, 3, 7),
    "QLinearAveragePool": maybe_channels_last("AveragePool", 11, POOL),
    "QLinearGlobalAveragePool": maybe_channels_last("GlobalAveragePool", 1, ()),
    "DynamicQuantizeMatMul": multiplied(),
    "MatMulIntegerToFloat": multiplied(lambda call: call.dtype(2)),
    "MatMulInteger16": multiplied(_matmul_integer_16),
    **dict.fromkeys(("MatMulNBits", "MatMulBnb4"), _matmul_n_bits),
    "MatMulNBitsQkv": _matmul_n_bits_qkv,
    "MatMulNBitsMlp": _matmul_n_bits_mlp,
    **dict.fromkeys(("MatMulBlockQuantizedFp8Weight", "MatMulBlockQuantizedFp4Weight"), _block_quantized_weight),
    "MatMulFpQ4": _matmul_fp_q4,
    "GemmFloat8": _gemm_float8,
    "QGemm": _q_gemm,
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), broadcast((0, 3))),
    "QLinearWhere": broadcast((1, 0, 4)),
    "MulInteger": broadcast((0, 2), "int32"),
    "QLinearConcat": _q_linear_concat,
    "QLinearReduceMean": lambda call: _reduced(call, call.dtype(0)),
    "ReduceSumInteger": _reduce_sum_integer,
    "GatherBlockQuantized": _gather_block_quantized,
    "QuantizeLinear": _with_dtype(2),
    "DequantizeLinear": _with_dtype(1),
    "QuantizeWithOrder": lambda call: [TensorType("int8", call.dims(0))],
    "DequantizeWithOrder": _dequantize_with_order,
}
"""com.microsoft operator -> rule."""
