"""Beside chapter 3.4 of the text, training: a gradient that you wrote by hand, and how to know that it is right.

Training goes where the gradients point, and with a wrong one it still goes somewhere, only worse: nobody
notices.  So each backward is compared with slopes that are measured.

What you will see: a new op, softplus, as a formula and with a backward by hand; the gradient check passing; an
error of 0.1 % planted, and caught; and why the check does not simply sum the output up.

What to try: write GELU, x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2, in the same pattern; forget a
factor and read what the check says; find out with --error how small an error it still sees.
"""
import argparse

import numpy as np

from tinyllm import Tensor, gradcheck, no_grad
from tinyllm.ops import softmax


def softplus_formula(x):
    """log(1 + exp(x)) in Tensor arithmetic: autograd knows the gradient of log, + and exp."""
    return (1 + x.exp()).log()


def softplus_forward(x):
    """The same on arrays: max(x, 0) + log(1 + exp(-|x|)), so that no exp overflows."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softplus_backward(dout, x):
    """dout * d log(1 + exp(x)) / dx, which is exp(x) / (1 + exp(x)) = sigmoid(x) = (1 + tanh(x / 2)) / 2."""
    return dout * (1 + np.tanh(x / 2)) / 2


def softplus(x, error=0.0):
    """The op: a Tensor that knows how its gradient goes back.  A real op has no `error`; here it plants one."""
    def backward(dout):
        return (softplus_backward(dout, x.data) * (1 + error),)

    return Tensor.from_op(softplus_forward(x.data), (x,), backward)


def two_readings(x):
    print("1. The op and its formula.\n")
    kernel, formula = (Tensor(x, requires_grad=True) for _ in range(2))
    outs = softplus(kernel), softplus_formula(formula)
    for out in outs:
        out.sum().backward()
    print("     x          formula      op           gradient by autograd   by hand")
    for row in zip(x, outs[1].data, outs[0].data, formula.grad, kernel.grad):
        print("  {:9.3f}  {:10.6f}  {:10.6f}   {:14.6f} {:16.6f}".format(*row))
    with no_grad(), np.errstate(over="ignore"):
        large = Tensor([1000.0])
        print(f"\n   At x = 1000 exp overflows: the formula gives {softplus_formula(large).item()}, "
              f"the op {softplus(large).item()}.")


def checked(x, rng):
    print("\n2. The gradient check: what backward says against (L(x + eps) - L(x - eps)) / (2 eps) for each number,"
          "\n   where L = sum(dout * softplus(x)) with a random dout.\n")
    error = gradcheck(softplus, x, rng=rng)
    print(f"   {x.size} numbers, largest error {error:.1e} of the largest gradient; 1e-6 is allowed: passed")


def planted(x, error, rng):
    print(f"\n3. The same backward, wrong by {100 * error:g} %.  In a training run nobody would see it.\n")
    try:
        gradcheck(lambda x: softplus(x, error), x, rng=rng)
    except AssertionError as message:
        print("   Caught.  What the check says (ACTUAL is what backward gave, DESIRED the measured slope):\n")
        print("\n".join(f"   | {line}" for line in str(message).strip().splitlines()))
    else:
        print("   Not caught: measured slopes have rounding errors, so the check allows 1e-6.")


def why_dout_is_random(rng):
    """Softmax sums to 1 whatever its input is, so under a plain sum a wrong gradient looks right."""
    def wrong_softmax(x):
        right = Tensor(x.data, requires_grad=True)
        out = softmax(right)

        def backward(dout):
            right.grad = None
            softmax(right).backward(dout)
            return (2 * right.grad,)  # twice what it should be

        return Tensor.from_op(out.data, (x,), backward)

    print("\n4. Why dout is random.  A softmax whose gradient is twice the right one, checked in two ways:\n")
    x = rng.standard_normal((2, 4))
    for name, f in [("under a plain sum", lambda x: wrong_softmax(x).sum()), ("with a random dout", wrong_softmax)]:
        try:
            gradcheck(f, x, rng=rng)
            print(f"   {name:20s} passes: each row sums to 1 for every x, so the gradient is 0, and twice 0 is 0")
        except AssertionError:
            print(f"   {name:20s} caught")


def main():
    parser = argparse.ArgumentParser(description="Gradient-check an op of your own.")
    parser.add_argument("--error", type=float, default=0.001, help="to plant, a part of the gradient (0.001)")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    x = np.array([-30.0, -2, -0.5, 0, 0.5, 2, 30])
    two_readings(x)
    checked(x, rng)
    planted(x, args.error, rng)
    why_dout_is_random(rng)


if __name__ == "__main__":
    main()
