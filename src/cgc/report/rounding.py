"""Numbers with as many digits as their uncertainty allows."""

from math import floor, log10, sqrt

from scipy.special import ndtri

LEVEL = 0.95  # of intervals
MOST_DECIMALS = 2


def decimals_for(half_width: float) -> int:
    """Return the decimals with which an uncertainty has two significant digits, 2 at most."""
    if half_width == 0:
        return MOST_DECIMALS
    return min(max(1 - floor(log10(half_width)), 0), MOST_DECIMALS)


def with_uncertainty(value: float, half_width: float) -> str:
    """Return a value and its uncertainty, the latter with at most two significant digits.

    Args:
        value: to show.
        half_width: of its interval, in the same unit; 0 if unknown, which gives the value alone
            with one decimal.
    """
    if half_width == 0:
        return f"{value:.1f}"
    decimals = decimals_for(half_width)
    return f"{value:.{decimals}f} ± {half_width:.{decimals}f}"


def interval_over_images(percent: float, num_images: int) -> float:
    """Return half the width of an accuracy's 95 % interval for other images (binomial), in points.

    The normal approximation gives 0 for accuracies of 0 and 100 %.
    """
    share = percent / 100
    return float(100 * ndtri((1 + LEVEL) / 2) * sqrt(share * (1 - share) / num_images))
