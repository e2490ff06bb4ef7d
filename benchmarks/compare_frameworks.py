"""The networks that Keras and torchvision both have: are they the same, and where do they differ?

    python benchmarks/compare_frameworks.py [-o docs/compare_frameworks.md] [FOLDER]

Converts both models of each pair with irstat (random weights, one process each; kept in FOLDER, if one is given), compares them
and writes totals, the share of MACs aligned and every difference found. What each difference is in the two sources was looked
up by hand; that text is in `CHECKED`. Exits with 1 if a pair of equal architectures has less than 99 % of its MACs aligned, if
parameters after folding differ where they should not, or if a pair has sorts of differences other than those looked up.
Needs tensorflow, keras, tf2onnx, torch and torchvision.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "converters")]

LEAST_ALIGNED = 0.99

SOFTMAX = "Keras ends in classifier_activation='softmax', torchvision gives out logits"
SAME_PAD = (
    "'same' padding of a stride-2 convolution pads an even size less at the beginning (Keras); torchvision pads (k - 1) // 2"
    " all around"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models, and what was found in their sources."""

    a: str
    b: str
    size: int
    folded: tuple[int, int]
    """Parameters of both after folding."""
    checked: tuple[tuple[str, str], ...]
    """(sort of difference, what the sources say)."""


PAIRS = (
    Pair(
        "keras:MobileNetV2",
        "torchvision:mobilenet_v2",
        224,
        (3_487_816, 3_487_816),
        (
            ("only in A Softmax", f"checked: {SOFTMAX}"),
            (
                "epsilon",
                "checked: epsilon=1e-3 in keras mobilenet_v2.py; nn.BatchNorm2d's 1e-5 in torchvision mobilenetv2.py",
            ),
            ("padding", f"checked: {SAME_PAD}; 5 = Conv1 and the 4 strided depthwise ones (correct_pad)"),
        ),
    ),
    Pair(
        "keras:ResNet50",
        "torchvision:resnet50",
        224,
        (25_530_472, 25_530_472),
        (
            (
                "stride elsewhere",
                "checked: keras resnet.py strides in {name}_1_conv, torchvision resnet.py in conv2 ('places the stride"
                " for downsampling at 3x3 convolution'); stages 3, 4, 5, two convolutions each",
            ),
            (
                "bias",
                "checked: use_bias=True in keras resnet.py, bias=False in torchvision resnet.py; useless before a batch norm",
            ),
            ("only in A Softmax", f"checked: {SOFTMAX}"),
            ("epsilon", "checked: epsilon=1.001e-5 in keras resnet.py, 1e-5 by default in torchvision"),
        ),
    ),
    Pair(
        "keras:VGG16",
        "torchvision:vgg16",
        224,
        (138_357_544, 138_357_544),
        (("only in A Softmax", f"checked: {SOFTMAX}"),),
    ),
    Pair(
        "keras:DenseNet121",
        "torchvision:densenet121",
        224,
        (7_971_368, 7_971_368),
        (
            ("only in A Softmax", f"checked: {SOFTMAX}"),
            ("epsilon", "checked: epsilon=1.001e-5 in keras densenet.py, 1e-5 by default in torchvision densenet.py"),
        ),
    ),
    Pair(
        "keras:InceptionV3",
        "torchvision:inception_v3",
        299,
        (23_817_352, 23_817_352),
        (
            (
                "gamma",
                "checked: scale=False in conv2d_bn of keras inception_v3.py; nn.BatchNorm2d has a scale in torchvision",
            ),
            ("only in A Softmax", f"checked: {SOFTMAX}"),
            (
                "counts_padding",
                "checked: AveragePooling2D(padding='same') leaves padding out of the mean; F.avg_pool2d(padding=1) has"
                " count_include_pad=True; 9 = 3 + 4 + 2 blocks with a pooled branch",
            ),
        ),
    ),
    Pair(
        "keras:EfficientNetB0",
        "torchvision:efficientnet_b0",
        224,
        (5_267_540, 5_267_540),
        (
            (
                "only in A Mul",
                "checked: Rescaling(1/255) and the division of Normalization are in the model in keras efficientnet.py",
            ),
            ("only in A Add", "checked: the mean of that Normalization"),
            ("only in A Softmax", f"checked: {SOFTMAX}"),
            (
                "epsilon",
                "checked: BatchNormalization's default 1e-3 in Keras; torchvision's efficientnet_b0 has BatchNorm2d's 1e-5",
            ),
            ("padding", f"checked: {SAME_PAD}; 5 = the stem and the 4 strided depthwise ones (correct_pad)"),
        ),
    ),
    Pair(
        "keras:MobileNetV3Small",
        "torchvision:mobilenet_v3_small",
        224,
        (2_536_800, 2_536_800),
        (
            ("only in A Add", "checked: Rescaling(1/127.5, offset=-1) is part of the model in keras mobilenet_v3.py"),
            ("only in A Mul", "checked: the same Rescaling"),
            ("only in A Softmax", f"checked: {SOFTMAX}"),
            ("padding", f"checked: {SAME_PAD}; 5 = the stem and the 4 strided depthwise ones (correct_pad)"),
        ),
    ),
    Pair(
        "keras:MobileNetV3Large",
        "torchvision:mobilenet_v3_large",
        224,
        (5_470_832, 5_470_832),
        (
            ("only in A Add", "checked: Rescaling(1/127.5, offset=-1) is part of the model in keras mobilenet_v3.py"),
            ("only in A Mul", "checked: the same Rescaling"),
            ("only in A Softmax", f"checked: {SOFTMAX}"),
            ("padding", f"checked: {SAME_PAD}; 5 = the stem and the 4 strided depthwise ones (correct_pad)"),
        ),
    ),
    Pair(
        "keras:ConvNeXtTiny",
        "torchvision:convnext_tiny",
        224,
        (28_589_128, 28_589_128),
        (
            (
                "only in A Mul",
                "checked: the division of Normalization, in the model in keras convnext.py (include_preprocessing)",
            ),
            ("only in A Sub", "checked: the mean of that Normalization"),
            ("only in A Softmax", f"checked: {SOFTMAX}"),
        ),
    ),
    Pair("torchvision:vgg16", "torchvision:vgg16_bn", 224, (138_357_544, 138_357_544), ()),
)


