"""Operator schemas of the installed onnx."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from onnx import FunctionProto, NodeProto, TypeProto, defs

RANDOM = frozenset("RandomNormal RandomNormalLike RandomUniform RandomUniformLike Bernoulli Multinomial".split())
"""Operators of ai.onnx whose results differ from run to run. Dropout is none: it draws in training mode only."""


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


@lru_cache(maxsize=4096)
def attribute_types(op_type: str, domain: str, version: int) -> Mapping[str, int]:
    """Attribute name -> its `AttributeProto.AttributeType`, for an operator at an opset version; empty where not known."""
    schema = find_schema(op_type, domain, version)
    return {} if schema is None else {name: attribute.type.value for name, attribute in schema.attributes.items()}


@lru_cache(maxsize=4096)
def arity_problem(op_type: str, domain: str, version: int, inputs: tuple[bool, ...], outputs: int) -> str:
    """What is wrong with the number of a node's inputs and outputs; "" if nothing is, or the operator is not known.

    Args:
        op_type: the operator.
        domain: it belongs to.
        version: of the operator set.
        inputs: whether each input is given or left out.
        outputs: number of outputs.
    """
    schema = find_schema(op_type, domain, version)
    if schema is None:
        return ""
    if not schema.min_input <= len(inputs) <= schema.max_input:
        return f"has {len(inputs)} inputs; the operator takes {_range(schema.min_input, schema.max_input)}"
    if not schema.min_output <= outputs <= schema.max_output:
        return f"has {outputs} outputs; the operator gives {_range(schema.min_output, schema.max_output)}"
    for parameter, given in zip(schema.inputs, inputs, strict=False):
        if not given and parameter.option == defs.OpSchema.FormalParameterOption.Single:
            return f"lacks its input '{parameter.name}'"
    return ""


def _range(least: int, most: int) -> str:
    if least == most:
        return str(least)
    return f"{least} or more" if most >= (1 << 31) - 1 else f"{least} to {most}"
