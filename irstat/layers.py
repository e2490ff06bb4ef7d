"""Which layer of the source model a node came from, read from what exporters leave behind.

Sources, in order: irstat's own metadata (written by its converters); the `namespace` or `pkg.torch.onnx.name_scopes` and
`pkg.torch.onnx.class_hierarchy` metadata of torch's dynamo exporter; name scopes in node names, as torch's TorchScript
exporter (`/features/features.0/Conv`) and tf2onnx (`model/block1_conv1/BiasAdd`) write them.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache

LAYER_KEY = "irstat.layer"
LAYER_TYPE_KEY = "irstat.layer_type"


def layer_of(name: str, metadata: Mapping[str, str]) -> tuple[str, str]:
    """(path of the layer, class of the layer) of a node, "" for what is unknown.

    Args:
        name: the node's name in the file.
        metadata: its metadata properties; values that are not UTF-8 are bytes.
    """
    if metadata:
        if LAYER_KEY in metadata:
            return str(metadata[LAYER_KEY]), str(metadata.get(LAYER_TYPE_KEY, ""))
        if "namespace" in metadata:
            return _from_namespace(str(metadata["namespace"]))
        if "pkg.torch.onnx.name_scopes" in metadata:
            classes = metadata.get("pkg.torch.onnx.class_hierarchy", "")
            return _from_scopes(str(metadata["pkg.torch.onnx.name_scopes"]), str(classes))
    return _from_name(name), ""


@lru_cache(maxsize=4096)
def _from_namespace(namespace: str) -> tuple[str, str]:
    """`: pkg.Net/features: torch.nn.Sequential/features.0: torch.nn.Conv2d/conv2d: aten.conv2d.default` -> features.0, Conv2d.

    The last entry is the operation; the one before it the innermost module. An operation of the root has the empty path.
    """
    entries = namespace.split("/")
    if len(entries) < 2:
        return "", ""
    path, _, class_name = entries[-2].partition(": ")
    return path.strip(), class_name.rpartition(".")[2].strip()


@lru_cache(maxsize=4096)
def _from_scopes(scopes: str, classes: str) -> tuple[str, str]:
    paths, hierarchy = _listed(scopes), _listed(classes)
    path = str(paths[-2]) if len(paths) > 1 else ""
    class_name = str(hierarchy[-2]) if len(hierarchy) > 1 else ""
    return path, class_name.rpartition(".")[2]


def _listed(text: str) -> Sequence[object]:
    """A list as Python writes it; empty for anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return ()
    return value if isinstance(value, list | tuple) else ()


def _from_name(name: str) -> str:
    """The scope part of a node name, without the operator at its end; the first of several names that TensorFlow joins."""
    name = name.partition(";")[0]
    scope, slash, _ = name.rpartition("/")
    return _from_scope(scope, name.startswith("/")) if slash else ""


@lru_cache(maxsize=4096)
def _from_scope(scope: str, is_torch: bool) -> str:
    """TorchScript repeats a container's path in the names of its children (`/layer1/layer1.0/conv1`), which is undone.

    TensorFlow's call wrappers at the front are left out.
    """
    parts = [part for part in scope.split("/") if part]
    if is_torch:
        path: list[str] = []
        for part in parts:
            if path and part.startswith(path[-1] + "."):
                path[-1] = part
            else:
                path.append(part)
        return ".".join(path)
    while parts and parts[0].startswith(("StatefulPartitionedCall", "PartitionedCall")):
        parts.pop(0)
    return "/".join(parts)
