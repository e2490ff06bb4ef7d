"""The models of KITO's table that Keras still builds, and ten of torchvision, as ONNX files.

    python benchmarks/kito_models.py FOLDER [NAME …]

Writes FOLDER/NAME.onnx for each model that is not there yet, converted with irstat, with random weights. Fresh batch norms have
γ = 1, β = 0, μ = 0, v = 1 in all channels, which hides mistakes; here they get random scales and shifts, and statistics near
those of random images, so that signals neither die nor explode on the way. Each model has a process of its own. Needs
tensorflow, keras, tf2onnx, torch and torchvision.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCE = "README.md of ZFTurbo/Keras-inference-time-optimizer, commit cd41c51; NVIDIA GTX 1080, TensorFlow 1.4"


@dataclass(frozen=True, slots=True)
class Published:
    """A row of KITO's own table."""

    layers: tuple[int, int]
    params: tuple[int, int]
    seconds: float
    """Of the conversion."""
    max_difference: float
    mean_difference: float

    @property
    def layers_gone(self) -> int:
        """ΔL."""
        return self.layers[0] - self.layers[1]

    @property
    def params_gone(self) -> int:
        """Δparams."""
        return self.params[0] - self.params[1]


KITO: Mapping[str, Published] = {
    "MobileNet": Published((102, 75), (4_253_864, 4_221_032), 12.45, 2.80e-06, 4.41e-09),
    "MobileNetV2": Published((152, 100), (6_156_712, 6_084_808), 87.00, 3.99e-06, 6.88e-09),
    "ResNet50": Published((177, 124), (25_636_712, 25_530_472), 45.28, 5.06e-07, 1.24e-09),
    "InceptionV3": Published((313, 219), (23_851_784, 23_817_352), 126.02, 7.74e-07, 1.26e-09),
    "InceptionResNetV2": Published((782, 578), (55_873_736, 55_813_192), 766.14, 8.04e-07, 9.26e-10),
    "Xception": Published((134, 94), (22_910_480, 22_828_688), 28.15, 3.65e-07, 9.69e-10),
    "DenseNet121": Published((428, 369), (8_062_504, 8_040_040), 392.24, 4.61e-07, 8.69e-09),
    "DenseNet169": Published((596, 513), (14_307_880, 14_276_200), 772.54, 2.14e-06, 1.79e-09),
    "DenseNet201": Published((708, 609), (20_242_984, 20_205_160), 1120.88, 7.00e-07, 1.27e-09),
    "NASNetMobile": Published((751, 563), (5_326_716, 5_272_599), 728.96, 1.10e-06, 1.60e-09),
    "NASNetLarge": Published((1021, 761), (88_949_818, 88_658_596), 1402.61, 1.43e-07, 5.88e-10),
}
"""What KITO printed for the models that keras.applications still builds. Four more rows are of models outside of Keras."""

ARGUMENTS: Mapping[str, Mapping[str, float]] = {"MobileNetV2": {"alpha": 1.4}}
"""For the builders of keras.applications, as KITO's table has them."""

TORCHVISION: Mapping[str, int] = {
    "resnet18": 224,
    "resnet50": 224,
    "mobilenet_v2": 224,
    "mobilenet_v3_small": 224,
    "googlenet": 224,
    "inception_v3": 299,
    "efficientnet_b0": 224,
    "densenet121": 224,
    "shufflenet_v2_x1_0": 224,
    "regnet_y_400mf": 224,
}
"""Name -> size of image."""

NAMES = (*KITO, *TORCHVISION)

BATCH = 4
"""Images that statistics are taken of: half of them uniform from 0 to 1, half normally distributed."""


def file_of(folder: Path, name: str) -> Path:
    """The file of a model; it is made, in a process of its own, where it is not there yet."""
    path = folder / f"{name}.onnx"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, __file__, "--one", str(path), name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return path


def write(path: Path, name: str) -> None:
    """Build and convert one model in this process; the file appears when it is complete."""
    new = path.with_name(f"{path.stem}.new.onnx")
    if name in KITO:
        _write_keras(new, name)
    else:
        _write_torchvision(new, name)
    new.rename(path)


def _write_keras(path: Path, name: str) -> None:
    import keras

    import irstat

    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(weights=None, **ARGUMENTS.get(name, {}))
    calibrate_keras(model)
    irstat.convert(model, path)


def calibrate_keras(model: Any) -> None:
    """Random scales, shifts and biases; statistics as they are on random images, then changed a little for each channel."""
    import keras
    import numpy as np

    generator = np.random.default_rng(0)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for variable in model.trainable_variables:
        if len(variable.shape) == 1:
            noise = generator.standard_normal(variable.shape, dtype="float32")
            variable.assign(1 + 0.3 * noise if variable.path.endswith("gamma") else 0.3 * noise)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    shape = (BATCH // 2, *model.input_shape[1:])
    images = generator.random(shape, dtype="float32"), generator.standard_normal(shape, dtype="float32")
    model(np.concatenate(images), training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        mean, variance = np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)
        noise = generator.standard_normal((2, *mean.shape), dtype="float32")
        norm.moving_mean.assign(mean + 0.2 * np.sqrt(variance) * noise[0])
        norm.moving_variance.assign(variance * np.exp(0.2 * noise[1]))
        norm.momentum = momentum


def _write_torchvision(path: Path, name: str) -> None:
    from torchvision_zoo import quiet, randomized

    import irstat

    size = TORCHVISION[name]
    with quiet():
        import torch
        import torchvision

        torch.manual_seed(0)
        options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        module = randomized(torchvision.models.get_model(name, weights=None, **options))
        calibrate_torch(module, size)
    irstat.convert(module, path, irstat.ExportOptions({"x": irstat.InputSpec((1, 3, size, size))}))


def calibrate_torch(module: Any, size: int) -> None:
    """Statistics as they are on random images, then changed a little for each channel."""
    import torch

    norms = [part for part in module.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        shape = (BATCH // 2, 3, size, size)
        module.train()(torch.cat([torch.rand(shape), torch.randn(shape)]))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.running_mean += 0.2 * norm.running_var.sqrt() * torch.randn(norm.running_mean.shape)
            norm.running_var *= torch.exp(0.2 * torch.randn(norm.running_var.shape))
            norm.momentum = momentum
    module.eval()


def main(arguments: list[str]) -> None:
    if arguments[0] == "--one":
        write(Path(arguments[1]), arguments[2])
        return
    for name in arguments[1:] or NAMES:
        print(file_of(Path(arguments[0]), name), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
