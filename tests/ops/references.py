"""What each op computes, written out in the plainest way: Python numbers, loops, one element at a time, in float64.

Nothing here calls tinynet, nor a NumPy function that does the whole job.
"""

import math
from itertools import product

import numpy as np

# --- elementwise


def at(array, index):
    """Give the element that broadcasting puts at an index: axes are aligned from the last, length 1 is repeated."""
    own = index[len(index) - array.ndim :]
    return array[tuple(0 if n == 1 else i for i, n in zip(own, array.shape, strict=True))].item()


def common_shape(*arrays):
    most = max(a.ndim for a in arrays)
    aligned = [(1,) * (most - a.ndim) + a.shape for a in arrays]
    return tuple(next((n for n in lengths if n != 1), 1) for lengths in zip(*aligned, strict=True))


def elementwise(function):
    def reference(*arrays):
        shape = common_shape(*arrays)
        values = [function(*(at(a, index) for a in arrays)) for index in np.ndindex(*shape)]
        return np.array(values).reshape(shape)

    return reference


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def logaddexp(x, y):
    return max(x, y) + math.log1p(math.exp(-abs(x - y)))


def sign(x):
    return 1.0 if x > 0 else -1.0 if x < 0 else 0.0


# --- products


def matmul(a, b, trans_a=False, trans_b=False):
    row, column = a.ndim == 1, b.ndim == 1
    a = a[None, :] if row else np.swapaxes(a, -1, -2) if trans_a else a
    b = b[:, None] if column else np.swapaxes(b, -1, -2) if trans_b else b
    stack = common_shape(np.empty(a.shape[:-2]), np.empty(b.shape[:-2]))
    m, k, n = a.shape[-2], a.shape[-1], b.shape[-1]
    c = np.zeros((*stack, m, n))
    for where in np.ndindex(*stack):
        left, right = (
            x[
                tuple(
                    0 if length == 1 else i
                    for i, length in zip(where[len(where) - (x.ndim - 2) :], x.shape[:-2], strict=True)
                )
            ]
            for x in (a, b)
        )
        for i, j in product(range(m), range(n)):
            c[(*where, i, j)] = math.fsum(left[i, r] * right[r, j] for r in range(k))
    if row:
        c = c[..., 0, :]
    return c[..., 0] if column else c


def seen(shape, p):
    """List (i, j, a, b, h, w): output pixel i, j sees through tap a, b the input pixel h, w, if that is inside."""
    for i, j, a, b in product(range(p.oh), range(p.ow), range(p.kh), range(p.kw)):
        h, w = i * p.sh + a - p.top, j * p.sw + b - p.left
        if 0 <= h < shape[1] and 0 <= w < shape[2]:
            yield i, j, a, b, h, w


def conv2d(x, w, p):
    y = np.zeros((x.shape[0], p.oh, p.ow, w.shape[3]))
    for (i, j, a, b, h, v), n, c, f in product(list(seen(x.shape, p)), *map(range, (x.shape[0], *w.shape[2:]))):
        y[n, i, j, f] += x[n, h, v, c] * w[a, b, c, f]
    return y


def conv2d_input_grad(g, w, p, size):
    dx = np.zeros((g.shape[0], *size, w.shape[2]))
    for (i, j, a, b, h, v), n, c, f in product(list(seen(dx.shape, p)), *map(range, (g.shape[0], *w.shape[2:]))):
        dx[n, h, v, c] += g[n, i, j, f] * w[a, b, c, f]
    return dx


def conv2d_weight_grad(x, g, p):
    dw = np.zeros((p.kh, p.kw, x.shape[3], g.shape[3]))
    for (i, j, a, b, h, v), n, c, f in product(list(seen(x.shape, p)), *map(range, (x.shape[0], *dw.shape[2:]))):
        dw[a, b, c, f] += x[n, h, v, c] * g[n, i, j, f]
    return dw


# --- pooling


