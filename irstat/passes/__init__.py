"""Graph passes, one file each. `PASSES` names those that can be asked for."""

from irstat.passes.base import Pass, PassResult, Refusal
from irstat.passes.capture_invariants import CaptureInvariants
from irstat.passes.fold_constants import FoldConstants
from irstat.passes.inline_functions import InlineFunctions
from irstat.passes.remove_dead import RemoveDead
from irstat.passes.remove_identity import RemoveIdentity
from irstat.passes.remove_zero_bias import RemoveZeroBias

PASSES = {
    cls.name: cls for cls in (InlineFunctions, CaptureInvariants, FoldConstants, RemoveZeroBias, RemoveIdentity, RemoveDead)
}
"""Name -> class."""

__all__ = [
    "PASSES",
    "CaptureInvariants",
    "FoldConstants",
    "InlineFunctions",
    "Pass",
    "PassResult",
    "Refusal",
    "RemoveDead",
    "RemoveIdentity",
    "RemoveZeroBias",
]
