"""irstat: what a neural network costs.

import irstat

report = irstat.analyze("model.onnx", dims={"batch": 1})
print(report.totals["macs"], report.totals["params"])
"""

from irstat.analyze import analyze
from irstat.compare import Comparison, compare
from irstat.convert import ExportOptions, InputSpec, convert
from irstat.cost.cost import Arithmetic, Cost
from irstat.errors import (
    ConversionError,
    ConverterConflictError,
    IrstatError,
    MissingDependencyError,
    MissingWeightsError,
    ModelError,
    PassError,
    ShapeError,
    UnsafePathError,
    UntrustedCodeError,
    UsageError,
)
from irstat.graph import Graph, Node, Tensor
from irstat.onnx_reader import load
from irstat.onnx_writer import save, to_model
from irstat.optimize import Optimized, optimize
from irstat.polynomial import Maximum, NotPolynomial, Polynomial
from irstat.report.report import Report, Row
from irstat.sweep import Sweep, sweep
from irstat.timing.profile import Profile, ProfileRow, profile
from irstat.timing.result import Timing, TimingRow
from irstat.timing.time import time
from irstat.verify import Verification, verify

__all__ = [
    # what to do
    "analyze",
    "compare",
    "convert",
    "load",
    "optimize",
    "profile",
    "save",
    "sweep",
    "time",
    "to_model",
    "verify",
    # what comes out
    "Arithmetic",
    "Comparison",
    "Cost",
    "ExportOptions",
    "Graph",
    "InputSpec",
    "Maximum",
    "Node",
    "NotPolynomial",
    "Optimized",
    "Polynomial",
    "Profile",
    "ProfileRow",
    "Report",
    "Row",
    "Sweep",
    "Tensor",
    "Timing",
    "TimingRow",
    "Verification",
    # what can go wrong
    "ConversionError",
    "ConverterConflictError",
    "IrstatError",
    "MissingDependencyError",
    "MissingWeightsError",
    "ModelError",
    "PassError",
    "ShapeError",
    "UnsafePathError",
    "UntrustedCodeError",
    "UsageError",
]
