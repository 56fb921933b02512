"""What rounds tell: a median's interval, the noise of two equal contenders, and whether a must holds by more."""
import math
import statistics

CONFIDENCE = 0.95


def interval(values):
    """The interval that holds the true median in 95 of 100 cases, by order statistics; for few values all of them."""
    ordered, count = sorted(values), len(values)
    cut, below = 0, 0.0
    while cut < count / 2:
        below += math.comb(count, cut) / 2 ** count
        if 2 * below > 1 - CONFIDENCE:
            break
        cut += 1
    cut = max(cut - 1, 0)
    return ordered[cut], ordered[count - 1 - cut]


def ratios(values, to):
    """Round by round."""
    return [a / b for a, b in zip(values, to)]


def noise(one, other):
    """How far two equal contenders are apart: the farther end of the interval of their ratio's median."""
    return max(abs(end - 1) for end in interval(ratios(one, other)))


def words(value, slack, must, at_least=False):
    """`value` may be off by `slack`; must it be at most (or at least) `must`?"""
    distance = value - must if at_least else must - value
    if abs(distance) <= slack:
        return "within noise"
    return "held" if distance > 0 else "not held"


def bound(must, at_least):
    return f"{'>=' if at_least else '<='} {must:.2f}x"


def not_measured(must, at_least=False):
    """The cells of compare() without a peer."""
    return "-", "-", bound(must, at_least), "not measured"


def compare(one, other, peer, must, at_least=False):
    """The cells measured, noise, must and verdict of two equal contenders against a peer, all by round."""
    both = [(a + b) / 2 for a, b in zip(one, other)]
    value, apart = statistics.median(ratios(both, peer)), noise(one, other)
    return f"{value:.3f}x", f"{apart:.3f}", bound(must, at_least), words(value, apart * value, must, at_least)
