"""Small graphs whose multiply-accumulates are known, and what irstat and its peers make of them.

    pip install -r benchmarks/requirements.txt        # in an environment of its own, with irstat
    python benchmarks/micro_graphs.py

Each truth is worked out by hand beside its graph. A peer runs in a process of its own, because some graphs kill it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper


@dataclass(frozen=True)
class MicroGraph:
    """One graph and the truth about it."""

    name: str
    build: Callable[[], ModelProto]
    macs: int | str
    """Multiply-accumulates, or a formula in the model's free sizes."""


def text(body: str, *, opset: int = 20, imports: str = "") -> ModelProto:
    """A model from ONNX text."""
    more = f", {imports}" if imports else ""
    return onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": {opset}{more}]>\n{body}')


def with_weights(model: ModelProto, **shapes: tuple[int, ...]) -> ModelProto:
    """The model with some inputs replaced by random initializers."""
    generator = np.random.default_rng(0)
    for name, shape in shapes.items():
        info = next(info for info in model.graph.input if info.name == name)
        kind = info.type.tensor_type.elem_type
        values = generator.integers(1, 9, shape) if kind != TensorProto.FLOAT else generator.standard_normal(shape)
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        model.graph.initializer.append(numpy_helper.from_array(values.astype(dtype), name))
        model.graph.input.remove(info)
    return model


def conv(bias: bool = False) -> ModelProto:
    inputs, call = ("float[64] b, ", "x, w, b") if bias else ("", "x, w")
    graph = f"""g (float[1,64,56,56] x, {inputs}float[64,64,3,3] w) => (float[1,64,56,56] y)
        {{ y = Conv<kernel_shape=[3,3], pads=[1,1,1,1]>({call}) }}"""
    return with_weights(text(graph), w=(64, 64, 3, 3), **({"b": (64,)} if bias else {}))


def depthwise() -> ModelProto:
    graph = """g (float[1,64,56,56] x, float[64,1,3,3] w) => (float[1,64,56,56] y)
        { y = Conv<kernel_shape=[3,3], pads=[1,1,1,1], group=64>(x, w) }"""
    return with_weights(text(graph), w=(64, 1, 3, 3))


def conv_transpose() -> ModelProto:
    graph = """g (float[1,16,10,10] x, float[16,8,4,4] w) => (float[1,8,22,22] y)
        { y = ConvTranspose<kernel_shape=[4,4], strides=[2,2]>(x, w) }"""
    return with_weights(text(graph), w=(16, 8, 4, 4))


def gemm() -> ModelProto:
    graph = "g (float[64,10] x, float[32,64] w) => (float[10,32] y) { y = Gemm<transA=1, transB=1>(x, w) }"
    return with_weights(text(graph), w=(32, 64))


def batched_matmul() -> ModelProto:
    return text("g (float[2,4,10,20] a, float[2,4,20,100] b) => (float[2,4,10,100] y) { y = MatMul(a, b) }")


def broadcast_matmul() -> ModelProto:
    graph = "g (float[8,10,40] a, float[40,40] w) => (float[8,10,40] y) { y = MatMul(a, w) }"
    return with_weights(text(graph), w=(40, 40))


def einsum() -> ModelProto:
    graph = """g (float[2,4,20,50] a, float[2,4,20,50] b) => (float[2,4,20,20] y)
        { y = Einsum<equation="bhid,bhjd->bhij">(a, b) }"""
    return text(graph)


def recurrent(kind: str, gates: int) -> ModelProto:
    outputs = "y, h, c" if kind == "LSTM" else "y, h"
    graph = f"""g (float[100,1,64] x, float[1,{gates * 64},64] w, float[1,{gates * 64},64] r) => (float[100,1,1,64] y)
        {{ {outputs} = {kind}<hidden_size=64>(x, w, r) }}"""
    return with_weights(text(graph), w=(1, gates * 64, 64), r=(1, gates * 64, 64))


def free_batch() -> ModelProto:
    graph = "g (float[N,10] x, float[10,32] w) => (float[N,32] y) { y = MatMul(x, w) }"
    return with_weights(text(graph), w=(10, 32))


def attention() -> ModelProto:
    graph = """g (float[1,2,50,32] q, float[1,2,50,32] k, float[1,2,50,32] v) => (float[1,2,50,32] y)
        { y = Attention(q, k, v) }"""
    return text(graph, opset=23)


def contrib_attention() -> ModelProto:
    graph = """g (float[1,50,64] x, float[64,192] w, float[192] b) => (float[1,50,64] y)
        { y = com.microsoft.Attention<num_heads=2>(x, w, b) }"""
    return with_weights(text(graph, imports='"com.microsoft": 1'), w=(64, 192), b=(192,))


def matmul_n_bits() -> ModelProto:
    graph = """g (float[10,64] x, uint8[32,2,16] w, float[64] s) => (float[10,32] y)
        { y = com.microsoft.MatMulNBits<K=64, N=32, bits=4, block_size=32>(x, w, s) }"""
    return with_weights(text(graph, imports='"com.microsoft": 1'), w=(32, 2, 16), s=(64,))


def qlinear_conv() -> ModelProto:
    graph = """g (uint8[1,64,56,56] x, int8[64,64,3,3] w) => (uint8[1,64,56,56] y)
        <float xs = {0.1}, uint8 xz = {128}, float ws = {0.1}, int8 wz = {0}, float ys = {0.1}, uint8 yz = {128}>
        { y = QLinearConv<kernel_shape=[3,3], pads=[1,1,1,1]>(x, xs, xz, w, ws, wz, ys, yz) }"""
    return with_weights(text(graph), w=(64, 64, 3, 3))


