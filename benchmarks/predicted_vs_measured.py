"""Latency as `irstat analyze --predict` estimates it beside latency as `irstat time` measures it.

    python -m benchmarks.predicted_vs_measured FOLDER [-o docs/predicted_vs_measured.md] [--calibrate] [NAME …]

exports each model with random weights into FOLDER (kept for the next time), predicts and measures it with one thread and with
two, and prints a Markdown page. None of these models takes part in the calibration, which measures single operators at sizes
drawn at random (`irstat/prediction/cases.py`); `--calibrate` does that first, anew. Exit status 1 where a goal is missed: a
median error of at most 20 % and a rank correlation (Spearman) of at least 0.95, at each number of threads.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import irstat
from benchmarks.profile_mapping import image_model, lstm
from irstat.machine import this_machine, versions
from irstat.prediction.calibration import Calibration, calibrate, keep, kept
from irstat.prediction.predict import predict
from irstat.report.numbers import duration
from tests.support.exports import export, transformers_model

THREADS = (1, 2)
GOAL_ERROR, GOAL_CORRELATION = 0.20, 0.95
TORCHVISION = (
    *("alexnet", "vgg11", "vgg16_bn", "resnet18", "resnet50", "wide_resnet50_2", "resnext50_32x4d", "squeezenet1_1"),
    *("densenet121", "googlenet", "inception_v3", "mobilenet_v2", "mobilenet_v3_large", "mnasnet1_0", "shufflenet_v2_x1_0"),
    *("efficientnet_b0", "regnet_y_400mf", "regnet_x_800mf", "convnext_tiny", "vit_b_16", "swin_t"),
)
KERAS = ("MobileNet", "ResNet50V2", "DenseNet121", "Xception", "NASNetMobile", "EfficientNetB0", "InceptionV3", "ConvNeXtTiny")


def keras_model(name: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        import keras

        keras.utils.set_random_seed(0)
        irstat.convert(getattr(keras.applications, name)(weights=None), path)

    return write


def bert(path: Path) -> None:
    import torch

    module = transformers_model("BertModel", "BertConfig", attn_implementation="eager")
    inputs = (torch.randint(0, 1000, (1, 128)), torch.ones(1, 128, dtype=torch.int64))
    export(module, inputs, path, input_names=["input_ids", "attention_mask"])


def distilbert(path: Path) -> None:
    import torch

    module = transformers_model("DistilBertModel", "DistilBertConfig", attn_implementation="eager")
    inputs = (torch.randint(0, 1000, (1, 64)), torch.ones(1, 64, dtype=torch.int64))
    export(module, inputs, path, input_names=["input_ids", "attention_mask"])


MODELS: Mapping[str, Callable[[Path], object]] = {
    **{name: image_model(name) for name in TORCHVISION},
    **{f"Keras {name}": keras_model(name) for name in KERAS},
    "BERT-base, 128 tokens": bert,
    "DistilBERT, 64 tokens": distilbert,
    "LSTM tagger": lstm,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One model at one number of threads; nanoseconds."""

    name: str
    predicted: int
    measured: float
    spread: float
    """Half of the range from the first to the third quartile of the rounds, as a share of the median."""
    rough: int

    @property
    def error(self) -> float:
        return self.predicted / self.measured - 1


def row(path: Path, name: str, calibration: Calibration) -> Row:
    dims = dict.fromkeys(irstat.analyze(path).anchor, 1)
    report = irstat.analyze(path, dims=dims)
    latency = predict(report, calibration)
    timed = irstat.time(path, threads=(calibration.setup.threads,), dims=dims, min_time=2.0).rows[0]
    ordered = sorted(timed.wall_ns)
    spread = (ordered[3 * len(ordered) // 4] - ordered[len(ordered) // 4]) / 2 / median(ordered)
    return Row(name, latency.nanoseconds, median(ordered), spread, sum(latency.rough.values()))


def spearman(rows: Sequence[Row]) -> float:
    """Pearson's correlation of the ranks; no two times are equal."""
    count = len(rows)
    predicted = {name: rank for rank, name in enumerate(sorted((r.name for r in rows), key=_times(rows, "predicted")))}
    measured = {name: rank for rank, name in enumerate(sorted((r.name for r in rows), key=_times(rows, "measured")))}
    squares = sum((predicted[name] - measured[name]) ** 2 for name in predicted)
    return 1 - 6 * squares / (count * (count**2 - 1))


def _times(rows: Sequence[Row], which: str) -> Callable[[str], float]:
    times = {row.name: float(getattr(row, which)) for row in rows}
    return times.__getitem__


def summary(rows: Sequence[Row]) -> tuple[float, float]:
    return median(abs(each.error) for each in rows), spearman(rows)


def page(tables: Mapping[int, Sequence[Row]], calibrations: Mapping[int, Calibration], names: Sequence[str]) -> str:
    machine = this_machine()
    command = " ".join(
        ["python -m benchmarks.predicted_vs_measured FOLDER --calibrate -o docs/predicted_vs_measured.md", *names]
    )
    lines = ["# Predicted and measured latency", "", f"    {command}", ""]
    ran = f"onnxruntime {versions()['onnxruntime']}, level `all`, batch 1"
    lines += [f"{machine.cpu}, {machine.usable_cores} cores, {machine.system}; {ran}."]
    lines += [
        "None of these models took part in the calibration. Error: predicted ÷ measured - 1. Spread: half the distance of"
    ]
    lines += ["the quartiles of single runs, as a share of their median.", ""]
    lines += [
        "| threads | models | median error | largest | rank correlation | calibrated in |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for threads, rows in tables.items():
        error, correlation = summary(rows)
        worst = max(rows, key=lambda each: abs(each.error))
        took = calibrations[threads].seconds
        lines.append(
            f"| {threads} | {len(rows)} | {error:.1%} | {worst.error:+.0%} ({worst.name}) | {correlation:.3f} | {took:.0f} s |"
        )
    for threads, rows in tables.items():
        lines += ["", f"## {'1 thread' if threads == 1 else f'{threads} threads'}", ""]
        lines += [
            "| model | predicted | measured | spread | error | kernels of kinds not measured |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
        ]
        for each in sorted(rows, key=lambda one: one.measured):
            times = f"{duration(each.predicted)} | {duration(each.measured)} | ±{each.spread:.1%}"
            lines.append(f"| {each.name} | {times} | {each.error:+.1%} | {each.rough} |")
    return "\n".join(lines) + "\n"


def main(arguments: Any = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--calibrate", action="store_true", help="measure the machine anew first")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name in options.names or MODELS:
        paths[name] = options.folder / f"{name.replace(' ', '_').replace(',', '')}.onnx"
        if not paths[name].exists():
            MODELS[name](paths[name])
    calibrations, tables = {}, {}
    for threads in THREADS:
        if options.calibrate:
            keep(calibrate(threads=threads))
        calibrations[threads] = kept(threads=threads)
        tables[threads] = [row(path, name, calibrations[threads]) for name, path in paths.items()]
        print(f"{threads}: {summary(tables[threads])}", file=sys.stderr)
    text = page(tables, calibrations, options.names)
    if options.output is None:
        print(text, end="")
    else:
        options.output.write_text(text, encoding="utf-8")
    found = [summary(rows) for rows in tables.values()]
    return int(any(error > GOAL_ERROR or correlation < GOAL_CORRELATION for error, correlation in found))


if __name__ == "__main__":
    sys.exit(main())
