"""Networks of the kinds that people train, in tinynet and in PyTorch, for `benchmarks.loops`.

The layers, their sizes, the losses, the optimizers and the batches are the same in both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

RECIPES = "lenet", "resnet"  # as `tinynet train` trains them, with what is random in training
WORKLOADS = *RECIPES, "residual", "transformer", "gru", "vae", "table", "fine-tuning"
BATCHES = {
    "lenet": 64,
    "resnet": 128,
    "residual": 64,
    "transformer": 64,
    "gru": 64,
    "vae": 64,
    "table": 64,
    "fine-tuning": 32,
}
LENGTH, WIDTH, CHARACTERS = 48, 64, 64  # of the transformer
STEPS, UNITS, FEATURES = 50, 64, 16  # of the GRU
COLUMNS = 10  # of the table

Step = Callable[[], object]


def data(workload: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a batch of random samples and labels."""
    rng, n = np.random.default_rng(0), BATCHES[workload]
    classes = rng.integers(0, 10, n)
    if workload == "transformer":
        codes = rng.integers(0, CHARACTERS, (n, LENGTH + 1))
        return codes[:, :-1].copy(), codes[:, 1:].copy()
    if workload == "gru":
        return rng.standard_normal((n, STEPS, FEATURES)).astype(np.float32), classes
    if workload == "table":
        x = rng.standard_normal((n, COLUMNS)).astype(np.float32)
        return x, x.sum(axis=1, keepdims=True)
    return rng.random((n, 28, 28, 1), np.float32), classes


# --- tinynet


def tinynet_step(workload: str) -> Callable[..., object]:
    """Return a step of training as a function of samples and labels."""
    import tinynet as tn

    model, optimizer, loss_of = parts_of(workload)

    def step(x: tn.Tensor, y: tn.Tensor) -> tn.Tensor:
        loss = loss_of(model, x, y)
        optimizer.minimize(loss, model)
        return loss

    return step


def parts_of(workload: str) -> tuple[Any, Any, Callable[..., Any]]:
    """Return a model or several, the optimizer, and the loss as a function of model, samples and labels."""
    import tinynet as tn

    def entropy(model: Any, x: Any, y: Any) -> Any:
        return tn.ops.cross_entropy(model(x), y)

    def convolution(filters: int) -> list[tn.Layer]:
        return [tn.Conv2D(filters, 3, padding="same", use_bias=False), tn.BatchNorm()]

    def block(filters: int) -> list[tn.Layer]:
        return [tn.Residual([*convolution(filters), tn.ReLU(), *convolution(filters)]), tn.ReLU()]

    if workload in RECIPES:
        from tinynet.recipes import RECIPES as KNOWN
        from tinynet.recipes.training import make_optimizer

        return KNOWN[workload].model(seed=0), make_optimizer(KNOWN[workload].settings(60_000)), entropy
    if workload == "residual":
        first = [tn.Input((28, 28, 1)), tn.Conv2D(24, 3, padding="same", activation="relu"), tn.MaxPool(2), *block(24)]
        rest = [tn.MaxPool(2), *convolution(48), tn.ReLU(), *block(48), tn.GlobalAvgPool(), tn.Dense(10)]
        return tn.Sequential([*first, *rest], seed=0), tn.SGD(0.05, 0.9, nesterov=True), entropy
    if workload == "transformer":
        attention = tn.Residual([tn.LayerNorm(), tn.MultiHeadAttention(4, causal=True)])
        dense = tn.Residual([tn.LayerNorm(), tn.Dense(2 * WIDTH, "gelu"), tn.Dense(WIDTH)])
        start = [tn.Input((LENGTH,), integers=True), tn.Embedding(CHARACTERS, WIDTH)]
        layers = [*start, attention, dense, tn.LayerNorm(), tn.Dense(CHARACTERS)]
        return tn.Sequential(layers, seed=0), tn.Adam(1e-3), entropy
    if workload == "gru":
        return (
            tn.Sequential([tn.Input((STEPS, FEATURES)), tn.GRU(UNITS), tn.Dense(10)], seed=0),
            tn.Adam(1e-3),
            entropy,
        )
    if workload == "table":
        layers = [tn.Input((COLUMNS,)), tn.Dense(64, "relu"), tn.Dense(64, "relu"), tn.Dense(1)]
        return tn.Sequential(layers, seed=0), tn.Adam(1e-3), lambda model, x, y: tn.ops.huber(model(x), y)
    if workload == "fine-tuning":
        base = [tn.Input((28, 28, 1)), tn.Conv2D(32, 3, activation="relu"), tn.MaxPool(2)]
        base += [tn.Conv2D(64, 3, activation="relu"), tn.MaxPool(3), tn.Flatten()]
        model = tn.Sequential([*base, tn.Dense(128, "relu"), tn.Dense(10)], seed=0)
        for layer in base:
            layer.trainable = False
        return model, tn.Adam(1e-3), entropy
    model = tn.Sequential([tn.Input((28, 28, 1)), tn.Flatten(), tn.Dense(128, "relu"), tn.Dense(4)], seed=0)
    decoder = tn.Sequential([tn.Input((2,)), tn.Dense(128, "relu"), tn.Dense(784)], seed=1)
    return [model, decoder], tn.Adam(1e-3), _tinynet_vae


