"""Exports the torchvision models that the benchmarks read, with random weights.

    python benchmarks/export_models.py MODELS_FOLDER [NAME …]

Needs torch and torchvision. Batch norms keep random statistics; the exporter is torch's TorchScript one, told to leave them.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import torch

NAMES = ("resnet50", "swin_t", "vgg16_bn")


def main() -> None:
    folder, *names = sys.argv[1:]
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

    Path(folder).mkdir(parents=True, exist_ok=True)
    for name in names or NAMES:
        torch.manual_seed(0)
        module = torchvision.models.get_model(name, weights=None).eval()
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                if tensor.is_floating_point():
                    tensor.uniform_(0.5, 1.5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                (torch.randn(1, 3, 224, 224),),
                Path(folder) / f"{name}.onnx",
                dynamo=False,
                opset_version=17,
                do_constant_folding=False,
                training=torch.onnx.TrainingMode.PRESERVE,
            )
        print(name)


if __name__ == "__main__":
    main()
