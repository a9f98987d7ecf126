import numpy as np
import pytest

from tests.oracle import DTYPES, TORCH_TOLERANCE, assert_close, torch_or_skip
from tinyllm.autograd import Tensor
from tinyllm.gradcheck import gradcheck
from tinyllm.ops import relu, sigmoid, tanh

OPS = {"tanh": tanh, "sigmoid": sigmoid, "relu": relu}


def test_worked_example():
    """sigmoid(log 3) = 3/4 and tanh(log 3) = (9 - 1) / (9 + 1)."""
    x = Tensor([np.log(3.0)])
    assert sigmoid(x).item() == pytest.approx(0.75)
    assert tanh(x).item() == pytest.approx(0.8)
    assert relu(Tensor([-1.0, 2.0])).data.tolist() == [0, 2]


@pytest.mark.parametrize("op", OPS)
def test_gradient(rng, op):
    gradcheck(OPS[op], rng.standard_normal((3, 4)), rng=rng)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 1e4])  # 1e4 overflows a plain exp
@pytest.mark.parametrize("op", OPS)
def test_matches_torch(rng, op, scale, dtype):
    torch = torch_or_skip()
    x = (scale * rng.standard_normal((4, 5))).astype(dtype)
    dout = rng.standard_normal((4, 5)).astype(dtype)
    ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = OPS[op](ours), getattr(torch, op)(theirs)
    y.backward(dout)
    expected.backward(torch.tensor(dout))
    assert y.dtype == dtype
    assert_close(y.data, expected.detach(), TORCH_TOLERANCE[dtype])
    assert_close(ours.grad, theirs.grad, TORCH_TOLERANCE[dtype])


@pytest.mark.parametrize("op", OPS)
def test_nan_stays_nan(op):
    assert np.isnan(OPS[op](Tensor([np.nan])).data).all()


def test_the_ends():
    x = Tensor([-np.inf, np.inf])
    assert sigmoid(x).data.tolist() == [0, 1]
    assert tanh(x).data.tolist() == [-1, 1]
    assert relu(x).data.tolist() == [0, np.inf]


@pytest.mark.parametrize("op", OPS)
def test_wrong_input_is_named(op):
    with pytest.raises(TypeError, match="data must be numbers, got dtype <U3"):
        OPS[op]("one")
