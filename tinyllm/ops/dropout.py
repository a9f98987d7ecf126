"""Dropout (Srivastava et al. 2014): in training, numbers are set to 0 at random: none can rely on another.

Forward:

    y = x m          m = 0 with probability p, else 1/(1 - p), so that the mean of y is x

Backward:

    dx = dy m

There is no switch between training and use: dropout is on exactly where a generator is passed.

Shapes: x, m, y alike, any.
"""
from tinyllm.autograd import Tensor, on_formulas
from tinyllm.shapes import check_floats


def dropout_formula(x, m):
    """x times the mask that was drawn."""
    return x * Tensor(m)


def dropout_forward(x, m):
    """x, m  ->  y."""
    return x * m


def dropout_backward(dy, m):
    """dy, m  ->  dx."""
    return dy * m


def dropout(x, p, rng=None):
    """x with a share p of it set to 0 and the rest divided by 1 - p; x itself if rng is None or p is 0.

    x    Tensor of any shape
    p    probability of a 0, in [0, 1)
    rng  np.random.Generator for the mask, or None: no dropout

    Raises ValueError for another p.
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout: p must be in [0, 1), got {p}")
    check_floats("dropout", x=x.data)
    if rng is None or p == 0:
        return x
    dtype = x.dtype.type
    m = (rng.random(x.shape, dtype) >= p) * dtype(1 / (1 - p))  # drawn here: formula and kernel see the same
    if on_formulas():
        return dropout_formula(x, m)
    return Tensor.from_op(dropout_forward(x.data, m), (x,), lambda dy: (dropout_backward(dy, m),))