def if_branch() -> ModelProto:
    graph = """g (bool c, float[10,64] x, float[64,32] w) => (float[10,32] y)
        { y = If(c) <then_branch = t () => (float[10,32] a) { a = MatMul(x, w) },
                     else_branch = e () => (float[10,32] b) { b = Slice(x, zero, half, one) }> }"""
    model = with_weights(text(graph), w=(64, 32))
    for name, value in (("zero", [0]), ("half", [32]), ("one", [1])):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, dtype=np.int64), name))
    return model


def loop() -> ModelProto:
    graph = """g (float[10,64] x, float[64,64] w) => (float[10,64] y) <int64 n = {5}, bool go = {1}>
        { y = Loop(n, go, x) <body = b (int64 i, bool c, float[10,64] s) => (bool d, float[10,64] t)
            { d = Identity(c) t = MatMul(s, w) }> }"""
    return with_weights(text(graph), w=(64, 64))


def local_function() -> ModelProto:
    graph = """g (float[10,64] x, float[64,32] w) => (float[10,32] y) { y = local.dense(x, w) }
        <domain: "local", opset_import: ["": 20]> dense (a, b) => (c) { c = MatMul(a, b) }"""
    return with_weights(text(graph, imports='"local": 1'), w=(64, 32))


def unknown_operator() -> ModelProto:
    graph = """g (float[10,64] x, float[64,32] w) => (float[10,32] y, float[10,64] z)
        { z = custom.Mystery(x) y = MatMul(x, w) }"""
    return with_weights(text(graph, imports='"custom": 1'), w=(64, 32))


MICRO_GRAPHS = (
    MicroGraph("Conv 3×3 64→64 @56²", conv, 64 * 56 * 56 * 64 * 9),
    MicroGraph("same + bias", lambda: conv(bias=True), 64 * 56 * 56 * 64 * 9),
    MicroGraph("depthwise 3×3", depthwise, 64 * 56 * 56 * 9),
    MicroGraph("ConvTranspose k4 s2", conv_transpose, 16 * 10 * 10 * 8 * 16),
    MicroGraph("Gemm transA transB", gemm, 10 * 64 * 32),
    MicroGraph("batched MatMul", batched_matmul, 2 * 4 * 10 * 20 * 100),
    MicroGraph("broadcast MatMul", broadcast_matmul, 8 * 10 * 40 * 40),
    MicroGraph("Einsum bhid,bhjd->bhij", einsum, 2 * 4 * 20 * 20 * 50),
    MicroGraph("LSTM T=100, 64→64", lambda: recurrent("LSTM", 4), 100 * 4 * 64 * (64 + 64)),
    MicroGraph("GRU T=100, 64→64", lambda: recurrent("GRU", 3), 100 * 3 * 64 * (64 + 64)),
    MicroGraph("MatMul, free batch N", free_batch, "320*N"),
    MicroGraph("ai.onnx Attention", attention, 2 * 50 * 50 * (32 + 32)),
    MicroGraph("com.microsoft Attention", contrib_attention, 50 * 64 * 192 + 2 * 50 * 50 * (32 + 32)),
    MicroGraph("com.microsoft MatMulNBits", matmul_n_bits, 10 * 64 * 32),
    MicroGraph("QLinearConv", qlinear_conv, 64 * 56 * 56 * 64 * 9),
    MicroGraph("If with MatMul branch", if_branch, 10 * 64 * 32),
    MicroGraph("Loop ×5 of MatMul", loop, 5 * 10 * 64 * 64),
    MicroGraph("model-local function", local_function, 10 * 64 * 32),
    MicroGraph("unknown operator, then MatMul", unknown_operator, 10 * 64 * 32),
)

PROGRAMS = {
    "irstat": "import irstat; r = irstat.analyze({path!r}); print(('≥ ' if r.lower_bound else '') + str(r.totals['macs']))",
    "onnx-tool": "import onnx_tool; g = onnx_tool.Model({path!r}).graph; g.shape_infer(); g.profile(); print(g.macs)",
    "onnxsim": "import onnx; from onnxsim.model_info import ModelInfo; print(ModelInfo(onnx.load({path!r})).macs)",
    "onnx_opcounter": "import onnx; from onnx_opcounter import calculate_macs as m; print(m(onnx.load({path!r})))",
}


def answer(program: str) -> str:
    """The last line a program prints; `fails` if it doesn't end well."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        return "fails"
    return lines[-1].strip("[]()").split(",")[0].removesuffix(".0")


def main() -> None:
    print(f"| graph | truth | {' | '.join(PROGRAMS)} |\n| --- | ---: |{' ---: |' * len(PROGRAMS)}")
    with tempfile.TemporaryDirectory() as folder:
        for graph in MICRO_GRAPHS:
            path = Path(folder) / "model.onnx"
            onnx.save(graph.build(), path)
            said = [answer(program.format(path=str(path))) for program in PROGRAMS.values()]
            cells = ["✓" if text.removeprefix("≥ ") == str(graph.macs) else text for text in said]
            truth = f"{graph.macs:,}" if isinstance(graph.macs, int) else graph.macs
            print(f"| {graph.name} | {truth} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
