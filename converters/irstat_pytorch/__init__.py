"""PyTorch models for irstat: `torch.nn.Module`, `torch.export.ExportedProgram`, `.pt2` files.

Importing this package does not import torch; exporting does.
"""

from irstat_pytorch.converter import PyTorchConverter

CONVERTER = PyTorchConverter()
"""What the entry point `irstat.converters` names."""

__all__ = ["CONVERTER", "PyTorchConverter"]
