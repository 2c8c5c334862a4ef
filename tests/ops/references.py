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


def gelu(x, approximate=False):
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return x * (1 + math.tanh(inner)) / 2 if approximate else x * (1 + math.erf(x / math.sqrt(2))) / 2


def gelu_gradient(g, x):
    return g * ((1 + math.erf(x / math.sqrt(2))) / 2 + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi))


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


def conv2d_transpose(x, w, stride, padding):
    """Spread each pixel over its window; "same" cuts off what is too much, the odd pixel at the end."""
    (kh, kw), (sh, sw) = w.shape[:2], stride
    n, h, v, c = x.shape
    out = np.zeros((n, (h - 1) * sh + max(kh, sh), (v - 1) * sw + max(kw, sw), w.shape[2]))
    for i, j, a, b in product(range(h), range(v), range(kh), range(kw)):
        for m, f, k in product(range(n), range(w.shape[2]), range(c)):
            out[m, i * sh + a, j * sw + b, f] += x[m, i, j, k] * w[a, b, f, k]
    if padding == "same":
        top, left = max(0, kh - sh) // 2, max(0, kw - sw) // 2
        out = out[:, top : top + h * sh, left : left + v * sw]
    return out


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


def seen_by(n, k, s, padding):
    """List, for each window along an axis of length n, the pixels that it sees."""
    if padding == "valid":
        return [range(start, start + k) for start in range(0, n - k + 1, s)]
    count = (n + s - 1) // s
    before = max(0, (count - 1) * s + k - n) // 2
    return [[i for i in range(o * s - before, o * s - before + k) if 0 <= i < n] for o in range(count)]


def pooling(function):
    """Reduce what each window sees of an image, a list of numbers."""

    def reference(x, pool_size, stride=None, padding="valid"):
        (kh, kw), (sh, sw) = ((v, v) if isinstance(v, int) else v for v in (pool_size, stride or pool_size))
        rows, columns = seen_by(x.shape[1], kh, sh, padding), seen_by(x.shape[2], kw, sw, padding)
        y = np.zeros((x.shape[0], len(rows), len(columns), x.shape[3]))
        for n, i, j, c in np.ndindex(*y.shape):
            y[n, i, j, c] = function([x[n, h, w, c].item() for h, w in product(rows[i], columns[j])])
        return y

    return reference


max_pool = pooling(max)


def sum_pool(x, p):
    y = np.zeros((x.shape[0], p.oh, p.ow, x.shape[3]))
    for (i, j, _, _, h, v), n, c in product(list(seen(x.shape, p)), range(x.shape[0]), range(x.shape[3])):
        y[n, i, j, c] += x[n, h, v, c]
    return y


def sum_unpool(g, p, size):
    x = np.zeros((g.shape[0], *size, g.shape[3]))
    for (i, j, _, _, h, v), n, c in product(list(seen(x.shape, p)), range(g.shape[0]), range(g.shape[3])):
        x[n, h, v, c] += g[n, i, j, c]
    return x


def corners(shape, maps):
    """Each pixel of a warped image with the pixels that it is made from, and their weights."""
    n, h, w, _ = shape
    for s, i, j in np.ndindex(n, h, w):
        down, across = (float(k[0] * i + k[1] * j + k[2]) for k in maps[s])
        for row in (math.floor(down), math.floor(down) + 1):
            for column in (math.floor(across), math.floor(across) + 1):
                if 0 <= row < h and 0 <= column < w:
                    yield (s, i, j), (s, row, column), (1 - abs(down - row)) * (1 - abs(across - column))


def warp(x, maps):
    y = np.zeros(x.shape)
    for new, old, weight in corners(x.shape, maps):
        y[new] += weight * x[old]
    return y


def unwarp(g, maps):
    x = np.zeros(g.shape)
    for new, old, weight in corners(g.shape, maps):
        x[old] += weight * g[new]
    return x


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


def var(values):
    return math.fsum((v - mean(values)) ** 2 for v in values) / len(values)


def place_of(best):
    """Find the first place of the best of some values."""
    return lambda values: next(i for i, v in enumerate(values) if v == best(values))


def cumsum(x, axis=None):
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis % x.ndim)
    out = np.zeros(x.shape)
    for i in np.ndindex(*x.shape):
        out[i] = math.fsum(x[(*i[:axis], j, *i[axis + 1 :])] for j in range(i[axis] + 1))
    return out


def einsum(*operands, subscripts):
    """Add up the products for all values of all letters."""
    left, right = subscripts.split("->")
    terms, sizes = left.split(","), {}
    for term, x in zip(terms, operands, strict=True):
        sizes |= dict(zip(term, x.shape, strict=True))
    out = np.zeros([sizes[letter] for letter in right])
    for values in product(*(range(n) for n in sizes.values())):
        at = dict(zip(sizes, values, strict=True))
        factors = [x[tuple(at[c] for c in term)] for term, x in zip(terms, operands, strict=True)]
        out[tuple(at[c] for c in right)] += math.prod(factors)
    return out


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


