"""Keras models for irstat: `keras.Model`, `keras.Layer`, `.keras` and `.h5` files, SavedModel folders.

Importing this package imports neither Keras nor TensorFlow; exporting does.
"""

from irstat_keras.converter import KerasConverter

CONVERTER = KerasConverter()
"""What the entry point `irstat.converters` names."""

__all__ = ["CONVERTER", "KerasConverter"]
