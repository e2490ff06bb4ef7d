"""Limits as people write them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from irstat.errors import UsageError
from irstat.gates.quantity import check_total, parse_amount, parse_percent

AMOUNTS = [
    ("macs", "5G", 5_000_000_000),
    ("macs", "4.1G", 4_100_000_000),
    ("macs", "300774272", 300_774_272),
    ("macs", "300_774_272", 300_774_272),
    ("macs", 300_774_272, 300_774_272),
    ("macs", 5e9, 5_000_000_000),
    ("macs", "5e9", 5_000_000_000),
    ("macs", "+5 G", 5_000_000_000),
    ("flops", "1.5T", 1_500_000_000_000),
    ("params", "25M", 25_000_000),
    ("params", "3k", 3_000),
    ("params", "3K", 3_000),
    ("buffers", 0, 0),
    ("param_bytes", "100", 100),
    ("param_bytes", "100B", 100),
    ("param_bytes", "100KB", 100_000),
    ("param_bytes", "100kB", 100_000),
    ("peak_activation_bytes", "100MB", 100_000_000),
    ("peak_activation_bytes", "100M", 100_000_000),
    ("peak_activation_bytes", "1.5GB", 1_500_000_000),
    ("peak_activation_bytes", "1KiB", 1_024),
    ("peak_activation_bytes", "1.5 MiB", 1_572_864),
    ("peak_activation_bytes", "2GiB", 2_147_483_648),
    ("peak_activation_bytes", "0.1KiB", 102),
    ("nodes", "152", 152),
    ("latency", "5ms", 5_000_000),
    ("latency", "1.5 s", 1_500_000_000),
    ("latency", "250us", 250_000),
    ("latency", "250 µs", 250_000),
    ("latency", "80ns", 80),
]


@pytest.mark.parametrize(("total", "text", "expected"), AMOUNTS)
def test_amounts(total: str, text: str | float, expected: int) -> None:
    assert parse_amount(total, text, "here") == expected


REFUSED = [
    ("macs", "-5G", "negative"),
    ("macs", -5, "negative"),
    ("macs", "nan", "'nan' is no number"),
    ("macs", float("nan"), "'nan' is no number"),
    ("macs", "-inf", "no number"),
    ("macs", float("inf"), "no number"),
    ("macs", "", "no number; write it like macs=5G"),
    ("macs", "many", "no number"),
    ("macs", True, "no number"),
    ("macs", [1], "no number"),
    ("macs", "5,000,000", "no unit"),
    ("macs", "5.3", "no whole number of MACs; is a unit missing, macs=5G"),
    ("params", "0.5", "no whole number of elements; is a unit missing, params=25M"),
    ("peak_activation_bytes", "0.5B", "no whole number of bytes; is a unit missing, peak_activation_bytes=100MB"),
    ("macs", "5GB", "macs is a number of MACs, not of bytes"),
    ("params", "5MiB", "params is a number of elements, not of bytes"),
    ("macs", "5g", "did you mean 'G'?"),
    ("peak_activation_bytes", "5mb", "did you mean 'MB'?"),
    ("peak_activation_bytes", "5Mb", "did you mean 'MB'?"),
    ("peak_activation_bytes", "5mib", "did you mean 'MiB'?"),
    ("macs", "5 bananas", "no unit of MACs is written 'bananas'; there are: k K M G T P"),
    ("macs", "2%", "a percentage says how much more than before"),
    ("macs", "9" * 50, "no number"),
    ("macs", "1e999999999", "no unit"),
    ("macs", "٥G", "no number"),
]


@pytest.mark.parametrize(("total", "text", "message"), REFUSED)
def test_what_is_no_amount_is_refused(total: str, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_amount(total, text, "--budget")
    assert str(caught.value).startswith("--budget: ")
    assert message in str(caught.value)


def test_a_number_that_python_would_not_write_is_refused() -> None:
    with pytest.raises(UsageError, match="here: "):
        parse_amount("macs", 16**5000, "here")


NAMES = [
    ("mac", "did you mean macs or"),
    ("MACs", "did you mean macs"),
    ("parms", "did you mean params?"),
    ("peak", "did you mean peak_activation_bytes?"),
    ("peak-activation-bytes", "did you mean peak_activation_bytes"),
    ("latency", "there are: nodes, macs, flops"),
    ("", "there are: nodes, macs, flops"),
]


@pytest.mark.parametrize(("name", "hint"), NAMES)
def test_the_nearest_name_is_suggested(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_total(name, "--budget")
    assert f"no total is named '{name}'" in str(caught.value)
    assert hint in str(caught.value)


def test_percentages() -> None:
    assert parse_percent("2%", "here") == Fraction(1, 50)
    assert parse_percent("0.5 %", "here") == Fraction(1, 200)
    assert parse_percent("0%", "here") == 0
    for text in ("-2%", "%", "nan%", "2%%", "1e9%", "1/2%"):
        with pytest.raises(UsageError, match="here: "):
            parse_percent(text, "here")
