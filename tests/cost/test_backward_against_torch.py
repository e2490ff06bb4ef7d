"""Forward and backward multiply-accumulates against what PyTorch counts while it really does them."""

from __future__ import annotations

import io

import pytest

import irstat
from tests.cost.rules.naive_loops import Tally, Window, convolution, numbers

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def nets():
    """Name -> (network, input). None of the inputs wants a gradient."""
    import torch
    from torch import nn

    class Attention(nn.Module):
        """Eager: batched matrix products and a softmax."""

        def __init__(self, size=12, heads=3):
            super().__init__()
            self.heads = heads
            self.query, self.key, self.value, self.out = (nn.Linear(size, size) for _ in range(4))

        def split(self, x):
            return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

        def forward(self, x):
            query, key, value = (self.split(layer(x)) for layer in (self.query, self.key, self.value))
            weights = torch.softmax(query @ key.transpose(-1, -2) / 2, dim=-1)
            return self.out((weights @ value).transpose(1, 2).reshape(x.shape))

    class Residual(nn.Module):
        """A convolution whose result is used twice."""

        def __init__(self):
            super().__init__()
            self.stem, self.body = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1, bias=False)

        def forward(self, x):
            x = torch.relu(self.stem(x))
            return x + self.body(x)

    torch.manual_seed(0)
    found = {
        "mlp": (nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 7), nn.Tanh(), nn.Linear(7, 3)), (4, 10)),
        "mlp of sequences": (nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 5, bias=False)), (2, 7, 6)),
        "two dimensions": (
            nn.Sequential(
                nn.Conv2d(3, 8, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(8, 6, 3, stride=2),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Flatten(),
                nn.Linear(54, 5),
            ),
            (2, 3, 14, 14),
        ),
        "one dimension": (nn.Sequential(nn.Conv1d(4, 6, 5, dilation=2), nn.ReLU(), nn.Conv1d(6, 2, 3)), (3, 4, 20)),
        "three dimensions": (nn.Sequential(nn.Conv3d(2, 4, 3), nn.ReLU(), nn.Conv3d(4, 3, 2)), (1, 2, 6, 7, 8)),
        "transposed": (nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 3, 4, stride=2)), (1, 2, 8, 8)),
        "residual": (Residual(), (2, 3, 6, 6)),
        "attention": (Attention(), (2, 5, 12)),
    }
    return {name: (net, torch.randn(shape)) for name, (net, shape) in found.items()}


NAMES = [
    "mlp",
    "mlp of sequences",
    "two dimensions",
    "one dimension",
    "three dimensions",
    "transposed",
    "residual",
    "attention",
]


def by_torch(net, x):
    """(forward, backward) multiply-accumulates; a multiply-add is two of torch's FLOPs."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        result = net(x).sum()
        forward = counter.get_total_flops()
        result.backward()
    return forward // 2, (counter.get_total_flops() - forward) // 2


def by_irstat(net, x, dynamo):
    import torch

    if dynamo:
        program = torch.onnx.export(net, (x,), dynamo=True, verbose=False)
        model = program.model_proto
    else:
        buffer = io.BytesIO()
        torch.onnx.export(net, (x,), buffer, dynamo=False)
        model = buffer.getvalue()
    totals = irstat.analyze(model).totals
    return totals["macs"], totals["backward_macs"]


@pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])
@pytest.mark.parametrize("name", NAMES)
def test_same_as_torch(nets, name, dynamo):
    net, x = nets[name]
    assert set(NAMES) == set(nets)
    expected = by_torch(net, x)
    assert by_irstat(net, x, dynamo) == expected
    # the first layer's input wants no gradient: less than twice the forward pass, and more than once
    assert expected[0] <= expected[1] < 2 * expected[0]


@pytest.mark.parametrize("group", [2, 4, 8])
def test_torch_counts_grouped_convolutions_backward_too_high(group):
    """The weight's gradient by `groups` too many: (1 + groups) / 2 in all. irstat counts what a naive loop does."""
    import torch
    from torch import nn

    conv = nn.Conv2d(8, 8, 3, padding=1, groups=group, bias=False)
    x = torch.randn(1, 8, 5, 5, requires_grad=True)
    forward, backward = by_torch(conv, x)
    tally = Tally()
    window = Window([3, 3], [1, 1], [1, 1], [1] * 4, group)
    convolution(numbers(1, 8, 5, 5), numbers(8, 8 // group, 3, 3), window, tally)
    assert forward == tally.forward
    assert backward * 2 == (1 + group) * (tally.to_input + tally.to_weight)

    buffer = io.BytesIO()
    torch.onnx.export(conv, (x,), buffer, dynamo=False)
    totals = irstat.analyze(buffer.getvalue(), input_gradients=True).totals
    assert (totals["macs"], totals["backward_macs"]) == (tally.forward, tally.to_input + tally.to_weight)
