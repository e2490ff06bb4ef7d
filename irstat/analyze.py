"""The data flow: model -> graph -> shapes -> normalized graph -> costs -> report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onnx import ModelProto

from irstat.convert import ExportOptions, InputSpec, convert
from irstat.cost.conventions import check_convention, counted_by
from irstat.cost.conventions.subject import Folded, Subject, Vanished, folded_products, vanishing_layers
from irstat.cost.memory import Memory, activation_memory
from irstat.cost.model import MISFIT, CostModel, Priced
from irstat.cost.roles import assign_roles
from irstat.cost.totals import totals, unpriced
from irstat.errors import ShapeError, UsageError
from irstat.formulas import Counts, Formulas, find_formulas
from irstat.graph import Graph, Role
from irstat.limits import largest_limit
from irstat.model_info import Scratch
from irstat.onnx_reader import load
from irstat.passes import (
    CaptureInvariants,
    FoldConstants,
    InlineFunctions,
    RemoveDead,
    RemoveIdentity,
    RemoveZeroBias,
    RestoreBatchnorm,
    RestoreGelu,
    RestoreHardswish,
    RestoreLayernorm,
    RestoreSilu,
)
from irstat.passes.restore import Proofs
from irstat.polynomial import Count, Polynomial, maximum
from irstat.report.report import COLUMNS, ModelSummary, Report, UnknownShape, cost_column
from irstat.shapes.binding import Sizes
from irstat.shapes.facts import Facts, apply
from irstat.shapes.infer import ShapeInference

Model = Any
"""Path, bytes, `ModelProto`, `Graph`, or an object of a framework that a converter takes."""
Inputs = Mapping[str, Sequence[int | str] | InputSpec]


def analyze(  # noqa: PLR0913 # options, by name only
    model: Model,
    *,
    dims: Mapping[str, int] | None = None,
    inputs: Inputs | None = None,
    train: bool = False,
    input_gradients: bool = False,
    convention: str | None = None,
    raw: bool = False,
    step: Callable[[str], None] | None = None,
) -> Report:
    """What a model costs: arithmetic forward and backward, parameters, bytes moved and stored, activation memory.

    Args:
        model: path of an `.onnx` file, its content, a `ModelProto` or a `Graph`; or what an installed converter takes: a
            `torch.nn.Module`, a Keras model, the path of a `.keras` file … It is not changed.
        dims: values of named sizes of the inputs, `{"batch": 1}`. Counts are formulas in the sizes left out.
        inputs: shapes that replace those of the file, `{"x": (1, 3, 224, 224)}`; a string in a shape names a size. For a
            framework's model, what to export it with; an `InputSpec` says the element type too.
        train: whether text reports show the backward pass. The counts are in the report either way.
        input_gradients: whether the loss is differentiated with respect to the inputs too.
        convention: another tool, by its name in `irstat.cost.conventions.CONVENTIONS`; `Report.counted` then says what that
            one would count.
        raw: whether operators that an exporter decomposed stay as they are in the file. What computes nothing on data
            (constants, shape arithmetic, Identity, unused nodes) is left out either way.
        step: told what is being done, for a progress display.

    Raises:
        ModelError: the model is broken.
        UsageError: `dims` or `inputs` name something that the model does not have; there is no such convention, or sizes are
            free that it needs.
        ShapeError: the model does not fit together at the sizes asked for.
    """
    say = step or _silent
    if convention is not None:
        check_convention(convention)
    say("reading")
    graph, overrides = opened(model, inputs or {})
    study = Study(graph, overrides, input_gradients, say, raw)
    sizes = study.sizes.resolve(dims or {})
    free = [name for name in study.sizes.names if name not in sizes]
    if free:
        if convention is not None:
            options = " --dim ".join(f"{name}=…" for name in free)
            raise UsageError(f"convention '{convention}' needs every size bound: give --dim {options}")
        return study.report_with_formulas(sizes, free, train)
    point = study.at(sizes, graph)
    if dims or inputs:
        check_fit(point, "these sizes")
    report = study.report(point, sizes, train)
    if convention is not None:
        report.convention = convention
        subject = Subject(point.graph, point.priced.costs, point.priced.constants, point.vanished, point.folded)
        report.counted = counted_by(convention, subject)
    return report


def check_fit(point: Point, sizes: str) -> None:
    """Raise `ShapeError` if the model does not fit together at the sizes it was evaluated at."""
    misfits = {name: cost.note for name, cost in point.priced.costs.items() if cost.note.startswith(MISFIT)}
    for node, problem in {**point.facts.problems, **misfits}.items():
        raise ShapeError(f"{point.graph.info.name} does not fit together at {sizes}: node '{node}': {problem}")


def opened(model: Any, inputs: Inputs) -> tuple[Graph, Mapping[str, Sequence[int | str]]]:
    """The model as a graph of its own that may be changed, and the shapes that are still to replace the graph's.

    Functions are inlined, loops use what never changes directly. A framework's model is exported with `inputs`.
    """
    shapes = {name: spec.shape if isinstance(spec, InputSpec) else tuple(spec) for name, spec in inputs.items()}
    graph = graph_of(model, inputs)
    InlineFunctions().run(graph)
    CaptureInvariants().run(graph)
    return graph, shapes if isinstance(model, Graph) or _is_onnx(model) else {}


def graph_of(model: Any, inputs: Inputs) -> Graph:
    """The model as a graph of its own that may be changed, as its file has it; a framework's is exported with `inputs`."""
    if isinstance(model, Graph):
        return model.copy()
    return load(model) if _is_onnx(model) else _converted(model, inputs)


