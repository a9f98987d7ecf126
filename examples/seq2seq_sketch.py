"""Chapter 4 of the text, the project: what its sequence-to-sequence model lacks, and the same made right.

What you will see: each defect of the printed model and what comes of it: most stop at once, some go on and
are silently wrong.  Then encoder, decoder, attention and teacher forcing as they have to be, learning to
reverse words of random letters, and where the decoder looks while it writes.

What to try: --steps 100, and look at what comes out half right; --ratio 0.5, the text's own teacher forcing;
--length 14, longer words.
"""
import argparse

import numpy as np

from tinyllm import Tensor, nn, optim
from tinyllm.models import Decoder, Encoder, Seq2Seq
from tinyllm.text import CharTokenizer

E, V = 4, 9  # for the defects: numbers in an embedding and in a state, words in the vocabulary
GRU = nn.GRU(E, E, rng=np.random.default_rng(0))


def two_values(B):
    """What the sketch's encoder gives for B sentences of 5 words, taken as the sketch takes it."""
    outputs, hidden = np.zeros((B, 5, E))
    return f"no error: the state is an array {hidden.shape}, the second sentence's outputs"


def chosen_words():
    states = np.random.default_rng(0).standard_normal((1000, E))
    return f"no error: of words 0 to {V - 1}, 1000 states give only {np.unique(states.argmax(1)).tolist()}"


def padded():
    x = np.random.default_rng(1).standard_normal((1, 6, E)).astype(np.float32)
    x[0, 3:] = x[0, 3]  # three words, and three times the padding
    alone, blind = GRU(Tensor(x[:, :3]))[1], GRU(Tensor(x))[1]
    told = GRU(Tensor(x), valid=np.arange(6)[None] < 3)[1]
    off = [abs(state.data - alone.data).max() for state in (blind, told)]
    return f"no error: its state is off by {off[0]:.2f}; with valid= by {off[1]:.2f}"


DEFECTS = [
    ("The tokens that begin and end a target are never defined, nor is random imported.",
     lambda: SOS_token),  # noqa: F821
    ("The output layer is made with embed_dim, which is not among the model's arguments.",
     lambda: nn.Linear(embed_dim, V, rng=None)),  # noqa: F821
    ("The encoder gives its outputs alone; outputs and state are taken from it.  Three sentences:",
     lambda: two_values(3)),
    ("The same, two sentences:", lambda: two_values(2)),
    ("The state loses its first axis, squeezed; a GRU starts from (layers, B, H).",
     lambda: GRU(Tensor(np.zeros((1, 1, E), np.float32)), Tensor(np.zeros((1, E), np.float32)))),
    ("The decoder has no embedding: its GRU gets the number of a word where E numbers belong.",
     lambda: GRU(Tensor(np.array([[7]])))),
    ("The output layer is never applied: a state is stored where the logits of V words belong.",
     lambda: np.copyto(np.zeros((1, V)), np.zeros((1, 1, E)))),
    ("The largest number of a state is then taken for a word: most words can never come.", chosen_words),
    ("One sentence at a time: whether it ended is asked of a single number.  Two sentences:",
     lambda: np.array([3, 7]).item() == 3),
    ("So nothing says where a shorter sentence ends in a batch.", padded),
    ("The loop runs to max_seq_len, however long the target is.  Three words:",
     lambda: [[4, 5, 6][i] for i in range(10)]),
    ("The encoder's outputs are never read: one state has to hold all of a sentence, without chapter 4.1.",
     lambda: "no error: below, the decoder looks at them")]


def tell_defects():
    for number, (what, shown) in enumerate(DEFECTS, start=1):
        try:
            result = shown()
        except Exception as error:  # whatever it is, it is what the reader came to see
            result = f"{type(error).__name__}: {error}"
        print(f"{number:2d}. {what}\n      {result}")


def words(rng, number, length):
    """Words of 2 to `length` letters, the same backwards, and what is no padding: three (number, length)."""
    lengths, place = rng.integers(2, length + 1, (number, 1)), np.arange(length)
    valid = place < lengths
    ids = np.where(valid, rng.integers(4, 14, valid.shape), 0)
    return ids, np.take_along_axis(ids, np.where(valid, lengths - 1 - place, place), axis=1), valid


def train(model, args, rng):
    optimizer = optim.Adam(model.parameters(), lr=0.005)
    new, back, valid = words(np.random.default_rng(1), 200, args.length)
    print("\n  step     loss   reversed, of 200 new words")
    for step in range(args.steps + 1):
        ids, target, real = words(rng, 64, args.length)
        loss = model.loss(ids, target, real, real, teacher_forcing_ratio=args.ratio, rng=rng)
        if step % max(1, args.steps // 5) == 0:
            pairs = zip(model.translate(new, valid), back, valid, strict=True)
            print(f"{step:6d} {loss.item():8.3f} {sum(list(ours) == list(b[v]) for ours, b, v in pairs):8d}")
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


def main():
    parser = argparse.ArgumentParser(description="The text's sequence to sequence, made right (chapter 4).")
    parser.add_argument("--steps", type=int, default=800, help="of training, 64 words each (800)")
    parser.add_argument("--length", type=int, default=8, help="of the longest words (8)")
    parser.add_argument("--ratio", type=float, default=1.0, help="of teacher forcing (1)")
    args = parser.parse_args()
    rng, letters = np.random.default_rng(0), CharTokenizer.train("abcdefghij")
    tell_defects()
    sizes = {"embed_dim": 32, "hidden_dim": 64, "num_attention_layers": 0, "rng": rng}
    model = Seq2Seq(Encoder(14, **sizes), Decoder(14, **sizes), vocab_size=14, max_seq_len=args.length + 2)
    train(model, args, rng)
    source = letters.encode("bad" + "jig" * (args.length > 5))[None]
    written = model.translate(source)[0]
    print("\nWhere it looks, tenths   " + "   ".join(letters.decode(source[0])) + "   while it writes")
    for token, weights in zip([*written, 3], model.attention(source, None, written[None]).mean(axis=1)[0]):
        tenths = "".join(f"{10 * w:4.0f}" for w in weights)
        print(f"{'':22s}{tenths}   {letters.decode([token]) or 'the end'}")


if __name__ == "__main__":
    main()
