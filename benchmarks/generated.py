"""Generated models for benchmarks: graphs whose weights do not exist on disk."""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto, TensorProto, helper

import irstat


def transformer(layers: int, *, width: int = 2048, heads: int = 16, length: int = 128) -> ModelProto:
    """A decoder of `layers` blocks of 34 nodes each, as exporters write them; weights are external data nobody wrote.

    Input (1, length, width), feed-forward size 4·width. At the default width a block has 50 M parameters.
    """
    model = ModelProto(ir_version=10, producer_name="irstat benchmarks")
    model.opset_import.append(helper.make_opsetid("", 20))
    graph = model.graph
    graph.name = "transformer"
    graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, length, width)))
    writer = _Writer(model, width, heads, length)
    current = "x"
    for layer in range(layers):
        current = writer.block(layer, current)
    graph.output.append(helper.make_tensor_value_info(current, TensorProto.FLOAT, (1, length, width)))
    return model


class _Writer:
    def __init__(self, model: ModelProto, width: int, heads: int, length: int) -> None:
        self.graph = model.graph
        self.width, self.heads, self.length = width, heads, length
        self.offset = 0
        for name, values in (("split", (1, length, heads, width // heads)), ("merge", (1, length, width))):
            self.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, (len(values),), values))
        for name, value in (("scale", (width // heads) ** -0.5), ("sqrt2", 2**0.5), ("one", 1.0), ("half", 0.5)):
            self.graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, (), [value]))

    def weight(self, name: str, *dims: int) -> str:
        tensor = self.graph.initializer.add(name=name, data_type=TensorProto.FLOAT, dims=dims)
        tensor.data_location = TensorProto.EXTERNAL
        length = 4
        for dim in dims:
            length *= dim
        for key, value in (("location", "weights.bin"), ("offset", str(self.offset)), ("length", str(length))):
            tensor.external_data.add(key=key, value=value)
        self.offset += length
        return name

    def node(self, op_type: str, path: str, *inputs: str, **attributes: object) -> str:
        self.graph.node.append(helper.make_node(op_type, inputs, [path], path, **attributes))
        return path

    def linear(self, path: str, x: str, rows: int, columns: int) -> str:
        product = self.node("MatMul", f"{path}/MatMul", x, self.weight(f"{path}.weight", rows, columns))
        return self.node("Add", f"{path}/Add", product, self.weight(f"{path}.bias", columns))

    def norm(self, path: str, x: str) -> str:
        weight, bias = self.weight(f"{path}.weight", self.width), self.weight(f"{path}.bias", self.width)
        return self.node("LayerNormalization", f"{path}/LayerNormalization", x, weight, bias, axis=-1)

    def block(self, layer: int, x: str) -> str:
        path, width = f"layers.{layer}", self.width
        normed = self.norm(f"{path}.norm1", x)
        parts = {}
        for name, perm in (("q", (0, 2, 1, 3)), ("k", (0, 2, 3, 1)), ("v", (0, 2, 1, 3))):
            projected = self.linear(f"{path}.attn.{name}", normed, width, width)
            heads = self.node("Reshape", f"{path}.attn.{name}/Reshape", projected, "split")
            parts[name] = self.node("Transpose", f"{path}.attn.{name}/Transpose", heads, perm=perm)
        scores = self.node("MatMul", f"{path}.attn/MatMul", parts["q"], parts["k"])
        scaled = self.node("Mul", f"{path}.attn/Mul", scores, "scale")
        weights = self.node("Softmax", f"{path}.attn/Softmax", scaled, axis=-1)
        mixed = self.node("MatMul", f"{path}.attn/MatMul_1", weights, parts["v"])
        moved = self.node("Transpose", f"{path}.attn/Transpose", mixed, perm=(0, 2, 1, 3))
        merged = self.node("Reshape", f"{path}.attn/Reshape", moved, "merge")
        x = self.node("Add", f"{path}/Add", x, self.linear(f"{path}.attn.out", merged, width, width))
        hidden = self.linear(f"{path}.mlp.fc1", self.norm(f"{path}.norm2", x), width, 4 * width)
        divided = self.node("Div", f"{path}.mlp.act/Div", hidden, "sqrt2")
        erf = self.node("Erf", f"{path}.mlp.act/Erf", divided)
        shifted = self.node("Add", f"{path}.mlp.act/Add", erf, "one")
        gated = self.node("Mul", f"{path}.mlp.act/Mul", hidden, shifted)
        activated = self.node("Mul", f"{path}.mlp.act/Mul_1", gated, "half")
        return self.node("Add", f"{path}/Add_1", x, self.linear(f"{path}.mlp.fc2", activated, 4 * width, width))


def transformer_file(folder: Path, nodes: int) -> tuple[Path, int]:
    """A file with a transformer of about `nodes` nodes, and how many it really has."""
    generated = folder / "generated"
    generated.mkdir(exist_ok=True)
    path = generated / f"transformer_{nodes}.onnx"
    model = transformer(max(nodes // 34, 1))
    path.write_bytes(model.SerializeToString())
    return path, len(model.graph.node)


def weightless_twin(path: Path) -> Path:
    """The same model with references to weights that are not there."""
    twin = path.parent / "generated" / path.name
    twin.parent.mkdir(exist_ok=True)
    irstat.save(irstat.load(path), twin, weights="omit")
    return twin
