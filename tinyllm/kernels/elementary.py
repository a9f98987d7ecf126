"""exp, tanh and sigmoid of one number that the compiler can vectorise.

The library functions cost 3 to 12 ns an element because a loop that calls them stays scalar; these are
arithmetic only, so a loop over an array runs on whole vectors.  float32 uses the forms below, float64 the
library functions (it checks gradients and need not be fast).

    exp      x = n log 2 + r, |r| <= log(2)/2;  exp(x) = 2^n (1 + r + r^2 p(r)), p of degree 4:
             largest relative error 1.2e-7; 0 below -87.33 (so exp(-inf) = 0), inf above 88.37
    tanh     x p(x^2) / q(x^2), p and q of degree 4, fitted on |x| < 7.95 for the smallest largest error
             (Lawson's weights); the sign beyond: largest absolute error 3.1e-7
    sigmoid  1/2 + 1/2 tanh(x/2): largest absolute error 2.2e-7

nan stays nan in all three.  The functions as they stand run where compilation is off.
"""
import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from tinyllm.kernels.jit import ELEMENTWISE

# no reassoc here: the two-step reduction of exp's argument lives from its order
OPTIONS = {"fastmath": ELEMENTWISE, "error_model": "numpy"}

ZERO, HALF, ONE, INF = (np.float32(c) for c in (0, 0.5, 1, np.inf))
EXP_LOW, EXP_HIGH, LOG2_E = np.float32(-87.33), np.float32(88.37), np.float32(1.4426950408889634)
LOG2_HIGH, LOG2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # sum: log 2; n * HIGH is exact
E2, E3, E4, E5, E6 = (np.float32(c) for c in (
    0.49999994, 0.1666652, 0.041668393, 0.008368781, 0.0013814467))
TANH_END = np.float32(7.95)
P1, P2, P3, P4 = (np.float32(c) for c in (
    0.13441328704357147, 0.003567933104932308, 2.1838368411408737e-05, 1.5160564359462114e-08))
Q1, Q2, Q3, Q4 = (np.float32(c) for c in (
    0.4677464962005615, 0.02615024521946907, 0.000340546976076439, 8.492086180922342e-07))


@intrinsic
def _float_of_bits(typingctx, bits):
    """The float32 with these 32 bits."""
    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.FloatType())
    return types.float32(types.int32), codegen


def exp(x):
    """e^x."""
    return np.exp(x)


def tanh(x):
    """The hyperbolic tangent of x."""
    return np.tanh(x)


def sigmoid(x):
    """1 / (1 + e^-x)."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def _exp32(x):
    inside = x if x > EXP_LOW else EXP_LOW
    inside = inside if inside < EXP_HIGH else EXP_HIGH
    n = np.floor(inside * LOG2_E + HALF)
    r = inside - n * LOG2_HIGH
    r = r - n * LOG2_LOW
    p = (((E6 * r + E5) * r + E4) * r + E3) * r + E2
    y = (p * r * r + r + ONE) * _float_of_bits((np.int32(n) + np.int32(127)) << np.int32(23))
    y = y if x >= EXP_LOW else ZERO
    y = y if x <= EXP_HIGH else INF
    return y if x == x else x


def _tanh32(x):
    inside = x if x < TANH_END else TANH_END
    inside = inside if inside > -TANH_END else -TANH_END
    u = inside * inside
    p = (((P4 * u + P3) * u + P2) * u + P1) * u + ONE
    q = (((Q4 * u + Q3) * u + Q2) * u + Q1) * u + ONE
    y = inside * p / q
    return y if x == x else x


@overload(exp, jit_options=OPTIONS)
def _exp(x):
    return _exp32 if x == types.float32 else lambda x: math.exp(x)


@overload(tanh, jit_options=OPTIONS)
def _tanh(x):
    return _tanh32 if x == types.float32 else lambda x: math.tanh(x)


@overload(sigmoid, jit_options=OPTIONS)
def _sigmoid(x):
    if x == types.float32:
        return lambda x: HALF * tanh(HALF * x) + HALF
    return lambda x: 0.5 * math.tanh(0.5 * x) + 0.5
