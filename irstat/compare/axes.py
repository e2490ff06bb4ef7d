"""What the axes of a tensor mean, so that layouts can be told from work on data.

An axis is a product of digits, outermost first; a digit is a part of an axis that some layer made: with `c` of 6 channels
reshaped to 2 × 3, the axes are (c, 3, 2) and (c, 1, 3): name, stride, size. A Transpose permutes axes, a Reshape splits and
joins digits, and joined in their old order they are the old axis again. What is left of a difference is a layout (flattened
H, W, C or C, H, W) or a shuffle of channels.
"""

from __future__ import annotations

from collections.abc import Sequence

Digit = tuple[str, int, int]
Axis = tuple[Digit, ...]
Axes = tuple[Axis, ...]


def named(names: Sequence[str], shape: Sequence[int]) -> Axes:
    """Axes with a meaning of their own."""
    return tuple(() if size == 1 else ((name, 1, size),) for name, size in zip(names, shape, strict=True))


def image(shape: Sequence[int]) -> Axes:
    """Axes of an image: n, c, and the spatial ones by number."""
    return named(["n", "c", *map(str, range(len(shape) - 2))], shape)


def unknown(key: str, shape: Sequence[int]) -> Axes:
    """Axes of which nothing is known but where they began."""
    return named([f"{key}.{axis}" for axis in range(len(shape))], shape)


def permuted(axes: Axes, perm: Sequence[int]) -> Axes:
    """As Transpose permutes them."""
    return tuple(axes[axis] for axis in perm)


def joined(digits: Sequence[Digit]) -> Axis:
    """Digits that belong together made one."""
    found: list[Digit] = []
    for name, stride, size in digits:
        if found and found[-1][0] == name and found[-1][1] == stride * size:
            found[-1] = (name, stride, found[-1][2] * size)
        elif size != 1:
            found.append((name, stride, size))
    return tuple(found)


def reshaped(axes: Axes, shape: Sequence[int]) -> Axes | None:
    """Axes of the same elements in another shape; None where a size splits no digit evenly."""
    pending = [digit for axis in axes for digit in axis][::-1]
    result: list[Axis] = []
    for size in shape:
        taken: list[Digit] = []
        left = size
        while left > 1:
            if not pending:
                return None
            name, stride, digit = pending.pop()
            if left % digit == 0:
                taken.append((name, stride, digit))
                left //= digit
            elif digit % left == 0:
                inner = digit // left
                taken.append((name, stride * inner, left))
                pending.append((name, stride, inner))
                left = 1
            else:
                return None
        result.append(joined(taken))
    return None if pending else tuple(result)


def order_of(axis: Axis) -> tuple[str, ...]:
    """The parts of a joined axis, outermost first; empty where it is one part in its natural order."""
    if len(axis) < 2:
        return ()
    names = [name for name, _, _ in axis]
    if len(set(names)) == len(names):
        return tuple(name.rpartition(".")[2] for name in names)
    return tuple(f"{name.rpartition('.')[2]}/{stride}" for name, stride, _ in axis)


def spatial_order(axes: Axes) -> tuple[str, ...]:
    """The order of spatial axes where it isn't the natural one; empty where it is, or not all of them are known."""
    names = [meaning(axis) for axis in axes if axis]
    spatial = [name for name in names if name is not None and name.isdigit()]
    return () if None in names or spatial == sorted(spatial) else tuple(spatial)


def meaning(axis: Axis) -> str | None:
    """`n`, `c` or the number of a spatial axis; None where the axis is none of these."""
    if len(axis) != 1:
        return None
    name = axis[0][0]
    return name if name in ("n", "c") or name.isdigit() else None
