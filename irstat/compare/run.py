"""Comparing two models: open both, make sizes equal, read layers, pair them, say what differs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from irstat.analyze import Inputs, Model
from irstat.compare.align import align
from irstat.compare.comparison import Comparison
from irstat.compare.differences import differences
from irstat.compare.effects import Place, effects
from irstat.compare.groups import grouped
from irstat.compare.pairing import Pairing
from irstat.compare.remarks import remarks_on
from irstat.compare.side import Opened
from irstat.compare.sizes import equal_sizes


def compare(  # noqa: PLR0913 # options, by name only
    a: Model,
    b: Model,
    *,
    dims: Mapping[str, int] | None = None,
    inputs_a: Inputs | None = None,
    inputs_b: Inputs | None = None,
    names: tuple[str, str] = ("", ""),
    transfer: bool = False,
    transfer_output: str | os.PathLike[str] | None = None,
    step: Callable[[str], None] | None = None,
) -> Comparison:
    """Are two models the same network, and where do they differ?

    Layers are compared by what they do, not by name or by how a framework writes them. Sizes that one model leaves free are
    those of the other; what both leave free gets a default, which `Comparison.remarks` says.

    Args:
        a: a model as for `irstat.analyze`; it is not changed.
        b: the other one.
        dims: values of named sizes of the inputs; each counts for the models that have it.
        inputs_a: shapes that replace those of A, as for `irstat.analyze`.
        inputs_b: the same for B.
        names: of the models in reports; those of the files if empty.
        transfer: whether to carry the weights of A over into B and run both on the same inputs in onnxruntime;
            `Comparison.transfer` then says whether they give out the same, and where they part.
        transfer_output: a file to write B with the weights of A to; implies `transfer`.
        step: told what is being done, for a progress display.

    Raises:
        ModelError: a model is broken; with `transfer`, onnxruntime can't run A.
        MissingWeightsError: with `transfer`, weights are in a file that is not there.
        UsageError: neither model has a size of a name; a model has no input of a name; `transfer_output` can't be written.
        ShapeError: a model does not fit together at the sizes asked for.
    """
    say = step or (lambda text: None)
    say("reading")
    opened = [Opened(a, inputs_a or {}, say), Opened(b, inputs_b or {}, say)]
    sizes = equal_sizes(opened[0].sizes, opened[1].sizes, dims or {})
    left, right = opened[0].at(sizes.a, names[0]), opened[1].at(sizes.b, names[1])
    say("aligning")
    places = _places(align(left.layers, right.layers))
    if any(place.layer.family == "attention" and place.status.startswith("only") for place in places):
        written = opened[0].written_out(left), opened[1].written_out(right)  # a change inside of attention
        more = _places(align(written[0].layers, written[1].layers))
        if _differing(more) < _differing(places):
            (left, right), places = written, more
    found = effects(places)
    places = [replace(place, effect=found[number]) if number in found else place for number, place in enumerate(places)]
    remarks = (*remarks_on(left.layers, right.layers, places), *sizes.remarks)
    proof = None
    if transfer or transfer_output is not None:
        from irstat.compare.transfer.run import transfer as run_transfer

        proof = run_transfer(left, right, places, output=transfer_output, say=say)
    return Comparison(left, right, (sizes.a, sizes.b), tuple(places), tuple(grouped(places)), remarks, proof)


def _differing(places: Sequence[Place]) -> int:
    return sum(place.status != "same" for place in places)


def _places(pairing: Pairing) -> list[Place]:
    """Every layer once: in the order of A, and one that only B has before the next that both have."""
    places: list[Place] = []
    pending = 0
    order = [layer.index for layer in pairing.b.layers]
    for layer in pairing.a.layers:
        partner = pairing.to_b.get(layer.index)
        if partner is None:
            places.append(Place(layer, None))
            continue
        while pending < len(order) and order[pending] <= partner:
            if order[pending] not in pairing.to_a:
                places.append(Place(None, pairing.b[order[pending]]))
            pending += 1
        places.append(Place(layer, pairing.b[partner], differences(pairing, layer.index, partner)))
    places += [Place(None, pairing.b[index]) for index in order[pending:] if index not in pairing.to_a]
    return places
