"""PyTorch: eager, and compiled by Inductor where there is a C++ compiler; each also with channels last.

In the compiled modes the whole step is one graph - gather, forward, backward, update -, which is faster than to compile
the model alone and leave the rest to autograd and the optimizer.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from benchmarks.contenders.base import Contender, Convolver, Predictor, Runner, Trainer
from benchmarks.workload import CLASSES, LEARNING_RATE, MODELS, Conv, Inputs, channels_first

LAYOUTS = {"": torch.contiguous_format, ", channels last": torch.channels_last}


def modules(model: str, weights: list[np.ndarray]) -> Iterator[nn.Module]:
    """Make the layers of a model, with given weights; the outputs are logits."""
    rest = iter(channels_first(model, weights))
    for kind, *sizes in MODELS[model].layers:
        if kind == "pool":
            yield nn.MaxPool2d(sizes[0])
        elif kind == "flatten":
            yield nn.Flatten()
        elif kind == "average":
            yield nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        else:
            w, b = next(rest), next(rest)
            if kind == "conv":
                _, size, stride, padding = sizes
                layer: Any = nn.Conv2d(w.shape[1], w.shape[0], size, stride, size // 2 if padding == "same" else 0)
            else:
                layer, w = nn.Linear(*w.shape), w.T
            layer.weight.data, layer.bias.data = (torch.tensor(np.ascontiguousarray(a)) for a in (w, b))
            yield layer
            if kind == "conv" or layer.out_features != CLASSES:
                yield nn.ReLU()


def network(model: str, weights: list[np.ndarray], layout: torch.memory_format) -> nn.Sequential:
    """Make a model."""
    return nn.Sequential(*modules(model, weights)).to(memory_format=layout)


class Train(Trainer):
    """Eager training with the fused SGD, or the whole step compiled."""

    def __init__(
        self, inputs: Inputs, model: str, data: str, batch: int, layout: torch.memory_format, compiled: bool
    ) -> None:
        super().__init__(inputs, model, data, batch)
        self.images = torch.from_numpy(self.floats).permute(0, 3, 1, 2).contiguous(memory_format=layout)
        self.targets = torch.from_numpy(self.labels)
        self.net = network(model, self.weights, layout)
        self.first = [p.detach().clone() for p in self.net.parameters()]
        self.step = self._compiled() if compiled else self._eager()

    def _eager(self) -> Callable[[torch.Tensor], float]:
        net, images, targets = self.net, self.images, self.targets
        optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE, fused=True)

        def step(indices: torch.Tensor) -> float:
            loss = F.cross_entropy(net(images[indices]), targets[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.item()

        return step

    def _compiled(self) -> Callable[[torch.Tensor], float]:
        net, images, targets = self.net, self.images, self.targets
        parameters = {name: p.detach() for name, p in net.named_parameters()}

        def loss_of(parameters: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return F.cross_entropy(torch.func.functional_call(net, parameters, (x,)), y)

        @partial(torch.compile, dynamic=False)
        def whole(parameters: dict[str, torch.Tensor], images: Any, targets: Any, indices: Any) -> torch.Tensor:
            gradients, loss = torch.func.grad_and_value(loss_of)(parameters, images[indices], targets[indices])
            for name, parameter in parameters.items():
                parameter.sub_(LEARNING_RATE * gradients[name])
            return loss

        @torch.no_grad()
        def step(indices: torch.Tensor) -> float:
            return whole(parameters, images, targets, indices).item()

        return step

    def reset(self) -> None:
        """Go back to the first weights."""
        with torch.no_grad():
            for parameter, first in zip(self.net.parameters(), self.first, strict=True):
                parameter.copy_(first)

    def run(self, indices: np.ndarray) -> list[float]:
        """Train on some batches."""
        step = self.step
        return [step(batch) for batch in torch.from_numpy(indices)]

    def outputs(self, count: int) -> np.ndarray:
        """Return the probabilities of the first images."""
        with torch.no_grad():
            return self.net(self.images[:count]).softmax(-1).numpy()


def predictor(inputs: Inputs, model: str, batch: int, layout: torch.memory_format, compiled: bool) -> Predictor:
    """Make a model that gives probabilities, from channels last as they are in memory."""
    net = network(model, inputs.weights(model), layout).append(nn.Softmax(-1)).eval()
    call = torch.compile(net, dynamic=False) if compiled else net

    @torch.inference_mode()
    def predict(x: torch.Tensor) -> np.ndarray:
        return call(x).numpy()

    images = torch.from_numpy(inputs.floats(MODELS[model].data[0])).permute(0, 3, 1, 2)
    return Predictor(predict, images.contiguous(memory_format=layout), batch)


def convolver(case: Conv, layout: torch.memory_format) -> Convolver:
    """Make a convolution with autograd's gradients."""
    x, w, g = (torch.from_numpy(a) for a in case.arrays())
    x, w, g = (
        a.permute(order).contiguous(memory_format=layout)
        for a, order in ((x, (0, 3, 1, 2)), (w, (3, 2, 0, 1)), (g, (0, 3, 1, 2)))
    )
    x.requires_grad_()
    w.requires_grad_()
    padding = case.window // 2 if case.padding == "same" else 0

    def once() -> tuple[torch.Tensor, ...]:
        y = F.conv2d(x, w, stride=case.stride, padding=padding)
        return y, *torch.autograd.grad(y, (x, w), g)

    def to_numpy(found: tuple[torch.Tensor, ...]) -> tuple[np.ndarray, ...]:
        orders = ((0, 2, 3, 1), (0, 2, 3, 1), (2, 3, 1, 0))
        return tuple(a.detach().permute(order).numpy() for a, order in zip(found, orders, strict=True))

    return Convolver(once, to_numpy)


class Torch(Contender):
    """PyTorch."""

    packages = ("torch",)

    def __init__(self, inputs: Inputs, threads: int) -> None:
        super().__init__(inputs, threads)
        torch.set_num_threads(threads)

    def _layouts(self, model: str) -> dict[str, torch.memory_format]:
        return LAYOUTS if MODELS[model].has_images else {"": torch.contiguous_format}

    def train(self, model: str, data: str, batch: int) -> dict[str, Callable[[], Runner]]:
        """Return the ways to train."""
        return {
            f"{mode}{suffix}": partial(Train, self.inputs, model, data, batch, layout, mode == "compiled")
            for mode in ("eager", "compiled")
            for suffix, layout in self._layouts(model).items()
        }

    def predict(self, model: str, batch: int) -> dict[str, Callable[[], Runner]]:
        """Return the ways to predict."""
        return {
            f"{mode}{suffix}": partial(predictor, self.inputs, model, batch, layout, mode == "compiled")
            for mode in ("eager", "compiled")
            for suffix, layout in self._layouts(model).items()
        }

    def convolve(self, case: Conv) -> dict[str, Callable[[], Runner]]:
        """Return the ways to compute a convolution and its gradients."""
        return {f"eager{suffix}": partial(convolver, case, layout) for suffix, layout in LAYOUTS.items()}

    def forget(self) -> None:
        """Drop compiled functions, of which only so many are kept."""
        torch._dynamo.reset()


CONTENDER = Torch