def _is_onnx(model: Any) -> bool:
    if isinstance(model, str | os.PathLike):
        path = Path(model)
        return path.suffix.lower() == ".onnx" or not path.exists()
    return isinstance(model, bytes | ModelProto)


def _converted(model: Any, inputs: Inputs) -> Graph:
    """A framework's model as a graph whose weights are there as long as the graph is."""
    specs = {name: spec if isinstance(spec, InputSpec) else InputSpec(tuple(spec)) for name, spec in inputs.items()}
    source = Path(model) if isinstance(model, str | os.PathLike) else model
    folder = Scratch()
    target = folder.path / f"{source.stem if isinstance(source, Path) else type(source).__name__}.onnx"
    convert(source, target, ExportOptions(specs))
    graph = load(target)
    graph.info.folder = folder
    return graph


def _silent(step: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Point:
    """A model with all its sizes bound."""

    graph: Graph
    facts: Facts
    priced: Priced
    memory: Memory
    totals: Mapping[str, int]
    vanished: tuple[Vanished, ...] = ()
    """Layers that do nothing at inference, and left no node."""
    folded: tuple[Folded, ...] = ()
    """Products of constants, which became constants."""


class Study:
    """One model, to be evaluated at several sizes; what was learnt at one serves the next."""

    def __init__(
        self,
        graph: Graph,
        inputs: Mapping[str, Sequence[int | str]],
        input_gradients: bool = False,
        step: Callable[[str], None] = _silent,
        raw: bool = False,
    ) -> None:
        self.graph = graph
        self._step = step
        self.sizes = Sizes(graph, inputs)
        self._input_gradients = input_gradients
        self._raw, self._proofs = raw, Proofs()
        self._shapes = ShapeInference()
        self._costs = CostModel(self._shapes)

    def at(self, sizes: Mapping[str, int], graph: Graph | None = None) -> Point:
        """The model at some sizes.

        Args:
            sizes: by identifier.
            graph: a copy of the study's graph that may be used up; None to make one.
        """
        graph = graph if graph is not None else self.graph.copy()
        self._step("inferring shapes")
        binding = self.sizes.bind(sizes)
        facts = self._shapes.infer(graph, binding.input_types, binding.sizes, trust_stated=not binding.overridden)
        apply(graph, facts)
        vanished, folded = vanishing_layers(graph), folded_products(graph, facts.constants)
        roles = assign_roles(graph, facts)
        if not self._raw and restore_operators(graph, roles, self._proofs) and facts.reasons:
            # an operator that ONNX doesn't know, put back, has a shape, and so has what follows it
            facts = self._shapes.infer(graph, binding.input_types, binding.sizes, trust_stated=not binding.overridden)
            apply(graph, facts)
            restore_operators(graph, roles, self._proofs)
        normalize(graph, facts, roles)
        self._step("counting")
        priced = self._costs.price(graph, input_gradients=self._input_gradients)
        memory = activation_memory(graph, priced)
        return Point(graph, facts, priced, memory, totals(priced, memory), vanished, folded)

    def report(self, point: Point, sizes: Mapping[str, int], train: bool) -> Report:
        """The report of one point."""
        types = {node.name: node.qualified_type for node in point.graph.nodes()}
        return Report(
            model=summary(point.graph),
            dims=dict(sizes),
            totals=point.totals,
            graph=point.graph,
            costs=point.priced.costs,
            constants=point.priced.constants,
            memory=point.memory,
            unpriced=unpriced(point.priced.costs, types),
            unknown_shapes=unknown_shapes(point.graph),
            warnings=tuple(f"node '{node}': {problem}" for node, problem in point.facts.problems.items()),
            train=train,
        )

    def report_with_formulas(self, sizes: Mapping[str, int], free: Sequence[str], train: bool) -> Report:
        """The report while sizes are free: every count a formula in them."""

        def evaluate(values: Mapping[str, int]) -> tuple[Counts, int]:
            point = self.at({**sizes, **values})
            return counts(point), len(point.facts.problems)

        found = find_formulas(free, evaluate, beyond=largest_limit(self.graph))
        point = self.at({**sizes, **found.anchor})
        report = self.report(point, sizes, train)
        report.anchor = found.anchor
        report.unknown_shapes = [replace(unknown, bound=None) for unknown in report.unknown_shapes]
        report.formulas = {key: value for key, value in found.counts.items() if key[0] not in (TOTAL, LIVE)}
        report.totals = {name: found.counts[TOTAL, name] for name in point.totals}
        report.totals["peak_activation_bytes"] = _peak(found, tuple(free))
        ties = tuple(f"size '{a}' must equal '{b}' for the model to fit together" for a, b in found.tied.items())
        report.warnings = (*report.warnings, *ties)
        return report


TOTAL, LIVE = 0, 1
"""First part of the keys of totals and of live bytes among counts; those of nodes and tensors start with a name."""


def _peak(found: Formulas, names: tuple[str, ...]) -> Count:
    """The peak as the largest of the live bytes of all steps: the step at which it is may change with the sizes."""
    steps: list[Polynomial | int] = []
    for key, count in found.counts.items():
        if key[0] == LIVE:
            if not isinstance(count, int | Polynomial):
                return count
            steps.append(count)
    return maximum(steps, names)


def normalize(graph: Graph, facts: Facts, roles: Mapping[str, Role] | None = None) -> None:
    """Constants become tensors, shape arithmetic folds away, what passes its input through or is not used goes.

    Args:
        graph: shapes inferred and written into it.
        facts: that inference found.
        roles: of stored constants; None to find them.
    """
    FoldConstants(facts, assign_roles(graph, facts) if roles is None else roles).run(graph)
    RemoveZeroBias().run(graph)
    RemoveIdentity(only_copies=True).run(graph)
    RemoveDead(results_and_functions=False).run(graph)


def restore_operators(graph: Graph, roles: dict[str, Role], proofs: Proofs) -> int:
    """Put back what exporters decomposed; returns how many operators were.

    Args:
        graph: shapes inferred and written into it.
        roles: of stored constants, found before; brought up to date.
        proofs: what is known already.
    """
    activations = (RestoreGelu(proofs), RestoreSilu(proofs), RestoreHardswish(proofs))
    passes = (*activations, RestoreLayernorm(roles, proofs), RestoreBatchnorm(roles, proofs))
    return sum(each.run(graph).changed for each in passes)


def counts(point: Point) -> dict[tuple[Any, Any], int | None]:
    """Everything that gets a formula: totals, columns of nodes, dims of tensors."""
    found: dict[tuple[Any, Any], int | None] = {(TOTAL, name): value for name, value in point.totals.items()}
    for step, live in enumerate((point.memory.start_bytes, *point.memory.steps[1])):
        found[LIVE, step] = live
    for name, cost in point.priced.costs.items():
        for column in COLUMNS:
            found[name, column] = cost_column(cost, column)
    for tensor in point.graph.tensors():
        for axis, dim in enumerate(tensor.shape or ()):
            if isinstance(dim, int):
                found[tensor.name, axis] = dim
    return found


def unknown_shapes(graph: Graph) -> list[UnknownShape]:
    """Tensors of the graph whose size is not known, with the reason."""
    return [
        UnknownShape(tensor.name, tensor.reason, tensor.bound)
        for tensor in graph.tensors()
        if tensor.reason and graph.is_used(tensor.name)
    ]


def summary(graph: Graph) -> ModelSummary:
    """What a report says of the model itself."""
    info = graph.info
    producer = " ".join(filter(None, (info.proto.producer_name, info.proto.producer_version)))
    path = None if info.path is None else str(info.path)
    return ModelSummary(path, info.name, producer, dict(info.opsets), info.proto.ir_version)


__all__ = ["Count", "Model", "Point", "Study", "analyze", "counts", "normalize", "opened", "summary", "unknown_shapes"]