def _tinynet_vae(models: Any, x: Any, y: Any) -> Any:
    import tinynet as tn

    encoder, decoder = models
    mean, log_variance = tn.ops.split(encoder(x), 2, axis=1)
    points = mean + tn.random.normal(mean.shape) * tn.ops.exp(log_variance / 2)
    images = tn.ops.reshape(x, (x.shape[0], 784))
    likeness = tn.ops.binary_cross_entropy(tn.ops.sigmoid(decoder(points)), images)
    divergence = (mean**2 + tn.ops.exp(log_variance) - log_variance - 1).sum() / (2 * x.shape[0])
    return 784 * likeness + divergence


# --- PyTorch


def torch_step(workload: str, compiled: bool) -> Step:
    """Return a step of PyTorch's, eager or compiled."""
    import torch

    torch.manual_seed(0)
    x, y = (torch.from_numpy(a) for a in data(workload))
    if x.ndim == 4:
        x = x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    model, optimizer, loss_of = _torch(workload)
    forward = torch.compile(model) if compiled else model

    def step() -> None:
        optimizer.zero_grad()
        loss_of(forward, x, y).backward()
        optimizer.step()

    return step


def _torch(workload: str) -> tuple[Any, Any, Callable[..., Any]]:
    import torch
    from torch import nn

    entropy = nn.functional.cross_entropy
    if workload == "lenet":
        model = _lenet().to(memory_format=torch.channels_last)
        return model, torch.optim.SGD(model.parameters(), 0.05, 0.9, nesterov=True), lambda f, x, y: entropy(f(x), y)
    if workload == "resnet":
        model = _residual(nn.Dropout(0.2))
        weights = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim == 1]
        groups = [{"params": weights, "weight_decay": 5e-4}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.SGD(groups, 0.1, 0.9, nesterov=True)
        return model, optimizer, lambda f, x, y: entropy(f(_shifted(x, 2)), y)
    if workload == "residual":
        model = _residual()
        optimizer = torch.optim.SGD(model.parameters(), 0.05, 0.9, nesterov=True)
        return model, optimizer, lambda f, x, y: entropy(f(x), y)
    if workload == "table":
        model = nn.Sequential(nn.Linear(COLUMNS, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
        huber = nn.functional.huber_loss
        return model, torch.optim.Adam(model.parameters(), 1e-3), lambda f, x, y: huber(f(x), y)
    if workload == "fine-tuning":
        base = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(3)]
        model = nn.Sequential(*base, nn.Flatten(), nn.Linear(576, 128), nn.ReLU(), nn.Linear(128, 10))
        model = model.to(memory_format=torch.channels_last)
        for layer in base:
            layer.requires_grad_(False)
        trained = [p for p in model.parameters() if p.requires_grad]
        return model, torch.optim.Adam(trained, 1e-3), lambda f, x, y: entropy(f(x), y)
    model = {"transformer": _transformer, "gru": _recurrent, "vae": _autoencoder}[workload]()
    loss = _torch_vae if workload == "vae" else lambda f, x, y: entropy(f(x).flatten(0, -2), y.flatten())
    return model, torch.optim.Adam(model.parameters(), 1e-3), loss


def _torch_vae(forward: Any, x: Any, y: Any) -> Any:
    from torch.nn import functional

    images, mean, log_variance = forward(x)
    likeness = functional.binary_cross_entropy_with_logits(images, x.reshape(len(x), -1))
    divergence = (mean**2 + log_variance.exp() - log_variance - 1).sum() / (2 * len(x))
    return 784 * likeness + divergence


def _lenet() -> Any:
    from torch import nn

    layers = [nn.Conv2d(1, 6, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU()]
    dense = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*layers, nn.MaxPool2d(2), nn.Flatten(), *dense)


def _residual(*before_the_head: Any) -> Any:
    import torch
    from torch import nn

    layers = [nn.Conv2d(1, 24, 3, padding="same"), nn.ReLU(), nn.MaxPool2d(2), _block(24), nn.MaxPool2d(2)]
    layers += [*_convolution(24, 48), nn.ReLU(), _block(48), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    model = nn.Sequential(*layers, *before_the_head, nn.Linear(48, 10))
    return model.to(memory_format=torch.channels_last)


def _shifted(x: Any, most: int) -> Any:
    """Move each image by up to so many pixels, in one indexing."""
    import torch

    n, _, h, w = x.shape
    padded = torch.nn.functional.pad(x, (most,) * 4)
    rows = torch.randint(0, 2 * most + 1, (n, 1)) + torch.arange(h)
    columns = torch.randint(0, 2 * most + 1, (n, 1)) + torch.arange(w)
    moved = padded[torch.arange(n)[:, None, None], 0, rows[:, :, None], columns[:, None, :]]
    return moved[:, None].contiguous(memory_format=torch.channels_last)


def _convolution(channels: int, filters: int) -> list[Any]:
    from torch import nn

    return [nn.Conv2d(channels, filters, 3, padding="same", bias=False), nn.BatchNorm2d(filters)]


def _block(filters: int) -> Any:
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(*_convolution(filters, filters), nn.ReLU(), *_convolution(filters, filters))

        def forward(self, x: Any) -> Any:
            return (x + self.layers(x)).relu()

    return Block()


def _transformer() -> Any:
    from torch import nn

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(CHARACTERS, WIDTH)
            self.norms = nn.ModuleList([nn.LayerNorm(WIDTH) for _ in range(3)])
            self.inner, self.outer = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.dense = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))
            self.head = nn.Linear(WIDTH, CHARACTERS)

        def forward(self, codes: Any) -> Any:
            x = self.embedding(codes)
            heads = self.inner(self.norms[0](x)).unflatten(-1, (3, 4, WIDTH // 4)).permute(2, 0, 3, 1, 4)
            seen = nn.functional.scaled_dot_product_attention(*heads, is_causal=True)
            x = x + self.outer(seen.transpose(1, 2).flatten(2))
            x = x + self.dense(self.norms[1](x))
            return self.head(self.norms[2](x))

    return Transformer()


def _recurrent() -> Any:
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.head = nn.GRU(FEATURES, UNITS, batch_first=True), nn.Linear(UNITS, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.gru(x)[0][:, -1])

    return Recurrent()


def _autoencoder() -> Any:
    import torch
    from torch import nn

    class Autoencoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 4))
            self.decoder = nn.Sequential(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 784))

        def forward(self, x: Any) -> Any:
            mean, log_variance = self.encoder(x).chunk(2, 1)
            points = mean + torch.randn_like(mean) * (log_variance / 2).exp()
            return self.decoder(points), mean, log_variance

    return Autoencoder()
