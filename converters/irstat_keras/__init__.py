"""Keras models for irstat."""
