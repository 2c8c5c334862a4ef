"""Convolution + bias + relu + max-pooling in seven ways, from loops to tinynet's kernels: what each idea is worth.

Run ``python -m benchmarks.ladder`` in the root of the repository. The block is the second one of the reference CNN.
Each rung computes the same outputs and the same three gradients, is checked against the lowest, and is timed in turns
with the others, on one thread. It keeps what it can of the ideas of the rungs below.

Axes: N images of H W C, weights (3, 3, C, F), OH x OW outputs of the convolution, PH x PW windows of P x P outputs.
``winner`` is the place in its window of the output that the pooling took, or DEAD where relu cut it.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

import tinynet as tn

P = 3  # the side of a window, and of the taps
DEAD = 255
BATCH, HEIGHT, CHANNELS, FILTERS = 32, 13, 32, 64

Array = np.ndarray
Saved = tuple[Array, ...]  # what backward needs of forward


class Rung(NamedTuple):
    """A way to compute the block.

    ``forward(x, w, b)`` returns the outputs, and what backward needs. ``step(x, w, b, g)`` returns the gradients of x,
    w and b for the cotangent g of the outputs; it computes the outputs on the way.
    """

    name: str
    idea: str
    forward: Callable[[Array, Array, Array], tuple[Array, Saved]]
    step: Callable[[Array, Array, Array, Array], tuple[Array, ...]]


# --- 1. loops: the definition, compiled


@numba.njit
def _convolve(y, x, w, b):
    n, oh, ow, filters = y.shape
    for m in range(n):
        for i in range(oh):
            for j in range(ow):
                for f in range(filters):
                    total = b[f]
                    for u in range(3):
                        for v in range(3):
                            for c in range(x.shape[3]):
                                total += x[m, i + u, j + v, c] * w[u, v, c, f]
                    y[m, i, j, f] = total


@numba.njit
def _pool(y, winner, a):
    """Take the largest of each window, after relu."""
    n, ph, pw, filters = y.shape
    for m in range(n):
        for i in range(ph):
            for j in range(pw):
                for f in range(filters):
                    best, place = a[m, P * i, P * j, f], 0
                    for p in range(1, P * P):
                        value = a[m, P * i + p // P, P * j + p % P, f]
                        if value > best:
                            best, place = value, p
                    y[m, i, j, f] = max(best, 0)
                    winner[m, i, j, f] = place if best > 0 else DEAD


@numba.njit
def _unpool(da, g, winner):
    """Put each cotangent back to its winner, into zeros."""
    n, ph, pw, filters = g.shape
    da[:] = 0
    for m in range(n):
        for i in range(ph):
            for j in range(pw):
                for f in range(filters):
                    p = winner[m, i, j, f]
                    if p != DEAD:
                        da[m, P * i + p // P, P * j + p % P, f] = g[m, i, j, f]


@numba.njit
def _convolution_gradients(dw, dx, da, x, w):
    n, oh, ow, filters = da.shape
    dw[:] = 0
    dx[:] = 0
    for m in range(n):
        for i in range(oh):
            for j in range(ow):
                for f in range(filters):
                    for u in range(3):
                        for v in range(3):
                            for c in range(x.shape[3]):
                                dw[u, v, c, f] += x[m, i + u, j + v, c] * da[m, i, j, f]
                                dx[m, i + u, j + v, c] += w[u, v, c, f] * da[m, i, j, f]


def empty_outputs(x: Array, w: Array) -> tuple[Array, Array]:
    """Return arrays for the outputs and the winners."""
    shape = len(x), (x.shape[1] - 2) // P, (x.shape[2] - 2) // P, w.shape[3]
    return np.empty(shape, x.dtype), np.empty(shape, np.uint8)


def convolution_shape(x: Array, w: Array) -> tuple[int, ...]:
    """Return the shape of what the convolution alone returns."""
    return len(x), x.shape[1] - 2, x.shape[2] - 2, w.shape[3]


def loops_forward(x: Array, w: Array, b: Array) -> tuple[Array, Saved]:
    """Compute the block by its definition."""
    a = np.empty(convolution_shape(x, w), x.dtype)
    _convolve(a, x, w, b)
    y, winner = empty_outputs(x, w)
    _pool(y, winner, a)
    return y, (winner,)


def loops_backward(g: Array, saved: Saved, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """Compute the gradients of x, w and b by their definition."""
    da = np.empty(convolution_shape(x, w), x.dtype)
    _unpool(da, g, saved[0])
    dw, dx = np.empty_like(w), np.empty_like(x)
    _convolution_gradients(dw, dx, da, x, w)
    return dx, dw, da.sum((0, 1, 2))


# --- 2. im2col: one large product, which BLAS does near the peak of the machine


def im2col(x: Array) -> Array:
    """Copy what is under the filters: (N OH OW, 3 3 C)."""
    under = sliding_window_view(x, (3, 3), (1, 2)).transpose(0, 1, 2, 4, 5, 3)  # N OH OW 3 3 C
    return under.reshape(-1, 9 * x.shape[3])


def add_back(dx: Array, columns: Array) -> None:
    """Add what belongs to each pixel: the transpose of `im2col`."""
    oh, ow = dx.shape[1] - 2, dx.shape[2] - 2
    parts = columns.reshape(len(dx), oh, ow, 3, 3, dx.shape[3])
    for u in range(3):
        for v in range(3):
            dx[:, u : u + oh, v : v + ow] += parts[:, :, :, u, v]


def im2col_forward(x: Array, w: Array, b: Array) -> tuple[Array, Saved]:
    """Multiply all of im2col by the weights, then make passes over all outputs."""
    columns = im2col(x)
    a = (columns @ w.reshape(-1, w.shape[3])).reshape(convolution_shape(x, w))
    a += b
    y, winner = empty_outputs(x, w)
    _pool(y, winner, a)
    return y, (winner, columns)


def im2col_backward(g: Array, saved: Saved, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """Multiply im2col, and the weights, by the cotangents of all outputs."""
    winner, columns = saved
    da = np.empty(convolution_shape(x, w), x.dtype)
    _unpool(da, g, winner)
    flat = da.reshape(-1, w.shape[3])
    dx = np.zeros_like(x)
    add_back(dx, flat @ w.reshape(-1, w.shape[3]).T)
    return dx, (columns.T @ flat).reshape(w.shape), flat.sum(0)


# --- 3. rows in the cache: the same for one image at a time, so that no pass reads what has left the cache


def per_image_forward(x: Array, w: Array, b: Array) -> tuple[Array, Saved]:
    """Compute image by image: im2col of one is 140 KB, of the batch 4.5 MB."""
    y, winner = empty_outputs(x, w)
    for m in range(len(x)):
        a = (im2col(x[m : m + 1]) @ w.reshape(-1, w.shape[3])).reshape(1, *convolution_shape(x, w)[1:])
        a += b
        _pool(y[m : m + 1], winner[m : m + 1], a)
    return y, (winner,)


def per_image_backward(g: Array, saved: Saved, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """Compute im2col anew, which costs less than to read it back from memory."""
    flat_w, dx, db = w.reshape(-1, w.shape[3]), np.zeros_like(x), np.zeros(w.shape[3], x.dtype)
    dw, da = np.zeros_like(flat_w), np.empty((1, *convolution_shape(x, w)[1:]), x.dtype)
    for m in range(len(x)):
        _unpool(da, g[m : m + 1], saved[0][m : m + 1])
        flat = da.reshape(-1, w.shape[3])
        dw += im2col(x[m : m + 1]).T @ flat
        add_back(dx[m : m + 1], flat @ flat_w.T)
        db += flat.sum(0)
    return dx, dw.reshape(w.shape), db


# --- 4. live outputs: those that no window reads are not computed, and have no cotangent


def live(x: Array) -> Array:
    """Return the part of x that the outputs under a window see."""
    oh, ow = (x.shape[1] - 2) // P * P, (x.shape[2] - 2) // P * P
    return x[:, : oh + 2, : ow + 2]


def live_forward(x: Array, w: Array, b: Array) -> tuple[Array, Saved]:
    """Compute the outputs that a window reads."""
    return per_image_forward(live(x), w, b)


def live_backward(g: Array, saved: Saved, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """Pass over the outputs that a window reads."""
    seen = live(x)
    part, dw, db = per_image_backward(g, saved, seen, w)
    dx = np.zeros_like(x)
    live(dx)[:] = part
    return dx, dw, db


# --- 5. sparse backward: from winner to winner, one row of im2col for each


@numba.njit(fastmath={"reassoc", "contract", "nsz"})
def _add_scaled(to, row, scale):
    for k in range(to.size):
        to[k] += row[k] * scale


@numba.njit
def _from_winner_to_winner(dw, dx, db, g, winner, x, w):
    """Add up the gradients. A row of taps is one run of memory: x and dx are (N, H, W C), w and dw (F, 3, 3 C)."""
    n, ph, pw, filters = g.shape
    run = w.shape[2]
    for m in range(n):
        for i in range(ph):
            for j in range(pw):
                for f in range(filters):
                    p = winner[m, i, j, f]
                    if p == DEAD:
                        continue
                    scale = g[m, i, j, f]
                    db[f] += scale
                    top, start = P * i + p // P, (P * j + p % P) * run // 3
                    for u in range(3):
                        _add_scaled(dw[f, u], x[m, top + u, start : start + run], scale)
                        _add_scaled(dx[m, top + u, start : start + run], w[f, u], scale)


def sparse_backward(g: Array, saved: Saved, x: Array, w: Array) -> tuple[Array, Array, Array]:
    """Add one row of im2col, and one filter, for each winner."""
    turned = np.ascontiguousarray(w.transpose(3, 0, 1, 2)).reshape(w.shape[3], 3, -1)
    dw, dx, db = np.zeros_like(turned), np.zeros_like(x), np.zeros(w.shape[3], x.dtype)
    rows = len(x), x.shape[1], -1
    _from_winner_to_winner(dw, dx.reshape(rows), db, g, saved[0], x.reshape(rows), turned)
    return dx, np.ascontiguousarray(dw.reshape(w.shape[3], 3, 3, -1).transpose(1, 2, 3, 0)), db


# --- 6. Winograd: 25 multiplications for a window of 3 x 3 outputs, where there were 81


def winograd_matrices() -> tuple[Array, Array, Array]:
    """Return what transforms inputs, taps and products: polynomials at 0, 1, -1, 2 and infinity, turned round."""
    values = np.vander([0.0, 1, -1, 2, 0], 5, increasing=True)
    values[4] = 0, 0, 0, 0, 1
    first = np.vander([0.0, 1, -1, 2, 0], 3, increasing=True)
    first[4] = 0, 0, 1
    return np.linalg.inv(values).T, first, first.T


INPUTS, TAPS, OUTPUTS = winograd_matrices()


def winograd_forward(x: Array, w: Array, b: Array) -> tuple[Array, Saved]:
    """Multiply transformed inputs by transformed taps; each window of the pooling is a tile."""
    y, winner = empty_outputs(x, w)
    n, ph, pw, filters = y.shape
    ins, taps, outs = (matrix.astype(x.dtype) for matrix in (INPUTS, TAPS, OUTPUTS))
    tiles = sliding_window_view(x, (5, 5), (1, 2))[:, ::P, ::P].transpose(4, 5, 0, 1, 2, 3).reshape(25, -1)
    # A transform along rows and one along columns are one product with the Kronecker product of the two.
    places = (np.kron(ins, ins) @ tiles).reshape(25, n * ph * pw, -1)
    products = places @ (np.kron(taps, taps) @ w.reshape(9, -1)).reshape(25, -1, filters)
    a = (np.kron(outs, outs) @ products.reshape(25, -1)).reshape(P, P, n, ph, pw, filters) + b
    a = a.transpose(2, 3, 0, 4, 1, 5).reshape(n, P * ph, P * pw, filters)
    _pool(y, winner, np.ascontiguousarray(a))
    return y, (winner,)


# --- 7. tinynet: all of it, in kernels that are compiled for these shapes


def tinynet_rung() -> Rung:
    """Return the block as tinynet computes it."""

    def block(x: tn.Tensor, w: tn.Tensor, b: tn.Tensor) -> tn.Tensor:
        return tn.ops.max_pool(tn.ops.relu(tn.ops.conv2d(x, w) + b), P)

    def gradients(x: tn.Tensor, w: tn.Tensor, b: tn.Tensor, g: tn.Tensor) -> list[tn.Tensor]:
        for leaf in (x, w, b):
            leaf.requires_grad = True
        return tn.grad(block(x, w, b), [x, w, b], cotangents=[g])

    forward = tn.compile(block)
    idea = "transforms that stay in the cache, kernels that know the shapes"
    return Rung("tinynet", idea, lambda x, w, b: (forward(x, w, b), ()), tn.compile(gradients))


def rungs() -> list[Rung]:
    """Return the ladder, from the bottom."""
    written = [
        ("loops", "the definition, compiled", loops_forward, loops_backward),
        ("im2col", "one large product, by BLAS", im2col_forward, im2col_backward),
        ("image by image", "what is used again is still in the cache", per_image_forward, per_image_backward),
        ("live outputs", "not those that no window reads", live_forward, live_backward),
        ("sparse backward", "from winner to winner", live_forward, sparse_backward),
        ("Winograd", "forward with 25 multiplications for 81", winograd_forward, sparse_backward),
    ]
    return [*(Rung(name, idea, up, one_after_the_other(up, down)) for name, idea, up, down in written), tinynet_rung()]


def one_after_the_other(forward: Callable[..., Any], backward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a step made of a forward and a backward."""

    def step(x: Array, w: Array, b: Array, g: Array) -> tuple[Array, ...]:
        gradients: tuple[Array, ...] = backward(g, forward(x, w, b)[1], x, w)
        return gradients

    return step


