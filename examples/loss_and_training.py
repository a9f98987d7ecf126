"""Chapters 3.3 and 3.4 of the text, the loss function and training: cross-entropy, Adam, and both at work.

What you will see: the loss of one prediction by hand and from tinyllm, with its gradient; Adam moving one number,
by hand and from optim.Adam; a tiny language model that learns one sentence until it can say it by heart, with
loss and perplexity on the way.

What to try: your own --sentence, Chinese too; --lr 0.5 (too large) and --lr 0.0001 (too small); random letters,
which follow no rule, and see that a model can learn them by heart all the same.
"""
import argparse
import math

import numpy as np

from tinyllm import Tensor, optim
from tinyllm.models import LanguageModel
from tinyllm.ops import cross_entropy
from tinyllm.text import BOS, PAD, UNK, CharTokenizer

SENTENCE = "A small model reads a small sentence again and again, and at last it can say it alone."


def cross_entropy_by_hand():
    words, logits, target = ["cat", "dog", "moon", "sleeps"], np.array([1.0, 0.5, -1.0, 2.0]), 3
    e = np.exp(logits)
    p = e / e.sum()
    loss = -math.log(p[target])
    gradient = p - (np.arange(4) == target)
    print("Cross-entropy.  After \"the cat\" a model gives each word a number, its logit; the text goes on with"
          " \"sleeps\".\n")
    print("                      " + "".join(f"{word:>9}" for word in words))
    for name, row in [("logits x", logits), ("exp(x)", e), ("p = exp(x) / sum", p),
                      ("dloss/dx = p - target", gradient)]:
        print(f"{name:22s}" + "".join(f"{number:9.4f}" for number in row))
    x = Tensor(logits[None], requires_grad=True)
    ours = cross_entropy(x, np.array([target]))
    ours.backward()
    print(f"\n  by hand   loss = -log p[sleeps] = -log {p[target]:.4f} = {loss:.6f} nats")
    print(f"  tinyllm   loss {ours.item():.6f}, gradient {np.round(x.grad[0], 4)}")
    print(f"  equal: {math.isclose(ours.item(), loss) and np.allclose(x.grad[0], gradient)}")
    print(f"  exp(loss) = {math.exp(loss):.3f} is the perplexity: as unsure as among so many equally likely words.")
    print(f"  Who knows nothing gives each of 4 words 1/4: loss log 4 = {math.log(4):.4f}, perplexity 4.")


def adam_by_hand(steps=6, lr=0.1, b1=0.9, b2=0.999, eps=1e-8):
    print(f"\nAdam.  One parameter p, loss (p - 3)^2, gradient g = 2 (p - 3), from p = 0, lr = {lr}:\n")
    print("  step         g         m          v     by hand p   optim.Adam p")
    parameter = Tensor(np.zeros(1), requires_grad=True)
    optimizer = optim.Adam([parameter], lr=lr, betas=(b1, b2), eps=eps)
    p = m = v = 0.0
    for t in range(1, steps + 1):
        g = 2 * (p - 3)
        m = b1 * m + (1 - b1) * g         # a running mean of the gradient
        v = b2 * v + (1 - b2) * g ** 2    # and of its square
        p -= lr * (m / (1 - b1 ** t)) / (math.sqrt(v / (1 - b2 ** t)) + eps)  # corrected: both began at 0

        ((parameter - 3) ** 2).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        print(f"{t:6d} {g:9.4f} {m:9.4f} {v:10.5f} {p:13.8f} {parameter.data[0]:14.8f}")
    print(f"  equal: {math.isclose(p, parameter.data[0], rel_tol=1e-12)}")
    print("  Each step is about lr long, however large g is: what counts is its direction and how steady it is.")


def learn_one_sentence(sentence, steps, lr, seed):
    rng = np.random.default_rng(seed)
    tokenizer = CharTokenizer.train(sentence)
    ids = np.concatenate([[BOS], tokenizer.encode(sentence)])
    inputs, targets = ids[None, :-1], ids[None, 1:]  # each character is predicted from all before it
    model = LanguageModel(tokenizer.vocab_size, embed_dim=16, hidden_dim=48, num_heads=2, rng=rng)
    optimizer = optim.Adam(model.parameters(), lr=lr)
    print(f"\nTraining.  {model.num_parameters():,} parameters learn one sentence of {len(sentence)} characters, "
          f"{tokenizer.vocab_size} tokens in the vocabulary.")
    print(f"Before, it knows nothing: about log {tokenizer.vocab_size} = {math.log(tokenizer.vocab_size):.3f}"
          " nats a character is to be expected.\n")
    print("  step      loss   perplexity   gradient's length   it says (the likeliest each time; the beginning)")
    for step in range(steps + 1):
        loss = model.loss(inputs, targets)  # forward
        loss.backward()                     # the gradient of every parameter
        norm = optim.clip_grad_norm_(model.parameters(), 1.0)
        if step in (0, 5, 10, 20, 40, 80) or step % 150 == 0 or step == steps:
            said = tokenizer.decode(model.generate(
                np.array([BOS]), max_tokens=len(sentence), temperature=0, banned=(PAD, UNK, BOS), rng=None))
            print(f"{step:6d} {loss.item():9.4f} {math.exp(loss.item()):12.5g} {norm:17.4f}      {said[:52]!r}")
        if step < steps:
            optimizer.step()                # every parameter a little downhill
        optimizer.zero_grad()
    same = sum(a == b for a, b in zip(said, sentence))
    print(f"\n  Known by heart: {same} of {len(sentence)} characters that it says are those of the sentence.")
    print("  That is memory, not language: examples/train_and_write.py learns a long text and writes what is new.")


def main():
    parser = argparse.ArgumentParser(description="Cross-entropy, Adam, a first training (chapters 3.3, 3.4).")
    parser.add_argument("--sentence", default=SENTENCE, help="what the model is to learn by heart")
    parser.add_argument("--steps", type=int, default=300, help="steps of the training (300)")
    parser.add_argument("--lr", type=float, default=0.01, help="learning rate of the training (0.01)")
    parser.add_argument("--seed", type=int, default=0, help="of the model's first weights (0)")
    args = parser.parse_args()
    cross_entropy_by_hand()
    adam_by_hand()
    learn_one_sentence(args.sentence, args.steps, args.lr, args.seed)


if __name__ == "__main__":
    main()
