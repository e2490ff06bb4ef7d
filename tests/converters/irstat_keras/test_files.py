"""Model files: what is read, what is refused because it could run code, what is broken."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import irstat
from irstat.convert import ExportOptions, convert
from irstat.errors import ConversionError, UntrustedCodeError, UsageError
from tests.support.keras_models import CLOSE, arrays, difference, example, keras, randomize, run

pytestmark = [pytest.mark.frameworks, pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("keras")]


def plain() -> Any:
    k = keras()
    x = k.Input((5, 4), name="x")
    y = k.layers.LSTM(6, name="lstm")(k.layers.BatchNormalization(name="norm")(x))
    model = randomize(k.Model(x, k.layers.Dense(3, "relu", name="head")(y)))
    model.compile("adam", loss=lambda truth, found: found)
    return model


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".hdf5", ".KERAS"])
def test_a_file_of_keras(suffix: str, tmp_path: Path) -> None:
    model = plain()
    model.compile("sgd", "mse")
    saved = tmp_path / f"net{suffix.lower()}"
    model.save(saved)
    path = tmp_path / f"renamed{suffix}"
    if suffix == ".KERAS":
        shutil.copy(saved, path)
        with pytest.raises(ConversionError, match="Keras can't read it"):
            convert(path, tmp_path / "out.onnx")
        return
    convert(saved, tmp_path / "out.onnx")
    feed = example((2, 5, 4))
    assert difference(run(tmp_path / "out.onnx", {"x": feed}), arrays(model, model(feed))) < CLOSE
    layers = {row.layer for row in irstat.analyze(tmp_path / "out.onnx", dims={"batch": 1}).rows}
    assert layers == {"norm", "lstm", "head"}


def with_lambda(path: Path) -> None:
    k = keras()
    x = k.Input((4,), name="x")
    k.Model(x, k.layers.Lambda(lambda t: t * 2.0, name="twice")(x)).save(path)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_needs_trust(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    with_lambda(path)
    with pytest.raises(UntrustedCodeError, match=r"(Python code|the Lambda layer 'twice'); pass --trust-model-code"):
        convert(path, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()
    convert(path, tmp_path / "out.onnx", ExportOptions(trust_code=True))
    feed = example((2, 4))
    assert difference(run(tmp_path / "out.onnx", {"x": feed}), [feed * 2]) < CLOSE


def test_a_lambda_is_refused_whatever_keras_is_set_to(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    with_lambda(path)
    from keras.src.saving import serialization_lib

    keras().config.enable_unsafe_deserialization()
    try:
        with pytest.raises(UntrustedCodeError):
            convert(path, tmp_path / "out.onnx")
    finally:
        serialization_lib.global_state.set_global_attribute("safe_mode_saving", None)


def edited(source: Path, target: Path, edit: Callable[[Any], None]) -> Path:
    """A .keras file with another configuration."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                edit(config)
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return target


def head(config: Any) -> Any:
    return next(layer for layer in config["config"]["layers"] if layer["config"]["name"] == "head")


EDITS: dict[str, Callable[[Any], None]] = {
    "a class of another module": lambda c: head(c).update(module="os", class_name="system"),
    "a registered class nobody registered": lambda c: head(c).update(
        module="evil.layers", class_name="Dense", registered_name="evil>Dense"
    ),
    "a function of another module": lambda c: head(c)["config"].update(
        activation={"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
    ),
    "a function of Keras that is no layer": lambda c: head(c).update(module="keras.utils", class_name="get_file"),
    "a module that only looks like Keras": lambda c: head(c).update(module="keras_evil.layers"),
    "byte code in an initializer": lambda c: head(c)["config"].update(
        kernel_initializer={"class_name": "__lambda__", "config": {"value": ["4wAA", None, None]}}
    ),
    "a layer that runs a SavedModel": lambda c: head(c).update(
        module="keras.layers", class_name="TFSMLayer", config={"name": "head", "filepath": "/tmp/evil"}
    ),
    "a lambda in the metric": lambda c: head(c).update(
        class_name="Lambda", config={"name": "l", "function": ["4wAA", None, None]}
    ),
}


@pytest.mark.parametrize("kind", EDITS)
def test_a_configuration_that_could_run_code_is_refused(kind: str, tmp_path: Path) -> None:
    plain().save(tmp_path / "good.keras")
    bad = edited(tmp_path / "good.keras", tmp_path / "bad.keras", EDITS[kind])
    with pytest.raises(UntrustedCodeError, match="--trust-model-code"):
        convert(bad, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_the_same_configuration_unharmed_is_read(tmp_path: Path) -> None:
    plain().save(tmp_path / "good.keras")
    convert(edited(tmp_path / "good.keras", tmp_path / "same.keras", lambda config: None), tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx").exists()


def custom_model() -> tuple[Any, dict[str, object]]:
    k = keras()

    class Twice(k.layers.Layer):
        def call(self, x: Any) -> Any:
            return x * 2.0

    def cube(x: Any) -> Any:
        return x * x * x

    x = k.Input((4,), name="x")
    return k.Model(x, k.layers.Dense(3, cube)(Twice(name="twice")(x))), {"Twice": Twice, "cube": cube}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_custom_layers_and_functions_are_provided(suffix: str, tmp_path: Path) -> None:
    model, objects = custom_model()
    path = tmp_path / f"net{suffix}"
    model.save(path)
    convert(path, tmp_path / "out.onnx", ExportOptions(custom_objects=objects))
    feed = example((2, 4))
    assert difference(run(tmp_path / "out.onnx", {"x": feed}), arrays(model, model(feed))) < CLOSE
    rows = irstat.analyze(tmp_path / "out.onnx", dims={"batch": 1}).rows
    assert ("twice", "Twice") in {(row.layer, row.layer_type) for row in rows}
    with pytest.raises((UntrustedCodeError, ConversionError), match=r"Twice|cube"):
        convert(path, tmp_path / "again.onnx")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"\x89HDF\r\n\x1a\n nonsense", b"no model at all"])
def test_what_is_no_model_file_is_one_error(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    with pytest.raises(ConversionError, match=r"not a \.keras archive|not an HDF5 file"):
        convert(path, tmp_path / "out.onnx")


def test_damaged_files_are_one_error(tmp_path: Path) -> None:
    good = tmp_path / "good.keras"
    plain().save(good)
    content = good.read_bytes()
    (tmp_path / "cut.keras").write_bytes(content[: len(content) // 2])
    shallow = edited(good, tmp_path / "shallow.keras", lambda config: config.clear())
    weightless = tmp_path / "weightless.keras"
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(weightless, "w") as new:
        new.writestr("config.json", old.read("config.json"))
        new.writestr("metadata.json", old.read("metadata.json"))
    for path in (tmp_path / "cut.keras", shallow, weightless):
        with pytest.raises(ConversionError) as error:
            convert(path, tmp_path / "out.onnx")
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="no such file"):
        convert(tmp_path / "absent.keras", tmp_path / "out.onnx")


def test_weights_without_a_model_are_an_error_that_says_so(tmp_path: Path) -> None:
    plain().save_weights(tmp_path / "net.weights.h5")
    with pytest.raises(UsageError, match=r"holds weights only; build the model in Python and give package\.module:callable"):
        convert(tmp_path / "net.weights.h5", tmp_path / "out.onnx")
