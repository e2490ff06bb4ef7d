"""Cost rules, one file per operator family. Importing this package registers them all.

Adding an operator: a row in its family's table or a short function under `@rule`, and a row of literal expected numbers in
the mirrored test table. A rule sees shapes and attributes only (`irstat.cost.op.Op`).
"""

from irstat.cost.rules import (
    attention,
    contrib,
    contrib_attention,
    contrib_layers,
    control,
    conv,
    elementwise,
    matmul,
    ml,
    movement,
    norm,
    pool,
    quantize,
    recurrent,
    reduce,
    signal,
)

FAMILIES = (
    attention,
    contrib,
    contrib_attention,
    contrib_layers,
    control,
    conv,
    elementwise,
    matmul,
    ml,
    movement,
    norm,
    pool,
    quantize,
    recurrent,
    reduce,
    signal,
)
"""Every family module; a test holds this list against the folder."""
