"""One node of every com.microsoft operator that irstat has a shape rule for and onnxruntime can run on a CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ml_dtypes import int4 as np_int4
from ml_dtypes import uint4 as np_uint4


@dataclass(frozen=True)
class Case:
    """A node with arrays for its inputs, None for one left out."""

    op_type: str
    inputs: Sequence[np.ndarray | None]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    constants: Sequence[int] = ()
    """Slots whose values are stored in the model."""
    note: str = ""
    types: Mapping[int, int] = field(default_factory=dict)
    """Element types of outputs that onnxruntime wants stated."""

    @property
    def name(self) -> str:
        """For the test's identifier."""
        return f"{self.op_type}-{self.note}" if self.note else self.op_type


def f(*dims: int) -> np.ndarray:
    """float32 numbers."""
    return np.linspace(0.1, 0.9, int(np.prod(dims)), dtype=np.float32).reshape(dims)


def u8(*dims: int) -> np.ndarray:
    """uint8 numbers."""
    return np.ones(dims, dtype=np.uint8)


def i8(*dims: int) -> np.ndarray:
    """int8 numbers."""
    return np.ones(dims, dtype=np.int8)


def i32(values: Any) -> np.ndarray:
    """int32 numbers."""
    return np.asarray(values, dtype=np.int32)


def i64(values: Any) -> np.ndarray:
    """int64 numbers."""
    return np.asarray(values, dtype=np.int64)


S, Z, ZI = np.array(0.1, np.float32), np.array(3, np.uint8), np.array(3, np.int8)
"""A scale and two zero points."""

ELEMENTWISE = [
    Case("Gelu", [f(2, 3)]),
    Case("FastGelu", [f(2, 3), f(3)]),
    Case("QuickGelu", [f(2, 3)]),
    Case("BiasGelu", [f(2, 5, 4), f(4)]),
    Case("ScaledSiLU", [f(2, 3)]),
    Case("GatedAdd", [f(2, 3), f(2, 3), f(2, 1)]),
    Case("Inverse", [np.eye(3, dtype=np.float32)[None].repeat(2, 0)]),
    Case("Trilu", [f(2, 3, 4), i64(1)]),
    Case("SampleOp", [f(2, 3)]),
    Case("MurmurHash3", [i32([[1, 2], [3, 4]])]),
    Case("MurmurHash3", [i32([[1, 2], [3, 4]])], {"positive": 0}, note="signed"),
    Case("NGramRepeatBlock", [i64([[1, 2, 1, 2, 1], [0, 0, 1, 1, 2]]), f(2, 9)], {"ngram_size": 2}),
    Case("HyperConnectionPostMix", [f(2, 4, 8), f(2, 8), f(2, 4)]),
    Case("HyperConnectionPreMix", [f(2, 4, 8), f(2, 4)]),
    Case("HyperConnectionPreMix", [f(2, 32), f(2, 4)], {"num_branches": 4}, note="flat"),
    Case("LinearAttentionGate", [f(2, 3, 4), f(4), f(4), f(2, 3, 4)], outputs=2),
    Case("EngramGate", [f(2, 3, 4, 8), f(2, 3, 4, 8), f(2, 3, 8), f(4, 8), f(4, 8), f(4, 8)], outputs=2),
    Case("QLinearAdd", [u8(2, 1, 4), S, Z, u8(3, 1), S, Z, S, Z]),
    Case("QLinearMul", [i8(2, 1, 4), S, ZI, i8(3, 1), S, ZI, S, ZI]),
    Case("QLinearSigmoid", [u8(2, 3), S, Z, S, Z], constants=(1, 2, 3, 4)),
    Case("QLinearLeakyRelu", [i8(2, 3), S, ZI, S, ZI], constants=(1, 2, 3, 4)),
    Case("QLinearSoftmax", [u8(2, 3), S, Z, S, Z], {"opset": 13, "axis": -1}, constants=(1, 2, 3, 4)),
    Case("QLinearWhere", [np.ones((3, 1), bool), u8(4), S, Z, u8(2, 1, 1), S, Z, S, Z], constants=(2, 3, 5, 6, 7, 8)),
    Case("QLinearConcat", [S, Z, u8(2, 3), S, Z, u8(2, 5), S, Z], {"axis": -1}, constants=(0, 1, 3, 4, 6, 7)),
    Case("QuantizeLinear", [f(2, 3), S, np.array(0, np.int16)], note="int16"),
    Case("QuantizeLinear", [f(2, 3), S]),
    Case("DequantizeLinear", [u8(2, 3), S, Z]),
]

