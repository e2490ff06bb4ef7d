"""Operator schemas of the installed onnx."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from onnx import FunctionProto, NodeProto, TypeProto, defs


@lru_cache(maxsize=4096)
def find_schema(op_type: str, domain: str, version: int) -> Any:
    """The `onnx.defs.OpSchema` of an operator at an opset version; None where there is none.

    Typed `Any`: onnx's own stubs leave out the attributes about function bodies.
    """
    try:
        return defs.get_schema(op_type, version, domain)
    except defs.SchemaError:
        return None


def newest_schemas() -> Iterable[Any]:
    """The newest schema of every operator onnx knows."""
    return defs.get_all_schemas()


def has_body(schema: Any) -> bool:
    """Whether the schema defines its operator by a function of other operators."""
    return bool(schema.has_function or schema.has_context_dependent_function)


def function_body(schema: Any, version: int, node: NodeProto, input_types: Sequence[TypeProto | None]) -> FunctionProto | None:
    """The function that defines the operator for a node with inputs of these types; None where there is none."""
    if schema.has_function:
        body: FunctionProto = schema.function_body
        return body
    if not schema.has_context_dependent_function:
        return None
    versions = schema.context_dependent_function_opset_versions
    fitting = max(number for number in versions if number <= max(version, min(versions)))
    types = [b"" if proto is None else proto.SerializeToString() for proto in input_types]
    content = schema.get_context_dependent_function_with_opset_version(fitting, node.SerializeToString(), types)
    return FunctionProto.FromString(content) if content else None
