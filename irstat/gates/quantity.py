"""Limits as people write them: `5G` multiply-accumulates, `100MB`, `1.5MiB`, `25_000_000`."""

from __future__ import annotations

import re
from fractions import Fraction

from irstat.cost.totals import TOTALS
from irstat.errors import UsageError

_DECIMAL = {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BYTES = {
    "B": 1,
    **{f"{prefix}B": factor for prefix, factor in _DECIMAL.items()},
    **{f"{prefix}iB": 1 << 10 * power for power, prefix in enumerate("KMGTP", 1)},
}
_TIMES = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9}
_NUMBER = re.compile(r"(?P<whole>\d(?:_?\d)*)(?:\.(?P<part>\d+))?(?:[eE]\+?(?P<exponent>\d{1,2}))?\s*(?P<unit>.*)", re.ASCII)
_NO_NUMBER = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_PERCENT = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_MAX_DIGITS = 40
_MAX_BITS = 1000

LATENCY = "latency"
"""Predicted time of a run, in nanoseconds: it can have a budget where it was asked for, and is no total."""

Amount = int | float | str
"""A number, or text with a unit."""


def check_total(name: str, where: str, more: tuple[str, ...] = ()) -> str:
    """The name, if it is one of the totals of a report.

    Args:
        name: as the user wrote it.
        where: the option or line it stands in, for the message.
        more: further names that will do.

    Raises:
        UsageError: there is no such total; the message names the nearest ones.
    """
    names = (*TOTALS, *more)
    if name in names:
        return name
    import difflib

    asked = name.strip().lower().replace("-", "_").replace(" ", "_")
    near = [asked] if asked in names else [total for total in names if asked and (asked in total or total in asked)]
    near = near or difflib.get_close_matches(asked, names, n=1, cutoff=0.6)
    hint = f"did you mean {' or '.join(near[:3])}?" if near else f"there are: {', '.join(names)}"
    raise UsageError(f"{where}: no total is named '{name}'; {hint}")


def is_bytes(total: str) -> bool:
    """Whether a total is a number of bytes."""
    return total.endswith("_bytes")


def unit_of(total: str) -> str:
    """What a total is a number of."""
    if is_bytes(total):
        return "bytes"
    if total.endswith("macs"):
        return "MACs"
    if total.endswith("flops"):
        return "operations"
    return {"nodes": "nodes", LATENCY: "seconds"}.get(total, "elements")


def parse_amount(total: str, amount: Amount, where: str) -> int:
    """A limit as a number: units K M G T P are powers of 1000; of bytes, KB MB GB are too, KiB MiB GiB powers of 1024.

    A latency is in nanoseconds and has to have its unit, ns us ms s.

    A fraction of the smallest unit is cut off (`0.1KiB` is 102 bytes), since counts are whole.

    Raises:
        UsageError: no number, negative, not finite, a unit of something else, or a fraction where no unit is given.
    """
    text = written(amount)
    if isinstance(amount, bool) or not isinstance(amount, int | float | str) or _NO_NUMBER.fullmatch(text):
        raise UsageError(f"{where}: '{text}' is no number")
    if text.startswith("-"):
        raise UsageError(f"{where}: a limit can't be negative")
    found = _NUMBER.fullmatch(text.removeprefix("+"))
    if found is None or len(text) > _MAX_DIGITS:
        raise UsageError(f"{where}: '{text[:_MAX_DIGITS]}' is no number; write it like {_example(total)}")
    digits, part = found["whole"].replace("_", ""), found["part"] or ""
    value = Fraction(int(digits + part), 10 ** len(part)) * 10 ** int(found["exponent"] or 0)
    factor = _factor(total, found["unit"], where)
    if factor == 1 and value.denominator != 1:
        raise UsageError(f"{where}: {text} is no whole number of {unit_of(total)}; is a unit missing, {_example(total)}?")
    return int(value * factor)


def written(amount: object) -> str:
    """An amount as it stands in messages."""
    if isinstance(amount, int) and amount.bit_length() > _MAX_BITS:  # Python won't write it as decimal digits
        return f"{hex(amount)[:_MAX_DIGITS]}…"
    return str(amount).strip()


def parse_percent(text: str, where: str) -> Fraction:
    """`2%` or `0.5 %` as a fraction of 1.

    Raises:
        UsageError: no percentage, or a negative one.
    """
    digits = text.strip().removesuffix("%").strip()
    if digits.startswith("-"):
        raise UsageError(f"{where}: a limit can't be negative")
    if not _PERCENT.fullmatch(digits):
        raise UsageError(f"{where}: '{text[:_MAX_DIGITS]}' is no percentage; write it like 2% or 0.5%")
    return Fraction(digits) / 100


def _factor(total: str, unit: str, where: str) -> int:
    if total == LATENCY and unit not in _TIMES:
        raise UsageError(f"{where}: a latency needs a unit, one of {' '.join(_TIMES)}; write {_example(total)}")
    units = _TIMES if total == LATENCY else {"": 1, **_DECIMAL, **(_BYTES if is_bytes(total) else {})}
    if unit in units:
        return units[unit]
    if unit == "%":
        raise UsageError(f"{where}: a percentage says how much more than before; a budget is an amount, {_example(total)}")
    if unit in _BYTES:
        raise UsageError(f"{where}: {total} is a number of {unit_of(total)}, not of bytes; write {_example(total)}")
    near = next((known for known in units if known and known.lower() == unit.lower()), "")
    hint = f"did you mean '{near}'?" if near else f"there are: {' '.join(known for known in units if known)}"
    raise UsageError(f"{where}: no unit of {unit_of(total)} is written '{unit[:_MAX_DIGITS]}'; {hint}")


def _example(total: str) -> str:
    examples = {"bytes": "100MB", "elements": "25M", "nodes": "500", "seconds": "5ms"}
    return f"{total}={examples.get(unit_of(total), '5G')}"