def file_of(folder: Path, name: str, size: int) -> Path:
    """The file of a model, made in a process of its own where it is not there yet."""
    path = folder / f"{name.replace(':', '_')}.onnx"
    if not path.exists():
        command = [sys.executable, __file__, "--export", name, str(size), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return path


def export(name: str, size: int, path: Path) -> None:
    """Build and convert one model in this process."""
    import irstat
    from tests.support.exports import quiet, torchvision_model
    from tests.support.keras_models import keras, randomize

    library, _, builder = name.partition(":")
    with quiet():
        if library == "keras":
            irstat.convert(randomize(getattr(keras().applications, builder)(weights=None)), path)
        else:
            options = {"init_weights": False} if builder == "inception_v3" else {}
            shape = irstat.InputSpec((1, 3, size, size))
            irstat.convert(torchvision_model(builder, **options), path, irstat.ExportOptions({"x": shape}))


def key(group: Any) -> str:
    """The sort of a difference, as `Pair.checked` names it."""
    return f"{group.sort} {group.what}" if group.sort.startswith("only") else group.sort


def report(pair: Pair, result: Any) -> tuple[list[str], list[str]]:
    """Lines of Markdown, and what is wrong."""
    from irstat.compare.summary import group_text

    checked, found = dict(pair.checked), {key(group) for group in result.groups}
    lines = [f"## {pair.a} and {pair.b}", "", f"{result.summary[0]}.", ""]
    if result.groups:
        lines += ["| difference (A vs B) | in the sources |", "| --- | --- |"]
        lines += [
            f"| {group_text(result, group)} | {checked.get(key(group), '**not looked up**')} |" for group in result.groups
        ]
        lines.append("")
    lines += [f"- {remark}" for remark in result.remarks]
    wrong = [f"{pair.b}: {sort} was not looked up" for sort in sorted(found - checked.keys())]
    wrong += [f"{pair.b}: {sort} was not found" for sort in sorted(checked.keys() - found)]
    if min(result.aligned_macs) < LEAST_ALIGNED:
        wrong.append(f"{pair.b}: {min(result.aligned_macs):.1%} of the MACs aligned")
    if result.totals["folded_params"] != pair.folded:
        wrong.append(f"{pair.b}: {result.totals['folded_params']} parameters after folding")
    return [*lines, ""], wrong


def row(pair: Pair, result: Any) -> str:
    """The line of a pair in the table."""
    totals, shares = result.totals, result.aligned_macs
    cells = [f"{pair.a}, {pair.b}"]
    cells += [f"{totals[name][side]:,}" for name in ("macs", "params", "folded_params") for side in (0, 1)]
    cells += [f"{100 * shares[0]:.4g} %", f"{100 * shares[1]:.4g} %"]
    return f"| {' | '.join(cells)} |"


def converted_pairs(folder: Path) -> Iterator[tuple[Pair, Path, Path]]:
    """Each pair with the files of both models in a folder, converted where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for pair in PAIRS:
        yield pair, file_of(folder, pair.a, pair.size), file_of(folder, pair.b, pair.size)


def main(arguments: list[str]) -> int:
    """Compare all pairs."""
    if arguments[:1] == ["--export"]:
        export(arguments[1], int(arguments[2]), Path(arguments[3]))
        return 0
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("-o", "--output")
    options = parser.parse_args(arguments)
    from irstat.compare import compare

    head = ["# Keras and torchvision", "", "Written by `python benchmarks/compare_frameworks.py`.", ""]
    columns = ["A, B", "MACs A", "MACs B", "params A", "params B", "folded A", "folded B", "aligned A", "aligned B"]
    table = [f"| {' | '.join(columns)} |", f"| --- {'| ---: ' * (len(columns) - 1)}|"]
    details: list[str] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        for pair, a, b in converted_pairs(Path(options.folder or temporary)):
            result = compare(a, b, names=(pair.a, pair.b))
            table.append(row(pair, result))
            lines, problems = report(pair, result)
            details += lines
            wrong += problems
            print(table[-1], flush=True)
    text = "\n".join([*head, *table, "", *details]).rstrip("\n") + "\n"
    if options.output:
        Path(options.output).write_text(text)
    for line in wrong:
        print(f"wrong: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
