"""Objects in X-ray images of cargo, found by an ONNX detector."""

__version__ = "0.1.0"
