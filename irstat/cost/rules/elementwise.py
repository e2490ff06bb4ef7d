"""Element-wise operators of ai.onnx: arithmetic, activations, comparisons, logic.

The count of each row is the number of operations in the operator's definition (ONNX operator documentation), one each for
an add, multiply, divide, compare, exponential, logarithm, root, power or trigonometric function of one element. Sigmoid, for
instance, is 1 / (1 + exp(-x)): negate, exp, add, divide, 4. The backward count is that of the derivative times the incoming
gradient, from what the row says is kept.
"""

from __future__ import annotations

from irstat.cost.cost import Arithmetic, Gradient, Work
from irstat.cost.op import Op
from irstat.cost.registry import PerElement, elementwise, per_element, rule

IN, OUT = ("i0",), ("o0",)

ACTIVATIONS = {
    # y = max(x, 0); dx = dy where y > 0
    "Relu": PerElement(1, 1, OUT),
    # compare, multiply; the same backward
    "LeakyRelu": PerElement(2, 2, IN),
    # x > alpha ? x : 0
    "ThresholdedRelu": PerElement(1, 1, IN),
    # 1 / (1 + exp(-x)); y (1 - y) dy
    "Sigmoid": PerElement(4, 3, OUT),
    # (1 - y^2) dy
    "Tanh": PerElement(1, 3, OUT),
    # max(0, min(1, alpha x + beta)); mask, times alpha
    "HardSigmoid": PerElement(4, 2, OUT),
    # x times HardSigmoid; (h + x h') dy: h again 4, mask, times alpha, times x, add, times dy
    "HardSwish": PerElement(5, 9, IN),
    # x < 0 ? alpha (exp(x) - 1) : x; (y + alpha) dy where x < 0
    "Elu": PerElement(4, 3, OUT),
    # gamma times Elu
    "Selu": PerElement(5, 4, OUT),
    # max(0, x) + min(0, alpha (exp(x / alpha) - 1)); compare, divide, exp, times dy
    "Celu": PerElement(7, 4, IN),
    # log(1 + exp(x)); dy Sigmoid(x)
    "Softplus": PerElement(3, 5, IN),
    # x / (1 + |x|); dy / (1 + |x|)^2
    "Softsign": PerElement(3, 4, IN),
    # x tanh(softplus(x)); (t + x (1 - t^2) sigmoid(x)) dy: t again 4, sigmoid 4, then 6
    "Mish": PerElement(5, 14, IN),
    # x > lambd ? x - bias : x < -lambd ? x + bias : 0; one compare with 0 kept in the output
    "Shrink": PerElement(3, 1, OUT),
}
per_element(ACTIVATIONS, owner=__name__)

