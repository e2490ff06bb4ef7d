"""Optimizing a model: passes that keep the function, the proof that they did, the file, and what it brought."""

from irstat.optimize.records import PREFIX, records_of
from irstat.optimize.run import Optimized, optimize
from irstat.optimize.summary import Comparison, summarize

__all__ = ["PREFIX", "Comparison", "Optimized", "optimize", "records_of", "summarize"]
