"""Small networks built in Keras and in PyTorch, as people port them: PyTorch's with Keras' weights gives out the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import irstat
from irstat.compare import compare
from tests.support import exports
from tests.support.keras_models import keras
from tests.support.keras_models import randomize as randomize_keras

pytestmark = [pytest.mark.frameworks, pytest.mark.slow]


def recurrent(kind: str) -> tuple[Any, Any, tuple[int, ...], tuple[int, ...]]:
    """A recurrent layer and a classifier on its last step."""
    import torch

    k = keras()
    options = {"reset_after": True} if kind == "GRU" else {}
    layers = [k.Input((7, 6)), getattr(k.layers, kind)(5, return_sequences=True, **options), k.layers.Dense(3)]

    class Tagger(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = getattr(torch.nn, kind)(6, 5, batch_first=True)
            self.last = torch.nn.Linear(5, 3)

        def forward(self, x: Any) -> Any:
            return self.last(self.layer(x)[0])

    return k.Sequential(layers), Tagger(), (2, 7, 6), (2, 7, 6)


def convolutional() -> tuple[Any, Any, tuple[int, ...], tuple[int, ...]]:
    """Depthwise with a multiplier, transposed, a batch norm, and a dense layer on H, W, C or C, H, W."""
    import torch

    k = keras()
    first = [
        k.Input((12, 10, 3)),
        k.layers.Conv2D(4, 3),
        k.layers.BatchNormalization(epsilon=1e-5),
        k.layers.ReLU(),
        k.layers.DepthwiseConv2D(3, depth_multiplier=2),
        k.layers.ReLU(),
        k.layers.Conv2DTranspose(6, 2, strides=2),
        k.layers.Flatten(),
        k.layers.Dense(5),
    ]
    second = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, bias=False),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 8, 3, groups=4),
        torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(8, 6, 2, stride=2),
        torch.nn.Flatten(),
        torch.nn.Linear(6 * 16 * 12, 5),
    )
    return k.Sequential(first), second, (2, 12, 10, 3), (2, 3, 12, 10)


@pytest.mark.parametrize("kind", ["convolutional", "LSTM", "GRU"])
def test_keras_weights_in_pytorch(kind: str, tmp_path: Path) -> None:
    exports.frameworks()
    one, other, of_a, of_b = convolutional() if kind == "convolutional" else recurrent(kind)
    a, b = tmp_path / "keras.onnx", tmp_path / "torch.onnx"
    with exports.quiet():
        irstat.convert(randomize_keras(one), a)
        argument = "input" if kind == "convolutional" else "x"
        irstat.convert(exports.randomize(other), b, irstat.ExportOptions({argument: irstat.InputSpec(of_b)}))
    (name,) = irstat.load(a).inputs
    found = compare(a, b, inputs_a={name: of_a}, transfer=True, transfer_output=tmp_path / "ported.onnx").transfer
    assert found is not None
    assert (found.verdict, found.kept) == ("equal", ()), str(found)
    _runs_alike(one, tmp_path / "ported.onnx", of_a, of_b)


def _runs_alike(model: Any, ported: Path, of_a: tuple[int, ...], of_b: tuple[int, ...]) -> None:
    """Keras itself against the ported file."""
    import numpy as np

    from tests.compare.random_network import run

    x = np.random.default_rng(0).normal(size=of_a).astype("float32")
    wanted = np.asarray(model(x))
    got = run(ported, x if of_a == of_b else x.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())
