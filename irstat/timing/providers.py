"""Execution providers: those that the installed onnxruntime has built in, and those that installed packages plug in.

A plug-in package is one whose import name begins with `onnxruntime_ep_` and that says with `get_library_path()` where its
library is, as onnxruntime's packaging guidance has it. Its library is registered once in a process, when something asks for
providers.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from irstat.errors import UsageError
from irstat.timing.openvino_runtime import INSTALL, described, installed_version

SUFFIX = "ExecutionProvider"
PACKAGES = "onnxruntime_ep_"
_INSTALL: Mapping[str, str] = {
    "cuda": "pip install onnxruntime-gpu",
    "tensorrt": "pip install onnxruntime-gpu",
    "dml": "pip install onnxruntime-directml",
    "qnn": "pip install onnxruntime-qnn",
    "openvino": "pip install 'irstat[openvino]'",
}
"""Short name -> the command that brings the provider."""

_LIMITS: Mapping[str, str] = {"openvino": "; OpenVINO's plug-in offers hardware made by Intel only"}
"""Short name -> what is known about machines on which a plug-in offers no device."""

_RUNTIME = "openvino:runtime"
_VIRTUAL = "is_virtual"
"""Metadata of a device that exists to compile for, not to run on."""


@dataclass(frozen=True, slots=True)
class Provider:
    """What can run models, or could if it were there."""

    name: str
    """irstat's short name: `cpu`, `cuda`, `openvino`, `openvino:gpu` for another device of the same provider."""
    execution_provider: str
    """onnxruntime's name, `CPUExecutionProvider`; a runtime's own."""
    kind: Literal["built in", "plug-in", "runtime"]
    """Of onnxruntime; or a runtime of its own, which runs models without onnxruntime."""
    device: str
    """What it computes on, as it says; empty where it doesn't."""
    version: str
    """Of the onnxruntime that has it built in, of the plug-in or of the runtime; empty for one that is absent."""
    reason: str = ""
    """Why it is not available; empty if it is."""
    handle: Any = field(default=None, compare=False, repr=False)
    """`onnxruntime.OrtEpDevice` of a plug-in."""

    @property
    def runtime(self) -> str:
        """`openvino 2026.4.1` for what runs models without onnxruntime; empty for onnxruntime's providers."""
        return f"{self.name.partition(':')[0]} {self.version}" if self.kind == "runtime" else ""

    @property
    def available(self) -> bool:
        """Whether sessions can be made on it."""
        return not self.reason

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "execution_provider": self.execution_provider,
            "kind": self.kind,
            "device": self.device,
            "version": self.version,
            "available": self.available,
            "reason": self.reason,
        }


def providers() -> tuple[Provider, ...]:
    """Every provider that onnxruntime knows, and OpenVINO's own runtime, the available ones first."""
    import onnxruntime

    found = [*_built_in(onnxruntime), *_plugged_in()]
    known = {provider.execution_provider for provider in found}
    for name in onnxruntime.get_all_providers():
        if name not in known:
            reason = f"this onnxruntime ({onnxruntime.package_name} {onnxruntime.__version__}) is built without it"
            found.append(Provider(short_name(name), name, "built in", "", "", reason + _how(short_name(name))))
    found.append(_openvino_runtime())
    return tuple(sorted(_unique(found), key=lambda provider: not provider.available))


def find(name: str) -> Provider:
    """An available provider by its short name, or by onnxruntime's name.

    `openvino` is OpenVINO's own runtime where onnxruntime has no provider for it here.

    Raises:
        UsageError: there is none of that name, or it is not available; the message says what to install.
    """
    import onnxruntime

    wanted = name.lower()
    for provider in _built_in(onnxruntime):  # without registering libraries, which only those need who ask for them
        if wanted in (provider.name, provider.execution_provider.lower()):
            return provider
    listed = providers()
    for provider in listed:
        first_device = f"{provider.name}:{_device_key(provider.handle)}" if provider.handle is not None else provider.name
        if wanted in (provider.name, provider.execution_provider.lower(), first_device):
            own = _openvino_runtime() if wanted == "openvino" and not provider.available else provider
            if not own.available:
                more = "" if own is provider else f"; openvino's own runtime: {own.reason}"
                raise UsageError(f"provider '{name}' is not available: {provider.reason}{more}")
            return own
    there = ", ".join(provider.name for provider in listed if provider.available)
    raise UsageError(f"there is no provider named '{name}'; available are: {there} (see irstat providers)")


def attach(options: Any, provider: Provider, threads: int) -> dict[str, Any]:
    """Have a session run on a provider, and what that can't take on the CPU.

    Args:
        options: `onnxruntime.SessionOptions`, which is changed.
        provider: an available one.
        threads: within an operator.

    Returns:
        Further arguments for `onnxruntime.InferenceSession`.
    """
    if provider.handle is not None:
        options.add_provider_for_devices([provider.handle], _plug_in_options(provider, threads))
        return {}
    if provider.name == "cpu":
        return {"providers": [provider.execution_provider]}
    own = _built_in_options(provider, threads)
    return {"providers": [(provider.execution_provider, own), f"CPU{SUFFIX}"]}


def short_name(execution_provider: str) -> str:
    """`cuda` for `CUDAExecutionProvider`."""
    return execution_provider.replace(SUFFIX, "").lower()


def _plug_in_options(provider: Provider, threads: int) -> dict[str, str]:
    """Numbers of threads and, for OpenVINO, float32 as the model says: left alone it computes in bfloat16 where it can."""
    if not provider.execution_provider.startswith("OpenVINO") or _device_key(provider.handle) != "cpu":
        return {}
    settings = {"INFERENCE_NUM_THREADS": str(threads), "NUM_STREAMS": "1", "INFERENCE_PRECISION_HINT": "f32"}
    return {"load_config": json.dumps({"CPU": settings})}


