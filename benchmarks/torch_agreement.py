"""Layers, losses and optimizers beside those of PyTorch, step by step in float64: outputs, gradients, parameters.

Run ``python -m benchmarks.torch_agreement`` in the root of the repository, with the extra ``bench``. It prints the
largest difference in each case, eager and compiled, and fails if one is above 1e-10, relative to the largest value.
With ``--write`` it writes what PyTorch computes to tests/nn/torch_samples.npz, for tests that run without PyTorch.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from tests.nn.torch_cases import CASES, CONTEXT, MASK, parameters_of, prepared, tinynet_side

OUT = Path(__file__).parents[1] / "tests" / "nn" / "torch_samples.npz"
MOST = 1e-10

Tensor = torch.Tensor
Side = Callable[..., Tensor]  # of the samples and the parameters by name, in the layouts of tinynet


# --- layers: images come as N H W C and filters as KH KW C F, and are brought to PyTorch's layouts


def first(x: Tensor) -> Tensor:
    """Bring the channels of images before their rows."""
    return x.permute(0, 3, 1, 2)


def last(x: Tensor) -> Tensor:
    """Bring the channels of images behind their columns."""
    return x.permute(0, 2, 3, 1)


def edges(x: Tensor, options: dict[str, Any], value: float) -> Tensor:
    """Pad images (n, C, H, W) as "same" means it; the odd row or column goes after."""
    if options["padding"] == "valid":
        return x
    sides = []
    for n, k in zip(x.shape[:1:-1], options["window"][::-1], strict=True):
        lacking = max(0, (-(-n // options["stride"]) - 1) * options["stride"] + k - n)
        sides += [lacking // 2, lacking - lacking // 2]
    return functional.pad(x, sides, value=value)


def conv(options: dict[str, Any]) -> Side:
    def run(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        inside = edges(first(x), options, 0.0)
        return last(functional.conv2d(inside, weight.permute(3, 2, 0, 1), bias, options["stride"]))

    return run


def conv_transposed(options: dict[str, Any]) -> Side:
    def run(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        window, stride = options["window"], options["stride"]
        rest = [max(0, stride - k) for k in window]
        y = functional.conv_transpose2d(first(x), weight.permute(3, 2, 0, 1), bias, stride, output_padding=rest)
        if options["padding"] == "same":
            top, left = (max(0, k - stride) // 2 for k in window)
            y = y[:, :, top : top + x.shape[1] * stride, left : left + x.shape[2] * stride]
        return last(y)

    return run


def max_pool(options: dict[str, Any]) -> Side:
    return lambda x: last(
        functional.max_pool2d(edges(first(x), options, -np.inf), options["window"], options["stride"])
    )


def avg_pool(options: dict[str, Any]) -> Side:
    def run(x: Tensor) -> Tensor:
        means, pixels = (
            functional.avg_pool2d(edges(part, options, 0.0), options["window"], options["stride"])
            for part in (first(x), torch.ones_like(first(x)))
        )
        return last(means / pixels)  # of the pixels of the image alone

    return run


def recurrent(kind: type[torch.nn.RNNBase], sequences: bool, masked: bool) -> Side:
    def run(x: Tensor, **given: Tensor) -> Tensor:
        units = given["recurrent_weight"].shape[0]
        network = kind(x.shape[2], units, batch_first=True, dtype=x.dtype)
        own = {
            "weight_ih_l0": given["weight"].T,
            "weight_hh_l0": given["recurrent_weight"].T,
            "bias_ih_l0": given["bias"],
            "bias_hh_l0": given.get("recurrent_bias", torch.zeros_like(given["bias"])),
        }
        if kind is torch.nn.GRU:  # PyTorch has r before z
            own = {name: torch.cat([p[units : 2 * units], p[:units], p[2 * units :]]) for name, p in own.items()}
        if not masked:
            y, _ = torch.func.functional_call(network, own, (x,))
            return y if sequences else y[:, -1]
        lengths = torch.tensor(MASK[: len(x)].sum(1))
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(
            torch.func.functional_call(network, own, (packed,))[0], batch_first=True
        )
        return y[torch.arange(len(x)), lengths - 1]

    return run


def attention(heads: int, causal: bool = False, masked: bool = False, context: bool = False) -> Side:
    def run(x: Tensor, **given: Tensor) -> Tensor:
        other = torch.tensor(CONTEXT[: len(x)]) if context else x
        network = torch.nn.MultiheadAttention(
            x.shape[2], heads, batch_first=True, dtype=x.dtype, kdim=other.shape[2], vdim=other.shape[2]
        )
        parts = [given[f"{name}.weight"].T for name in ("query", "key", "value")]
        own = dict(zip(("q_proj_weight", "k_proj_weight", "v_proj_weight"), parts, strict=True))
        own = own if context else {"in_proj_weight": torch.cat(parts)}
        own["in_proj_bias"] = torch.cat([given[f"{name}.bias"] for name in ("query", "key", "value")])
        own |= {"out_proj.weight": given["output.weight"].T, "out_proj.bias": given["output.bias"]}
        unseen = torch.ones(x.shape[1], other.shape[1], dtype=torch.bool).triu(1) if causal else None
        padding = torch.tensor(MASK[: len(x)] == 0) if masked else None
        y, _ = torch.func.functional_call(
            network, own, (x, other, other), {"attn_mask": unseen, "key_padding_mask": padding}
        )
        return y

    return run


def batch_norm(states: dict[str, Tensor], momentum: float, epsilon: float) -> Side:
    """Normalise by batches, and keep running means as tinynet does: with the biased variance."""

    def run(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        starts = {"mean": torch.zeros(rows.shape[1:]).to(x), "variance": torch.ones(rows.shape[1:]).to(x)}
        mean, variance = (states.get(key, start).clone() for key, start in starts.items())
        y = functional.batch_norm(rows, mean, variance.clone(), gamma, beta, True, 1 - momentum, epsilon)
        unbiased = rows.detach().var(0, correction=1)
        states["mean"] = mean
        states["variance"] = momentum * variance + (1 - momentum) * unbiased * (len(rows) - 1) / len(rows)
        return y.reshape(x.shape)

    return run


ACTIVATIONS: dict[str, Side] = {
    "relu": functional.relu,
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.2),
    "elu": functional.elu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "softplus": functional.softplus,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda x: torch.softmax(x, -1),
}


def dense(activation: Callable[[Tensor], Tensor] = lambda y: y) -> Side:
    return lambda x, weight, bias=0.0: activation(x @ weight + bias)


def side_of(name: str, states: dict[str, Tensor]) -> Side:
    """Return the layer of a case in PyTorch."""
    kind, *rest = name.split()
    options = CASES[name].options
    sides: dict[str, Callable[[], Side]] = {
        "Activation": lambda: ACTIVATIONS[rest[0]],
        "Dense": dense,
        "Conv2D": lambda: conv(options),
        "Conv2DTranspose": lambda: conv_transposed(options),
        "MaxPool": lambda: max_pool(options),
        "AvgPool": lambda: avg_pool(options),
        "GlobalAvgPool": lambda: lambda x: functional.adaptive_avg_pool2d(first(x), 1).flatten(1),
        "GlobalMaxPool": lambda: lambda x: functional.adaptive_max_pool2d(first(x), 1).flatten(1),
        "UpSampling": lambda: lambda x: last(functional.interpolate(first(x), scale_factor=(2, 3))),
        "Embedding": lambda: lambda x, weight: functional.embedding(x, weight),
        "LayerNorm": lambda: lambda x, gamma, beta: functional.layer_norm(x, x.shape[-1:], gamma, beta, 1e-5),
        "BatchNorm": lambda: batch_norm(states, *((0.6, 1e-3) if "constant" in rest else (0.9, 1e-5))),
        "LSTM": lambda: recurrent(torch.nn.LSTM, "sequences" in rest, "masked" in rest),
        "GRU": lambda: recurrent(torch.nn.GRU, "sequences" in rest, "masked" in rest),
        "MultiHeadAttention": lambda: attention(
            1 if "causal" in rest else 2, "causal" in rest, "masked" in rest, "another" in rest
        ),
        "loss": lambda: dense({"cross_entropy": log_softmax, "binary_cross_entropy": probability}.get(rest[0], same)),
        "optimizer": lambda: dense(torch.tanh),
    }
    return sides[kind]()


# --- losses: what makes the outputs is part of the layer in tinynet


def same(y: Tensor) -> Tensor:
    return y


def log_softmax(y: Tensor) -> Tensor:
    return torch.softmax(y, -1)


def probability(y: Tensor) -> Tensor:
    return torch.sigmoid(y)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": lambda y, labels: functional.nll_loss(torch.log(y), labels),
    "cross_entropy of shares": lambda y, labels: functional.cross_entropy(torch.log(y), labels),
    "cross_entropy smoothed": lambda y, labels: functional.cross_entropy(torch.log(y), labels, label_smoothing=0.1),
    "cross_entropy of steps": lambda y, labels: functional.nll_loss(torch.log(y).flatten(0, 1), labels.flatten()),
    "binary_cross_entropy of shares": functional.binary_cross_entropy,
    "binary_cross_entropy": lambda y, labels: functional.binary_cross_entropy(y[:, 0], labels.to(y.dtype)),
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
}


def loss_of(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss of a case in PyTorch."""
    if name.startswith("optimizer"):
        return functional.mse_loss
    return LOSSES.get(name.removeprefix("loss "), lambda y, weights: (y * weights).sum())


