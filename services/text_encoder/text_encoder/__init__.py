"""Sentences to vectors: the published MiniLM-L6 model, its weights from a package, its layers in NumPy."""

from text_encoder.encoder import WIDTH, Encoder, open_encoder

__all__ = ["WIDTH", "Encoder", "open_encoder"]
__version__ = "0.1.0"
