"""Keras models and torchvision's with the same weights: are they the same function, and if not, what keeps them apart?

    python benchmarks/compare_transfer.py [-o docs/compare_transfer.md] [FOLDER]

For the pairs of `compare_frameworks.py` (converted models are kept in FOLDER, if one is given), `irstat compare --transfer`.
Weights and statistics are random. As a control each transfer is done wrong once: one kernel in the middle of B gets its height
and width swapped, which has to be found at that layer. Exits with 1 if a pair is not equal, after what is printed, or a control
is not found. Needs what `compare_frameworks.py` needs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "converters")]

HEAD = """# Keras and torchvision with the same weights

Written by `python benchmarks/compare_transfer.py`. The weights of A, which are random, statistics of batch norms included, are
carried over into B; both run on the same inputs of three magnitudes in onnxruntime, its own optimizations disabled. Differences
are of the largest value of the output; what is allowed is rounding (`irstat/verify/tolerance.py`). The control is the same
transfer with height and width of one kernel swapped: where that is found.
"""
COLUMNS = ("A, B", "layers", "equal but for", "largest difference", "mean difference", "allowed", "seconds")
VERDICTS = {"equal": "nothing: as they are", "different": "**not equal**"}


def main(arguments: list[str]) -> int:
    """Transfer all pairs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("-o", "--output")
    options = parser.parse_args(arguments)
    from benchmarks.compare_frameworks import converted_pairs

    table = [f"| {' | '.join(COLUMNS)} |", f"| --- | ---: | --- |{' ---: |' * 4}"]
    details: list[str] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        for pair, a, b in converted_pairs(Path(options.folder or temporary)):
            a = with_live_weights(a, Path(temporary) / a.name)
            proof, seconds = transferred(a, b)
            control, place = with_swapped_kernel(a, b)
            table.append(row(f"{pair.a}, {pair.b}", proof, seconds))
            details += [f"## {pair.a} and {pair.b}", "", "```text", *str(proof).splitlines(), "```", ""]
            details += [f"Control, `{place}` swapped: {control.left or '**not found**'}.", ""]
            if proof.verdict == "different":
                wrong.append(f"{pair.a} and {pair.b} are not equal")
            if control.left is None or control.left.b != place:
                wrong.append(f"{pair.a} and {pair.b}: the control was not found")
            print(table[-1], flush=True)
    if options.output:
        Path(options.output).write_text("\n".join([HEAD, *table, "", *details]).rstrip("\n") + "\n")
    print(f"{len(table) - 2} pairs, {len(wrong)} wrong")
    for line in wrong:
        print(f"wrong: {line}")
    return 1 if wrong else 0


def with_live_weights(source: Path, target: Path) -> Path:
    """A copy with random weights that neither damp nor amplify (He et al., 2015), so that the outputs depend on the inputs."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    model, random = onnx.load(source), np.random.default_rng(0)
    matrices = {node.input[1] for node in model.graph.node if node.op_type == "MatMul"}
    for tensor in model.graph.initializer:
        dims, name = tuple(tensor.dims), tensor.name.rpartition("/")[2].rpartition(".")[2]
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(dims) < 2:
            continue
        values = random.standard_normal(dims)
        if len(dims) > 1 and max(dims) == np.prod(dims):
            continue  # a number for each channel
        if len(dims) > 1:
            values *= np.sqrt(2 / (dims[0] if tensor.name in matrices else np.prod(dims[1:])))
        elif "variance" in name:
            values = random.uniform(0.7, 1.4, dims)
        else:
            values = 1 + 0.2 * values if name == "gamma" else 0.2 * values
        tensor.CopyFrom(numpy_helper.from_array(values.astype("float32"), tensor.name))
    onnx.save(model, target)
    return target


def transferred(a: Path, b: Path) -> tuple[Any, float]:
    """The result, and how long it took with reading and aligning."""
    from irstat.compare import compare

    start = time.perf_counter()
    result = compare(a, b, transfer=True).transfer
    return result, time.perf_counter() - start


def with_swapped_kernel(a: Path, b: Path) -> tuple[Any, str]:
    """The result with the axes of one kernel swapped, and the name of the layer of B."""
    from irstat.compare import compare
    from irstat.compare.transfer import carry_linear as carrying

    module: Any = carrying
    layers = [place.b for place in compare(a, b).places if place.a is not None and place.b is not None]
    square = [layer for layer in layers if layer.weights and is_square(layer.properties.get("kernel"))]
    chosen, right = square[len(square) // 2], module.stored_matrix

    def wrong(model: Any, layer: Any, weight: Any, values: Any) -> Any:
        found = right(model, layer, weight, values)
        return found.swapaxes(2, 3) if layer.name == chosen.name else found

    module.stored_matrix = wrong
    try:
        return transferred(a, b)[0], chosen.name
    finally:
        module.stored_matrix = right


def is_square(kernel: Any) -> bool:
    """Whether a kernel has two equal sizes above 1."""
    return isinstance(kernel, tuple) and len(kernel) == 2 and kernel[0] == kernel[1] > 1


def row(names: str, proof: Any, seconds: float) -> str:
    """The line of a pair in the table."""
    but_for = "; ".join(each.text for each in proof.adjustments)
    cells = [names, str(proof.layers), VERDICTS.get(proof.verdict, but_for)]
    cells += [f"{proof.max_difference:.1e}", f"{proof.mean_difference:.1e}", f"{proof.tolerance or 0:.1e}", f"{seconds:.0f}"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
