"""What is written as vectors touches nothing beside its arrays, which checks of bounds do not see.

A child process computes with arrays that begin or end at a page that may not be touched; it dies where one is.
"""

import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, itertools, mmap, sys
import numba
import numpy as np
from tinynet.fast.kernels.registers import add_bias, multiply, multiply_beside, product
from tinynet.fast.kernels.transforms import transform
from tinynet.fast.kernels.winners import find_winners

side, dtype = sys.argv[1], np.dtype(sys.argv[2])
kept, protect = [], ctypes.CDLL(None, use_errno=True).mprotect
rng = np.random.default_rng(0)


def guarded(values, dtype=dtype):
    \"\"\"Copy an array to where it begins right after a page that may not be touched, or ends right before one.\"\"\"
    made = np.asarray(values, dtype)
    size = -(-max(made.nbytes, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, size + 2 * mmap.PAGESIZE)
    kept.append(memory)
    first = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for page in (first, first + mmap.PAGESIZE + size):
        assert protect(ctypes.c_void_p(page), mmap.PAGESIZE, 0) == 0
    start = mmap.PAGESIZE + (size - made.nbytes if side == "end" else 0)
    found = np.frombuffer(memory, made.dtype, made.size, start).reshape(made.shape)
    found[...] = made
    return found


def normal(*shape):
    return guarded(rng.standard_normal(shape))


if len(sys.argv) > 3:  # to see that it is noticed
    a = normal(5)
    address = a.ctypes.data + (a.nbytes if side == "end" else -dtype.itemsize)
    print(ctypes.cast(address, ctypes.POINTER(ctypes.c_char))[0])

call = {
    "product": numba.njit(lambda c, a, b, turn_a, turn_b, more: product(c, a, b, turn_a, turn_b, more)),
    "bias": numba.njit(lambda c, bias: add_bias(c, bias, True)),
    "multiply": numba.njit(lambda c, a, starts, seen, b, more: multiply(c, a, starts, seen, b, more)),
    "beside": numba.njit(lambda c, to, a, seen, b, n: multiply_beside(c, to, a, seen, b, n)),
    "winners": numba.njit(lambda y, index, outputs, bias: find_winners(y, index, outputs, bias)),
}


def transforming(name):
    return numba.njit(lambda planes, image, h, w, step: transform(name, planes, image, h, w, step))


for m, k, n in itertools.product((1, 7, 8, 21), (1, 5, 300), (1, 15, 16, 17, 32, 33, 70)):
    for turn_a, turn_b, more in itertools.product((False, True), repeat=3):
        a, b = normal(*((k, m) if turn_a else (m, k))), normal(*((n, k) if turn_b else (k, n)))
        call["product"](normal(m, n), a, b, turn_a, turn_b, more)
    call["bias"](normal(m, n), normal(n))
    starts, seen = guarded(rng.integers(0, 50, m), np.int64), guarded(rng.integers(0, 50, k), np.int64)
    call["multiply"](normal(m, n), normal(99), starts, seen, normal(k, n), False)
for rows, k, n in itertools.product((16, 17, 31, 50), (1, 9), (1, 6, 7, 8, 9, 20)):
    to = guarded(np.arange(rows) * n, np.int64)
    seen = guarded(rng.integers(0, 40, k), np.int64)
    call["beside"](normal(rows * n), to, normal(rows + 39), seen, normal(k, n + 1), n)
for windows, filters in itertools.product((1, 4), (1, 15, 16, 17, 40)):
    y, index = normal(windows, filters), guarded(np.zeros((windows, filters)), np.uint8)
    call["winners"](y, index, normal(2, 2, windows, filters).transpose(0, 2, 1, 3), normal(filters))
for name, given, to, step in [
    ("inputs of 2x2", (4, 4, 3, 21), (8, 8, 21), 2), ("inputs of 3x3", (5, 5, 2, 16), (8, 8, 16), 3),
    ("outputs of 2x2", (4, 4, 3, 17), (2, 6, 17), 2), ("outputs of 3x3", (5, 5, 2, 1), (3, 6, 1), 3),
    ("cotangents of 2x2", (4, 4, 3, 16), (6, 6, 16), 2), ("taps of 2x2", (4, 4, 1, 9), (3, 3, 9), 0),
    ("gradients of 2x2", (4, 4, 1, 33), (3, 3, 33), 0),
]:  # fmt: skip
    called = transforming(name)
    for h, w in ((0, 0), (-1, -1), (3, 3)) if step else ((0, 0),):
        if name.startswith("inputs") or (h, w) == (0, 0):
            called(normal(*given), normal(*to), h, w, step)
print("done")
"""


def run(*arguments):
    return subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="pages are protected by mprotect")
@pytest.mark.parametrize("side", ["begin", "end"])
def test_nothing_beside_an_array_is_touched(side):
    assert run(side, "float32", "touch").returncode < 0, "it is noticed"
    for dtype in ("float32", "float64"):
        done = run(side, dtype)
        assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
