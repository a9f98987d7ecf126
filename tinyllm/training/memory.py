"""How much memory training a model takes, before it is started: a sum with a line for each part.

    parameters   weights, gradients and optimizer moments, the average where one is kept
    kept         what the forward of a step keeps for its backward: each op's docstring says what that is
    passing      gradients of activations on their way back
    scratch      the pool of kernels.scratch, which grows to the largest of each name and stays
    evaluation   what scoring the validation text takes from that pool, and what it needs above a step
    code         compiled kernels, loaded from the cache; compiling them, once on a machine, takes 200 MB more

In numbers of float32 unless said otherwise; N = B T tokens a step.
"""
import os
from pathlib import Path

from tinyllm.training import sizes

FLOAT = 4  # bytes
CODE = 65 << 20  # bytes
LOGITS = 1 << 24  # bytes of logits at a time (ops/linear_cross_entropy.py)
KEPT = {"gru": 5, "lstm": 6, "rnn": 1}  # times N H: h, r, z, n, g; h, c, i, f, g, o; h
BACK = {"gru": 4, "lstm": 4, "rnn": 1}  # times N H: what the time loop of the backward writes


def estimate_bytes(config, num_parameters, *, batch_size, seq_len, average=False, moments=2,
                   evaluation_rows=64, tokens=0):
    """{part: bytes} for training a LanguageModel; their sum is the peak above what the imports take.

    config           LanguageModel.config
    num_parameters   how many numbers it learns
    batch_size       B; seq_len T
    average          whether a moving average of the weights is kept
    moments          arrays that the optimizer keeps for each parameter: Adam 2
    evaluation_rows  texts side by side in an evaluation
    tokens           of the text
    """
    V, E, H = (config[name] for name in ("vocab_size", "embed_dim", "hidden_dim"))
    layers, attentions = config["num_layers"], config["num_attention_layers"]
    cell, drops, P = config["cell"], config["dropout"] > 0, num_parameters
    N, M = batch_size * seq_len, evaluation_rows * seq_len
    output = E if config["tie_weights"] else H  # columns that the output layer reads
    by_table = not drops and 2 * V <= N  # ops/embedding.py's table_of

    recurrent = (0 if by_table else N * E) + layers * KEPT[cell] * N * H
    if drops:
        recurrent += 2 * N * E + (layers - 1 + (attentions > 0)) * 2 * N * H  # a mask and its product
    # q, k, v, their mixture, W_o of it, its sum with h, layer norm; a log-sum-exp per head
    attention = attentions * (7 * N * H + config["num_heads"] * N + (2 * N * H if drops else 0))
    ending = N * output + (2 * N * H if drops else 0) + (N * E if output != H else 0)
    logits = min(LOGITS // FLOAT, N * V)
    panels = max(N * max(H, E), 3 * H * H)  # x packed for dW = dy^T x
    in_evaluation = (6 if attentions else 3) * M * H  # of one op and the next
    return _in_bytes({
        "weights": P,
        "gradients": P,
        "optimizer moments": moments * P,
        "average of the weights": P if average else 0,
        "kept by the recurrent layers": recurrent,
        "kept by attention": attention,
        "kept by the output layer": ending,
        "passing gradients": (4 if attentions else 2) * N * H,
        "scratch of the output layer": logits + 2 * V * output,
        "scratch of the recurrent layers": (BACK[cell] + 1) * N * H + by_table * 2 * V * sizes.GATES[cell] * H,
        "scratch of products": panels,
        "evaluation": sizes.GATES[cell] * M * H + max(0, in_evaluation - recurrent - attention - ending),
        "text": 5 * tokens,
        "code": CODE // FLOAT,
    })


def estimate(config, settings, tokens=0):
    """estimate_bytes for a LanguageModel.config and the settings of its training (batch_size, seq_len, average)."""
    return estimate_bytes(config, sizes.language_model(config), batch_size=settings["batch_size"],
                          seq_len=settings["seq_len"], average=settings.get("average", 0) > 0, tokens=tokens)


def estimate_classifier(config, settings, tokens, slots):
    """{part: bytes} for training a Classifier or a Tagger.

    tokens  B T of the largest batch, padding included
    slots   features of a token
    """
    P = (sizes.classifier if "num_classes" in config else sizes.tagger)(config)
    N, H = tokens, config["hidden_dim"]
    return _in_bytes({
        **_per_parameter(P, settings), **_of_encoder(config, N, slots),
        "passing gradients": 4 * N * H,
        "scratch of products": sizes.GATES[config["cell"]] * N * H + 2 * N * max(H, config["embed_dim"]),
        "code": CODE // FLOAT})


def estimate_seq2seq(config, settings, source_tokens, target_tokens, slots=0, evaluated=0):
    """{part: bytes} for training a Seq2Seq: source_tokens B S and target_tokens B T of the largest batch; slots: how
    many features a source token has room for; evaluated: pairs at a time where nothing is learnt."""
    encoder, decoder = config["encoder"], config["decoder"]
    N, M, V = target_tokens, source_tokens, decoder["vocab_size"]
    E, H, layers = (decoder[name] for name in ("embed_dim", "hidden_dim", "num_layers"))
    drops, gates = decoder["dropout"] > 0, sizes.GATES[decoder["cell"]]
    recurrent = (N * E * (3 if drops else 1) + layers * KEPT[decoder["cell"]] * N * H)
    # queries, keys and values, their mixture, W_o of it, its sum with h, layer norm
    cross = layers * (5 * N * H + 2 * M * H + (2 * N * H if drops else 0))
    attention = decoder["num_attention_layers"] * (7 * N * H + (2 * N * H if drops else 0))
    output = E if decoder["tie_weights"] else H
    return _in_bytes({
        **_per_parameter(sizes.seq2seq(config), settings), **_of_encoder(encoder, M, slots),
        "kept by the decoder": recurrent + cross + attention + N * (output + (2 * H if drops else 0)),
        **(_of_pointer(N, M, V, H, settings["batch_size"], evaluated) if decoder.get("copies") else {}),
        "passing gradients": 4 * (N + M) * H,
        "scratch of the output layer": 2 * V * output + (
            2 * N * V if decoder.get("copies") else min(LOGITS // FLOAT, N * V)),
        "scratch of products": gates * max(N, M) * H + 2 * max(N, M) * max(H, E),
        "code": CODE // FLOAT})


def _of_pointer(N, M, V, H, B, evaluated):
    """What copying keeps: logits and log-probabilities whole, and of every target where in its source it points."""
    return {"kept by the pointer": 2 * N * V + 6 * N * (M // B) + (N + M) * H,
            "evaluation": max(0, 2 * (evaluated * N // B) * V - 4 * N * V)}  # which has larger batches, if it is that


def _per_parameter(P, settings):
    """Numbers that there are for each of P parameters."""
    return {"weights": P, "gradients": P, "optimizer moments": 2 * P,
            "average of the weights": P if settings.get("average", 0) > 0 else 0}


def _of_encoder(config, N, slots):
    """What an Encoder keeps of N tokens for its backward."""
    E, H, drops = config["embed_dim"], config["hidden_dim"], config["dropout"] > 0
    directions, layers = 1 + config["bidirectional"], config["num_layers"]
    read = N * E * (1 + 2 * drops + (config["num_features"] > 0)) + N * slots
    recurrent = layers * directions * (KEPT[config["cell"]] + (directions > 1) + 2 * drops * (layers > 1)) * N * H
    merged = (directions > 1) * N * H + 2 * drops * N * H
    attention = config["num_attention_layers"] * (7 + 2 * drops) * N * H
    return {"kept by the encoder": read + recurrent + merged + attention,
            "scratch of the encoder": (BACK[config["cell"]] + 1) * N * H}


def _in_bytes(numbers):
    return {name: FLOAT * number for name, number in numbers.items()}


def available_bytes():
    """Memory that can be taken without swapping, in this container too, or None where the system does not say."""
    free = [number for number in (_system_bytes(), _container_bytes()) if number is not None]
    return min(free, default=None)


def _container_bytes():
    """What the control group (version 2) of a container still allows, or None."""
    try:
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text("ascii") for name in ("max", "current"))
        return None if limit.strip() == "max" else max(0, int(limit) - int(used))
    except (OSError, ValueError):
        return None


def _system_bytes():
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # no Linux
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


class DoesNotFit(ValueError):
    """The estimate is larger than the memory that is free: the message has both, and the largest parts."""


def check_fits(parts, force=False):
    """Raise DoesNotFit if the sum of parts ({part: bytes}) is more than is available, unless forced."""
    needed, available = sum(parts.values()), available_bytes()
    if force or available is None or needed <= available:
        return
    largest = sorted(parts.items(), key=lambda part: -part[1])[:3]
    raise DoesNotFit(
        f"training needs about {size(needed)} of memory and {size(available)} are free (most of it: "
        f"{', '.join(f'{name} {size(number)}' for name, number in largest)}); a smaller batch, shorter "
        "windows or a smaller model need less, --force tries all the same")


def size(number):
    """Bytes as a person reads them."""
    for unit, bytes_of_it in (("TB", 2**40), ("GB", 2**30)):
        if number >= bytes_of_it:
            return f"{number / bytes_of_it:,.1f} {unit}"
    return f"{number / 2**20:.0f} MB" if number >= 2**20 else f"{number / 2**10:.0f} KB"
