"""Model files: exported programs, and pickled modules where the user trusts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from irstat.errors import ConversionError, UntrustedCodeError, UsageError
from irstat_pytorch.archive import check_archive


def load(path: Path, trust_code: bool) -> Any:
    """The module or exported program in a file.

    A `.pt2` archive is data, and is looked at before torch reads it (`irstat_pytorch.archive`). `.pt` and `.pth` files are
    pickles, which run code when they are read; they are refused unless `trust_code` is set.

    Raises:
        UntrustedCodeError: reading the file would run code in it.
        UsageError: the file holds weights only.
        ConversionError: torch can't read it.
    """
    import torch

    if path.suffix.lower() == ".pt2":
        if not trust_code:
            check_archive(path)
        try:
            return torch.export.load(str(path))
        except Exception as error:  # torch raises what its parsers raise
            raise ConversionError(f"{path}: torch.export can't read it: {_first_line(error)}") from error
    if not trust_code:
        raise UntrustedCodeError(
            f"{path}: a {path.suffix} file is a pickle, which runs code when it is read; pass --trust-model-code if you"
            " trust it, or save the model with torch.export.save as .pt2"
        )
    try:
        found = torch.load(str(path), map_location="cpu", weights_only=False)
    except Exception as error:  # a pickle raises anything
        raise ConversionError(f"{path}: torch can't load it: {_first_line(error)}") from error
    if not isinstance(found, torch.nn.Module):
        raise UsageError(
            f"{path}: holds {type(found).__name__}, not a module; build the model in Python and give package.module:callable"
        )
    return found


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
