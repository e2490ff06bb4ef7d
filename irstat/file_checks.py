"""Checks of what a model file says in text and numbers, before anything believes it."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
from onnx import AttributeProto, NodeProto, OperatorSetIdProto, defs

from irstat.errors import ModelError


def check_text(where: str, texts: Iterable[str]) -> None:
    """Refuse names that are not UTF-8 (protobuf gives such as bytes).

    Args:
        where: start of the error message, "" for the graph itself.
        texts: the names; can be iterated again.

    Raises:
        ModelError: one is not text.
    """
    try:
        "".join(texts)
    except TypeError as error:
        strange = next(text for text in texts if not isinstance(text, str))
        raise ModelError(f"{where or 'the graph: '}a name is not UTF-8 text: {strange!r}") from error


def opset_versions(entries: Iterable[OperatorSetIdProto]) -> dict[str, int]:
    """Domain -> version of what a model or function imports; ai.onnx has the empty domain.

    Raises:
        ModelError: a version does not exist, or is newer than the installed onnx.
    """
    versions: dict[str, int] = {}
    for entry in entries:
        domain, version = entry.domain, entry.version
        check_text("opset_import: ", (domain,))
        newest = defs.onnx_opset_version() if domain in ("", "ai.onnx") else (1 << 31) - 1
        if not 1 <= version <= newest:
            known = f"onnx {onnx.__version__} knows 1 to {newest}"
            raise ModelError(f"opset {version} of {domain or 'ai.onnx'}; {known}: upgrade onnx or export for an older opset")
        versions["" if domain == "ai.onnx" else domain] = version
    return versions


def wrong_type(kind: int, expected: int) -> str:
    """Words for an attribute of another `AttributeProto.AttributeType` than its operator's."""
    names = AttributeProto.AttributeType.Name
    return f"is of type {names(kind)}; the operator has it as {names(expected)}"


def attribute_label(attribute: AttributeProto, node: NodeProto, where: str) -> str:
    """An attribute and its node, for error messages that start with `where`."""
    return f"{where}attribute '{attribute.name}' of node '{node.name or node.op_type}'"


def check_valueless(attribute: AttributeProto, node: NodeProto, where: str) -> None:
    """Refuse an attribute that has no value, which one of 0 or of no length has.

    Raises:
        ModelError: its type is not known, or it refers to an attribute of a function where there is none.
    """
    if attribute.type == AttributeProto.UNDEFINED:
        raise ModelError(f"{attribute_label(attribute, node, where)} has no type, or one that this onnx does not know")
    if attribute.ref_attr_name:
        what = f"refers to the attribute '{attribute.ref_attr_name}' of a function"
        raise ModelError(f"{attribute_label(attribute, node, where)} {what}, but the node is in none")


_RANGES = {"axis": (-(1 << 31), (1 << 31) - 1), "batch_dims": (0, (1 << 31) - 1)}
"""Attribute -> values it may have. Beyond them onnx's shape inference reads memory that is not its own."""


def check_range(attribute: AttributeProto, node: NodeProto, where: str) -> None:
    """Refuse a number that no operator can take.

    Raises:
        ModelError: it is too small or too large.
    """
    least, most = _RANGES.get(attribute.name, (-(1 << 63), (1 << 63) - 1))
    if not least <= attribute.i <= most:
        raise ModelError(f"{attribute_label(attribute, node, where)} is {attribute.i}; it has to be from {least} to {most}")
