"""What a random graph may grow by: one function for each kind of node; what does not fit is tried again with something else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from tests.support.random_graphs import DoesNotFitError, Sketch
from tests.support.random_layouts import (
    blocks,
    if_body,
    loop_body,
    pad,
    pool,
    reduction,
    reshape,
    resize,
    selection,
    squeeze,
    transpose,
    window,
)  # fmt: skip

_TRIES = 12


def grow(sketch: Sketch, count: int) -> None:
    """Add about as many nodes."""
    makers, weights = zip(*MAKERS.items(), strict=True)
    for _ in range(count):
        for _ in range(_TRIES):
            try:
                sketch.random.choices(makers, weights)[0](sketch)
            except DoesNotFitError:
                continue
            break


# ---- linear


def conv(sketch: Sketch) -> None:
    x = sketch.tensor((3, 4, 5))
    channels, spatial = sketch.shapes[x][1], len(sketch.shapes[x]) - 2
    group = sketch.random.choice([size for size in (1, 1, 2, 3, channels) if channels % size == 0])
    kernel = tuple(sketch.random.choice((1, 1, 2, 3)) for _ in range(spatial))
    into, out = channels // group, group * sketch.random.choice((1, 1, 2, 3))
    out = channels if sketch.chance(0.3) else out
    inputs = [x, sketch.weight((out, into, *kernel), into * int(np.prod(kernel)))]
    inputs += [sketch.store(sketch.numbers((out,)))] if sketch.chance(0.5) else []
    sketch.add("Conv", inputs, group=group, **window(sketch, spatial, kernel))


def conv_transpose(sketch: Sketch) -> None:
    x = sketch.tensor((3, 4))
    channels, spatial = sketch.shapes[x][1], len(sketch.shapes[x]) - 2
    group = sketch.random.choice([size for size in (1, 2, 3, channels) if channels % size == 0])
    kernel = tuple(sketch.random.choice((1, 2, 3)) for _ in range(spatial))
    out, more = sketch.random.choice((1, 2, 3)), {}
    inputs = [x, sketch.weight((channels, out, *kernel), channels)]
    inputs += [sketch.store(sketch.numbers((out * group,)))] if sketch.chance(0.5) else []
    if sketch.chance(0.4):
        more["strides"] = [sketch.random.choice((1, 2)) for _ in range(spatial)]
    if sketch.chance(0.3):
        more["pads"] = [1 if size == 3 else 0 for size in kernel] * 2
    sketch.add("ConvTranspose", inputs, group=group, **more)


def gemm(sketch: Sketch) -> None:
    x = sketch.tensor((2,))
    left, more = sketch.chance(0.7), {}
    own, other = ("transA", "transB") if left else ("transB", "transA")
    flipped = sketch.chance(0.3)
    inner = sketch.shapes[x][0 if left == flipped else 1]
    outer, rows = sketch.random.choice((1, 2, 3, 4)), sketch.shapes[x][1 if left == flipped else 0]
    shape = (inner, outer) if left else (outer, inner)
    if flipped:
        more[own] = 1
    if sketch.chance(0.4):
        shape, more[other] = shape[::-1], 1
    weight = sketch.weight(shape, inner)
    inputs = [x, weight] if left else [weight, x]
    whole = (rows, outer) if left else (outer, rows)
    if sketch.chance(0.6) or sketch.opset < 11:
        inputs.append(sketch.store(sketch.numbers(sketch.random.choice([(whole[1],), whole, (whole[0], 1), (1, 1), (), (1,)]))))
    elif sketch.chance(0.4):
        inputs.append(sketch.tensor((1, 2)))
    for key, share in (("alpha", 0.3), ("beta", 0.3)):
        if sketch.chance(share):
            more[key] = sketch.random.choice((0.5, 2.0, -1.25, 0.0 if key == "beta" else 1.0))
    sketch.add("Gemm", inputs, **more)


def matmul(sketch: Sketch) -> None:
    x = sketch.tensor((1, 2, 3, 4))
    shape, size = sketch.shapes[x], sketch.random.choice((1, 2, 3, 4))
    left = sketch.chance(0.7)
    inner = shape[-1] if left or len(shape) == 1 else shape[-2]
    weights = [(inner, size) if left else (size, inner)]
    if len(shape) > 2 and sketch.chance(0.3):
        weights = [(shape[-3], *weights[0]), (1, *weights[0]), (2, 1, *weights[0])]
    weight = sketch.store(sketch.numbers((inner,))) if sketch.chance(0.05) else None
    weight = weight or sketch.weight(sketch.random.choice(weights), inner)
    sketch.add("MatMul", [x, weight] if left else [weight, x])


def einsum(sketch: Sketch) -> None:
    if sketch.opset < 12:
        raise DoesNotFitError
    equation, axes = sketch.random.choice(EQUATIONS)
    left, _, right = equation.partition("->")[0].partition(",")
    x = sketch.tensor((len(left),))
    sizes = dict(zip(left, sketch.shapes[x], strict=True))
    shape = tuple(sizes.get(label, axes) for label in right)
    weight = sketch.weight(shape, 3, plain=True)
    if sketch.chance(0.3):
        equation = f"{right},{left}->{equation.partition('->')[2]}"
        sketch.add("Einsum", [weight, x], equation=equation)
    else:
        sketch.add("Einsum", [x, weight], equation=equation)


EQUATIONS = [
    ("abc,cd->abd", 3), ("abc,cd->adb", 2), ("abc,acd->abd", 3), ("abc,bd->adc", 2), ("ab,bc->ac", 3), ("ab,cb->ca", 2),
    ("abcd,de->abce", 3), ("abcd,be->aecd", 3), ("abc,b->abc", 1), ("abc,c->ab", 1), ("abc,de->abde", 2),
]  # fmt: skip


# ---- norms


def batchnorm(sketch: Sketch) -> None:
    x = sketch.tensor((2, 3, 4, 5))
    size = (sketch.shapes[x][1],)
    mean = np.zeros(size) if sketch.chance(0.15) else sketch.numbers(size)
    bias = np.zeros(size) if sketch.chance(0.15) else sketch.numbers(size)
    values = [sketch.away(size), bias, mean, sketch.rng.uniform(0.3, 2.5, size)]
    inputs = [sketch.store(array) for array in values[:3]]
    name = sketch.name("v")
    sketch.stored[name] = values[3].astype(sketch.dtype)  # a variance is not shared with what may be negative
    sketch.add("BatchNormalization", [x, *inputs, name], epsilon=0.013)


def other_norm(sketch: Sketch) -> None:
    kind = sketch.random.choice(["InstanceNormalization", "LayerNormalization", "GroupNormalization"])
    x = sketch.tensor((3, 4))
    shape, more = sketch.shapes[x], {"epsilon": 0.05}
    if (kind == "LayerNormalization" and sketch.opset < 17) or (kind == "GroupNormalization" and sketch.opset < 21):
        raise DoesNotFitError
    size: tuple[int, ...] = (shape[1],)
    if kind == "LayerNormalization":
        more["axis"] = sketch.random.choice((-1, 1, -2))
        size = shape[more["axis"] :]
    if kind == "GroupNormalization":
        more["num_groups"] = sketch.random.choice([one for one in (1, 2, 3) if shape[1] % one == 0])
    inputs = [x, sketch.store(sketch.away(size)), sketch.store(sketch.numbers(size))]
    sketch.add(kind, inputs[:2] if kind == "LayerNormalization" and sketch.chance(0.3) else inputs, **more)


# ---- arithmetic with constants


def _constant_shape(sketch: Sketch, shape: tuple[int, ...]) -> tuple[int, ...]:
    """By channel, by another axis, one number, or one for each element."""
    kind, rank = sketch.random.random(), len(shape)
    if kind < 0.25 or not rank:
        return sketch.random.choice([(), (1,), (1,) * rank])
    if kind < 0.9:
        axis = 1 if rank > 1 and sketch.chance(0.7) else sketch.random.randrange(rank)
        found = tuple(size if place == axis else 1 for place, size in enumerate(shape))
        return found[axis:] if sketch.chance(0.5) else found
    if kind < 0.95:
        return shape
    return (2, *shape) if kind < 0.97 and rank < 5 else tuple(size if sketch.chance(0.5) else 1 for size in shape)


def arithmetic(sketch: Sketch) -> None:
    x = sketch.tensor()
    shape = _constant_shape(sketch, sketch.shapes[x])
    op_type = sketch.random.choices(["Mul", "Add", "Sub", "Div", "Neg", "Sum"], [6, 6, 3, 2, 1, 1])[0]
    if op_type == "Neg":
        sketch.add("Neg", [x])
        return
    divides = op_type == "Div"
    constant = sketch.away(shape) if op_type in ("Mul", "Div") else sketch.numbers(shape)
    name = sketch.name("c")
    sketch.stored[name] = constant.astype(sketch.dtype)
    swapped = sketch.chance(0.35) and not divides
    sketch.add(op_type, [name, x] if swapped else [x, name])


def chain(sketch: Sketch) -> None:
    """A batch norm written out."""
    for _ in range(sketch.random.choice((2, 3, 4))):
        arithmetic(sketch)


# ---- joins, functions


def join(sketch: Sketch) -> None:
    x = sketch.tensor()
    shape = sketch.shapes[x]
    kind = sketch.random.choices(["Add", "Sub", "Sum", "Mean", "Max", "Min", "Mul", "Concat", "Where", "Div"], JOINS)[0]
    if kind == "Concat":
        axis = sketch.random.randrange(len(shape))
        fits = [name for name, other in sketch.shapes.items() if _alike(other, shape, axis)]
        operands = [x, *(sketch.random.choice(fits) for _ in range(sketch.random.choice((1, 1, 2))))]
        if sketch.chance(0.15):
            operands.append(sketch.store(sketch.numbers(shape)))
        sketch.random.shuffle(operands)
        sketch.add("Concat", operands, axis=axis)
        return
    fits = [
        name for name, other in sketch.shapes.items() if other == shape or (sketch.chance(0.2) and len(other) <= len(shape))
    ]
    y = fits[-1 - int(len(fits) * sketch.random.random() ** 2)]
    if kind == "Where":
        sketch.add("Where", [sketch.store(sketch.rng.random(shape) < 0.5), x, y])
    elif kind == "Div":
        sketch.add("Div", [x, sketch.add("Sigmoid", [y])])
    else:
        more = [sketch.store(sketch.numbers(shape))] if kind in ("Sum", "Mean", "Max", "Min") and sketch.chance(0.3) else []
        sketch.add(kind, [x, y, *more] if sketch.chance(0.5) else [y, x, *more])


JOINS = [5, 2, 1, 1, 1, 1, 2, 5, 1, 0.5]


def _alike(left: tuple[int, ...], right: tuple[int, ...], axis: int) -> bool:
    pairs = enumerate(zip(left, right, strict=False))
    return len(left) == len(right) and all(one == other or place == axis for place, (one, other) in pairs)


def function(sketch: Sketch) -> None:
    kind = sketch.random.choice(["Relu", "LeakyRelu", "Sigmoid", "Tanh", "Abs", "PRelu", "Identity", "Dropout", "Softplus"])
    x = sketch.tensor()
    if kind == "PRelu":
        slope = sketch.store(sketch.away((sketch.shapes[x][-1],))) if sketch.chance(0.7) else x
        sketch.add("PRelu", [x, slope])
    else:
        sketch.add(kind, [x])


def cast(sketch: Sketch) -> None:
    """To a wider type, something there, and back."""
    if sketch.dtype != "float32":
        raise DoesNotFitError
    x = sketch.tensor()
    wide = sketch.add("Cast", [x], computed=False, to=TensorProto.DOUBLE)
    shape = sketch.shapes[x]
    by = sketch.name("d")
    sketch.stored[by] = sketch.away(tuple(size if axis == 1 else 1 for axis, size in enumerate(shape)))
    wide = sketch.add("Mul", [wide, by], computed=False)
    sketch.add("Cast", [wide], to=TensorProto.FLOAT)


MAKERS: dict[Callable[[Sketch], None], float] = {
    conv: 10, conv_transpose: 3, gemm: 5, matmul: 4, einsum: 2, batchnorm: 12, other_norm: 1.5, arithmetic: 10, chain: 4,
    transpose: 3, reshape: 3, squeeze: 2, selection: 5, blocks: 1, resize: 1, pad: 3, pool: 4, reduction: 2.5, join: 8,
    function: 5, cast: 0.7, if_body: 0.7, loop_body: 0.4,
}  # fmt: skip
"""What may come next, and how often."""
