"""Operators of ai.onnx that move, select, generate or describe data.

A view moves nothing: its output is its input's memory under another shape. What copies reads and writes what it copies:
Gather reads the rows it takes, not the table. Source: the operators' definitions.
"""

from __future__ import annotations

from collections.abc import Mapping

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op
from irstat.cost.registry import first_passed_on, free, rule, stopped, summed, view

_MOVES, _CONVERTS = "moves data", "converts values, no arithmetic"
_GENERATES, _ASKS = "generates data", "reads the shape only"

view(
    {
        **dict.fromkeys(("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"), "view"),
        **dict.fromkeys(("Optional", "OptionalGetElement"), "wraps a value"),
        "BitCast": "view of the same bits",
    },
    owner=__name__,
)
free(
    {
        **dict.fromkeys(("Transpose", "Split", "ReverseSequence", "Trilu", "CenterCropPad", "Compress", "NonZero"), _MOVES),
        "Cast": _CONVERTS,
        **dict.fromkeys(("Constant", "ConstantOfShape"), _GENERATES),
        **dict.fromkeys(
            (
                "SequenceConstruct",
                "SequenceEmpty",
                "SequenceInsert",
                "SequenceErase",
                "SequenceAt",
                "SplitToSequence",
                "ConcatFromSequence",
            ),
            "handles a sequence",
        ),
        **dict.fromkeys(("StringConcat", "StringNormalizer", "StringSplit", "RegexFullMatch"), "text, no arithmetic"),
    },
    owner=__name__,
)
free(
    {
        **dict.fromkeys(
            ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"),
            "random numbers; the generator is the runtime's own",
        ),
        "EyeLike": _GENERATES,
    },
    owner=__name__,
    gradients=stopped,
)
free({"CastLike": _CONVERTS}, owner=__name__, gradients=first_passed_on)
free({"Concat": _MOVES}, owner=__name__, affine=range(64))
free({"Where": "selects, no arithmetic"}, owner=__name__, affine=range(64), gradients=summed)
free({"Expand": _MOVES, "Tile": _MOVES}, owner=__name__, gradients=summed)


def padding(op: Op) -> Mapping[int, Gradient]:
    """What is repeated beyond the border (every mode but `constant`) sums its gradients."""
    if op.attr("mode", "constant") == "constant":
        return first_passed_on(op)
    return {slot: gradient for slot, gradient in summed(op).items() if slot == 0}


free({"Pad": _MOVES}, owner=__name__, gradients=padding)


@rule("Shape", "Size", "SequenceLength", "OptionalHasElement")
def describe(op: Op) -> Work:
    """Reads no element of its input."""
    return Work(read=0, basis="free", note=_ASKS)


@rule("Slice")
def slice_(op: Op) -> Work:
    """Reads and writes what it keeps."""
    output = op.output()
    return Work(gradients={0: Gradient()}, read=output.bytes, basis="free", note=_MOVES)


def gather_work(op: Op, data: int = 0, indices: int = 1) -> Work:
    """Reads the rows it takes and the indices; the gradient adds each row back into the table."""
    read = op.output().bytes + op.input(indices).bytes
    return Work(gradients={data: Gradient(Arithmetic(other=op.out), (f"i{indices}",))}, read=read, basis="free", note=_MOVES)


@rule("Gather", params=(0,))
def gather(op: Op) -> Work:
    """Takes slices along an axis; the data is a table of embeddings if it is constant."""
    return gather_work(op)


@rule("GatherElements", "GatherND")
def gather_elements(op: Op) -> Work:
    """Takes elements or slices by index."""
    return gather_work(op)


@rule("ScatterElements", "Scatter", "ScatterND")
def scatter(op: Op) -> Work:
    """A copy of the data with updates put in; with `reduction`, one operation for each update. Gradients gather."""
    updates = op.input(2)
    reduces = op.attr("reduction", "none") != "none"
    return Work(
        Arithmetic(other=updates.elements if reduces else 0),
        {0: Gradient(Arithmetic(), ("i1",)), 2: Gradient(Arithmetic(), ("i1",))},
        basis="exact" if reduces else "free",
        note="" if reduces else _MOVES,
    )


@rule("TensorScatter")
def tensor_scatter(op: Op) -> Work:
    """Writes the update into the cache in place: what it reads and writes is the update."""
    update = op.input(1)
    indices = op.inputs[2].bytes if len(op.inputs) > 2 and op.inputs[2] is not None else 0
    return Work(
        gradients={0: Gradient(), 1: Gradient()}, read=update.bytes + indices, written=update.bytes, basis="free", note=_MOVES
    )


@rule("OneHot")
def one_hot(op: Op) -> Work:
    """Fills with one value, puts the other where the indices say."""
    return Work(basis="free", note=_GENERATES)


@rule("Range")
def range_(op: Op) -> Work:
    """start + i delta: a multiply and an add an element."""
    return Work(Arithmetic(other=2 * op.out))


@rule("Dropout")
def dropout(op: Op) -> Work:
    """At inference a view. In training: a random number compared with the ratio, a mask and a scale, 3 an element; the mask
    (1 byte an element) is kept and applied with the scale backward."""
    if op.version < 12 or not op.number(2):
        return Work(gradients={0: Gradient()}, read=0, written=0, basis="free", note="inference: passes its input through")
    elements = op.out
    return Work(Arithmetic(other=3 * elements), {0: Gradient(Arithmetic(other=2 * elements))}, kept_bytes=elements)


@rule("TfIdfVectorizer")
def tf_idf(op: Op) -> Work:
    """Each n-gram of the input is looked up and counted; weights are one multiply an output element."""
    lookups = op.input(0).elements * max(int(op.attr("max_gram_length", 1)) - int(op.attr("min_gram_length", 1)) + 1, 1)
    weights = op.out if op.attr("mode") in ("IDF", "TFIDF") else 0
    return Work(
        Arithmetic(other=lookups + weights), basis="approximate", note="one operation a lookup; matches depend on the data"
    )