# --- the measurement


def example(batch: int = BATCH, dtype: str = "float32") -> tuple[Array, Array, Array, Array]:
    """Return x, w, b and the cotangent of the outputs; x is as relu and pooling leave it, about half zeros."""
    rng = np.random.default_rng(0)
    x = np.maximum(rng.normal(size=(batch, HEIGHT, HEIGHT, CHANNELS)), 0)
    w = rng.normal(size=(3, 3, CHANNELS, FILTERS)) / np.sqrt(9 * CHANNELS)
    b = rng.normal(size=FILTERS) / 10
    g = rng.normal(size=(batch, (HEIGHT - 2) // P, (HEIGHT - 2) // P, FILTERS))
    x, w, b, g = (part.astype(dtype) for part in (x, w, b, g))
    return x, w, b, g


def largest_difference(rung: Rung, lowest: Rung, inputs: tuple[Array, ...]) -> float:
    """Return how far a rung is from the lowest, relative to the largest value of each result."""
    results, right = ((one.forward(*inputs[:3])[0], *one.step(*inputs)) for one in (rung, lowest))
    return max(float(abs(found - true).max() / abs(true).max()) for found, true in zip(results, right, strict=True))


def seconds(call: Callable[[], object], times: int) -> float:
    """Return the processor's time for one call."""
    started = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - started) / times


def measure(ladder: list[Rung], rounds: int) -> Array:
    """Return the seconds of forward and step: (rounds, rungs, 2), in turns."""
    x, w, b, g = example()
    calls = [[partial(rung.forward, x, w, b), partial(rung.step, x, w, b, g)] for rung in ladder]
    times = [[max(1, round(0.01 / seconds(call, 2))) for call in pair] for pair in calls]
    found = np.empty((rounds, len(ladder), 2))
    for row in found:
        for rung, way in np.ndindex(len(ladder), 2):
            row[rung, way] = seconds(calls[rung][way], times[rung][way])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ladder", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="times that each is measured (default: %(default)s)")
    arguments = parser.parse_args()
    tn.set_num_threads(1)
    ladder = rungs()
    with threadpool_limits(1):
        off = [largest_difference(rung, ladder[0], example()) for rung in ladder]
        found = measure(ladder, arguments.rounds)
    table = rich_table()
    for rung, (forward, step), (times_forward, times_step), difference in zip(
        ladder, 1e3 * np.median(found, 0), np.median(found[:, :1] / found, 0), off, strict=True
    ):
        figures = f"{forward:.2f}", f"{times_forward:.1f}", f"{step:.2f}", f"{times_step:.1f}", f"{difference:.0e}"
        table.add_row(f"{rung.name}: {rung.idea}", *figures)
    Console().print(table)


def rich_table() -> Table:
    """Return the table without rows."""
    table = Table(title=f"Second block of the CNN, batch {BATCH}, float32, one thread: medians")
    table.add_column("")
    for column in ("forward, ms", "times as fast", "step, ms", "times as fast", "error"):
        table.add_column(column, justify="right")
    return table


if __name__ == "__main__":
    main()
