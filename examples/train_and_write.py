"""Chapters 3.5 and 5.1 of the text, generation: a character model learns a long text for a minute, then writes.

What you will see: the loss falling, on the text that the model learns from and on text held out; the same prompt
continued on the way, first noise, then words; at the end how much of what it writes stands nowhere in what it
read.  This is a whole training loop, written out; `tinyllm pretrain` does more, and keeps the result.

What to try: --seconds 600; --temperature 0.2 (safe and dull) and 1.5 (wild); --file with a text of your own; leave
out state= in the loop, and see what it costs not to know the windows before.
"""
import argparse
import time

import numpy as np

from tinyllm import no_grad, optim
from tinyllm.data.batches import ContiguousBatches
from tinyllm.data.builtin import documentation
from tinyllm.data.readers import read_text
from tinyllm.decoding.novelty import novel_share
from tinyllm.models import LanguageModel
from tinyllm.text import BOS, EOS, PAD, UNK, CharTokenizer

PROMPT = "The "
B, T = 16, 64  # texts side by side, characters of each in a step


def held_out_loss(model, ids):
    """Nats per character over ids, read as B rows side by side, the state carried from window to window."""
    length = (len(ids) - 1) // B
    inputs, targets = ids[:B * length].reshape(B, length), ids[1:B * length + 1].reshape(B, length)
    state, nats = model.initial_state(B, context=0), 0.0
    with no_grad():
        for start in range(0, length, T):
            window = targets[:, start:start + T]
            nats += model.loss(inputs[:, start:start + T], window, state=state).item() * window.size
    return nats / targets.size


def write(model, tokenizer, characters, temperature, seed=0):
    """Text that the model writes after the prompt."""
    ids = model.generate(tokenizer.encode(PROMPT), max_tokens=characters, temperature=temperature, context=T,
                         banned=(PAD, UNK, BOS, EOS), rng=np.random.default_rng(seed))
    return tokenizer.decode(ids)


def train(model, ids, valid_ids, tokenizer, args):
    """The training loop; prints as it goes."""
    batches = ContiguousBatches(ids, B, T, rng=np.random.default_rng(args.seed))
    optimizer = optim.Adam(model.parameters(), lr=args.lr, betas=(0.9, 0.99))
    print("  seconds   step     loss   held out   it writes")
    state, recent, progress, shown, start = None, [], 0.0, 0, None
    for step, batch in enumerate(batches):
        if batch.restart:  # the rows begin anew; otherwise each goes on where it was, and the state with it
            state = model.initial_state(B, context=0)
        loss = model.loss(batch.ids, batch.targets, state=state)
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = args.lr * optim.warmup_cosine(progress, warmup_fraction=0.02, floor=0.02)
        optimizer.step()
        optimizer.zero_grad()
        recent = [*recent[-19:], loss.item()]
        if progress >= (shown / 6) ** 2:  # often at first, when much changes
            print(f"{progress * args.seconds:9.1f} {step:6d} {np.mean(recent):8.2f} "
                  f"{held_out_loss(model, valid_ids):10.2f}   "
                  f"{PROMPT + write(model, tokenizer, 50, args.temperature)!r}", flush=True)
            shown = 1 + int(6 * progress ** 0.5)
        if progress >= 1:
            return
        start = start or time.perf_counter()  # only now: in the first round, kernels may be compiled
        progress = (time.perf_counter() - start) / args.seconds


def main():
    parser = argparse.ArgumentParser(description="Train a character model and let it write (chapters 3.5, 5.1).")
    parser.add_argument("--seconds", type=float, default=60, help="how long to train (60)")
    parser.add_argument("--file", help="text to learn from; its last tenth is held out (Python's documentation)")
    parser.add_argument("--characters", type=int, default=600, help="how much it writes at the end (600)")
    parser.add_argument("--temperature", type=float, default=0.7, help="0: always the likeliest; 1: as learnt (0.7)")
    parser.add_argument("--hidden-dim", type=int, default=256, help="size of the model's state (256)")
    parser.add_argument("--lr", type=float, default=0.004, help="learning rate at its highest (0.004)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (0)")
    args = parser.parse_args()
    text, held_out = documentation()
    if args.file:
        text = read_text(args.file)
        if len(text) < 4 * B * T:
            parser.error(f"{args.file}: {len(text):,} characters are too few, take at least {4 * B * T:,}")
        cut = len(text) * 9 // 10
        text, held_out = text[:cut], text[cut:]
    tokenizer = CharTokenizer.train(text)
    ids, valid_ids = tokenizer.encode(text), tokenizer.encode(held_out)[:20_000]  # enough for two digits
    model = LanguageModel(tokenizer.vocab_size, embed_dim=128, hidden_dim=args.hidden_dim, num_heads=4,
                          rng=np.random.default_rng(args.seed))
    print(f"{len(text):,} characters to learn from, {tokenizer.vocab_size} tokens in the vocabulary, "
          f"{model.num_parameters():,} parameters.\nLosses are nats a character; who knows nothing has "
          f"log {tokenizer.vocab_size} = {np.log(tokenizer.vocab_size):.2f}.\n")
    train(model, ids, valid_ids, tokenizer, args)
    written = PROMPT + write(model, tokenizer, args.characters, args.temperature, args.seed)
    print(f"\nIt writes:\n\n{written}\n")
    print(f"{novel_share(written, text):.0%} of its 20-character pieces stand nowhere in the text it learnt from; "
          f"of the held-out text, which people wrote, {novel_share(held_out, text):.0%} do not.")


if __name__ == "__main__":
    main()
