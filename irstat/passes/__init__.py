"""Graph passes, one file each. `PASSES` names those that can be asked for."""

from irstat.passes.base import Pass, PassResult, Refusal
from irstat.passes.capture_invariants import CaptureInvariants
from irstat.passes.fold_batchnorm import FoldBatchnorm
from irstat.passes.fold_constants import FoldConstants
from irstat.passes.fuse_pad import FusePad
from irstat.passes.inline_functions import InlineFunctions
from irstat.passes.merge_duplicates import MergeDuplicates
from irstat.passes.merge_initializers import MergeInitializers
from irstat.passes.remove_dead import RemoveDead
from irstat.passes.remove_identity import RemoveIdentity
from irstat.passes.remove_transposes import RemoveTransposes
from irstat.passes.remove_zero_bias import RemoveZeroBias
from irstat.passes.restore_batchnorm import RestoreBatchnorm
from irstat.passes.restore_gelu import RestoreGelu
from irstat.passes.restore_hardswish import RestoreHardswish
from irstat.passes.restore_layernorm import RestoreLayernorm
from irstat.passes.restore_silu import RestoreSilu

PASSES = {
    cls.name: cls
    for cls in (
        InlineFunctions,
        CaptureInvariants,
        RestoreGelu,
        RestoreSilu,
        RestoreHardswish,
        RestoreLayernorm,
        RestoreBatchnorm,
        FoldConstants,
        FoldBatchnorm,
        FusePad,
        RemoveTransposes,
        MergeDuplicates,
        MergeInitializers,
        RemoveZeroBias,
        RemoveIdentity,
        RemoveDead,
    )
}
"""Name -> class."""

__all__ = [
    "PASSES",
    "CaptureInvariants",
    "FoldBatchnorm",
    "FoldConstants",
    "FusePad",
    "InlineFunctions",
    "MergeDuplicates",
    "MergeInitializers",
    "Pass",
    "PassResult",
    "Refusal",
    "RemoveDead",
    "RemoveIdentity",
    "RemoveTransposes",
    "RemoveZeroBias",
    "RestoreBatchnorm",
    "RestoreGelu",
    "RestoreHardswish",
    "RestoreLayernorm",
    "RestoreSilu",
]
