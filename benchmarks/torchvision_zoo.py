"""Every classification model of torchvision through irstat, beside the figures torchvision publishes.

    python benchmarks/torchvision_zoo.py [--no-run] [NAME …] > table.md

For each model with published weights: built with random weights and random batch-norm statistics, converted with irstat's
PyTorch converter, analyzed with the convention `torchvision`. The published figures are `_ops` (10⁹ multiply-accumulates,
three decimals) and `num_params` of the default weights, at the size of image these were made for; parameters that do nothing at
inference (the auxiliary classifier of inception_v3) are in the published figure, but in no graph. The last column is the
largest difference between torch's output and onnxruntime's for the converted model, relative to the largest output.

Needs torch, torchvision and onnxruntime. About ten minutes on two cores; the largest models need 6 GB of memory.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import irstat

_LIBRARY = torch.library.Library("torchvision", "DEF")
for _operator in ("nms", "qnms"):  # builds without compiled operators lack them, and cannot be imported then
    with contextlib.suppress(RuntimeError):
        _LIBRARY.define(f"{_operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

HEADER = (
    "model", "image", "seconds", "nodes", "batch norms kept", "nodes with a layer", "MACs", "params",
    "published GMACs", "published params", "match", "largest difference",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One model."""

    name: str
    size: int
    seconds: float
    """Conversion and analysis."""
    nodes: int
    norms: tuple[int, int]
    """Batch norms in the graph, and in the module."""
    attributed: float
    """Share of the nodes whose layer is known."""
    macs: int
    params: int
    printed: str
    """`_ops` as the convention prints it."""
    published: tuple[float, int]
    idle: int
    """Parameters of the module that no operator uses at inference: auxiliary classifiers."""
    difference: float | None

    @property
    def match(self) -> str:
        """`yes` if both figures are the published ones exactly, those of idle modules said apart."""
        operations, params = self.published
        if float(self.printed) != operations:
            return f"no: {self.printed}"
        if self.params == params:
            return "yes"
        return f"yes, with {self.idle:,} idle params" if self.params + self.idle == params else "no: params"

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of `HEADER`."""
        return (
            self.name,
            str(self.size),
            f"{self.seconds:.1f}",
            str(self.nodes),
            f"{self.norms[0]} of {self.norms[1]}",
            f"{100 * self.attributed:.1f} %",
            f"{self.macs:,}",
            f"{self.params:,}",
            f"{self.published[0]:.3f}",
            f"{self.published[1]:,}",
            self.match,
            "" if self.difference is None else f"{self.difference:.1e}",
        )


def main() -> int:
    """Print the table; exit status 1 if a figure differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models; all of torchvision.models by default")
    parser.add_argument("--no-run", action="store_true", help="don't compare outputs")
    options = parser.parse_args()
    print("| " + " | ".join(HEADER) + " |")
    print("|" + " --- |" * len(HEADER), flush=True)
    rows = []
    for name in options.names or classification_models():
        row = measure(name, run=not options.no_run)
        print("| " + " | ".join(row.cells()) + " |", flush=True)
        rows.append(row)
        gc.collect()
    matching = sum(row.match.startswith("yes") for row in rows)
    print(f"\n{matching} of {len(rows)} models have the published figures exactly.")
    return 0 if matching == len(rows) else 1


def classification_models() -> list[str]:
    """Names of all models for images of objects that have published weights."""
    import torchvision

    return list(torchvision.models.list_models(module=torchvision.models))


def measure(name: str, *, run: bool) -> Row:
    """Build, convert, analyze and run one model."""
    import torchvision

    weights = torchvision.models.get_model_weights(name).DEFAULT
    size = int(weights.transforms().crop_size[0])
    options = {"image_size": size} if name.startswith("vit_") else {}
    with quiet():
        module = randomized(torchvision.models.get_model(name, weights=None, **options))
    norms = sum(isinstance(part, torch.nn.modules.batchnorm._BatchNorm) for part in module.modules())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.onnx"
        start = time.perf_counter()
        irstat.convert(module, path, irstat.ExportOptions({"x": irstat.InputSpec((1, 3, size, size))}))
        report = irstat.analyze(path, convention="torchvision")
        seconds = time.perf_counter() - start
        difference = largest_difference(module, path, size) if run else None
    counted = report.counted
    if counted is None:
        raise SystemExit(f"{name}: no convention in the report")
    nodes = report.graph.nodes()
    return Row(
        name,
        size,
        seconds,
        len(nodes),
        (sum(node.op_type == "BatchNormalization" for node in nodes), norms),
        sum(bool(node.layer or node.layer_type) for node in nodes) / len(nodes),
        int(counted.total("_ops").value),
        int(counted.total("num_params").value),
        counted.total("_ops").shown,
        (weights.meta["_ops"], weights.meta["num_params"]),
        sum(tensor.numel() for tensor in module.parameters()) - int(counted.total("num_params").value),
        difference,
    )


def randomized(module: torch.nn.Module) -> torch.nn.Module:
    """Random statistics, scales and shifts for all normalizations, in evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if tensor.is_floating_point() and (tensor.dim() == 1 or name.endswith("running_var")):
                noise = torch.randn(tensor.shape, generator=generator)
                positive = name.endswith(("running_var", ".weight"))
                tensor.copy_(1 + 0.1 * noise.abs() if positive else 0.1 * noise)
    return module.eval()


def largest_difference(module: torch.nn.Module, path: Path, size: int) -> float:
    """Between torch's and onnxruntime's outputs for the same image, relative to the largest output."""
    import numpy
    import onnxruntime

    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = module(image).numpy()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    return float(numpy.abs(found - expected).max() / numpy.abs(expected).max())


@contextlib.contextmanager
def quiet() -> Iterator[Any]:
    """Without the warnings and messages of frameworks."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


if __name__ == "__main__":
    sys.exit(main())
