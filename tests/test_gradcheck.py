"""The checker is checked: it has to fail on gradients that are slightly wrong."""
import numpy as np
import pytest

from tinyllm.autograd import Tensor
from tinyllm.gradcheck import gradcheck
from tinyllm.ops import exp, matmul


def softmax(x, factor):
    y = np.exp(x.data) / np.exp(x.data).sum(-1, keepdims=True)
    return Tensor.from_op(
        y, (x,), lambda dy: (factor * y * (dy - (dy * y).sum(-1, keepdims=True)),))


def scaled(x, entry, factor):
    """x itself, with a gradient that is wrong in one entry."""
    def backward(dy):
        dx = dy.copy()
        dx[entry] *= factor
        return (dx,)

    return Tensor.from_op(x.data.copy(), (x,), backward)


class Layer:
    """What a Module offers to the checker."""

    def __init__(self, rng, dtype=np.float64):
        self.weight = Tensor(rng.standard_normal((3, 4)).astype(dtype), requires_grad=True)
        self.bias = Tensor(rng.standard_normal(4).astype(dtype), requires_grad=True)

    def named_parameters(self):
        yield "weight", self.weight
        yield "bias", self.bias

    def __call__(self, x):
        return x @ self.weight + self.bias


def test_accepts_a_right_gradient(rng):
    error = gradcheck(lambda x: softmax(x, 1.0), rng.standard_normal((2, 3)), rng=rng)
    assert 0 <= error < 1e-7


def test_rejects_a_gradient_wrong_by_a_thousandth(rng):
    with pytest.raises(AssertionError, match="gradient of argument 0"):
        gradcheck(lambda x: softmax(x, 1.001), rng.standard_normal((2, 3)), rng=rng)


@pytest.mark.parametrize("entry", [(0, 0), (1, 2)])
def test_rejects_one_wrong_entry(rng, entry):
    with pytest.raises(AssertionError, match="gradient of argument 0"):
        gradcheck(lambda x: scaled(x, entry, 1.001), rng.standard_normal((2, 3)), rng=rng)


def test_rejects_nan(rng):
    with pytest.raises(AssertionError, match="gradient of argument 0"):
        gradcheck(lambda x: scaled(x, 1, np.nan), np.ones(2), rng=rng)


def test_names_the_argument(rng):
    with pytest.raises(AssertionError, match="gradient of argument 1"):
        gradcheck(lambda x, y: x * scaled(y, 0, 1.001), np.ones(2), np.ones(2), rng=rng)


def test_rejects_a_gradient_that_is_missing(rng):
    with pytest.raises(AssertionError, match="gradient of argument 0"):
        gradcheck(lambda x, y: y * x.data, np.ones(2), np.ones(2), rng=rng)


def test_rejects_a_gradient_that_ignores_what_comes_from_above(rng):
    with pytest.raises(AssertionError, match="gradient of argument 0"):
        gradcheck(lambda x: Tensor.from_op(x.data.sum(), (x,), lambda dy: (np.ones_like(x.data),)),
                  np.ones(2), rng=rng)


def test_an_argument_that_plays_no_part_has_gradient_zero(rng):
    assert gradcheck(lambda x, y: exp(x), np.ones(2), np.ones(2), rng=rng) < 1e-6


def test_checks_the_parameters_of_a_layer(rng):
    layer = Layer(rng)
    before = layer.weight.data.copy()
    gradcheck(layer, rng.standard_normal((2, 3)), parameters=layer, rng=rng)
    gradcheck(lambda: layer(np.ones((2, 3))), parameters=[layer.weight, layer.bias], rng=rng)
    assert layer.weight.grad is None
    np.testing.assert_array_equal(layer.weight.data, before)


@pytest.mark.parametrize("parameters, name", [
    (lambda layer: layer, "bias"), (lambda layer: [layer.bias], "0"), (lambda layer: {"b": layer.bias}, "b")])
def test_names_the_parameter(rng, parameters, name):
    layer = Layer(rng)
    with pytest.raises(AssertionError, match=f"gradient of parameter {name} "):
        gradcheck(lambda: matmul(np.ones((2, 3)), layer.weight) + scaled(layer.bias, 1, 1.001),
                  parameters=parameters(layer), rng=rng)
    assert layer.bias.grad is None


def test_some_entries_of_a_large_model(rng):
    calls = []

    def f(x):
        calls.append(x)
        return exp(x)

    gradcheck(f, np.ones((50, 50)), entries=7, rng=rng)
    assert len(calls) == 2 + 2 * 7


def test_keeps_the_gradients_that_were_there(rng):
    layer = Layer(rng)
    layer.bias.grad = kept = np.ones(4)
    gradcheck(layer, np.ones((1, 3)), parameters=layer, rng=rng)
    assert layer.bias.grad is kept


def test_a_view_of_the_argument_is_no_trap(rng):
    gradcheck(lambda x: x.reshape(3, 2), rng.standard_normal((2, 3)), rng=rng)


def test_wrong_use_is_named(rng):
    with pytest.raises(TypeError, match="gradcheck: f must give a Tensor, got ndarray"):
        gradcheck(lambda x: x.data, np.ones(2), rng=rng)
    with pytest.raises(ValueError, match="gradcheck: f must give finite numbers"):
        gradcheck(lambda x: x - np.inf, np.ones(2), rng=rng)
    with pytest.raises(ValueError, match="gradcheck: f must give the same at every call"):
        gradcheck(lambda x: x * rng.standard_normal(2), np.ones(2), rng=rng)
    with pytest.raises(ValueError, match="parameter weight must be float64 .* got float32"):
        gradcheck(Layer(rng, np.float32), np.ones((1, 3)), parameters=Layer(rng, np.float32), rng=rng)
    with pytest.raises(TypeError, match="parameter 0 must be a Tensor, got ndarray"):
        gradcheck(exp, np.ones(2), parameters=[np.ones(2)], rng=rng)
    with pytest.raises(ValueError, match="parameter 0 must be .* requires_grad=False"):
        gradcheck(exp, np.ones(2), parameters=[Tensor(np.ones(2))], rng=rng)


def test_a_result_that_depends_on_nothing_is_named(rng):
    with pytest.raises(ValueError, match="does not depend on anything that is checked"):
        gradcheck(lambda x: Tensor(np.ones(3)), np.ones(3), rng=rng)
