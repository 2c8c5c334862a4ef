"""Images of which each pixel is taken from a place of another image.

Axes: N images, H x W pixels, C channels.
"""

import math

import numba

from tinynet.fast.kernels.jit import kernel


@kernel()
def pixel(x, row, column, c, weight):
    """Return a pixel times its weight; 0 where that is 0 or there is no such pixel."""
    inside = 0 <= row < x.shape[0] and 0 <= column < x.shape[1] and weight != 0
    return weight * x[row, column, c] if inside else 0.0


@kernel()
def blend(x, down, across, c):
    """Return what an image has at a place."""
    top, left = math.floor(down), math.floor(across)
    below, right = down - top, across - left
    if below == 0 and right == 0:
        return pixel(x, top, left, c, 1.0)
    upper = pixel(x, top, left, c, (1 - below) * (1 - right)) + pixel(x, top, left + 1, c, (1 - below) * right)
    return upper + (pixel(x, top + 1, left, c, below * (1 - right)) + pixel(x, top + 1, left + 1, c, below * right))


@kernel()
def warp_image(y, x, places, rounded):
    """Make one image: y, x (H, W, C), places (2, 3)."""
    h, w, channels = x.shape
    a, b, t = places[0]
    d, e, u = places[1]
    for i in range(h):
        for j in range(w):
            down, across = a * float(i) + b * float(j) + t, d * float(i) + e * float(j) + u
            if not (-1 < down < h and -1 < across < w):
                y[i, j] = 0
                continue
            for c in range(channels):
                value = blend(x, down, across, c)
                y[i, j, c] = math.floor(value + 0.5) if rounded else value


@kernel(parallel=True)
def warp(y, x, maps, rounded):
    """Make each image by its map: y, x (N, H, W, C), maps (N, 2, 3); bytes are rounded."""
    for n in numba.prange(y.shape[0]):
        warp_image(y[n], x[n], maps[n], rounded)
