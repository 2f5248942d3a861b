"""Squared distances of points, from their inner products.

For 1,000 class centres nothing but a matrix product is fast enough. With the origin among the
points, or at least no further from them than they are apart, such a distance is exact to about
1e-16 of the largest one squared. So callers first take one point from all.
"""

from concurrent.futures import Executor

from torch import Tensor

_STRIP = 100  # at least; for matrix products the wider, the faster
_STRIPS = 25  # at most, so that threads stay busy to the end


def add_inner_products(pool: Executor, inner: Tensor, points: Tensor) -> None:
    """Add to (N, N) `inner`, on and below its diagonal, the inner products of (N, D) `points`.

    Each thread makes whole strips alone, so that their number changes no digit.
    """
    width = max(_STRIP, len(points) // _STRIPS)

    def add(start: int) -> None:
        strip = slice(start, start + width)
        inner[start:, strip].addmm_(points[start:], points[strip].T)

    list(pool.map(add, range(0, len(points), width)))


def squared_distances(inner: Tensor) -> Tensor:
    """Return the (N, N) squared distances of points with (N, N) inner products; diagonal exactly 0.

    The products are read below the diagonal only.
    """
    norms = inner.diagonal()
    squared = (norms[:, None] + norms - 2 * inner).clamp_(min=0).tril_(-1)
    return squared + squared.T
