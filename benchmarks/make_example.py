"""Writes the model that comes with irstat: torchvision's MobileNetV2 without its weights.

    python benchmarks/make_example.py

Needs torch and torchvision. The model is exported as its author wrote it (batch norms present), the exporter's scaffolding
is folded away, and each node keeps nothing but its layer.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import onnx
import torch

import irstat
from irstat.analyze import normalize
from irstat.shapes.binding import Sizes
from irstat.shapes.facts import apply
from irstat.shapes.infer import ShapeInference

TARGET = Path(irstat.__file__).parent / "examples" / "mobilenet_v2.onnx"


def main() -> None:
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

    module = torchvision.models.mobilenet_v2(weights=None).eval()
    for submodule in module.modules():
        if isinstance(submodule, torch.nn.BatchNorm2d):  # equal tensors would be merged into one
            for tensor in (submodule.weight.data, submodule.bias.data, submodule.running_mean, submodule.running_var):
                torch.nn.init.uniform_(tensor, 0.5, 1.5)
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "model.onnx"
        program = torch.onnx.export(
            module,
            (torch.randn(1, 3, 224, 224),),
            dynamo=True,
            optimize=False,
            input_names=["x"],
            output_names=["logits"],
        )
        program.save(exported)
        graph = irstat.load(exported)
        facts = ShapeInference().infer(graph, Sizes(graph).bind({}).input_types, {})
        apply(graph, facts)
        normalize(graph, facts)
        written = Path(folder) / "normalized.onnx"
        irstat.save(graph, written, weights="omit")
        model = onnx.load(written, load_external_data=False)
    slim(model)
    TARGET.write_bytes(model.SerializeToString())
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")


def slim(model: onnx.ModelProto) -> None:
    """Leave each node the path of its layer and the classes on it, and no other metadata."""
    for message in model.graph.node:
        kept = [entry for entry in message.metadata_props if entry.key == "namespace"]
        for entry in kept:
            entry.value = re.sub(r": (?:\w+\.)+(\w+)", r": \1", entry.value)
        del message.metadata_props[:]
        message.metadata_props.extend(kept)
    del model.graph.metadata_props[:]
    for info in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        kept = [entry for entry in info.metadata_props if entry.key.endswith("InputSpec.kind")]
        del info.metadata_props[:]
        info.metadata_props.extend(kept)
    roles = {info.name: info for info in model.graph.value_info if info.metadata_props}
    del model.graph.value_info[:]
    model.graph.value_info.extend(roles.values())


if __name__ == "__main__":
    main()
