"""How much of onnxruntime's kernel time `irstat profile` gives back to the model's own nodes, and whether that can be right.

    python -m benchmarks.profile_mapping FOLDER [NAME ...] > docs/profile_mapping.md

exports each model with random weights into FOLDER (kept for the next time), profiles it without optimizations and with all of
them, and prints a Markdown page.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import irstat
from irstat.analyze import Study
from irstat.onnx_reader import load
from irstat.report.numbers import duration, percent
from irstat.timing.inputs import feeding
from irstat.timing.kernel_check import mismatches, observed_macs, padded_macs
from irstat.timing.kernel_map import Matcher
from irstat.timing.kernel_source import Source
from irstat.timing.profile_model import runnable
from irstat.timing.profile_recording import record
from irstat.timing.profile_rows import rows_of
from irstat.timing.session import Level, Setup
from tests.support.exports import export, frameworks, randomize, torchvision_model, transformers_model

RUNS, WARMUPS, REPEATS = 5, 2, 5
MAPPING = """What `irstat profile` does with the time that onnxruntime's profile tells, one thread. Of nodes: time of kernels
that do the work of the model's nodes. Added: kernels that onnxruntime put in (reorders, copies). Given back: both, where a node
is known that needs the added kernel. Groups: sets of nodes that share a kernel. Wrong: kernels whose multiply–accumulates,
from the kernel's own shapes, are not the sum of those of the nodes that they are said to cover; so many could be checked."""
STEADINESS = f"""The same models, {REPEATS} profiles of 10 runs each. Kernels and wall: of the first. Ranges: from the smallest
to the largest of the {REPEATS} medians, as a share of the middle one. Between kernels: median over runs of what a run's own
kernels leave of its wall time."""
HEADERS = (
    "model",
    "level",
    "nodes",
    "kernels",
    "of nodes",
    "added",
    "given back",
    "not mapped",
    "groups",
    "nodes lost",
    "checked",
    "wrong",
)


def image_model(name: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        module = torchvision_model(name)
        import torch

        export(module, (torch.randn(1, 3, 224, 224),), path)

    return write


def bert(path: Path) -> None:
    sizes = {
        "hidden_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 1024,
        "vocab_size": 1000,
    }
    module = transformers_model("BertModel", "BertConfig", attn_implementation="eager", **sizes)
    import torch

    inputs = (torch.randint(0, 1000, (1, 128)), torch.ones(1, 128, dtype=torch.int64))
    export(module, inputs, path, input_names=["input_ids", "attention_mask"])


def lstm(path: Path) -> None:
    frameworks()
    import torch

    class Tagger(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(1000, 128)
            self.recurrent = torch.nn.LSTM(128, 256, 2, batch_first=True, bidirectional=True)
            self.output = torch.nn.Linear(512, 1000)

        def forward(self, tokens: Any) -> Any:
            return self.output(self.recurrent(self.embedding(tokens))[0])

    export(randomize(Tagger()), (torch.randint(0, 1000, (1, 64)),), path, "torchscript")


MODELS: Mapping[str, Callable[[Path], object]] = {
    **{name: image_model(name) for name in ("resnet50", "mobilenet_v2", "densenet121", "vit_b_16", "swin_t")},
    "bert": bert,
    "lstm": lstm,
}


def measured(path: Path, level: Level) -> tuple[str, ...]:
    """One line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        graph, file = runnable(load(path), Path(folder))
        fed = feeding(graph, {}, None, {}, 0)
        recording = record(file, Setup(optimization=level), fed.values(), Path(folder), RUNS, WARMUPS, lambda text: None)
        point = Study(graph, {}, raw=True).at(dict(fed.sizes))
        source = Source(graph, point.facts)
        mapping = Matcher(source, recording.optimized).match()
        kernel_point = Study(recording.optimized, {}, raw=True).at({})
        kernel_macs = {name: cost.forward.macs for name, cost in kernel_point.priced.costs.items()}
        kernel_macs.update(observed_macs(recording.optimized, recording.output_shapes))
    rows = rows_of(graph, point.priced.costs, mapping, recording.nanoseconds, recording.unknown)
    node_macs = {row.name: row.macs for row in rows if row.kind == "node"}
    constant = {node.name for node in graph.nodes() if source.is_folded(node)}
    compared = [kernel for kernel in mapping.kernels if not constant.issuperset(kernel.nodes) or not kernel.nodes]
    wrong = mismatches(compared, kernel_macs, node_macs, padded_macs(point.graph, node_macs))
    total = sum(row.nanoseconds for row in rows)
    assert total == sum(recording.nanoseconds.values()) + sum(recording.unknown.values())
    times = {kind: sum(row.nanoseconds for row in rows if row.kind == kind) for kind in ("node", "added", "unmapped")}
    given_back = times["node"] + sum(row.nanoseconds for row in rows if row.needed_by)
    shares = (percent(time, total) for time in (times["node"], times["added"], given_back, times["unmapped"]))
    groups = {kernel.nodes for kernel in mapping.kernels if len(kernel.nodes) > 1}
    counts = (len(groups), sum(row.status == "not found" for row in rows))
    checked = sum(bool(kernel_macs.get(kernel.name)) for kernel in compared)
    sizes = (len(graph), len(mapping.kernels))
    return (path.stem, level, *map(str, sizes), *shares, *map(str, (*counts, checked, len(wrong))))


def table(folder: Path, names: list[str]) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    yield f"| {' | '.join(HEADERS)} |"
    yield "| --- | --- |" + " ---: |" * (len(HEADERS) - 2)
    for name in names or MODELS:
        path = folder / f"{name}.onnx"
        if not path.exists():
            MODELS[name](path)
        for level in ("disable", "all"):
            yield f"| {' | '.join(measured(path, level))} |"  # type: ignore[arg-type]


def steadiness(folder: Path, names: list[str]) -> Iterator[str]:
    """Sum of kernels beside wall time at one thread, and how far printed medians of several invocations are apart."""
    yield "| model | level | kernels | wall | kernels ÷ wall | between kernels | range of wall medians | of kernel sums |"
    yield "| --- | --- |" + " ---: |" * 6
    for name in names or MODELS:
        for level in ("disable", "all"):
            found = [irstat.profile(folder / f"{name}.onnx", optimization=level) for _ in range(REPEATS)]  # type: ignore[arg-type]
            walls = sorted(each.wall_nanoseconds for each in found)
            kernels = sorted(each.kernel_nanoseconds for each in found)
            one = found[0]
            ranges = (percent(ordered[-1] - ordered[0], ordered[REPEATS // 2]) for ordered in (walls, kernels))
            shares = (percent(time, one.wall_nanoseconds) for time in (one.kernel_nanoseconds, one.overhead_nanoseconds))
            times = (duration(one.kernel_nanoseconds), duration(one.wall_nanoseconds))
            yield f"| {' | '.join((name, level, *times, *shares, *ranges))} |"


def main(arguments: list[str]) -> None:
    if not arguments:
        sys.exit(__doc__)
    folder, names = Path(arguments[0]), arguments[1:]
    command = " ".join(["python -m benchmarks.profile_mapping FOLDER", *names])
    print(f"# Kernels given back to the model's own nodes\n\n    {command} > docs/profile_mapping.md\n\n{MAPPING}\n")
    for line in table(folder, names):
        print(line, flush=True)
    print(f"\n## Kernels and wall time\n\n{STEADINESS}\n")
    for line in steadiness(folder, names):
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
