"""Networks to be changed: written in ONNX text line by line, weights of zeros beside it."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, numpy_helper

from tests.support.models import model


class Text:
    """A network in the making. Methods add a line and give the name of its result, which is the name of its node too."""

    def __init__(self, channels: int = 3, size: int = 32) -> None:
        self.lines: list[str] = []
        self.weights: dict[str, tuple[int, ...]] = {}
        self.channels = {"x": channels}
        self.input = f"float[1,{channels},{size},{size}] x"
        self.last = "x"

    def line(self, text: str, channels: int, name: str = "") -> str:
        name = name or f"n{len(self.lines)}"
        self.lines.append(f"[{name}] {name} = {text}")
        self.channels[name] = channels
        self.last = name
        return name

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.weights)}"
        self.weights[name] = shape
        return name

    def conv(
        self, x: str, out: int, kernel: int = 3, stride: int = 1, groups: int = 1, bias: bool = False, name: str = ""
    ) -> str:
        pad = kernel // 2
        weights = [self.weight(out, self.channels[x] // groups, kernel, kernel), *([self.weight(out)] if bias else [])]
        attrs = f"kernel_shape=[{kernel},{kernel}],strides=[{stride},{stride}],pads=[{pad},{pad},{pad},{pad}],group={groups}"
        return self.line(f"Conv<{attrs}>({x}, {', '.join(weights)})", out, name)

    def norm(self, x: str, name: str = "") -> str:
        channels = self.channels[x]
        weights = ", ".join(self.weight(channels) for _ in range(4))
        return self.line(f"BatchNormalization({x}, {weights})", channels, name)

    def relu(self, x: str, name: str = "") -> str:
        return self.line(f"Relu({x})", self.channels[x], name)

    def unit(self, x: str, out: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> str:
        return self.relu(self.norm(self.conv(x, out, kernel, stride, groups)))

    def add(self, x: str, y: str, name: str = "") -> str:
        return self.line(f"Add({x}, {y})", self.channels[x], name)

    def concat(self, *parts: str) -> str:
        return self.line(f"Concat<axis=1>({', '.join(parts)})", sum(self.channels[part] for part in parts))

    def pool(self, x: str, kernel: int = 2, stride: int = 2, kind: str = "MaxPool") -> str:
        pad = kernel // 2 if stride == 1 else 0
        attrs = f"kernel_shape=[{kernel},{kernel}],strides=[{stride},{stride}],pads=[{pad},{pad},{pad},{pad}]"
        return self.line(f"{kind}<{attrs}>({x})", self.channels[x])

    def head(self, x: str, classes: int = 10) -> str:
        pooled = self.line(f"GlobalAveragePool({x})", self.channels[x])
        flat = self.line(f"Flatten({pooled})", self.channels[x])
        return self.line(f"Gemm<transB=1>({flat}, {self.weight(classes, self.channels[x])}, {self.weight(classes)})", classes)

    def dense(self, x: str, before: int, after: int) -> str:
        product = self.line(f"MatMul({x}, {self.weight(before, after)})", after)
        return self.line(f"Add({self.weight(after)}, {product})", after)

    def model(self, opset: int = 20) -> ModelProto:
        body = "\n".join(self.lines)
        proto = model(f"net ({self.input}) => (float[] {self.last}) {{\n{body}\n}}", opset=opset)
        del proto.graph.output[0].type.tensor_type.shape.dim[:]
        proto.graph.output[0].type.tensor_type.ClearField("shape")
        arrays = ((name, np.zeros(shape, "float32")) for name, shape in self.weights.items())
        proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays)
        return proto


def residual(blocks: int = 3, width: int = 8) -> ModelProto:
    """Bottlenecks with skip connections; the first of a stage has a convolution in its skip connection."""
    net = Text()
    x = net.unit("x", width)
    for stage in range(2):
        for block in range(blocks):
            out, stride = width << (stage + 1), 2 if block == 0 and stage else 1
            y = net.unit(net.unit(x, width << stage, 1), width << stage, 3, stride)
            y = net.norm(net.conv(y, out, 1))
            skip = net.norm(net.conv(x, out, 1, stride)) if block == 0 else x
            x = net.relu(net.add(y, skip))
    net.head(x)
    return net.model()


def branches(blocks: int = 3) -> ModelProto:
    """Four branches joined by Concat, some of the same length."""
    net = Text()
    x = net.pool(net.unit("x", 16))
    for block in range(blocks):
        parts = [
            net.unit(x, 8, 1),
            net.unit(net.unit(x, 6, 1), 8 + block, 3),
            net.unit(net.unit(net.unit(x, 4, 1), 6, 3), 8, 3),
            net.unit(net.pool(x, 3, 1, "AveragePool"), 8, 1),
        ]
        x = net.concat(*parts)
    net.head(x)
    return net.model()


def inverted(blocks: int = 5) -> ModelProto:
    """Inverted residuals with depthwise convolutions, ReLU6 and a gate by channel."""
    net = Text()
    x = net.unit("x", 8, 3, 2)
    for block in range(blocks):
        y = net.conv(x, net.channels[x] * 4, 1)
        y = net.line(f"Clip({net.norm(y)}, low, high)", net.channels[y])
        y = net.conv(y, net.channels[y], 3, 2 if block == 3 else 1, net.channels[y])
        y = net.line(f"Clip({net.norm(y)}, low, high)", net.channels[y])
        if block % 2:
            gate = net.line(f"GlobalAveragePool({y})", net.channels[y])
            gate = net.conv(net.relu(net.conv(gate, 4, 1, bias=True)), net.channels[y], 1, bias=True)
            gate = net.line(f"Sigmoid({gate})", net.channels[y])
            y = net.line(f"Mul({y}, {gate})", net.channels[y])
        y = net.norm(net.conv(y, 8 if block < 3 else 12, 1))
        x = net.add(x, y) if block not in (3,) and net.channels[x] == net.channels[y] else y
    net.head(x)
    proto = net.model()
    for name, value in (("low", 0.0), ("high", 6.0)):
        proto.graph.initializer.append(numpy_helper.from_array(np.array(value, "float32"), name))
    return proto


def chain(length: int = 12, width: int = 8) -> ModelProto:
    """Equal blocks one behind the other."""
    net = Text()
    x = net.unit("x", width)
    for _ in range(length):
        x = net.unit(x, width)
    net.head(x)
    return net.model()


def dense_block(layers: int = 5) -> ModelProto:
    """Each layer reads the results of all before, joined."""
    net = Text()
    parts = [net.conv("x", 8)]
    for _ in range(layers):
        joined = net.concat(*parts) if len(parts) > 1 else parts[0]
        parts.append(net.conv(net.relu(net.norm(joined)), 4))
    net.head(net.relu(net.norm(net.concat(*parts))))
    return net.model()


def unet(depth: int = 3) -> ModelProto:
    """Down, and up again beside what was there on the way down."""
    net = Text()
    x, kept = net.unit("x", 8), []
    for level in range(depth):
        kept.append(x)
        x = net.unit(net.pool(x), 8 << (level + 1))
    for level in reversed(range(depth)):
        out = 8 << level
        weight = net.weight(net.channels[x], out, 2, 2)
        x = net.line(f"ConvTranspose<kernel_shape=[2,2],strides=[2,2]>({x}, {weight})", out)
        x = net.unit(net.concat(kept[level], x), out)
    net.conv(x, 2, 1, bias=True)
    return net.model()


def transformer(layers: int = 6, width: int = 16, heads: int = 2, length: int = 8) -> ModelProto:
    """Encoder layers, attention written out."""
    net = Text()
    net.input, net.channels = f"float[1,{length},{width}] x", {"x": width}
    each = width // heads
    x = "x"
    for _ in range(layers):
        normed = net.line(f"LayerNormalization({x}, {net.weight(width)}, {net.weight(width)})", width)
        q, k, v = (net.line(f"Reshape({net.dense(normed, width, width)}, split)", width) for _ in range(3))
        q, v = (net.line(f"Transpose<perm=[0,2,1,3]>({part})", width) for part in (q, v))
        k = net.line(f"Transpose<perm=[0,2,3,1]>({k})", width)
        scores = net.line(f"Div({net.line(f'MatMul({q}, {k})', width)}, root)", width)
        mixed = net.line(f"MatMul({net.line(f'Softmax({scores})', width)}, {v})", width)
        joined = net.line(f"Reshape({net.line(f'Transpose<perm=[0,2,1,3]>({mixed})', width)}, joined)", width)
        x = net.add(x, net.dense(joined, width, width))
        normed = net.line(f"LayerNormalization({x}, {net.weight(width)}, {net.weight(width)})", width)
        x = net.add(x, net.dense(net.line(f"Gelu({net.dense(normed, width, 4 * width)})", 4 * width), 4 * width, width))
    net.line(f"LayerNormalization({x}, {net.weight(width)}, {net.weight(width)})", width)
    proto = net.model()
    for name, values in (("split", [1, length, heads, each]), ("joined", [1, length, width])):
        proto.graph.initializer.append(numpy_helper.from_array(np.array(values, "int64"), name))
    proto.graph.initializer.append(numpy_helper.from_array(np.array(each**0.5, "float32"), "root"))
    return proto


NETWORKS = {each.__name__: each for each in (residual, branches, inverted, chain, dense_block, unet, transformer)}
