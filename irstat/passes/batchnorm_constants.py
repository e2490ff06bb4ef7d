"""Tells scale, bias, mean and variance apart in the constants of a chain that may be a batch normalization.

Where an exporter left the arithmetic γ / √(variance + ε) in the file, all four are found; where it folded it, the chain has
only what came of it: γ' = γ / √(variance + ε) and β' = β − mean·γ'. Mean and variance can't be had back from these.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from irstat.passes.channel_chain import Chain
from irstat.passes.constants import Constants

Factors = Counter[tuple[str, str]]
"""(kind, constant) -> exponent; the kind is "leaf", or "sqrt" for the root of the constant."""


@dataclass(slots=True)
class Statistics:
    """Names of constants; None for what the file doesn't have."""

    scale: str | None = None
    bias: str | None = None
    mean: str | None = None
    variance: str | None = None
    epsilon: float = 0.0
    computed_scale: bool = False
    """Whether the scale is the product of several constants, to be computed."""
    computed_bias: bool = False
    """Whether the bias is to be computed (subtracted instead of added, or a sum)."""

    @property
    def is_explicit(self) -> bool:
        """Whether the variance is there: then it can be nothing else than a batch normalization."""
        return self.variance is not None


def statistics(chain: Chain, channels: int, constants: Constants) -> Statistics:
    """What the constants of a chain are."""
    factors = _scale_factors(chain, constants)
    leaves = [(kind, name, exponent) for (kind, name), exponent in factors.items() if exponent]
    roots = [name for kind, name, exponent in leaves if (kind, exponent) == ("sqrt", -1)]
    scales = [name for kind, name, exponent in leaves if (kind, exponent) == ("leaf", 1)]
    variance = _variance(roots[0], constants) if len(roots) == 1 else None

    def is_vector(name: str | None) -> bool:
        """Whether a constant is stored as one number a channel."""
        stored = name is not None and constants.producer(name) is None
        return stored and name is not None and math.prod(constants.stored_shape(constants.behind(name)) or ()) == channels

    mean, bias = _mean_and_bias(chain, constants, factors)
    no_others = len(leaves) == 1 + len(scales) and len(scales) <= 1 and all(map(is_vector, scales))
    if variance is not None and no_others and all(map(is_vector, (variance[0], mean, bias))):
        return Statistics(scales[0] if scales else None, bias, mean, *variance)
    simple = len(leaves) == len(scales) == 1 and is_vector(scales[0])
    found = Statistics(scale=scales[0] if simple else None, computed_scale=not simple)
    found.mean = chain.mean if is_vector(chain.mean) else None
    found.bias = chain.shift if not chain.is_negative and is_vector(chain.shift) else None
    if chain.mean is not None and found.mean is None:
        found.bias = None
    found.computed_bias = found.bias is None
    return found


def _is_stored(name: str, constants: Constants) -> bool:
    return constants.producer(name) is None


def _scale_factors(chain: Chain, constants: Constants) -> Factors:
    factors: Factors = Counter()
    for name, divides in chain.scales:
        _factorize(name, -1 if divides else 1, constants, factors)
    return factors


def _factorize(name: str, exponent: int, constants: Constants, factors: Factors) -> None:
    """Take a constant apart into the stored ones and roots whose product it is."""
    node = constants.producer(name)
    kind = "" if node is None else node.op_type
    if node is None or kind not in ("Mul", "Div", "Reciprocal", "Sqrt", "Pow"):
        factors["leaf", constants.behind(name)] += exponent
    elif kind == "Sqrt":
        factors["sqrt", constants.behind(node.inputs[0])] += exponent
    elif kind == "Reciprocal":
        _factorize(node.inputs[0], -exponent, constants, factors)
    elif kind == "Pow":
        power = _number(node.inputs[1], constants)
        if power in (0.5, -0.5):
            factors["sqrt", constants.behind(node.inputs[0])] += exponent if power > 0 else -exponent
        else:
            factors["leaf", constants.behind(name)] += exponent
    else:
        _factorize(node.inputs[0], exponent, constants, factors)
        _factorize(node.inputs[1], -exponent if kind == "Div" else exponent, constants, factors)


def _variance(name: str, constants: Constants) -> tuple[str, float] | None:
    """(variance, ε) of the sum of the two."""
    node = constants.producer(name)
    if node is None or node.op_type != "Add":
        return None
    for variance, epsilon in (node.inputs, node.inputs[::-1]):
        number = _number(epsilon, constants)
        if number is not None and _is_stored(variance, constants) and _number(variance, constants) is None:
            return variance, number
    return None


def _number(name: str, constants: Constants) -> float | None:
    shape = constants.shape(name)
    if shape is None or any(dim != 1 for dim in shape):
        return None
    value = constants.evaluate(name, constants.read)
    return None if value is None else float(value.reshape(-1)[0])


def _mean_and_bias(chain: Chain, constants: Constants, factors: Factors) -> tuple[str | None, str | None]:
    """The mean that is subtracted, first or as part of the shift: β − mean · scale."""
    if chain.mean is not None:
        return chain.mean, None if chain.is_negative else chain.shift
    node = constants.producer(chain.shift or "")
    if chain.is_negative or node is None or node.op_type != "Sub":
        return None, None
    product: Factors = Counter()
    _factorize(node.inputs[1], 1, constants, product)
    product.subtract(factors)
    left = [(name, exponent) for (kind, name), exponent in product.items() if exponent]
    if len(left) == 1 and left[0][1] == 1 and _is_stored(left[0][0], constants):
        return left[0][0], node.inputs[0]
    return None, None