FUNCTIONS = {
    "Abs": PerElement(1, 2, IN),
    "Neg": PerElement(1, 1),
    "Reciprocal": PerElement(1, 3, OUT),
    "Sqrt": PerElement(1, 2, OUT),
    "Exp": PerElement(1, 1, OUT),
    "Log": PerElement(1, 1, IN),
    # dy 2/sqrt(pi) exp(-x^2)
    "Erf": PerElement(1, 5, IN),
    "Sin": PerElement(1, 2, IN),
    "Cos": PerElement(1, 3, IN),
    # dy (1 + y^2)
    "Tan": PerElement(1, 3, OUT),
    # dy / sqrt(1 - x^2)
    "Asin": PerElement(1, 4, IN),
    "Acos": PerElement(1, 5, IN),
    # dy / (1 + x^2)
    "Atan": PerElement(1, 3, IN),
    "Sinh": PerElement(1, 2, IN),
    "Cosh": PerElement(1, 2, IN),
    "Asinh": PerElement(1, 4, IN),
    "Acosh": PerElement(1, 4, IN),
    # dy / (1 - x^2)
    "Atanh": PerElement(1, 3, IN),
    # piecewise constant: no gradient passes
    **dict.fromkeys(("Floor", "Ceil", "Round", "Sign"), PerElement(1, None)),
    **dict.fromkeys(("IsNaN", "Not", "BitwiseNot"), PerElement(1, None)),
    **dict.fromkeys(("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"), PerElement(1, None)),
    **dict.fromkeys(("And", "Or", "Xor", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitShift"), PerElement(1, None)),
}
per_element(FUNCTIONS, owner=__name__)

per_element({"Add": PerElement(1, 0)}, owner=__name__, affine=(0, 1))


@rule("Sub", affine=(0, 1))
def sub(op: Op) -> Work:
    """y = a - b; da = dy, db = -dy, negated after the sum over broadcast axes."""
    work = _two_inputs(op, 1, {0: (0, ()), 1: (0, ())})
    if 1 not in work.gradients:
        return work
    negated = Arithmetic(other=op.input(1).elements)
    return Work(work.forward, {**work.gradients, 1: Gradient(work.gradients[1].work + negated)})


@rule("IsInf")
def is_inf(op: Op) -> Work:
    """A comparison with each infinity that is looked for."""
    return elementwise(op, sum(int(op.attr(name, 1)) for name in ("detect_negative", "detect_positive")), None)


@rule("Mul", affine=(0, 1))
def mul(op: Op) -> Work:
    """y = a b; da = dy b, db = dy a, summed over broadcast axes."""
    return _two_inputs(op, 1, {0: (1, ("i1",)), 1: (1, ("i0",))})


@rule("Div", affine=(0, 1))
def div(op: Op) -> Work:
    """y = a / b; da = dy / b, db = -dy y / b."""
    return _two_inputs(op, 1, {0: (1, ("i1",)), 1: (3, ("i1", "o0"))})


@rule("Pow")
def pow_(op: Op) -> Work:
    """y = a^b; da = dy b a^(b-1), db = dy y log(a)."""
    return _two_inputs(op, 1, {0: (4, ("i0", "i1")), 1: (3, ("i0", "o0"))})


@rule("Mod")
def mod(op: Op) -> Work:
    """The remainder, one operation; da = dy, db = -dy floor(a / b)."""
    return _two_inputs(op, 1, {0: (0, ()), 1: (4, ("i0", "i1"))})


def _two_inputs(op: Op, forward: int, backward: dict[int, tuple[int, tuple[str, ...]]]) -> Work:
    gradients = {}
    for slot, (count, keeps) in backward.items():
        operand = op.input(slot)
        if operand.is_floating:
            gradients[slot] = Gradient(Arithmetic(other=count * op.out + max(op.out - operand.elements, 0)), keeps)
    return Work(Arithmetic(other=forward * op.out), gradients)


@rule("Max", "Min")
def extremum(op: Op) -> Work:
    """One comparison for each input after the first; the gradient goes where the input was the extremum."""
    return elementwise(op, len(op.inputs) - 1, 1, ("o0", *(f"i{slot}" for slot in range(len(op.inputs)))))


@rule("Sum")
def sum_(op: Op) -> Work:
    """One add for each input after the first."""
    return elementwise(op, len(op.inputs) - 1, 0)


@rule("Mean")
def mean(op: Op) -> Work:
    """The sum, divided by the number of inputs."""
    return elementwise(op, len(op.inputs), 1)


@rule("Clip")
def clip(op: Op) -> Work:
    """One comparison for each bound that is given (attributes before opset 11, inputs since); a mask backward."""
    if op.version < 11:
        bounds = sum(name in op.attrs for name in ("min", "max"))
    else:
        bounds = sum(op.has(slot) for slot in (1, 2))
    masked = Arithmetic(other=op.out if bounds else 0)
    return Work(Arithmetic(other=bounds * op.out), {0: Gradient(masked, IN if bounds else ())})


@rule("PRelu", params=(1,))
def prelu(op: Op) -> Work:
    """x < 0 ? slope x : x; the gradient of the slope is dy x where x < 0, summed over what shares it."""
    elements, slope = op.out, op.input(1).elements
    return Work(
        Arithmetic(other=2 * elements),
        {
            0: Gradient(Arithmetic(other=2 * elements), IN),
            1: Gradient(Arithmetic(other=2 * elements + max(elements - slope, 0)), IN),
        },
    )


@rule("Gelu")
def gelu(op: Op) -> Work:
    """Exact: 0.5 x (1 + erf(x / sqrt 2)), 5 operations. With `approximate="tanh"`:
    0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), 8.

    Backward: the derivative is Phi(x) + x phi(x), 10 and the product with dy; for the tanh form 17 and the product.
    """
    if op.attr("approximate", "none") == "tanh":
        return elementwise(op, 8, 18, IN)
    return elementwise(op, 5, 11, IN)


@rule("Swish")
def swish(op: Op) -> Work:
    """x sigmoid(alpha x): 5 operations, 6 where alpha is not 1; backward s (1 + alpha x (1 - s)) dy with s again."""
    scaled = int(float(op.attr("alpha", 1.0)) != 1.0)
    return elementwise(op, 5 + scaled, 9 + 2 * scaled, IN)


@rule("CumSum", "CumProd")
def cumulative(op: Op) -> Work:
    """One operation for each element but the first along the axis; the gradient of a sum is a sum the other way round.

    Where the axis is not known, the longest one is assumed.
    """
    data = op.input(0)
    axis = op.number(1)
    lengths = data.dims or (1,)
    length = lengths[axis] if axis is not None else max(lengths)
    work = data.elements - data.elements // length if length else 0
    backward = work if op.op_type == "CumSum" else 3 * work
    keeps = () if op.op_type == "CumSum" else ("i0", "o0")
    return Work(
        Arithmetic(other=work),
        {0: Gradient(Arithmetic(other=backward), keeps)},
        basis="exact" if axis is not None else "approximate",
        note="" if axis is not None else "the axis depends on data; the longest is assumed",
    )


@rule("SwiGLU")
def swiglu(op: Op) -> Work:
    """a sigmoid(alpha a) b: Swish, 5 operations or 6, and the product. Backward: da = dy b Swish'(a), db = dy Swish(a)."""
    scaled = int(float(op.attr("alpha", 1.0)) != 1.0)
    return Work(
        Arithmetic(other=(6 + scaled) * op.out),
        {
            0: Gradient(Arithmetic(other=(10 + 2 * scaled) * op.out), ("i0", "i1")),
            1: Gradient(Arithmetic(other=(6 + scaled) * op.out), IN),
        },
    )
