"""Squared distances of points, from their inner products.

For 1,000 class centres only a matrix product is fast enough. If the origin is one of the points, or
no further from them than they are apart, squared distances are exact to about 1e-16 of the largest.
So callers first subtract one point from all.
"""

from concurrent.futures import Executor

from torch import Tensor

_STRIP = 100  # at least; wider matrix products are faster
_STRIPS = 25  # at most, so that threads stay busy to the end


def add_inner_products(pool: Executor, inner: Tensor, points: Tensor) -> None:
    """Add to (N, N) `inner`, on and below its diagonal, the inner products of (N, D) `points`.

    Each strip is computed by one thread, so the number of threads does not affect the result.
    """
    width = max(_STRIP, len(points) // _STRIPS)

    def add(start: int) -> None:
        strip = slice(start, start + width)
        inner[start:, strip].addmm_(points[start:], points[strip].T)

    list(pool.map(add, range(0, len(points), width)))


def squared_distances(inner: Tensor) -> Tensor:
    """Return the (N, N) squared distances of points with (N, N) inner products; diagonal exactly 0.

    Products above the diagonal are not read.
    """
    norms = inner.diagonal()
    squared = (norms[:, None] + norms - 2 * inner).clamp_(min=0).tril_(-1)
    return squared + squared.T
