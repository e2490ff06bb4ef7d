"""One tool that folds, as a program: reads pairs of paths, writes what the tool makes of a model, answers in one line each.

    python benchmarks/fold_tools.py onnxsim < pairs

`benchmarks/fold_matrix.py` runs it, with the interpreter of the environment that has the tool. It imports nothing but the tool.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Callable

Tool = Callable[[str, str], None]


def irstat() -> Tool:
    import irstat as tool

    def fold(source: str, target: str) -> None:
        tool.optimize(source, verify=False).save(target)

    return fold


def onnxsim() -> Tool:
    import onnx
    import onnxsim as tool

    return lambda source, target: onnx.save(tool.simplify(onnx.load(source))[0], target)


def onnxslim() -> Tool:
    import onnx
    import onnxslim as tool

    return lambda source, target: onnx.save(tool.slim(onnx.load(source)), target)


def onnxoptimizer() -> Tool:
    import onnx
    import onnxoptimizer as tool

    passes = tool.get_fuse_and_elimination_passes()
    return lambda source, target: onnx.save(tool.optimize(onnx.load(source), passes), target)


def onnxscript() -> Tool:
    import onnx
    from onnxscript import optimizer, rewriter

    return lambda source, target: onnx.save(rewriter.rewrite(optimizer.optimize(onnx.load(source))), target)


def onnxruntime(level: str) -> Tool:
    import onnxruntime as tool

    def fold(source: str, target: str) -> None:
        options = tool.SessionOptions()
        options.graph_optimization_level = getattr(tool.GraphOptimizationLevel, level)
        options.optimized_model_filepath = target
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        tool.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    return fold


TOOLS: dict[str, Callable[[], Tool]] = {
    "irstat": irstat,
    "onnxsim": onnxsim,
    "onnxslim": onnxslim,
    "onnxoptimizer": onnxoptimizer,
    "onnxscript": onnxscript,
    "ort-basic": lambda: onnxruntime("ORT_ENABLE_BASIC"),
    "ort-all": lambda: onnxruntime("ORT_ENABLE_ALL"),
}
"""By the name of their column."""


def version(name: str) -> str:
    """Of the package a tool comes with."""
    return importlib.metadata.version("onnxruntime" if name.startswith("ort-") else name)


def main() -> None:
    """Serve pairs of paths on standard input; answers go to standard output, what the tool prints to nowhere."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    with open(os.devnull, "w") as nowhere:
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
    name = sys.argv[1]
    fold = TOOLS[name]()
    print(version(name), file=answers)
    for line in sys.stdin:
        source, target = line.rstrip("\n").split("\t")
        try:
            fold(source, target)
            print("done", file=answers)
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is the tool's answer
            print(f"{type(error).__name__}: {error}".replace("\n", " ")[:200], file=answers)


if __name__ == "__main__":
    main()
