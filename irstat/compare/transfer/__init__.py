"""Proof by weights: B with the weights of A, run beside A."""

from irstat.compare.transfer.result import Adjustment, Kept, Parting, Transfer

__all__ = ["Adjustment", "Kept", "Parting", "Transfer"]