NORMALIZATION = [
    Case("GatedRMSNorm", [f(2, 8), f(4), f(2, 8)]),
    Case("BranchwiseRMSNorm", [f(2, 4, 8), f(4, 8)]),
    Case("SkipLayerNormalization", [f(2, 5, 4), f(2, 5, 4), f(4), f(4), f(4)], note="one output"),
    Case("SkipSimplifiedLayerNormalization", [f(2, 5, 4), f(2, 5, 4), f(4), f(4)]),
    Case(
        "EmbedLayerNormalization",
        [i32([[1, 2, 3], [0, 1, 1]]), i32([[0, 0, 1], [0, 1, 1]]), f(9, 4), f(6, 4), f(2, 4), f(4), f(4), i32(np.ones((2, 3)))],
        outputs=3,
    ),
    Case("EmbedLayerNormalization", [i32([[1, 2, 3]]), None, f(9, 4), f(6, 4), None, f(4), f(4)], outputs=2, note="bare"),
    Case(
        "QEmbedLayerNormalization",
        [i32([[1, 2, 3]]), i32([[0, 0, 1]]), i8(9, 4), i8(6, 4), i8(2, 4), i8(4), i8(4), i32([[1, 1, 1]]), *[S] * 5, *[ZI] * 5],
        outputs=2,
        constants=tuple(range(2, 7)) + tuple(range(8, 18)),
    ),
]

CONVOLUTION = [
    Case("FusedConv", [f(1, 2, 7, 7), f(4, 2, 3, 3), f(4)], {"activation": "Relu", "strides": [2, 2], "pads": [1, 1, 0, 0]}),
    Case(
        "ConvTransposeWithDynamicPads", [f(1, 2, 5, 5), f(2, 3, 3, 3), i64([1, 0, 1, 2])], {"strides": [2, 2]}, constants=(2,)
    ),
    Case("NhwcMaxPool", [u8(1, 7, 6, 3)], {"kernel_shape": [3, 2], "strides": [2, 2]}),
    Case("NhwcMaxPool", [u8(1, 7, 6, 3)], {"kernel_shape": [2, 1], "strides": [2, 3], "ceil_mode": 1}, note="ceil"),
    Case("MaxpoolWithMask", [f(1, 2, 6, 6), i32(np.ones((1, 2, 6, 6)))], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    Case(
        "QLinearConv", [u8(1, 7, 6, 2), S, Z, i8(4, 2, 3, 3), S, ZI, S, Z], {"channels_last": 1}, constants=tuple(range(1, 8))
    ),
    Case("QLinearConv", [u8(1, 2, 7, 6), S, Z, i8(4, 2, 3, 3), S, ZI, S, Z], {"strides": [2, 1]}, constants=tuple(range(1, 8))),
    Case("QLinearAveragePool", [u8(1, 2, 7, 6), S, Z, S, Z], {"kernel_shape": [3, 3]}, constants=(1, 2, 3, 4)),
    Case(
        "QLinearAveragePool",
        [u8(1, 7, 6, 2), S, Z, S, Z],
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "channels_last": 1},
        constants=(1, 2, 3, 4),
        note="channels last",
    ),
    Case("QLinearGlobalAveragePool", [u8(1, 2, 7, 6), S, Z, S, Z], constants=(1, 2, 3, 4)),
    Case("QLinearGlobalAveragePool", [u8(1, 7, 6, 2), S, Z, S, Z], {"channels_last": 1}, constants=(1, 2, 3, 4), note="last"),
    Case("GridSample", [f(1, 2, 5, 5), f(1, 3, 4, 2)]),
    Case("CropAndResize", [f(1, 2, 8, 8), f(3, 4), i32([0, 0, 0]), i32([5, 6])], constants=(3,)),
    Case("CausalConvWithState", [f(2, 4, 7), f(4, 1, 3)], outputs=2),
    Case("CausalConvWithState", [f(2, 4, 7), f(4, 1, 3), f(4), f(2, 4, 2)], outputs=2, note="past"),
    Case("UnfoldTensor", [f(2, 7)], {"dim": 1, "size": 3, "step": 2}),
]

