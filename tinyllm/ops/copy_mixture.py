"""Generating a token or copying one of the source: log-probabilities of both together.

Forward, for each row (b, t), with the source's ids x[b, s] and copy weights a[b, t, s] that add up to 1:

    g    = sigmoid(u)                                    the share that is generated
    p[v] = g softmax(z)[v] + (1 - g) sum over s with x[s] = v of a[s]
    y[v] = log p[v]

computed as y[v] = z[v] - L, L = log sum_w exp(z[w]) - log g, where nothing is copied, so that a probability too small
for a float still has its logarithm.

Backward: with r[v] = exp(z[v] - L) / p[v], the part of p[v] that is generated, and e[v] = dy[v] r[v],

    dz[v] = e[v] - softmax(z)[v] sum_w e[w]
    du    = sum_v e[v] - g sum_v dy[v]
    da[s] = dy[x[s]] (1 - g) / p[x[s]]                   the quotient no larger than e^80, so that 0 times it is 0

Every row is one thread's: the same bits for any number of threads, alone or among others.

Shapes: z (B, T, V), a (B, T, S), u (B, T), x (B, S) integers in 0..V-1; y (B, T, V).
See, Liu and Manning 2017 (pointer-generator); Gu et al. 2016.
"""
import numpy as np
from numba import prange

from tinyllm.autograd import Tensor, on_formulas
from tinyllm.kernels.elementary import ZERO, exp
from tinyllm.kernels.jit import jit
from tinyllm.ops.cross_entropy import sum_exp
from tinyllm.ops.softmax import largest, softmax_formula
from tinyllm.shapes import check_floats, check_shapes

STEEPEST = np.float32(80)  # log of the largest da / dy


def copy_mixture_formula(z, a, u, x):
    """The formula as the docstring writes it; the sum over s is a product with ones where x[s] = v."""
    g = u.sigmoid().reshape(*u.shape, 1)
    ones = (x[:, :, None] == np.arange(z.shape[-1])).astype(z.dtype)
    return (g * softmax_formula(z) + (1 - g) * (a @ Tensor(ones))).log()


@jit
def _log_sigmoid(u):
    """log (1 / (1 + e^-u)), to all digits however small it is."""
    return min(u, ZERO) - np.log1p(np.exp(-abs(u)))


@jit
def _mix_row(z, a, u, x, copied, y):
    """y (V,) of one row  ->  L; copied (V,) is room full of zeros, and is left so."""
    dtype = z.dtype.type
    m = largest(z)
    L = m + dtype(np.log(sum_exp(z, m))) - _log_sigmoid(u)
    for v in range(z.shape[0]):
        y[v] = z[v] - L
    share = np.exp(_log_sigmoid(-u))  # 1 - g
    for s in range(x.shape[0]):
        copied[x[s]] += share * a[s]
    for s in range(x.shape[0]):  # an id that stands several times is done the first time
        v = x[s]
        if copied[v] != 0:  # nan too
            y[v] = np.log(exp(y[v]) + copied[v])
            copied[v] = 0
    return L


@jit
def _unmix_row(dy, z, a, u, x, y, L, dz, da):
    """dz (V,) and da (S,) of one row  ->  du."""
    dtype = z.dtype.type
    total, generated = dtype(0), dtype(0)
    for v in range(z.shape[0]):
        e = dy[v] * exp(z[v] - L - y[v])
        dz[v] = e
        total += dy[v]
        generated += e
    log_sum, log_share = L + _log_sigmoid(u), _log_sigmoid(-u)
    for v in range(z.shape[0]):
        dz[v] -= exp(z[v] - log_sum) * generated
    for s in range(x.shape[0]):
        da[s] = dy[x[s]] * exp(min(log_share - y[x[s]], STEEPEST))
    return generated - np.exp(_log_sigmoid(u)) * total


@jit(parallel=True)
def _forward_rows(z, a, u, x, copied, y, L):
    """y (B T, V) and L (B T,) of z (B T, V), a (B T, S), u (B T,), x (B, S); copied (B, V) zeros."""
    B = x.shape[0]
    T = z.shape[0] // B
    for b in prange(B):
        for i in range(b * T, (b + 1) * T):
            L[i] = _mix_row(z[i], a[i], u[i], x[b], copied[b], y[i])


@jit(parallel=True)
def _backward_rows(dy, z, a, u, x, y, L, dz, da, du):
    T = z.shape[0] // x.shape[0]
    for i in prange(z.shape[0]):
        du[i] = _unmix_row(dy[i], z[i], a[i], u[i], x[i // T], y[i], L[i], dz[i], da[i])


def copy_mixture_forward(z, a, u, x):
    """z (B T, V), a (B T, S), u (B T,), x (B, S)  ->  y (B T, V), L (B T,)."""
    y, L = np.empty_like(z), np.empty_like(u)
    _forward_rows(z, a, u, x, np.zeros((len(x), z.shape[1]), z.dtype), y, L)
    return y, L


def copy_mixture_backward(dy, z, a, u, x, y, L):
    """dy (B T, V), what the forward had and gave  ->  dz, da, du."""
    dz, da, du = np.empty_like(z), np.empty_like(a), np.empty_like(u)
    _backward_rows(dy, z, a, u, x, y, L, dz, da, du)
    return dz, da, du


def copy_mixture(logits, weights, gate, source):
    """Log-probabilities of the next token where it is generated or copied: a Tensor (B, T, V).

    logits   Tensor (B, T, V), of what is generated
    weights  Tensor (B, T, S), how much each position of the source is copied: at least 0, adding up to 1
    gate     Tensor (B, T), any real numbers: sigmoid of it is the share that is generated
    source   integers (B, S), each in 0..V-1: the same vocabulary

    Raises ValueError for a wrong shape or dtype and for a source that is not integers in 0..V-1.
    """
    op, source = "copy_mixture", np.asarray(source)
    sizes = check_shapes(op, logits=(logits.data, "BTV"), weights=(weights.data, "BTS"), gate=(gate.data, "BT"),
                         source=(source, "BS"))
    check_floats(op, logits=logits.data, weights=weights.data, gate=gate.data)
    if 0 in sizes.values():
        raise ValueError(f"{op}: B, T, V and S must be > 0, got logits {logits.shape} and source {source.shape}")
    if source.dtype.kind not in "iu":
        raise ValueError(f"{op}: source must be integers, got {source.dtype}")
    wrong = source[(source < 0) | (source >= sizes["V"])]
    if wrong.size:  # compiled code does not check bounds
        raise ValueError(f"{op}: source must be in 0..{sizes['V'] - 1}, got {wrong[0]}")
    x = np.array(source, np.int64, order="C")  # a copy: it may change before the backward
    if on_formulas():
        return copy_mixture_formula(logits, weights, gate, x)
    parents, N = (logits, weights, gate), sizes["B"] * sizes["T"]
    z, a, u = (np.ascontiguousarray(p.data).reshape(N, *p.shape[2:]) for p in parents)
    y, L = copy_mixture_forward(z, a, u, x)

    def backward(dy):
        dy = np.ascontiguousarray(dy).reshape(z.shape)
        return tuple(d.reshape(p.shape) for d, p in zip(copy_mixture_backward(dy, z, a, u, x, y, L), parents))

    return Tensor.from_op(y.reshape(logits.shape), parents, backward)
