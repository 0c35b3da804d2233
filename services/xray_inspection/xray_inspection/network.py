"""A small detector that is learnt in NumPy and written as ONNX: four convolutions and a head, a cell every 8 pixels.

For each cell and class a chance that an object's centre lies in it, and for each cell where in it and how large. A deep
learning framework would be two orders of magnitude more to install for a network of 20,000 weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Values = NDArray[np.float32]
STRIDE = 8
# input channels, output channels, stride of each 3 x 3 convolution
LAYERS = ((1, 12, 2), (12, 24, 2), (24, 32, 2), (32, 32, 1))
GEOMETRY = 4  # across, down, log width, log height, in cells
PRIOR = 0.02  # chance of a centre in a cell, before anything is learnt
FOCUS = 2.0  # how much easy cells count less


@dataclass
class Network:
    """The weights: of each convolution and of the head, and their offsets."""

    weights: list[Values]
    offsets: list[Values]
    classes: int

    @classmethod
    def fresh(cls, classes: int, seed: int) -> Network:
        """Return a network that has learnt nothing."""
        generator = np.random.default_rng(seed)
        shapes = [(out, into, 3, 3) for into, out, _ in LAYERS] + [(classes + GEOMETRY, LAYERS[-1][1], 1, 1)]
        weights = [generator.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32) for shape in shapes]
        weights[-1] *= np.float32(0.1)
        offsets = [np.zeros(shape[0], dtype=np.float32) for shape in shapes]
        offsets[-1][:classes] = np.log(PRIOR / (1 - PRIOR))
        return cls(weights, offsets, classes)

    def forward(self, images: Values) -> tuple[Values, list[tuple[Values, Values]]]:
        """Return the head's values, and what `backward` needs: columns and outputs of each layer."""
        x, kept = images, []
        for i, (_, _, stride) in enumerate(LAYERS):
            columns, shape = _columns(x, stride)
            y = np.maximum(_product(columns, self.weights[i], self.offsets[i], shape), 0)
            kept.append((columns, y))
            x = y
        columns = x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1])
        head = _product(columns, self.weights[-1], self.offsets[-1], (x.shape[0], *x.shape[2:]))
        kept.append((columns, head))
        return head, kept

    def backward(
        self, images: Values, kept: list[tuple[Values, Values]], gradient: Values
    ) -> tuple[list[Values], list[Values]]:
        """Return the gradients of weights and offsets from that of the head's values."""
        by_weight: list[Values] = [np.empty(0, np.float32)] * len(self.weights)
        by_offset: list[Values] = [np.empty(0, np.float32)] * len(self.weights)
        flow = gradient
        for i in range(len(self.weights) - 1, -1, -1):
            columns, y = kept[i]
            if i < len(LAYERS):
                flow = flow * (y > 0)
            rows = flow.transpose(0, 2, 3, 1).reshape(-1, flow.shape[1])
            by_weight[i] = (rows.T @ columns).reshape(self.weights[i].shape)
            by_offset[i] = rows.sum(0)
            if i == 0:
                break
            back = rows @ self.weights[i].reshape(self.weights[i].shape[0], -1)
            before = kept[i - 1][1].shape
            if i == len(LAYERS):
                flow = back.reshape(before[0], before[2], before[3], before[1]).transpose(0, 3, 1, 2)
            else:
                flow = _scatter(back, before, LAYERS[i][2])
        return by_weight, by_offset


def _columns(x: Values, stride: int) -> tuple[Values, tuple[int, int, int]]:
    """Return every 3 x 3 neighbourhood as a row."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, (3, 3), axis=(2, 3))[:, :, ::stride, ::stride]
    count, channels, height, width = windows.shape[:4]
    columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(count * height * width, channels * 9)
    return np.ascontiguousarray(columns), (count, height, width)


def _product(columns: Values, weights: Values, offsets: Values, shape: tuple[int, int, int]) -> Values:
    out = columns @ weights.reshape(weights.shape[0], -1).T + offsets
    result: Values = out.reshape(*shape, -1).transpose(0, 3, 1, 2)
    return result


def _scatter(columns: Values, shape: tuple[int, ...], stride: int) -> Values:
    """Return what `_columns` took apart put together again, what overlaps added up."""
    count, channels, height, width = shape
    across, down = -(-width // stride), -(-height // stride)
    parts = columns.reshape(count, down, across, channels, 3, 3)
    padded = np.zeros((count, channels, height + 2, width + 2), dtype=np.float32)
    for i in range(3):
        for j in range(3):
            padded[:, :, i : i + stride * down : stride, j : j + stride * across : stride] += parts[
                ..., i, j
            ].transpose(0, 3, 1, 2)
    return padded[:, :, 1:-1, 1:-1]


def loss_gradient(head: Values, wanted: Values, geometry: Values, classes: int) -> tuple[float, Values]:
    """Return the loss and its gradient: focal cross-entropy of centres, absolute error of geometry where one is."""
    chance = 1 / (1 + np.exp(-head[:, :classes]))
    positives = max(1.0, float(wanted.sum()))
    right = np.where(wanted > 0, chance, 1 - chance)
    log_right = np.log(np.maximum(right, 1e-7))
    easy = (1 - right) ** FOCUS
    loss = float(-(easy * log_right).sum() / positives)
    # of the focal loss by the logit
    slope = easy * (FOCUS * right * log_right - (1 - right))
    gradient = np.zeros_like(head)
    gradient[:, :classes] = np.where(wanted > 0, slope, -slope) / positives
    there = wanted.max(axis=1, keepdims=True) > 0
    difference = (head[:, classes:] - geometry) * there
    loss += float(np.abs(difference).sum() / positives)
    gradient[:, classes:] = np.sign(difference) / positives
    return loss, gradient.astype(np.float32)


class Adam:
    """Adam with the usual constants."""

    def __init__(self, network: Network, rate: float) -> None:
        self._rate = rate
        self._values = [*network.weights, *network.offsets]
        self._first = [np.zeros_like(value) for value in self._values]
        self._second = [np.zeros_like(value) for value in self._values]
        self._steps = 0

    def step(self, gradients: list[Values], share_left: float) -> None:
        """Change the weights in place; the rate falls with the share of the steps that is left."""
        self._steps += 1
        rate = self._rate * max(0.02, share_left)
        for value, gradient, first, second in zip(self._values, gradients, self._first, self._second, strict=True):
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient**2 - second)
            unbiased = second / (1 - 0.999**self._steps)
            value -= (rate / (1 - 0.9**self._steps)) * first / (np.sqrt(unbiased) + 1e-8)
