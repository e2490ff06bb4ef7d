"""irstat: what a neural network costs.

import irstat

report = irstat.analyze("model.onnx", dims={"batch": 1})
print(report.totals["macs"], report.totals["params"])
"""

from irstat.analyze import analyze
from irstat.convert import ExportOptions, InputSpec, convert
from irstat.cost.cost import Arithmetic, Cost
from irstat.errors import (
    ConversionError,
    ConverterConflictError,
    IrstatError,
    MissingDependencyError,
    MissingWeightsError,
    ModelError,
    ShapeError,
    UnsafePathError,
    UntrustedCodeError,
    UsageError,
)
from irstat.graph import Graph, Node, Tensor
from irstat.onnx_reader import load
from irstat.onnx_writer import save, to_model
from irstat.polynomial import Maximum, NotPolynomial, Polynomial
from irstat.report.report import Report, Row
from irstat.sweep import Sweep, sweep

__all__ = [
    # what to do
    "analyze",
    "convert",
    "load",
    "save",
    "sweep",
    "to_model",
    # what comes out
    "Arithmetic",
    "Cost",
    "ExportOptions",
    "Graph",
    "InputSpec",
    "Maximum",
    "Node",
    "NotPolynomial",
    "Polynomial",
    "Report",
    "Row",
    "Sweep",
    "Tensor",
    # what can go wrong
    "ConversionError",
    "ConverterConflictError",
    "IrstatError",
    "MissingDependencyError",
    "MissingWeightsError",
    "ModelError",
    "ShapeError",
    "UnsafePathError",
    "UntrustedCodeError",
    "UsageError",
]