def _built_in_options(provider: Provider, threads: int) -> dict[str, str]:
    if provider.name != "openvino":
        return {}
    return {"device_type": "CPU", "precision": "FP32", "num_of_threads": str(threads), "num_streams": "1"}


def _built_in(onnxruntime: Any) -> Iterator[Provider]:
    devices = {device.ep_name: _described(device) for device in _devices(onnxruntime)}
    for name in sorted(onnxruntime.get_available_providers(), key=lambda name: name != f"CPU{SUFFIX}"):
        yield Provider(short_name(name), name, "built in", devices.get(name, ""), onnxruntime.__version__)


@cache
def _openvino_runtime() -> Provider:
    """OpenVINO without onnxruntime."""
    absent = Provider(_RUNTIME, "OpenVINO", "runtime", "", installed_version() or "", f"it is not installed; {INSTALL}")
    if not absent.version:
        return absent
    try:
        device = described()
    except Exception as error:  # noqa: BLE001 # code of others
        return _unavailable(absent, f"openvino {absent.version} can't be used: {_first_line(error)}")
    return Provider(absent.name, absent.execution_provider, "runtime", device, absent.version)


def _devices(onnxruntime: Any) -> list[Any]:
    """Devices that can be run on; none where onnxruntime is older than its interface for plug-ins."""
    if not hasattr(onnxruntime, "get_ep_devices"):
        return []
    return [device for device in onnxruntime.get_ep_devices() if device.device.metadata.get(_VIRTUAL) != "1"]


@cache
def _plugged_in() -> tuple[Provider, ...]:
    """Providers of installed packages; registers their libraries."""
    names = sorted(module.name for module in pkgutil.iter_modules() if module.name.startswith(PACKAGES))
    return tuple(provider for name in names for provider in _of_package(name))


def _of_package(module: str) -> Iterator[Provider]:
    import onnxruntime

    package, short = module.replace("_", "-"), module.removeprefix(PACKAGES).replace("_", "-")
    installed = _version(package)
    absent = Provider(short, short, "plug-in", "", installed)
    try:
        library = importlib.import_module(module)
        names = _provider_names(library)
        absent = Provider(short, names[0] if names else short, "plug-in", "", installed)
        if not hasattr(onnxruntime, "register_execution_provider_library"):
            yield _unavailable(absent, f"onnxruntime {onnxruntime.__version__} takes no plug-ins; 1.23 and later do")
            return
        before = {device.ep_name for device in _devices(onnxruntime)}
        path = str(library.get_library_path())
        onnxruntime.register_execution_provider_library(f"irstat_{module}", path)
    except Exception as error:  # noqa: BLE001 # code of others; onnxruntime's exceptions have no base of their own
        yield _unavailable(absent, f"{package} {installed} can't be registered: {_first_line(error)}")
        return
    new = [device for device in _devices(onnxruntime) if _belongs(device, path, names, before)]
    if not new:
        reason = f"{package} {installed} is installed, and offers no device on this machine ({_hardware(onnxruntime)})"
        yield _unavailable(absent, reason + _LIMITS.get(short, ""))
    for device in sorted(new, key=lambda device: _device_key(device) != "cpu"):
        own = device.ep_metadata.get("version", installed)
        yield Provider(short_name(device.ep_name), device.ep_name, "plug-in", _described(device), own, handle=device)


def _belongs(device: Any, path: str, names: list[str], before: set[str]) -> bool:
    """Whether a device came with a library: it says so, or it is of one of its providers and was not there before.

    A provider may have variations, `OpenVINOExecutionProvider.AUTO`.
    """
    stated = device.ep_metadata.get("library_path")
    if stated is not None:
        return bool(stated == path)
    return device.ep_name not in before and (not names or device.ep_name.split(".")[0] in names)


def _provider_names(library: Any) -> list[str]:
    if hasattr(library, "get_ep_names"):
        return list(library.get_ep_names())
    return [library.get_ep_name()] if hasattr(library, "get_ep_name") else []


def _unavailable(provider: Provider, reason: str) -> Provider:
    return Provider(provider.name, provider.execution_provider, provider.kind, "", provider.version, reason)


def _unique(found: Iterable[Provider]) -> Iterator[Provider]:
    """With names told apart: the second device of a provider is `openvino:gpu`."""
    taken: set[str] = set()
    for provider in found:
        name = provider.name
        if name in taken:
            base = f"{name}:{_device_key(provider.handle) if provider.handle is not None else provider.kind}"
            name, number = base, 2
            while name in taken:
                name, number = f"{base}.{number}", number + 1
        taken.add(name)
        own = (provider.execution_provider, provider.kind, provider.device, provider.version, provider.reason)
        yield Provider(name, *own, handle=provider.handle)


def _device_key(device: Any) -> str:
    """`cpu`, `gpu.0`: as the provider calls it, or else by its type."""
    return str(device.ep_metadata.get("ov_device") or device.device.type.name).lower()


def _described(device: Any) -> str:
    kind, vendor = device.device.type.name, device.device.vendor
    return f"{kind} ({vendor})" if vendor else str(kind)


def _hardware(onnxruntime: Any) -> str:
    return ", ".join(dict.fromkeys(_described(device) for device in _devices(onnxruntime))) or "no known hardware"


def _how(name: str) -> str:
    return f"; {_INSTALL[name]}" if name in _INSTALL else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].removeprefix("[ONNXRuntimeError] : ")
