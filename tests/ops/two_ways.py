"""One op run twice on the same arrays and the same random dout: kernel and formula, we and PyTorch."""
import numpy as np

from tests.oracle import FORMULA_TOLERANCE, TORCH_TOLERANCE, assert_close, torch_or_skip
from tinyllm.autograd import Tensor, formulas


def run(f, arrays, dout=None):
    """f of Tensors made of the arrays: its data and their gradients, under dout if one is given."""
    inputs = [Tensor(a.copy(), requires_grad=True) for a in arrays]
    y = f(*inputs)
    if dout is None:
        return y.data, None
    y.backward(dout)
    return y.data, [x.grad for x in inputs]


def assert_kernel_equals_formula(f, *arrays, rng):
    """Outputs and gradients agree to the tolerance of the arrays' dtype, and have that dtype."""
    dtype = arrays[0].dtype.type
    dout = rng.standard_normal(run(f, arrays)[0].shape).astype(dtype)
    y, gradients = run(f, arrays, dout)
    with formulas():
        expected, expected_gradients = run(f, arrays, dout)
    assert y.dtype == dtype
    for ours, theirs in zip([y, *gradients], [expected, *expected_gradients], strict=True):
        assert_close(ours, theirs, FORMULA_TOLERANCE[dtype])


def assert_torch_agrees(f, torch_f, *arrays, rng, tol=None, gradient_tol=None):
    """Outputs and gradients agree with PyTorch's to the tolerance of the dtype, and have that dtype."""
    torch, dtype = torch_or_skip(), arrays[0].dtype.type
    dout = rng.standard_normal(run(f, arrays)[0].shape).astype(dtype)
    y, gradients = run(f, arrays, dout)
    inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = torch_f(*inputs)
    expected.backward(torch.tensor(dout))
    assert y.dtype == dtype
    tol = tol or TORCH_TOLERANCE[dtype]
    assert_close(y, expected.detach().numpy(), tol)
    for dx, x in zip(gradients, inputs, strict=True):
        assert_close(dx, x.grad.numpy(), gradient_tol or tol)


def normal(rng, dtype, *shapes):
    """One array of standard normal numbers for each shape."""
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def assert_same_bits(one, other):
    """Two results of run are identical to the last bit."""
    for ours, theirs in zip([one[0], *one[1]], [other[0], *other[1]], strict=True):
        np.testing.assert_array_equal(ours, theirs)
