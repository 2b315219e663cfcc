"""Two accountants of differentially private training: Rényi divergences, and privacy loss distributions by FFT.

One step releases a sum with Gaussian noise of `sigma` sensitivities; each person is in it with probability q
(add/remove neighbours).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammaln, logsumexp
from scipy.stats import norm


def rdp_epsilon(q: float, sigma: float, steps: int, delta: float, *, classic: bool = False) -> float:
    """ε of `steps` steps by whole Rényi orders 2 to 255 (Mironov, Talwar and Zhang, arXiv 1908.10530, section 3.3).

    classic: the first conversion, ε = rdp + ln(1/δ)/(order - 1); otherwise the tighter one of Canonne, Kamath and
    Steinke, arXiv 2004.00010, proposition 12.
    """
    best = math.inf
    for order in range(2, 256):
        k = np.arange(order + 1)
        binomial = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
        terms = binomial + k * math.log(q) + (order - k) * math.log1p(-q) + (k * k - k) / (2 * sigma**2)
        rdp = steps * logsumexp(terms) / (order - 1)
        conversion = math.log(1 / delta) / (order - 1)
        if not classic:
            conversion = math.log1p(-1 / order) - math.log(delta * order) / (order - 1)
        best = min(best, rdp + conversion)
    return best


def pld_epsilon(q: float, sigma: float, steps: int, delta: float, *, grid: float = 1e-4, width: float = 12.0) -> float:
    """ε of `steps` steps from the distribution of the privacy loss, on a grid and convolved by FFT.

    The larger of both directions: a person removed, and a person added (Koskela et al., arXiv 1906.03049). Each loss
    goes to its nearest grid point; rounding up would bound ε from above, but adds half a grid step in every step.
    """
    return max(_one_way(q, sigma, steps, delta, grid, width, removed) for removed in (True, False))


def _one_way(q: float, sigma: float, steps: int, delta: float, grid: float, width: float, removed: bool) -> float:
    """Loss ln(P(x)/Q(x)) at x ~ P; P the mixture and Q the plain Gaussian if a person was removed, else the reverse."""
    size = 2 * int(width / grid)
    losses = (np.arange(size) - size // 2) * grid
    sign = 1.0 if removed else -1.0

    def below(loss: np.ndarray) -> np.ndarray:
        """P(loss of one step ≤ loss)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            inner = np.exp(sign * loss) - (1 - q)
            x = np.where(inner > 0, sigma**2 * np.log(np.maximum(inner, 1e-300) / q) + 0.5, -np.inf)
        if removed:  # the loss grows with x, and x comes from the mixture
            return (1 - q) * norm.cdf(x / sigma) + q * norm.cdf((x - 1) / sigma)
        return norm.sf(x / sigma)  # the loss falls with x, and x comes from the plain Gaussian

    mass = np.diff(below(losses + grid / 2), prepend=0.0)
    spectrum = np.fft.rfft(np.fft.ifftshift(mass)) ** steps
    total = np.fft.fftshift(np.fft.irfft(spectrum, size)).clip(0)

    def excess(epsilon: float) -> float:
        above = losses > epsilon
        return float(np.sum(total[above] * -np.expm1(epsilon - losses[above])))

    low, high = 0.0, width
    while high - low > 1e-5:
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > delta else (low, middle)
    return high
