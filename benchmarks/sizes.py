"""The reference work: two sizes of the language model, and how much of it one round does."""
SIZES = {
    "S": {"vocab_size": 65, "embed_dim": 128, "hidden_dim": 256, "num_layers": 1, "batch": 32, "seq_len": 128},
    "M": {"vocab_size": 8000, "embed_dim": 256, "hidden_dim": 512, "num_layers": 2, "batch": 32, "seq_len": 64},
}
HEADS = 4
TRAIN_STEPS = {"S": 8, "M": 3}  # steps in a round: about a second
TOKENS = 256  # that a round of generation writes in each text


def model_options(size):
    """The arguments of LanguageModel for a size."""
    return {name: value for name, value in SIZES[size].items() if name not in ("batch", "seq_len")} | {
        "num_heads": HEADS, "num_attention_layers": 1, "cell": "gru"}


def batches(size, rng, count=4):
    """Random ids (count, B, T + 1): what is learnt does not change how long it takes."""
    sizes = SIZES[size]
    return rng.integers(0, sizes["vocab_size"], (count, sizes["batch"], sizes["seq_len"] + 1))
