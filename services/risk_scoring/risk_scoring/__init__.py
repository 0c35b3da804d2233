"""Risk scoring of customs declarations: features, distributed training, a model card and a predictor."""

__version__ = "0.1.0"
