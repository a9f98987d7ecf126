"""Chapter 4.1 of the text, self-attention: softmax(Q K^T / sqrt(d_k)) V of three tokens, every number shown.

What you will see: the four steps of the formula in NumPy; tinyllm's formula and tinyllm's kernel giving the
same numbers and the same gradients; what the sqrt(d_k) is for; what a causal mask takes away.

What to try: change a row of Q and follow it down; make Q ten times as large; give --tokens 64 and look at the
table again: divided, the weights spread over all 64, undivided a single key still takes nearly everything.
"""
import argparse

import numpy as np

from tinyllm import Tensor, formulas
from tinyllm.ops import attention

WORDS = ["the", "cat", "sleeps"]
Q = np.array([[1.0, 0, 0, 1], [2, 2, 0, 0], [0, 4, 0, 2]])  # (3, d_k): what each token looks for
K = np.array([[1.0, 0, 1, 0], [0, 2, 0, 1], [1, 1, 0, 0]])  # (3, d_k): what each token can be found by
V = np.array([[10.0, 0], [0, 10], [5, 5]])                  # (3, 2): what each token has to tell


def show(title, matrix, rows=WORDS, columns=()):
    """A matrix with a name for each row and column."""
    print(f"\n{title}")
    if columns:
        print(" " * 8 + "".join(f"{name:>9}" for name in columns))
    for name, row in zip(rows, matrix):
        print(f"{name:>8}" + "".join(f"{number:9.3f}" for number in row))


def softmax(scores):
    """exp(s) / sum exp(s) in each row; the largest is taken off first, so that no exp overflows."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def by_hand(mask=None):
    """The formula step by step: the weights and the output."""
    d_k = Q.shape[1]
    products = Q @ K.T
    show("1. Q K^T: the inner product of each query (row) with each key (column)", products, columns=WORDS)
    scores = products / np.sqrt(d_k)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    hidden = "" if mask is None else ", and -inf where the query must not look"
    show(f"2. divided by sqrt(d_k) = sqrt({d_k}) = {np.sqrt(d_k):g}{hidden}", scores, columns=WORDS)
    weights = softmax(scores)
    show("3. softmax: each row is positive and adds up to 1", weights, columns=WORDS)
    output = weights @ V
    show("4. weights V: each output is a mean of the rows of V", output)
    return weights, output


def with_tinyllm(causal):
    """Output and the gradient of sum(output * V) with respect to Q, as tinyllm calculates them just now."""
    q, k, v = (Tensor(a[None], requires_grad=True) for a in (Q, K, V))  # a batch of one: (1, 3, d)
    o = attention(q, k, v, causal=causal)
    o.backward(V[None])
    return o.data[0], q.grad[0]


def compare(output, causal):
    """Three ways to the same numbers."""
    kernel, dq_kernel = with_tinyllm(causal)  # compiled, and its backward is written by hand
    with formulas():
        formula, dq_formula = with_tinyllm(causal)  # a few lines of Tensor arithmetic, derived by autograd
    print("\nThe same with tinyllm (tinyllm/ops/attention.py), largest difference:")
    print(f"  formula and by hand   {np.abs(formula - output).max():.1e}")
    print(f"  kernel  and by hand   {np.abs(kernel - output).max():.1e}")
    print(f"  gradient of Q, by autograd from the formula and by the kernel's own backward   "
          f"{np.abs(dq_kernel - dq_formula).max():.1e}")
    equal = all(np.allclose(a, b, rtol=1e-12, atol=1e-12)
                for a, b in [(formula, output), (kernel, output), (dq_kernel, dq_formula)])
    print(f"  equal: {equal}")


def what_the_root_is_for(tokens, rng):
    """Random queries and keys whose entries have variance 1, with and without the division."""
    print(f"""
An inner product of d_k random numbers of size 1 has size sqrt(d_k).  Undivided, the scores of a wide model are
large, softmax gives nearly all to one key, and hardly any gradient flows: dw/ds = w (1 - w) is near 0.
Means over 1000 queries, each with {tokens} keys:

            size of     largest weight           w (1 - w) of the largest
    d_k     q k^T    undivided   / sqrt(d_k)     undivided   / sqrt(d_k)""")
    for d_k in (4, 16, 64, 256, 1024):
        q, k = rng.standard_normal((1000, 1, d_k)), rng.standard_normal((1000, tokens, d_k))
        products = (q @ k.swapaxes(-1, -2))[:, 0]
        plain, divided = softmax(products).max(axis=-1), softmax(products / np.sqrt(d_k)).max(axis=-1)
        print(f"{d_k:7d} {products.std():9.1f} {plain.mean():12.2f} {divided.mean():12.2f}"
              f" {np.mean(plain * (1 - plain)):13.3f} {np.mean(divided * (1 - divided)):12.3f}")


def main():
    parser = argparse.ArgumentParser(description="Scaled dot-product attention by hand (chapter 4.1).")
    parser.add_argument("--tokens", type=int, default=8, help="keys in the table about sqrt(d_k) (8)")
    args = parser.parse_args()
    show("Q, what each token looks for", Q)
    show("K, what each token can be found by", K)
    show("V, what each token has to tell", V)
    _, output = by_hand()
    compare(output, causal=False)

    what_the_root_is_for(args.tokens, np.random.default_rng(0))

    print("\nThe causal mask: a language model must not see what it is to predict, so token t looks at 0..t only."
          "\nA masked score is -inf, and exp(-inf) = 0: exactly nothing.")
    weights, output = by_hand(mask=np.tril(np.ones((3, 3), bool)))
    print(f"\nThe first token can only look at itself: weights {weights[0]}, its output is its row of V, {output[0]}.")
    compare(output, causal=True)


if __name__ == "__main__":
    main()
