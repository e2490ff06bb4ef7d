"""Tensors that kernels are matched by hold the same numbers as the tensors of the model that they are said to be.

Both models are run with these tensors as outputs; layouts differ, so values are compared in order of size; blocked layout fills
channels up with zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from irstat.analyze import Study
from irstat.onnx_reader import load
from irstat.timing.inputs import feeding
from irstat.timing.kernel_source import Source
from irstat.timing.kernel_tensors import Origins
from irstat.timing.session import Setup, create
from tests.support.exports import Exports


def exposed(path: Path, names: Iterable[str], folder: Path, feeds: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The values of tensors of a model, run as it is."""
    made = onnx.load(path)
    present = {output.name for output in made.graph.output} | {info.name for info in made.graph.input}
    wanted = [name for name in dict.fromkeys(names) if name not in {info.name for info in made.graph.input}]
    made.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted if name not in present)
    target = folder / f"exposed_{path.stem}.onnx"
    onnx.save(made, target)
    session = create(target, Setup(optimization="disable")).session
    return dict(zip(wanted, session.run(wanted, dict(feeds)), strict=True))


def differing(path: Path, folder: Path) -> tuple[int, list[str]]:
    """How many tensors of other names or layouts were compared, and those that hold other numbers."""
    optimized_path = folder / "optimized.onnx"
    create(path, Setup(), lambda options: setattr(options, "optimized_model_filepath", str(optimized_path)))
    graph, optimized = load(path), load(optimized_path)
    fed = feeding(graph, {}, None, {}, 0)
    feeds = next(iter(fed.values()))
    origins = Origins(Source(graph, Study(graph, {}, raw=True).at(dict(fed.sizes)).facts), optimized)
    pairs = {name: origin for name, origin in origins.of.items() if origin not in graph.inputs}
    ours = exposed(path, pairs.values(), folder, feeds)
    theirs = exposed(optimized_path, pairs, folder, feeds)
    wrong = []
    for name, origin in pairs.items():
        if name in theirs and not _alike(theirs[name], ours[origin]):
            wrong.append(f"{name} is not {origin}")
    return sum(name != origin for name, origin in pairs.items()), wrong


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two tensors hold the same numbers, zeros that only one of them has left out of account."""
    size = max(one.size, other.size)
    ours, theirs = (np.sort(np.pad(np.asarray(array, np.float64).ravel(), (0, size - array.size))) for array in (one, other))
    return bool(np.allclose(ours, theirs, rtol=1e-3, atol=1e-4 * max(1e-6, float(np.abs(theirs).max(initial=0)))))


@pytest.mark.frameworks
@pytest.mark.parametrize(
    ("name", "how", "least"),
    [
        ("resnet18", "dynamo", 20),
        ("shufflenet_v2_x0_5", "torchscript", 40),
        ("densenet121", "dynamo", 200),
        ("googlenet", "dynamo", 50),
    ],
)
def test_tensors_at_the_borders_hold_the_same_numbers(
    name: str, how: Any, least: int, exports: Exports, tmp_path: Path
) -> None:
    compared, wrong = differing(exports.torchvision(name, how), tmp_path)
    assert wrong == []
    assert compared >= least


@pytest.mark.frameworks
def test_a_wrong_tensor_is_noticed(exports: Exports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Activations that a kernel took in are forgotten."""
    monkeypatch.setattr(Origins, "_extended", lambda self, kernel, tensor: self._source.producer(tensor).inputs[0])
    assert differing(exports.torchvision("resnet18", "dynamo"), tmp_path)[1]
