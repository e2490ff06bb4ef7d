"""How long a model takes in onnxruntime: latency on execution providers, and every microsecond given back to its node."""