def repeat(x, repeats, axis=None):
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis % x.ndim)
    counts = [repeats] * x.shape[axis] if isinstance(repeats, int) else repeats
    places = [i for i, count in enumerate(counts) for _ in range(count)]
    return np.array(
        [
            x[(*i[:axis], places[i[axis]], *i[axis + 1 :])]
            for i in np.ndindex(*x.shape[:axis], len(places), *x.shape[axis + 1 :])
        ],
        x.dtype,
    ).reshape(*x.shape[:axis], len(places), *x.shape[axis + 1 :])


def last_first(x, parts, axis=0):
    """Cut x into pieces, and put them together in reverse order."""
    n = x.shape[axis]
    at = [n // parts * i for i in range(1, parts)] if isinstance(parts, int) else list(parts)
    ends = list(zip([0, *at], [*at, n], strict=True))
    order = [i for start, end in reversed(ends) for i in range(start, end)]
    moved = np.moveaxis(x, axis, 0)
    return np.moveaxis(np.array([moved[i] for i in order]).reshape(moved.shape), 0, axis)


def pad(x, widths, value=0):
    out = np.full([a + n + b for (a, b), n in zip(widths, x.shape, strict=True)], float(value))
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


def places(indices, shape):
    return np.array([i + shape[0] if i < 0 else i for i in indices.tolist()])


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


def layer_norm(x, gamma, beta, epsilon):
    def normalised(row):
        away = [v - mean(row) for v in row]
        root = math.sqrt(mean([v * v for v in away]) + epsilon)
        return [v / root * a + b for v, a, b in zip(away, gamma.tolist(), beta.tolist(), strict=True)]

    return along_last(normalised)(x)


def layer_norm_gradient(g, gamma, normal, scale):
    out = np.zeros(g.shape)
    for i in np.ndindex(*g.shape[:-1]):
        h = [a.item() * b.item() for a, b in zip(g[i], gamma, strict=True)]
        row = [v.item() for v in normal[i]]
        slope = mean([a * v for a, v in zip(h, row, strict=True)])
        out[i] = [scale[i].item() * (a - mean(h) - v * slope) for a, v in zip(h, row, strict=True)]
    return out


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


def errors(function):
    """Average a function of output - label; the two have the same values in the same order."""

    def reference(output, labels, **attrs):
        pairs = zip(output.reshape(-1), labels.reshape(-1), strict=True)
        return np.array(mean([function(z.item() - y.item(), **attrs) for z, y in pairs]))

    return reference


def huber(error, delta=1.0):
    return error * error / 2 if abs(error) <= delta else delta * (abs(error) - delta / 2)


def philox(counter, key):
    """Philox4x32-10 on Python's integers."""
    a, b, c, d = counter
    first, second = key
    for _ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = right >> 32 ^ b ^ first, right & 0xFFFFFFFF, left >> 32 ^ d ^ second, left & 0xFFFFFFFF
        first, second = (first + 0x9E3779B9) & 0xFFFFFFFF, (second + 0xBB67AE85) & 0xFFFFFFFF
    return a, b, c, d


def random_words(key, count):
    seed, step, micro_batch, stream, draw = (int(k) for k in key)
    counter = step, stream & 0xFFFFFFFF, draw << 16 | micro_batch
    keys = seed & 0xFFFFFFFF, seed >> 32 ^ stream >> 32
    return [word for block in range(-(-count // 4)) for word in philox((block, *counter), keys)][:count]


def random_fractions(key, count, dtype):
    if dtype == "float32":
        return [(word >> 8) / 2**24 for word in random_words(key, count)]
    words = random_words(key, 2 * count)
    return [((high >> 5) * 2**26 + (low >> 6)) / 2**53 for high, low in zip(words[::2], words[1::2], strict=True)]


def random_uniform(key, shape, dtype):
    return np.array(random_fractions(key, math.prod(shape), dtype)).reshape(shape)


def random_normal(key, shape, dtype):
    pairs = -(-math.prod(shape) // 2)
    found = random_fractions(key, 2 * pairs, dtype)
    polar = [
        (math.sqrt(-2 * math.log(1 - u)), 2 * math.pi * v) for u, v in zip(found[:pairs], found[pairs:], strict=True)
    ]
    numbers = [r * math.cos(t) for r, t in polar] + [r * math.sin(t) for r, t in polar]
    return np.array(numbers[: math.prod(shape)]).reshape(shape)
