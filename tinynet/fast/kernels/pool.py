"""Max-pooling and its unpooling.

Axes: N images, H x W pixels, C channels; windows KH x KW at strides SH, SW. A place in a window is a number, by rows.
"""

import numba

from tinynet.fast.kernels.jit import kernel


@kernel()
def pool_image(y, index, x, kh, kw, sh, sw):
    """Pool one image: y, index (OH, OW, C), x (H, W, C)."""
    oh, ow, c_in = y.shape
    for i in range(oh):
        for j in range(ow):
            for c in range(c_in):
                y[i, j, c] = x[i * sh, j * sw, c]
                index[i, j, c] = 0
            for a in range(kh):
                for b in range(kw):
                    place = a * kw + b
                    for c in range(c_in):
                        v = x[i * sh + a, j * sw + b, c]
                        wins = v > y[i, j, c] or v != v
                        y[i, j, c] = v if wins else y[i, j, c]
                        index[i, j, c] = place if wins else index[i, j, c]


@kernel(parallel=True)
def max_pool(y, index, x, kh, kw, sh, sw):
    """Find the maximum of each window and its first place in row order; a NaN wins over all."""
    for n in numba.prange(y.shape[0]):
        pool_image(y[n], index[n], x[n], kh, kw, sh, sw)


@kernel()
def unpool_image(x, g, index, kh, kw, sh, sw):
    """Unpool one image: x (H, W, C), g, index (OH, OW, C)."""
    oh, ow, c_in = g.shape
    zero = g.dtype.type(0)
    for h in range(x.shape[0]):
        for w in range(x.shape[1]):
            for c in range(c_in):
                x[h, w, c] = 0
    for i in range(oh):
        for j in range(ow):
            for a in range(kh):
                for b in range(kw):
                    place = a * kw + b
                    for c in range(c_in):
                        x[i * sh + a, j * sw + b, c] += g[i, j, c] if index[i, j, c] == place else zero


@kernel(parallel=True)
def max_unpool(x, g, index, kh, kw, sh, sw):
    """Add each value of g at the place of its window that the index names; windows may overlap."""
    for n in numba.prange(g.shape[0]):
        unpool_image(x[n], g[n], index[n], kh, kw, sh, sw)
