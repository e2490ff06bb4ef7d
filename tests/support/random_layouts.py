"""What a random graph may grow by: layout changes, selections, pads, pools, reductions, bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper

from tests.support.random_graphs import TYPES, Sketch


def window(sketch: Sketch, spatial: int, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Strides, dilations, pads or auto_pad."""
    pick, found = sketch.random.choice, {}
    if sketch.chance(0.25):
        found["strides"] = [pick((1, 2)) for _ in range(spatial)]
    if sketch.chance(0.2):
        found["dilations"] = [pick((1, 2)) for _ in range(spatial)]
    if sketch.chance(0.5):
        found["pads"] = [pick((0, 1, 1)) if sizes[axis % spatial] > 1 else 0 for axis in range(2 * spatial)]
    elif sketch.chance(0.3):
        found["auto_pad"] = pick(("SAME_UPPER", "SAME_LOWER", "VALID"))
    return found


# ---- layout


def transpose(sketch: Sketch) -> None:
    x = sketch.tensor()
    perm = list(range(len(sketch.shapes[x])))
    sketch.random.shuffle(perm)
    sketch.add("Transpose", [x], **({} if sketch.chance(0.1) else {"perm": perm}))


def reshape(sketch: Sketch) -> None:
    x = sketch.tensor()
    shape = list(sketch.shapes[x])
    if sketch.chance(0.3):
        sketch.add("Flatten", [x], axis=sketch.random.randint(0, len(shape)))
        return
    for _ in range(sketch.random.choice((1, 1, 2))):
        place = sketch.random.randrange(len(shape))
        factors = [size for size in (2, 3) if shape[place] % size == 0]
        if factors and sketch.chance(0.4) and len(shape) < 5:
            shape[place : place + 1] = [factors[0], shape[place] // factors[0]]
        elif place + 1 < len(shape) and sketch.chance(0.7):
            shape[place : place + 2] = [shape[place] * shape[place + 1]]
        elif len(shape) < 5:
            shape.insert(place, 1)
    if sketch.chance(0.5):
        shape[sketch.random.randrange(len(shape))] = -1
    shape = [0 if place < len(sketch.shapes[x]) and size == sketch.shapes[x][place] and sketch.chance(0.4) else size
             for place, size in enumerate(shape)]  # fmt: skip
    sketch.add("Reshape", [x, sketch.integers(shape)])


def _with_axes(sketch: Sketch, op_type: str, x: str, axes: list[int], since: int, **more: Any) -> str:
    if sketch.opset < since:
        return sketch.add(op_type, [x], axes=axes, **more)
    return sketch.add(op_type, [x, sketch.integers(axes)], **more)


def squeeze(sketch: Sketch) -> None:
    x = sketch.tensor()
    ones = [axis for axis, size in enumerate(sketch.shapes[x]) if size == 1]
    if ones and sketch.chance(0.6):
        if sketch.chance(0.2):
            sketch.add("Squeeze", [x])
        else:
            _with_axes(sketch, "Squeeze", x, [sketch.random.choice(ones)], 13)
    elif len(sketch.shapes[x]) < 5:
        _with_axes(sketch, "Unsqueeze", x, [sketch.random.randint(0, len(sketch.shapes[x]))], 13)


def selection(sketch: Sketch) -> None:
    x = sketch.tensor()
    axis = sketch.random.randrange(len(sketch.shapes[x]))
    size = sketch.shapes[x][axis]
    given = axis - len(sketch.shapes[x]) if sketch.chance(0.3) else axis
    kind = sketch.random.choice(["Slice", "Slice", "Split", "Gather", "Tile", "Expand"])
    if kind == "Slice":
        step = sketch.random.choice((1, 1, 2, -1, -2))
        ends = (
            sketch.random.randint(-size, size),
            sketch.random.choice((size, 9999, -9999, sketch.random.randint(-size, size))),
        )
        inputs = [sketch.integers([ends[0]]), sketch.integers([ends[1]]), sketch.integers([given]), sketch.integers([step])]
        sketch.add("Slice", [x, *inputs])
    elif kind == "Split" and size > 1:
        first = sketch.random.randint(1, size - 1)
        if sketch.opset < 13:
            sketch.add("Split", [x], outputs=2, axis=given, split=[first, size - first])
        else:
            sketch.add("Split", [x, sketch.integers([first, size - first])], outputs=2, axis=given)
    elif kind == "Gather":
        shape = sketch.random.choice([(), (2,), (3,), (size,), (2, 2)])
        sketch.add("Gather", [x, sketch.integers(sketch.rng.integers(-size, size, shape))], axis=given)
    elif kind == "Tile":
        repeats = [sketch.random.choice((1, 1, 2)) for _ in sketch.shapes[x]]
        sketch.add("Tile", [x, sketch.integers(repeats)])
    else:
        target = [3 if one == 1 and sketch.chance(0.5) else one for one in sketch.shapes[x]]
        target = [2, *target] if sketch.chance(0.2) and len(target) < 5 else target
        sketch.add("Expand", [x, sketch.integers(target)])


def blocks(sketch: Sketch) -> None:
    x, kind = sketch.tensor((4,)), sketch.random.choice(["DepthToSpace", "SpaceToDepth"])
    mode = {"mode": sketch.random.choice(("DCR", "CRD"))} if kind == "DepthToSpace" else {}
    sketch.add(kind, [x], blocksize=2, **mode)


def resize(sketch: Sketch) -> None:
    x = sketch.tensor((3, 4))
    scales = [1.0, 1.0] + [sketch.random.choice((1.0, 2.0, 0.5)) for _ in sketch.shapes[x][2:]]
    mode = sketch.random.choice(("nearest", "linear"))
    name = sketch.name("s")
    sketch.stored[name] = np.array(scales, np.float32)
    sketch.add("Resize", [x, "", name], mode=mode, coordinate_transformation_mode="asymmetric")


def pad(sketch: Sketch) -> None:
    x, rank = sketch.tensor(), 0
    rank = len(sketch.shapes[x])
    amounts = [sketch.random.choice((0, 0, 0, 1)) if rank > 3 and axis % rank < 2 else sketch.random.choice((0, 0, 1, 1, -1))
               for axis in range(2 * rank)]  # fmt: skip
    mode = sketch.random.choices(["constant", "edge", "reflect"], [6, 1, 1])[0]
    inputs = [x, sketch.integers(amounts)]
    if mode == "constant" and sketch.chance(0.4):
        inputs.append(sketch.store(np.array(sketch.random.choice((0.0, 0.7, -1.5)))))
    if sketch.opset >= 18 and sketch.chance(0.3):
        axes = sketch.random.sample(range(-rank, 0), min(rank, 2))
        inputs = [x, sketch.integers(amounts[: 2 * len(axes)]), inputs[2] if len(inputs) > 2 else "", sketch.integers(axes)]
    sketch.add("Pad", inputs, mode=mode)


# ---- pools, reductions


def pool(sketch: Sketch) -> None:
    x = sketch.tensor((3, 4, 5))
    spatial, kind = len(sketch.shapes[x]) - 2, sketch.random.choice(["AveragePool", "MaxPool", "Global"])
    if kind == "Global":
        sketch.add(sketch.random.choice(["GlobalAveragePool", "GlobalMaxPool"]), [x])
        return
    kernel = [sketch.random.choice((1, 2, 2, 3)) for _ in range(spatial)]
    kernel = [min(pair) for pair in zip(kernel, sketch.shapes[x][2:], strict=True)]  # onnxruntime takes larger ones
    more = window(sketch, spatial, tuple(kernel))
    more.pop("dilations", None)
    if kind == "AveragePool":
        more["count_include_pad"] = sketch.random.choice((0, 1))
    if sketch.chance(0.25) and "auto_pad" not in more:
        more["ceil_mode"] = 1
    sketch.add(kind, [x], kernel_shape=kernel, **more)


def reduction(sketch: Sketch) -> None:
    x = sketch.tensor((2, 3, 4, 5))
    kind = sketch.random.choice(["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"])
    axes = sketch.random.sample(range(-len(sketch.shapes[x]), 0), sketch.random.choice((1, 1, 2)))
    keeps = sketch.random.choice((0, 1))
    since = 13 if kind == "ReduceSum" else 18
    if sketch.opset >= since and sketch.chance(0.12):
        sketch.add(kind, [x], keepdims=keeps, noop_with_empty_axes=sketch.random.choice((0, 1)))
    else:
        _with_axes(sketch, kind, x, axes, since, keepdims=keeps)


# ---- bodies


def _same_shape(sketch: Sketch, name: str) -> str:
    """A few nodes that keep the shape; the last result."""
    shape = sketch.shapes[name]
    for _ in range(sketch.random.choice((1, 2, 3))):
        kind = sketch.random.choice(("arithmetic", "arithmetic", "Relu", "linear"))
        if kind == "Relu":
            name = sketch.add("Relu", [name])
        elif kind == "linear" and len(shape) > 2 and sketch.dtype == "float32":
            name = sketch.add("Conv", [name, sketch.weight((shape[1], shape[1], *(1,) * (len(shape) - 2)), shape[1], True)])
        elif kind == "linear":
            name = sketch.add("MatMul", [name, sketch.weight((shape[-1], shape[-1]), shape[-1], True)])
        else:
            by = tuple(size if axis == 1 else 1 for axis, size in enumerate(shape))
            name = sketch.add(sketch.random.choice(("Mul", "Add")), [name, sketch.store(sketch.away(by))])
    return name


def _output(sketch: Sketch, name: str) -> Any:
    return helper.make_tensor_value_info(name, TYPES[sketch.dtype], None)


def if_body(sketch: Sketch) -> None:
    x = sketch.tensor()
    bodies = {}
    for branch in ("then_branch", "else_branch"):
        body = sketch.inside(sketch.name(branch[:4]))
        result = _same_shape(body, x)
        bodies[branch] = body.graph([], [_output(body, result)])
    if not sketch.given or sketch.chance(0.3):
        sketch.given.append(f"b{len(sketch.given)}")
    name = sketch.name("t")
    sketch.nodes.append(helper.make_node("If", [sketch.given[-1]], [name], name=f"If_{name}", **bodies))
    sketch.shapes[name] = sketch.shapes[x]


def loop_body(sketch: Sketch) -> None:
    x = sketch.tensor()
    body = sketch.inside(sketch.name("loop"))
    step, go, state = (f"{body.prefix}{part}" for part in ("step", "go", "state"))
    body.shapes[state] = sketch.shapes[x]
    result = _same_shape(body, state)
    more = body.name("go")
    body.nodes.append(helper.make_node("Identity", [go], [more], name=f"Identity_{more}"))
    scalars = [
        helper.make_tensor_value_info(step, TensorProto.INT64, []),
        helper.make_tensor_value_info(go, TensorProto.BOOL, []),
    ]
    inputs = [*scalars, helper.make_tensor_value_info(state, TYPES[sketch.dtype], None)]
    outputs = [helper.make_tensor_value_info(more, TensorProto.BOOL, []), _output(body, result)]
    count, true, name = sketch.integers(2), sketch.store(np.array(True)), sketch.name("t")
    node = helper.make_node("Loop", [count, true, x], [name], name=f"Loop_{name}", body=body.graph(inputs, outputs))
    sketch.nodes.append(node)
    sketch.shapes[name] = sketch.shapes[x]
