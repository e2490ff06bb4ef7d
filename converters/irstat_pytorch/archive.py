"""What must hold of a `.pt2` archive before torch may read it, if nobody trusts it.

torch reads tensors with pickle where the archive says so, resolves operators by dotted names, evaluates size expressions with
sympy and guards with Python: each of them can run code. So everything of that kind is looked at first: pickles must be such
that `torch.load(weights_only=True)` takes them, operators must be of torch's own namespaces, expressions and guards must be
arithmetic on sizes.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from irstat.errors import ConversionError, UntrustedCodeError

_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims|higher_order|torchvision|quantized_decomposed|inductor)\.(?!__)[a-z_]\w*(\.(?!_)\w+)?"
)
_FUNCTION = re.compile(
    r"_operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem)"
    r"|math\.(ceil|floor|trunc|sqrt|pow)|torch\._?sym_[a-z]+"
)
_RAW_TENSOR = re.compile(r"data/(weights/weight|constants/tensor)_\d+$")
_WORD = re.compile(rb"[\w.\-]*\n?")
_LONGEST_WORD = 200
_EXPRESSION_CALLS = re.compile(r"[A-Z]\w*")
_GUARD_ATTRIBUTES = frozenset({"size", "shape", "stride", "storage_offset", "dtype", "device", "ndim", "dim"})
_NODES = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.BinOp, ast.operator, ast.Compare,
    ast.cmpop, ast.Constant, ast.Name, ast.Load, ast.Tuple, ast.List, ast.keyword, ast.Call, ast.Subscript, ast.Attribute,
)  # fmt: skip


def check_archive(path: Path) -> None:
    """Refuse an archive that could run code when torch reads it.

    Raises:
        UntrustedCodeError: it could.
        ConversionError: it is no archive, or not of the form torch writes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for problem in _problems(archive):
                raise UntrustedCodeError(
                    f"{path}: {problem}, which may run code when it is read; pass --trust-model-code if you trust it"
                )
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, RecursionError) as error:
        if isinstance(error, UntrustedCodeError):
            raise
        raise ConversionError(f"{path}: not a .pt2 archive: {error}") from error


def _problems(archive: zipfile.ZipFile) -> Iterator[str]:
    for name in archive.namelist():
        inside = name.partition("/")[2]
        if name.endswith(".json"):
            yield from _json_problems(json.loads(archive.read(name)), archive, name)
        elif not _RAW_TENSOR.search(inside) and not _is_harmless(archive, name):
            yield f"holds the pickle {inside}"


def _is_harmless(archive: zipfile.ZipFile, name: str) -> bool:
    """Whether an entry is no pickle, or one that torch reads without running code."""
    with archive.open(name) as entry:
        start = entry.read(4)
    if start != b"PK\x03\x04" and start[:1] != b"\x80":  # old pickles begin like text, but are never a single word
        return archive.getinfo(name).file_size <= _LONGEST_WORD and _WORD.fullmatch(archive.read(name)) is not None
    return _loads_safely(archive.read(name))


def _loads_safely(content: bytes) -> bool:
    import torch

    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # noqa: BLE001 # whatever it is, it is not plain tensors
        return False
    return True


def _json_problems(value: Any, archive: zipfile.ZipFile, source: str) -> Iterator[str]:
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, list):
            pending += current
            continue
        if not isinstance(current, dict):
            continue
        pending += current.values()
        yield from _object_problems(current, archive, source)


def _object_problems(found: dict[str, Any], archive: zipfile.ZipFile, source: str) -> Iterator[str]:
    target = found.get("target")
    if isinstance(target, str) and not _OPERATOR.fullmatch(target) and not _FUNCTION.fullmatch(target):
        yield f"calls '{target[:60]}'"
    expression = found.get("expr_str")
    if isinstance(expression, str) and not _is_expression(expression):
        yield f"holds the expression '{expression[:60]}'"
    for guard in found.get("guards_code") or ():
        if not isinstance(guard, str) or not _is_guard(guard):
            yield f"holds the guard '{str(guard)[:60]}'"
    path_name = found.get("path_name")
    if isinstance(path_name, str):
        plain = path_name.startswith(("weight_", "tensor_"))
        entry = f"{source.rpartition('/')[0]}/{path_name}"
        if not plain or (found.get("use_pickle") and not _loads_safely(archive.read(entry))):
            yield f"holds the object {path_name[:60]}"


def _tree(text: str) -> ast.Expression | None:
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError):
        return None
    return tree if all(isinstance(node, _NODES) for node in ast.walk(tree)) else None


def _is_expression(text: str) -> bool:
    """Whether the text is made of calls of sympy's classes on numbers and symbols."""
    tree = _tree(text)
    if tree is None:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Subscript):
            return False
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and _EXPRESSION_CALLS.fullmatch(node.func.id)):
            return False
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not re.fullmatch(r"\w+", node.value):
            return False
    return True


def _is_guard(text: str) -> bool:
    """Whether the text compares sizes of the inputs."""
    tree = _tree(text)
    if tree is None:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr not in _GUARD_ATTRIBUTES:
            return False
        if isinstance(node, ast.Call) and not isinstance(node.func, ast.Attribute):
            return False
        if isinstance(node, ast.Name) and node.id != "L":
            return False
    return True
