"""Real models for tests: built from configurations with random weights, exported with torch, cached for the session.

Exporters share equal tensors among layers (fresh BatchNorm statistics are all 0 and 1), so weights and statistics are made
random first. Frameworks warn about themselves while they are imported and while they export; irstat's own warnings are not
affected, since none of it runs here.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

How = Literal["torchscript", "dynamo", "dynamo_raw"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of frameworks about themselves."""
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        warnings.simplefilter("ignore")
        yield


@cache
def frameworks() -> None:
    """Import torch and torchvision; defines two operators that this build of torchvision lacks."""
    with quiet():
        import torch

        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)
        import torchvision  # noqa: F401


_KEPT: list[Any] = []
"""A torch library undefines its operators when it is collected."""


def randomize(module: Any, seed: int = 0) -> Any:
    """Give a module random weights, and its normalizations random statistics; back in evaluation mode."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if not tensor.is_floating_point() or "inv_freq" in name:
                continue
            noise = torch.randn(tensor.shape, generator=generator).to(tensor.dtype)
            if name.endswith("running_var"):
                tensor.copy_(noise.abs() + 0.5)
            else:
                tensor.copy_(0.1 * noise + (1.0 if tensor.dim() == 1 and name.endswith("weight") else 0.0))
    return module.eval()


def torchvision_model(name: str, **options: Any) -> Any:
    """A model of torchvision with random weights."""
    frameworks()
    import torch
    import torchvision

    torch.manual_seed(0)
    with quiet():
        module = getattr(torchvision.models, name)(weights=None, **options)
    return randomize(module)


def transformers_model(name: str, config: str, **options: Any) -> Any:
    """A model of transformers, `transformers_model("BertModel", "BertConfig", hidden_size=64)`, with random weights."""
    frameworks()
    import torch
    import transformers

    torch.manual_seed(0)
    with quiet():
        settings = getattr(transformers, config)(**options)
        module = getattr(transformers, name)(settings)
    return randomize(module)


def export(module: Any, args: Sequence[Any], path: Path, how: How = "dynamo", **options: Any) -> Path:
    """Write a torch module as an ONNX file.

    Args:
        module: in evaluation mode.
        args: example inputs.
        path: of the file.
        how: the exporter: "torchscript", "dynamo", or "dynamo_raw" without its optimizations.
        options: for `torch.onnx.export`.
    """
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.stem}.{os.getpid()}.onnx")
    if how == "torchscript":
        options = {"opset_version": 17, **options, "dynamo": False}
    else:
        options = {**options, "dynamo": True, "optimize": how == "dynamo", "external_data": False, "verbose": False}
    with quiet(), torch.no_grad():
        torch.onnx.export(module, tuple(args), str(new), **options)
    new.replace(path)
    return path


class Exports:
    """Models that several tests use, each exported once a session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str, write: Callable[[Path], object]) -> Path:
        """The file of that name; `write` makes it where it is not there yet."""
        path = self.folder / f"{name}.onnx"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
        return path

    def torchvision(self, name: str, how: How = "dynamo", size: int = 64, batch: int = 2, **options: Any) -> Path:
        """A model of torchvision for images of `size`; `options` are for `torch.onnx.export`, but `model` for the model."""
        model: Mapping[str, Any] = options.pop("model", {})
        key = "_".join(map(str, ("torchvision", name, how, size, batch, *sorted(model.items()), *sorted(options))))

        def write(path: Path) -> None:
            frameworks()
            import torch

            export(torchvision_model(name, **model), (torch.randn(batch, 3, size, size),), path, how, **options)

        return self.get("".join(letter if letter.isalnum() or letter in "_-" else "-" for letter in key), write)