PRODUCTS = [
    Case("FusedGemm", [f(3, 2), f(3, 4), f(4)], {"transA": 1, "activation": "Relu"}),
    Case("FusedMatMul", [f(2, 3, 4), f(2, 5, 4)], {"transB": 1, "alpha": 0.5}),
    Case("FusedMatMul", [f(3, 2, 4), f(2, 4, 5)], {"transBatchA": 1}, note="batch of a"),
    Case("FusedMatMul", [f(2, 7, 4, 3), f(4, 2, 7, 5)], {"transBatchB": 1, "transA": 1}, note="batch of b"),
    Case("FusedMatMul", [f(4), f(2, 4, 5)], {"transA": 1}, note="vector"),
    Case("TransposeMatMul", [f(4, 3), f(4, 5)], {"transA": 1}),
    Case("DynamicQuantizeMatMul", [f(2, 3, 4), u8(4, 5), S, Z, f(5)], constants=(1, 2, 3)),
    Case("MatMulIntegerToFloat", [u8(2, 3, 4), i8(4, 5), S, S, Z, ZI, f(5)]),
    Case("MatMulInteger16", [np.ones((2, 3), np.int16), np.ones((3, 4), np.int16)]),
    Case("QGemm", [u8(3, 4), S, Z, i8(5, 4), S, ZI, i32(np.ones(5)), S, Z], {"transB": 1}, constants=(1, 2, 4, 5, 7, 8)),
    Case("QGemm", [u8(3, 4), S, Z, i8(4, 5), S, ZI], constants=(1, 2, 4, 5), note="float"),
    Case("MatMulNBits", [f(2, 3, 32), u8(5, 2, 8), f(5, 2)], {"N": 5, "K": 32, "bits": 4, "block_size": 16}, constants=(1, 2)),
    Case("MatMulNBits", [f(2, 40), u8(5, 3, 16), f(5, 3)], {"N": 5, "K": 40, "bits": 8, "block_size": 16}, constants=(1, 2)),
    Case("MatMulBnb4", [f(2, 32), u8(80), f(10)], {"N": 5, "K": 32, "quant_type": 1, "block_size": 16}, constants=(1, 2)),
    Case(
        "GatherBlockQuantized", [u8(9, 16), i64([[1, 2], [3, 4]]), f(9, 2)], {"bits": 4, "block_size": 16, "quantize_axis": 1}
    ),
    Case("GatherBlockQuantized", [u8(9, 32), i64([1, 2, 3]), f(9, 2)], {"bits": 8, "block_size": 16, "quantize_axis": 1}),
    Case(
        "GatherBlockQuantized",
        [np.ones((9, 16), np_uint4), i32([[1, 2], [3, 4]]), f(9, 1), np.ones((9, 1), np_uint4)],
        {"block_size": 16, "quantize_axis": 1},
        constants=(0, 3),
        note="uint4",
    ),
    Case(
        "GatherBlockQuantized",
        [np.ones((9, 2, 16), np_int4), i64(3), f(9, 2, 1)],
        {"block_size": 16, "quantize_axis": 2, "gather_axis": 0},
        constants=(0,),
        note="int4 scalar index",
    ),
    Case("CDist", [f(3, 4), f(5, 4)], {"metric": "sqeuclidean"}),
]

