"""Chapter 3.2 of the text, building the model: one step of a GRU from its formulas, and what its gates do.

What you will see: r, z, n and the new state of one step, line by line; a short sequence, the same as nn.GRU's;
then the two gates turned by hand: z decides how much of the old state stays, r decides whether the proposal
for a new one may look at it.

What to try: --seed 1 for other weights; --steps 100 to see how long which z remembers; write the reset gate of
Cho et al. 2014, r before the product, W_hn (r * h) + b_hn, and see that it is another cell.
"""
import argparse

import numpy as np

from tinyllm import Tensor, nn, no_grad

E, H = 2, 3  # sizes of the input and of the state


def gru_step(x, h, w_ih, w_hh, b_ih, b_hh):
    """One step: x (E,), h (H,) -> r, z, n, new h, each (H,); the weights hold r, z, n one below the other."""
    i_r, i_z, i_n = np.split(w_ih @ x + b_ih, 3)  # what the input says to each of the three
    s_r, s_z, s_n = np.split(w_hh @ h + b_hh, 3)  # what the state says to each of the three
    r = 1 / (1 + np.exp(-(i_r + s_r)))  # reset gate, a sigmoid: may the proposal look at the state?
    z = 1 / (1 + np.exp(-(i_z + s_z)))  # update gate, a sigmoid: how much of the state stays?
    n = np.tanh(i_n + r * s_n)          # the proposal for a new state
    return r, z, n, (1 - z) * n + z * h


def numbers(x):
    return "  ".join(f"{value:7.4f}" for value in x)


def run(gru, x, h):
    """nn.GRU over x (T, E) from h (H,): all states (T, H)."""
    with no_grad():
        return gru(Tensor(x[None]), Tensor(h[None, None]))[0].data[0]


def one_step(gru, x, h):
    print(f"One step.  Input x = {numbers(x)}     state h = {numbers(h)}\n")
    r, z, n, new = gru_step(x, h, *(p.data for p in gru.parameters()))
    print(f"  r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)         {numbers(r)}")
    print(f"  z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)         {numbers(z)}")
    print(f"  n = tanh(W_in x + b_in + r * (W_hn h + b_hn))      {numbers(n)}")
    print(f"  h' = (1 - z) * n + z * h                           {numbers(new)}")
    print(f"  nn.GRU                                             {numbers(run(gru, x[None], h)[0])}")


def sequence(gru, x, h):
    print(f"\nA sequence is the same step again and again, each from the state before it ({len(x)} inputs):\n")
    theirs = run(gru, x, h)
    ours = []
    for t, x_t in enumerate(x):
        *_, h = gru_step(x_t, h, *(p.data for p in gru.parameters()))
        ours.append(h)
        print(f"  t = {t}   x = {numbers(x_t)}   by hand {numbers(h)}   nn.GRU {numbers(theirs[t])}")
    difference = np.abs(np.array(ours) - theirs).max()
    print(f"\n  largest difference {difference:.1e}, equal: {difference < 1e-12}")


def turned(gru, gate, bias):
    """The weights, but with this much more bias for gate "r" or "z", the same for every input."""
    w_ih, w_hh, b_ih, b_hh = (p.data.copy() for p in gru.parameters())
    b_ih[slice(0, H) if gate == "r" else slice(H, 2 * H)] += bias
    return w_ih, w_hh, b_ih, b_hh


def what_z_does(gru, x):
    print(f"""
What z does.  Two runs over the same {len(x)} inputs, one from h = +1, one from h = -1: how far apart are they at
the end?  That distance (2 at the start) is what the state still knows of the beginning.

  bias of z    mean z    apart after 1    after {len(x)}""")
    for bias in (-8, 0, 2, 4, 6, 8):
        weights, states, seen, apart = turned(gru, "z", bias), [np.ones(H), -np.ones(H)], [], []
        for x_t in x:
            steps = [gru_step(x_t, h, *weights) for h in states]
            states = [new for *_, new in steps]
            seen += [z for _, z, *_ in steps]
            apart.append(np.abs(states[0] - states[1]).mean())
        print(f"{bias:11d} {np.mean(seen):9.3f} {apart[0]:16.4f} {apart[-1]:11.4f}")
    print("  z near 0 writes a new state at every step; z near 1 carries the old one along, and its gradient back.")


def what_r_does(gru, x):
    print("""
What r does.  The proposal n from the same input, but from three different states:

  bias of r    mean r    n from h = -1               n from h = 0                n from h = +1""")
    for bias in (-8, 0, 8):
        steps = [gru_step(x, h * np.ones(H), *turned(gru, "r", bias)) for h in (-1, 0, 1)]
        proposals = "    ".join(numbers(step[2]) for step in steps)
        print(f"{bias:11d} {np.mean([step[0] for step in steps]):9.3f}   {proposals}")
    print("  r near 0: n is the same from every state, as if the text began here.  r near 1: n is a plain RNN's step.")


def main():
    parser = argparse.ArgumentParser(description="A GRU by hand (chapter 3.2).")
    parser.add_argument("--seed", type=int, default=0, help="of weights and inputs (0)")
    parser.add_argument("--steps", type=int, default=20, help="inputs in the experiment about z (20)")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    gru = nn.GRU(E, H, rng=rng, dtype=np.float64)
    x, h = rng.standard_normal((args.steps, E)), rng.uniform(-1, 1, H)
    one_step(gru, x[0], h)
    sequence(gru, x[:5], h)
    what_z_does(gru, x)
    what_r_does(gru, x[0])


if __name__ == "__main__":
    main()
