"""Whether two models compute the same function: both run on the same inputs, every output compared."""

from irstat.verify.check import MAGNITUDES, verify
from irstat.verify.result import FirstDifference, OutputDifference, Verification

__all__ = ["MAGNITUDES", "FirstDifference", "OutputDifference", "Verification", "verify"]