ATTENTION = [
    Case("Attention", [f(2, 5, 6), f(6, 24), f(24)], {"num_heads": 2}, outputs=2),
    Case("Attention", [f(2, 5, 6), f(6, 24), f(24), None, f(2, 2, 2, 3, 4)], {"num_heads": 2}, outputs=2, note="past"),
    Case("Attention", [f(2, 5, 6), f(6, 20), f(20)], {"num_heads": 2, "qkv_hidden_sizes": [8, 8, 4]}, note="other values"),
    Case("QAttention", [u8(2, 5, 6), i8(6, 24), f(24), S, S, None, Z, ZI], {"num_heads": 2}, constants=(1, 3, 4, 6, 7)),
    Case(
        "QAttention",
        [u8(2, 5, 6), i8(6, 24), f(24), S, S, None, Z, ZI, f(2, 2, 2, 3, 4)],
        {"num_heads": 2, "unidirectional": 1},
        outputs=2,
        constants=(1, 3, 4, 6, 7),
        note="past",
    ),
    Case("MultiHeadAttention", [f(2, 5, 8), f(2, 7, 8), f(2, 7, 12)], {"num_heads": 2}, outputs=1),
    Case(
        "MultiHeadAttention", [f(2, 5, 8), f(2, 7, 8), f(2, 7, 12)], {"num_heads": 2}, outputs=4, note="present", types={3: 1}
    ),
    Case(
        "MultiHeadAttention",
        [f(2, 5, 8), f(2, 5, 8), f(2, 5, 8), None, None, None, f(2, 2, 3, 4), f(2, 2, 3, 4)],
        {"num_heads": 2},
        outputs=4,
        note="past",
        types={3: 1},
    ),
    Case("MultiHeadAttention", [f(2, 5, 8), f(2, 2, 7, 4), f(2, 2, 7, 4)], {"num_heads": 2}, note="cross"),
    Case(
        "DecoderMaskedMultiHeadAttention",
        [f(2, 1, 8), f(2, 1, 8), f(2, 1, 8), None, None, f(2, 2, 9, 4), f(2, 2, 9, 4), i32([3])],
        {"num_heads": 2, "past_present_share_buffer": 1},
        outputs=3,
    ),
    Case(
        "GroupQueryAttention",
        [f(2, 3, 32), f(2, 3, 16), f(2, 3, 16), f(2, 2, 0, 8), f(2, 2, 0, 8), i32([2, 2]), i32(3)],
        {"num_heads": 4, "kv_num_heads": 2},
        outputs=3,
        constants=(6,),
        note="prompt",
    ),
    Case(
        "GroupQueryAttention",
        [f(2, 1, 32), f(2, 1, 16), f(2, 1, 16), f(2, 2, 5, 8), f(2, 2, 5, 8), i32([5, 5]), i32(6)],
        {"num_heads": 4, "kv_num_heads": 2},
        outputs=3,
        constants=(6,),
        note="token",
    ),
    Case(
        "GroupQueryAttention",
        [f(2, 1, 32), f(2, 1, 16), f(2, 1, 16), f(2, 2, 16, 8), f(2, 2, 16, 8), i32([5, 5]), i32(6)],
        {"num_heads": 4, "kv_num_heads": 2},
        outputs=3,
        constants=(6,),
        note="buffer",
    ),
    Case(
        "GroupQueryAttention",
        [f(2, 1, 128), None, None, f(2, 2, 5, 16), f(2, 2, 5, 16), i32([5, 5]), i32(6), f(16, 8), f(16, 8)],
        {"num_heads": 4, "kv_num_heads": 2, "do_rotary": 1},
        outputs=3,
        constants=(6,),
        note="packed",
    ),
    Case("RotaryEmbedding", [f(2, 3, 16), i64([[0, 1, 2]] * 2), f(9, 4), f(9, 4)], {"num_heads": 2}),
    Case("MRotaryEmbedding", [f(2, 2, 3, 8), i64(np.zeros((3, 2, 3))), f(9, 4), f(9, 4)], {"mrope_section": [2, 1, 1]}),
    Case(
        "LinearAttention",
        [f(2, 3, 8), f(2, 3, 8), f(2, 3, 12)],
        {"q_num_heads": 2, "kv_num_heads": 2, "update_rule": "linear"},
        2,
    ),
    Case("MoE", [f(2, 3, 8), f(6, 4), f(4, 16, 8), None, f(4, 8, 16)], {"k": 2}),
    Case(
        "QMoE",
        [f(6, 32), f(6, 4), u8(4, 64, 16), f(4, 64), None, u8(4, 32, 32), f(4, 32)],
        {"k": 2, "expert_weight_bits": 4, "activation_type": "relu"},
        constants=(2, 3, 5, 6),
    ),
    Case("DecoderMaskedMultiHeadAttention", [f(2, 1, 8), f(2, 2, 7, 4), f(2, 2, 7, 4)], {"num_heads": 2}, note="cross"),
    Case(
        "GroupQueryAttention",
        [f(2, 3, 32), f(2, 3, 16), f(2, 3, 16), None, None, i32([2, 2]), i32(3)],
        {"num_heads": 4, "kv_num_heads": 2},
        outputs=3,
        note="no past",
    ),
]

OTHER = [
    Case("ExpandDims", [f(2, 3), i32(-1)], constants=(1,)),
    Case("ExpandDims", [f(2, 3), i32(1)], constants=(1,), note="inside"),
    Case("GatherND", [f(2, 3, 4), i64([[0, 1], [1, 0]])]),
    Case("Range", [np.array(0, np.float32), np.array(1, np.float32), np.array(0.3, np.float32)], constants=(0, 1, 2)),
    Case("Range", [i64(7), i64(-2), i64(-2)], constants=(0, 1, 2), note="down"),
    Case("Pad", [f(2, 3), i64([0, 1, 2, -1])], constants=(1,)),
    Case(
        "DynamicQuantizeLSTM",
        [f(5, 2, 3), i8(2, 3, 16), i8(2, 4, 16), None, None, None, None, None, f(2), i8(2), f(2), i8(2)],
        {"hidden_size": 4, "direction": "bidirectional"},
        outputs=3,
        constants=(1, 2, 8, 9, 10, 11),
    ),
]

CASES = [*ELEMENTWISE, *NORMALIZATION, *CONVOLUTION, *PRODUCTS, *ATTENTION, *OTHER]
