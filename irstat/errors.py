"""Every exception irstat raises on purpose.

One tree under `IrstatError`; each is also the natural builtin, so a caller can catch either. The command line turns any
of them into one line `irstat: error: …` and exit status 2. A message says what happened, where (node, tensor, file) and
what to do.
"""


class IrstatError(Exception):
    """Base of every error irstat raises on purpose."""


class ModelError(IrstatError, ValueError):
    """The model is not valid ONNX, or contradicts itself."""


class UnsafePathError(ModelError):
    """External data points outside the model's folder, or to something that is not a plain file."""


class ShapeError(ModelError):
    """A shape the user asked for does not fit the model, or is too large to exist."""


class MissingWeightsError(IrstatError, FileNotFoundError):
    """Weight bytes are needed, and the file that holds them is not there."""


class UsageError(IrstatError, ValueError):
    """An argument names something that does not exist, or has the wrong form."""


class PassError(IrstatError, RuntimeError):
    """A pass failed, or left a graph that is not valid; the message says which passes ran before it."""


class ConversionError(IrstatError, RuntimeError):
    """A framework could not turn a model into ONNX."""


class MissingDependencyError(IrstatError, ImportError):
    """A converter needs a framework that is not installed; the message is the command that installs it."""


class UntrustedCodeError(IrstatError, PermissionError):
    """A model file holds code, and nobody said that it may run."""


class ConverterConflictError(IrstatError, ValueError):
    """Two installed distributions provide a converter of the same name."""
