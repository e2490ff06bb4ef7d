"""Optimizing a model: passes that keep the function, the proof that they did, the file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from onnx import ModelProto

from irstat.analyze import Inputs, Model, graph_of
from irstat.errors import ModelError, UsageError
from irstat.graph import Graph
from irstat.onnx_writer import Weights, save, to_model
from irstat.optimize.records import records_of
from irstat.optimize.roles import note_roles, state_roles
from irstat.passes.base import Change
from irstat.passes.sequence import Step, chosen, run_passes
from irstat.verify import Verification
from irstat.verify import verify as compare


@dataclass(slots=True)
class Optimized:
    """A model after the passes, and what they did."""

    original: Graph
    graph: Graph
    steps: Sequence[Step]
    verification: Verification | None = None
    """Whether both compute the same; None if nobody asked."""
    records: Mapping[str, str] = field(default_factory=dict)
    """What the written model says of it, by metadata key."""

    @property
    def changes(self) -> list[Change]:
        """What was done, in order, where a pass says more than a number."""
        return [change for step in self.steps for change in step.result.changes]

    def to_model(self) -> ModelProto:
        """The optimized model in memory."""
        return to_model(self.graph)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False, weights: Weights = "auto") -> None:
        """Write the optimized model; the file is the old one or the new one at any time.

        Args:
            path: of the file.
            overwrite: whether it may be the file the model was read from.
            weights: as for `irstat.save`.

        Raises:
            UsageError: it is the model's own file, and `overwrite` is not given; or it can't be written.
        """
        source = self.original.info.path
        if source is not None and not overwrite and _is_same_file(source, Path(path)):
            raise UsageError(
                f"{path}: is the model that is being optimized; give another name, or say that it may be overwritten"
            )
        save(self.graph, path, weights)


def optimize(
    model: Model,
    *,
    passes: Sequence[str] = (),
    without: Sequence[str] = (),
    verify: bool = True,
    dims: Mapping[str, int] | None = None,
    inputs: Inputs | None = None,
    step: Callable[[str], None] | None = None,
) -> Optimized:
    """Make a model smaller and faster without changing what it computes.

    Args:
        model: as for `irstat.analyze`; it is not changed.
        passes: names of the passes to run, in order; `irstat.passes.sequence.DEFAULT` if there are none.
        without: names of passes to leave out.
        verify: whether to run both models in onnxruntime and compare.
        dims: values of named sizes for that comparison.
        inputs: for a framework's model, what to export it with.
        step: told what is being done.

    Raises:
        ModelError: the model is broken.
        UsageError: there is no such pass.
        PassError: a pass failed.
        MissingWeightsError: weights are needed, for a fold or for the comparison, that are not there.
    """
    names = chosen(passes, without)
    say = step or (lambda text: None)
    say("reading")
    original = graph_of(model, inputs or {})
    graph = original.copy()
    first = names[:1] if names[:1] == ("inline_functions",) else ()
    steps = run_passes(graph, first, say)
    stored = note_roles(graph)
    steps += run_passes(graph, names[len(first) :], say, steps)
    state_roles(graph, stored)
    result = Optimized(original, graph, steps, records=records_of(steps))
    _record(graph, result.records)
    if verify:
        say("verifying")
        try:
            result.verification = compare(original, graph, dims=dims, tensors=True, step=say)
        except (ModelError, UsageError) as error:
            raise type(error)(f"{error} (--no-verify, verify=False, leave the comparison out)") from error
    return result


def _record(graph: Graph, records: Mapping[str, str]) -> None:
    """Write the records into the graph's own copy of what its file says of it."""
    info = graph.info.copy()
    known = {entry.key: entry for entry in info.proto.metadata_props}
    for key, text in records.items():
        entry = known.get(key)
        if entry is None:
            info.proto.metadata_props.add(key=key, value=text)
        else:  # of an earlier run
            entry.value = f"{entry.value}\n{text}"
    graph.set_info(info)


def _is_same_file(left: Path, right: Path) -> bool:
    try:
        return os.path.samefile(left, right)
    except OSError:
        return False
