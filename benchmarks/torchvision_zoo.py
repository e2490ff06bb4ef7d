"""Every classification model of torchvision through irstat, beside the figures torchvision publishes.

    python benchmarks/torchvision_zoo.py [--no-run] [NAME …] > table.md

For each model with published weights: built with random weights and random batch-norm statistics, converted with irstat's
PyTorch converter, analyzed with the convention `torchvision`. The published figures are `_ops` (10⁹ multiply-accumulates,
three decimals) and `num_params` of the default weights, at the size of image these were made for; parameters that do nothing at
inference (the auxiliary classifier of inception_v3) are in the published figure, but in no graph. Each model has a process of
its own: `CPU s` are processor seconds of its conversion, `peak MB` its largest resident memory up to the end of the conversion
(importing torch and making the weights included). The last column is the largest difference between torch's output and
onnxruntime's for the converted model, relative to the largest output.

Needs torch, torchvision and onnxruntime, on Linux. About ten minutes on two cores; the largest models need 6 GB of memory.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

import irstat

_LIBRARY = torch.library.Library("torchvision", "DEF")
for _operator in ("nms", "qnms"):  # builds without compiled operators lack them, and cannot be imported then
    with contextlib.suppress(RuntimeError):
        _LIBRARY.define(f"{_operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

HEADER = (
    "model", "image", "CPU s", "peak MB", "weights MB", "nodes", "batch norms kept", "nodes with a layer", "MACs", "params",
    "published GMACs", "published params", "match", "largest difference",
)  # fmt: skip


CPU_LIMIT, MEMORY_LIMIT = 60, 2048
"""Seconds; MB beside three times the weights."""


@dataclass(frozen=True, slots=True)
class Row:
    """One model."""

    name: str
    size: int
    seconds: float
    """Processor time of the conversion."""
    peak: float
    """Largest resident memory up to its end, in MB of 2²⁰ bytes."""
    weights: float
    """Parameters and buffers, in MB."""
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
    def is_within_limits(self) -> bool:
        """Whether the conversion took no longer and no more memory than it may."""
        return self.seconds <= CPU_LIMIT and self.peak <= 3 * self.weights + MEMORY_LIMIT

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
            f"{self.peak:,.0f}",
            f"{self.weights:,.0f}",
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
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["torch", "onnxscript", "onnxruntime"])
    with processes.Pool(1, maxtasksperchild=1) as pool:
        for row in pool.imap(partial(measure, run=not options.no_run), options.names or classification_models()):
            print("| " + " | ".join(row.cells()) + " |", flush=True)
            rows.append(row)
    matching = sum(row.match.startswith("yes") for row in rows)
    within = sum(row.is_within_limits for row in rows)
    print(f"\n{matching} of {len(rows)} models have the published figures exactly.")
    print(f"{within} of {len(rows)} conversions take at most {CPU_LIMIT} s and 3 × weights + {MEMORY_LIMIT:,} MB.")
    return 0 if matching == within == len(rows) else 1


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
        start = time.process_time()
        irstat.convert(module, path, irstat.ExportOptions({"x": irstat.InputSpec((1, 3, size, size))}))
        seconds, peak = time.process_time() - start, peak_memory()
        report = irstat.analyze(path, convention="torchvision")
        difference = largest_difference(module, path, size) if run else None
    counted = report.counted
    if counted is None:
        raise SystemExit(f"{name}: no convention in the report")
    nodes = report.graph.nodes()
    return Row(
        name,
        size,
        seconds,
        peak,
        sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers())) / 2**20,
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


def peak_memory() -> float:
    """Largest resident memory of this process so far, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def randomized(module: torch.nn.Module) -> torch.nn.Module:
    """Random statistics, scales and shifts for all normalizations, in evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if tensor.is_floating_point() and not tensor.any() and tensor.dim() > 1:  # the head of a vision transformer
                tensor.copy_(torch.randn(tensor.shape, generator=generator) / tensor.shape[-1] ** 0.5)
            elif tensor.is_floating_point() and (tensor.dim() == 1 or name.endswith("running_var")):
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
