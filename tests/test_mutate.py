"""The script that breaks backward formulas is checked: it has to break them, and to tell who notices."""
from tests.mutants import mutants
from tests.process import run_python

SOURCE = '''
def twice_backward(dy, x):
    """2 x."""
    dx = scratch.take("dx", 2 * dy.size)
    for i in range((len(x) + CHUNK - 1) // CHUNK):
        _row(dx[:2], dy)
    return -dx


def _row(dx, dy):
    dx[0] += dy[0] * 3


def unrelated(x):
    return x + 1


def op(x):
    n, k = 2, 3
    n = x.shape[0]
    y = forward(x.data, k)
    return Tensor.from_op(y, (x,), lambda dy: (dy / n,))
'''


def test_what_is_broken():
    assert [mutant[:3] for mutant in mutants(SOURCE)] == [
        (6, "_row(dx[:2], dy)", "_row(dx[:1], dy)"),
        (6, "_row(dx[:2], dy)", "pass"),
        (7, "return -dx", "return dx"),
        (11, "dx[0] += dy[0] * 3", "dx[0] += 3"),
        (11, "dx[0] += dy[0] * 3", "dx[0] += dy[0]"),
        (11, "dx[0] += dy[0] * 3", "dx[0] += dy[0] * 4"),
        (11, "dx[0] += dy[0] * 3", "dx[0] += dy[0] / 3"),
        (11, "dx[0] += dy[0] * 3", "dx[0] += dy[1] * 3"),
        (11, "dx[0] += dy[0] * 3", "dx[0] -= dy[0] * 3"),
        (11, "dx[0] += dy[0] * 3", "dx[0] = dy[0] * 3"),
        (11, "dx[0] += dy[0] * 3", "dx[1] += dy[0] * 3"),
        (11, "dx[0] += dy[0] * 3", "pass"),
        (20, "n = x.shape[0]", "n = x.shape[1]"),
        (22, "lambda dy: (dy / n,)", "lambda dy: (dy * n,)"),
        (22, "lambda dy: (dy / n,)", "lambda dy: (dy,)"),
        (22, "lambda dy: (dy / n,)", "lambda dy: (n / dy,)"),
    ]


def test_mutants_of_a_small_op_are_caught():
    """All changes of three gradients; unbroken, they pass (else the script says so and fails)."""
    table = run_python("-m", "tests.mutate", "activations").splitlines()
    name, total, caught, share = table[1].split()
    assert name == "activations" and int(total) == int(caught) > 20 and share == "100.0%"
