"""What the command line means by MODEL: an ONNX file, a bundled example, a framework's file, a callable that makes a model."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irstat import examples
from irstat.convert import InputSpec
from irstat.convert_worker import Request, convert_in_process
from irstat.errors import UsageError

_CALLABLE = re.compile(r"[A-Za-z_]\w*(\.\w+)*:[A-Za-z_]\w*(\.\w+)*")


@dataclass(frozen=True, slots=True)
class ModelArgument:
    """MODEL and the options that say how to make ONNX of it."""

    text: str
    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    opset: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    trust_code: bool = False

    @property
    def is_onnx(self) -> bool:
        """Whether the model needs no conversion."""
        return self.text.startswith(examples.PREFIX) or self.text.lower().endswith(".onnx")

    @property
    def name(self) -> str:
        """Name for reports."""
        if _is_callable(self.text):
            return self.text.partition(":")[2].rpartition(".")[2]
        return Path(self.text.removeprefix(examples.PREFIX)).stem

    def check_options(self) -> None:
        """Raise `UsageError` if an option is given that means nothing for this model."""
        if not self.is_onnx and (not self.arguments or _is_callable(self.text)):
            return
        if self.arguments:
            raise UsageError(f"--model-arg is for a callable (package.module:name), not for {self.text}")
        typed = next((name for name, spec in self.inputs.items() if spec.dtype is not None), None)
        if typed is not None:
            raise UsageError(
                f"--input {typed}: an ONNX model has its element types fixed; leave ':{self.inputs[typed].dtype}' out"
            )
        if self.opset is not None:
            raise UsageError(f"--opset is for models that are converted, and {self.text} is ONNX already")

    def write(self, target: Path) -> str:
        """Convert to an ONNX file; returns which exporter was used.

        Raises:
            UsageError: no such file, and not the form of a callable.
            IrstatError: as `irstat.convert.convert`.
        """
        if not Path(self.text).exists() and not _is_callable(self.text):
            raise UsageError(f"{self.text}: no such file (a callable is written package.module:name)")
        request = Request(self.text, str(target), self.inputs, self.opset, self.arguments, self.trust_code)
        return convert_in_process(request)

    @contextmanager
    def onnx_file(self, step: Callable[[str], None]) -> Iterator[Path]:
        """The model as an ONNX file, converted into a temporary folder if it is none."""
        if self.text.startswith(examples.PREFIX):
            yield examples.path_of(self.text.removeprefix(examples.PREFIX))
        elif self.is_onnx:
            yield Path(self.text)
        else:
            with tempfile.TemporaryDirectory(prefix="irstat-") as folder:
                target = Path(folder) / f"{self.name}.onnx"
                step("converting")
                self.write(target)
                yield target


def _is_callable(text: str) -> bool:
    return _CALLABLE.fullmatch(text) is not None and not Path(text).exists()