OPTIMIZERS: dict[str, Callable[[list[Tensor]], torch.optim.Optimizer]] = {
    "SGD": lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.1),
    "SGD momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
    "SGD Nesterov": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "SGD clip_value": lambda p: torch.optim.SGD(p, 0.1),
    "SGD clip_norm": lambda p: torch.optim.SGD(p, 0.1, momentum=0.5),
    "Adam": lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.1),
    "AdamW": lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.1),
    "RMSprop": lambda p: torch.optim.RMSprop(p, 0.1, alpha=0.8, momentum=0.5),
}


def clip(name: str, parameters: list[Tensor]) -> None:
    """Clip gradients where a case does; by the norm without the 1e-6 that PyTorch adds to it."""
    if "clip_value" in name:
        torch.nn.utils.clip_grad_value_(parameters, 0.05)
    if "clip_norm" in name:
        norm = torch.cat([p.grad.reshape(-1) for p in parameters]).norm()
        for p in parameters:
            p.grad *= torch.clamp(0.1 / norm, max=1.0)


# --- the steps


def torch_side(name: str) -> dict[str, np.ndarray]:
    """Make the steps of a case in PyTorch; returns what `tests.nn.torch_cases.tinynet_side` does."""
    model, batches = prepared(name)
    own = {key: torch.tensor(p.data, requires_grad=True) for key, p in parameters_of(model).items()}
    states: dict[str, Tensor] = {}
    layer, loss_function, found = side_of(name, states), loss_of(name), {}
    make = OPTIMIZERS.get(name.removeprefix("optimizer "), lambda p: torch.optim.SGD(p, 0.1))
    optimizer = make([*own.values()]) if own else None
    for number, (samples, labels) in enumerate(batches):
        x = torch.tensor(samples, requires_grad=samples.dtype.kind == "f")
        output = layer(x, **own)
        loss = loss_function(output, torch.tensor(labels))
        if optimizer:
            optimizer.zero_grad()
        loss.backward()
        found |= {f"{number} output": output.detach(), f"{number} loss": loss.detach()}
        found |= {f"{number} d x": x.grad} if x.requires_grad else {}
        found |= {f"{number} d {key}": p.grad.clone() for key, p in own.items()}
        clip(name, [*own.values()])
        if optimizer:
            optimizer.step()
    found |= {f"after {key}": p.detach() for key, p in own.items()} | {f"after {key}": s for key, s in states.items()}
    return {key: value.numpy() for key, value in found.items()}


