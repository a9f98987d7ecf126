import numpy as np
import pytest

from tinyllm.shapes import check_shapes


def zeros(*shape):
    return np.zeros(shape)


def test_gives_the_size_of_every_letter():
    assert check_shapes("attention", q=(zeros(2, 5, 4), "BTD"), k=(zeros(2, 7, 4), "BSD")) == {
        "B": 2, "T": 5, "D": 4, "S": 7}


def test_a_digit_multiplies():
    sizes = check_shapes("gru", w_ih=(zeros(12, 5), "3H E"), h0=(zeros(2, 4), "BH"))
    assert sizes == {"H": 4, "E": 5, "B": 2}


def test_a_scalar_has_no_letters():
    assert check_shapes("op", x=(zeros(), "")) == {}


@pytest.mark.parametrize("arrays, message", [
    (dict(q=(zeros(2, 5), "BTD")), r"q must be \(B, T, D\), got shape \(2, 5\)"),
    (dict(x=(zeros(2, 5), "N")), r"x must be \(N,\), got shape \(2, 5\)"),
    (dict(q=(zeros(2, 5, 4), "BTD"), k=(zeros(2, 7, 3), "BSD")),
     r"k must be \(B, S, D\) with D = 4 as in q, got shape \(2, 7, 3\)"),
    (dict(x=(zeros(3, 4), "NN")), r"x must be \(N, N\) with N = 3 as in x, got shape \(3, 4\)"),
    (dict(w=(zeros(10, 5), "3H E")), r"w must be \(3H, E\), got shape \(10, 5\)"),
    (dict(h=(zeros(2, 4), "BH"), w=(zeros(13, 5), "3H E")),
     r"w must be \(3H, E\) with H = 4 as in h, got shape \(13, 5\)"),
])
def test_a_wrong_shape_is_named(arrays, message):
    with pytest.raises(ValueError, match="^op: " + message + "$"):
        check_shapes("op", **arrays)
