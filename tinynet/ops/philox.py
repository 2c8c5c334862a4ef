"""Philox: a counter, encrypted so that its words cannot be distinguished from random ones."""

from __future__ import annotations

import numpy as np

from tinynet.core.spec import Array

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_WORD = 0xFFFFFFFF
_LOW = np.uint64(_WORD)
_HALF = np.uint64(32)
_ROUNDS = 10


def philox(counter: Array, key: Array) -> Array:
    """Encrypt counters: Philox4x32 with ten rounds.

    Parameters
    ----------
    counter : ndarray
        (..., 4) of uint32.
    key : ndarray
        (2,) of uint32.

    Returns
    -------
    ndarray
        (..., 4) of uint32.

    References
    ----------
    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

    Examples
    --------
    >>> import numpy as np
    >>> [hex(word) for word in philox(np.zeros(4, np.uint32), np.zeros(2, np.uint32)).tolist()]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    a, b, c, d = (counter[..., i].astype(np.uint64) for i in range(4))
    first, second = np.uint64(key[0]), np.uint64(key[1])
    for _ in range(_ROUNDS):
        left, right = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (right >> _HALF) ^ b ^ first, right & _LOW, (left >> _HALF) ^ d ^ second, left & _LOW
        first, second = (first + _WEYL[0]) & _LOW, (second + _WEYL[1]) & _LOW
    return np.stack([a, b, c, d], axis=-1).astype(np.uint32)


def words(key: Array, count: int) -> Array:
    """Return random words of 32 bits, from a key (5,): seed, step, micro-batch, stream (of 64 bits), draw.

    The counter of Philox holds the number of the block of four words, the step, half of the stream, and the draw and
    the micro-batch in 16 bits each; its key is the seed, with the other half of the stream.
    """
    seed, step, micro_batch, stream, draw = (int(k) for k in key)
    counter = np.empty((-(-count // 4), 4), np.uint32)
    counter[:, 0] = np.arange(len(counter))
    counter[:, 1:] = step & _WORD, stream & _WORD, (draw & 0xFFFF) << 16 | micro_batch
    return philox(counter, np.array([seed & _WORD, seed >> 32 ^ stream >> 32], np.uint32)).reshape(-1)[:count]