def difference(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> float:
    """Return the largest difference of two sides, relative to the largest value of each array, or to 1."""
    shapes = [{key: value.shape for key, value in side.items()} for side in (found, expected)]
    if shapes[0] != shapes[1]:
        raise SystemExit(f"the sides have other arrays: {shapes[0]} and {shapes[1]}")
    return max(
        float(np.abs(found[key] - value).max(initial=0) / max(1.0, np.abs(value).max(initial=0)))
        for key, value in expected.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torch_agreement", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write what PyTorch computes for the tests")
    arguments = parser.parse_args()
    print(f"{'case':36}{'eager':>10}{'compiled':>10}", flush=True)
    samples, worst = {}, 0.0
    for name in CASES:
        expected = torch_side(name)
        apart = [difference(tinynet_side(name, compiled), expected) for compiled in (False, True)]
        print(f"{name:36}{apart[0]:10.1e}{apart[1]:10.1e}", flush=True)
        worst = max(worst, *apart)
        samples[name] = np.concatenate([expected[key].reshape(-1) for key in sorted(expected)])
    if arguments.write:
        np.savez_compressed(OUT, **samples)
        print(f"wrote {OUT}: {OUT.stat().st_size:,} bytes")
    print(f"{len(CASES)} cases, the largest difference {worst:.1e}, PyTorch {torch.__version__}")
    if not worst <= MOST:
        sys.exit(f"above {MOST}")


if __name__ == "__main__":
    main()
