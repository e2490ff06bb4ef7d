"""Model files for tests of reader and writer, and onnxruntime as the judge of what a model computes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.support.models import model


def canonical(message: Any) -> bytes:
    """A message's content, however it was encoded."""
    return type(message).FromString(message.SerializeToString()).SerializeToString(deterministic=True)


def feeds_for(proto: ModelProto, sizes: Mapping[str, int] | None = None, seed: int = 0) -> dict[str, np.ndarray]:
    """Random arrays for the inputs of a model; named sizes are 2 unless `sizes` says otherwise."""
    random = np.random.default_rng(seed)
    stored = {tensor.name for tensor in proto.graph.initializer}
    feeds = {}
    for info in proto.graph.input:
        if info.name in stored:
            continue
        tensor = info.type.tensor_type
        shape = [
            dim.dim_value if dim.HasField("dim_value") else (sizes or {}).get(dim.dim_param, 2) for dim in tensor.shape.dim
        ]
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        if dtype.kind == "b":
            feeds[info.name] = random.random(shape) < 0.5
        elif np.issubdtype(dtype, np.integer):
            feeds[info.name] = random.integers(0, 2, shape).astype(dtype)
        else:
            feeds[info.name] = random.standard_normal(shape).astype(dtype)
    return feeds


def run(model_or_path: ModelProto | Path, feeds: Mapping[str, np.ndarray]) -> list[Any]:
    """What onnxruntime computes, with its optimizations as they are by default."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    source = str(model_or_path) if isinstance(model_or_path, Path) else model_or_path.SerializeToString()
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(feeds)))


def assert_same_bits(left: Sequence[Any], right: Sequence[Any]) -> None:
    """Fail unless two lists of outputs are equal to the last bit."""
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        if isinstance(one, list):
            assert_same_bits(one, other)
        elif one is None or other is None:
            assert one is other
        else:
            first, second = np.asarray(one), np.asarray(other)
            assert (first.dtype, first.shape) == (second.dtype, second.shape)
            assert first.tolist() == second.tolist() if first.dtype == object else first.tobytes() == second.tobytes()


def random_tensor(name: str, shape: Sequence[int], seed: int = 0, scale: float = 0.1) -> TensorProto:
    """A float32 initializer."""
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * np.float32(scale)
    return numpy_helper.from_array(values, name)


def with_weights(text: str, *tensors: TensorProto, **options: Any) -> ModelProto:
    """A model from text with initializers added."""
    proto = model(text, **options)
    proto.graph.initializer.extend(tensors)
    return proto


@cache
def perceptron() -> bytes:
    """Two layers, weights of 4 KiB and 2 KiB and two small ones, inside."""
    proto = with_weights(
        """mlp (float[N,16] x) => (float[N,8] y) {
            a = MatMul(x, w1)  b = Add(a, b1)  c = Relu(b)  d = MatMul(c, w2)  y = Add(d, b2)
        }""",
        random_tensor("w1", (16, 64), 1),
        random_tensor("b1", (64,), 2),
        random_tensor("w2", (64, 8), 3),
        random_tensor("b2", (8,), 4),
    )
    return proto.SerializeToString()


@cache
def with_functions() -> bytes:
    """Calls of model-local functions, nested, with an attribute handed through and a body inside."""
    return model(
        """g (float[2,4] x, bool c) => (float[2,4] y) { t = my.block<a=0.3>(x)  u = my.block<a=0.7>(t)  y = my.choose(c, u) }
        <domain: "my", opset_import: ["": 20, "my": 1]>
        block <a> (x) => (y) { s = my.square(x)  y = LeakyRelu<alpha: float = @a>(s) }
        <domain: "my", opset_import: ["": 20]>
        square (x) => (y) { y = Mul(x, x) }
        <domain: "my", opset_import: ["": 20]>
        choose (c, x) => (y) {
            y = If(c) <then_branch = t () => (z) { z = Neg(x) }, else_branch = e () => (z) { z = Abs(x) }>
        }""",
        imports='"my": 1',
    ).SerializeToString()


@cache
def with_bodies() -> bytes:
    """A Loop, an If in it, captures through two levels, a Scan."""
    return model(
        """g (float[4] x, int64 n, bool c) => (float[4] y, float[3,4] z) <float[3,4] rows = {1,2,3,4,5,6,7,8,9,10,11,12}> {
            w = Exp(x)
            y = Loop(n, c, x) <body = b (int64 i, bool go, float[4] a) => (bool on, float[4] r) {
                on = Identity(go)
                p = Add(a, w)
                r = If(go) <then_branch = t () => (q) { q = Mul(p, x) }, else_branch = e () => (q) { q = Identity(w) }>
            }>
            last, z = Scan(x, rows) <num_scan_inputs = 1, body = s (float[4] m, float[4] row) => (float[4] k, float[4] o) {
                k = Add(m, row)
                o = Mul(k, w)
            }>
        }"""
    ).SerializeToString()


@cache
def quantized() -> bytes:
    """QDQ around a convolution, and a QLinearMatMul."""
    return model(
        """g (float[1,2,4,4] x, uint8[2,3] a, uint8[3,2] b) => (float[1,1,4,4] y, uint8[2,2] m)
        <float s = {0.1}, uint8 zp = {128}, int8[1,2,1,1] wq = {3, -4}, float ws = {0.05}, int8 wz = {0}> {
            q = QuantizeLinear(x, s, zp)
            d = DequantizeLinear(q, s, zp)
            w = DequantizeLinear(wq, ws, wz)
            y = Conv(d, w)
            m = QLinearMatMul(a, s, zp, b, s, zp, s, zp)
        }"""
    ).SerializeToString()


def beside(folder: Path, content: bytes, name: str = "m") -> Path:
    """A model file with its weights in `<name>.data`."""
    path = folder / f"{name}.onnx"
    proto = ModelProto.FromString(content)
    onnx.save(proto, path, save_as_external_data=True, location=f"{name}.data", size_threshold=1024)
    return path


def peak_memory(code: str, *arguments: str) -> int:
    """Largest resident memory, in bytes, of a fresh Python process that runs `code` (`sys.argv[1:]` are the arguments)."""
    status = "next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))"  # `ru_maxrss` is the parent's too
    script = f"import sys\n{code}\nprint(int({status}.split()[1]) * 1024)"
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])