def max_pool(x, pool_size, stride=None):
    (kh, kw), (sh, sw) = ((v, v) if isinstance(v, int) else v for v in (pool_size, stride or pool_size))
    n, h, w, c = x.shape
    y = np.zeros((n, (h - kh) // sh + 1, (w - kw) // sw + 1, c))
    for i in np.ndindex(*y.shape):
        y[i] = max(x[i[0], i[1] * sh + a, i[2] * sw + b, i[3]] for a, b in product(range(kh), range(kw)))
    return y


def max_unpool(g, index, p, size):
    x = np.zeros((g.shape[0], *size, g.shape[3]))
    for i in np.ndindex(*g.shape):
        x[i[0], i[1] * p.sh + index[i] // p.kw, i[2] * p.sw + index[i] % p.kw, i[3]] += g[i]
    return x


def pool_gather(x, index, p):
    y = np.zeros(index.shape)
    for i in np.ndindex(*y.shape):
        y[i] = x[i[0], i[1] * p.sh + index[i] // p.kw, i[2] * p.sw + index[i] % p.kw, i[3]]
    return y


# --- reductions


def reduce(function):
    """Reduce over axes, one list of numbers at a time."""

    def reference(x, axis=None, keepdims=False):
        given = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        axes = {a % x.ndim for a in given} if x.ndim else set()
        kept = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
        out = np.zeros(kept)
        for i in np.ndindex(*kept):
            inner = product(*(range(n) if a in axes else (i[a],) for a, n in enumerate(x.shape)))
            out[i] = function([x[j].item() for j in inner])
        return out if keepdims else out.reshape([n for a, n in enumerate(x.shape) if a not in axes])

    return reference


def mean(values):
    return math.fsum(values) / len(values)


def broadcast_to(x, shape):
    return np.array([at(x, i) for i in np.ndindex(*shape)]).reshape(shape)


def sum_to(x, shape):
    out = np.zeros(shape)
    for i in np.ndindex(*x.shape):
        own = i[x.ndim - len(shape) :]
        out[tuple(0 if n == 1 else k for k, n in zip(own, shape, strict=True))] += x[i]
    return out


# --- moving values


def reshape(x, shape):
    lengths = [shape] if isinstance(shape, int) else list(shape)
    if -1 in lengths:
        rest = math.prod(n for n in lengths if n != -1)
        lengths[lengths.index(-1)] = math.prod(x.shape) // rest
    return np.array([x[i] for i in np.ndindex(*x.shape)], dtype=x.dtype).reshape(lengths)


def transpose(x, axes=None):
    axes = tuple(range(x.ndim))[::-1] if axes is None else tuple(a % x.ndim for a in axes)
    out = np.zeros([x.shape[a] for a in axes], x.dtype)
    for i in np.ndindex(*out.shape):
        source = [0] * x.ndim
        for a, position in zip(axes, i, strict=True):
            source[a] = position
        out[i] = x[tuple(source)]
    return out


def concatenate(*xs, axis=0):
    axis %= xs[0].ndim
    out = np.zeros([sum(x.shape[a] for x in xs) if a == axis else n for a, n in enumerate(xs[0].shape)])
    start = 0
    for x in xs:
        for i in np.ndindex(*x.shape):
            out[tuple(v + start if a == axis else v for a, v in enumerate(i))] = x[i]
        start += x.shape[axis]
    return out


def pad(x, widths):
    out = np.zeros([a + n + b for (a, b), n in zip(widths, x.shape, strict=True)])
    for i in np.ndindex(*x.shape):
        out[tuple(v + before for v, (before, _) in zip(i, widths, strict=True))] = x[i]
    return out


def sliced(x, key):
    """Take x[key] for integers and slices, one per axis or fewer."""
    key = (*key, *(slice(None) for _ in range(x.ndim - len(key))))
    taken = [[k] if isinstance(k, int) else list(range(n))[k] for k, n in zip(key, x.shape, strict=True)]
    values = [x[i] for i in product(*taken)]
    return np.array(values, x.dtype).reshape([len(t) for t, k in zip(taken, key, strict=True) if isinstance(k, slice)])


def unsliced(g, key, shape):
    out, place = np.zeros(shape), np.arange(math.prod(shape)).reshape(shape)
    for position, value in zip(sliced(place, key).reshape(-1), g.reshape(-1), strict=True):
        out[np.unravel_index(position, shape)] = value
    return out


def several_unsliced(*gs, keys, shape):
    return sum((unsliced(g, key, shape) for g, key in zip(gs, keys, strict=True)), np.zeros(shape))


def index(x, *indices):
    shape = common_shape(*indices)
    out = np.zeros((*shape, *x.shape[len(indices) :]))
    for i in np.ndindex(*shape):
        out[i] = x[tuple(at(k, i) for k in indices)]
    return out


def index_add(g, *indices, shape):
    out = np.zeros(shape)
    for i in np.ndindex(*common_shape(*indices)):
        out[tuple(at(k, i) for k in indices)] += g[i]
    return out


# --- softmax and losses


def along_last(function):
    """Apply a function of a list of numbers along one axis."""

    def reference(x, axis=-1):
        moved = np.moveaxis(x, axis, -1)
        out = np.zeros(moved.shape)
        for i in np.ndindex(*moved.shape[:-1]):
            out[i] = function([v.item() for v in moved[i]])
        return np.moveaxis(out, -1, axis)

    return reference


def log_softmax(row):
    top = max(row)
    total = math.log(math.fsum(math.exp(v - top) for v in row))
    return [v - top - total for v in row]


def softmax(row):
    return [math.exp(v) for v in log_softmax(row)]


def cross_entropy(output, labels):
    losses = []
    for row, label in zip(output, labels, strict=True):
        logs = log_softmax([v.item() for v in row])
        rows = [float(k == label) for k in range(len(logs))] if labels.ndim == 1 else [float(p) for p in label]
        losses.append(-math.fsum(p * v for p, v in zip(rows, logs, strict=True)))
    return np.array(mean(losses))


def binary_cross_entropy(output, labels):
    logits, ones = (v.reshape(-1) for v in (output, labels))
    return np.array(mean([logaddexp(0.0, -z.item() if y else z.item()) for z, y in zip(logits, ones, strict=True)]))
