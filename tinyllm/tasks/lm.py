"""The language model's task: plain text in, a model that goes on with a text out."""
import hashlib
from pathlib import Path

import numpy as np

from tinyllm import text as tokenizers
from tinyllm.autograd import no_grad
from tinyllm.data import readers
from tinyllm.data.batches import ContiguousBatches, ShuffledWindows
from tinyllm.decoding.novelty import novel_share
from tinyllm.metrics.perplexity import TextScore
from tinyllm.models import LanguageModel
from tinyllm.models.int8 import rounded
from tinyllm.ops.cross_entropy import IGNORE
from tinyllm.tasks import stored
from tinyllm.tasks.settings import FROM_EMBEDDINGS, LM_BPE, LM_WORDS, PRETRAIN, complete, inherited
from tinyllm.text.vocabulary import BOS, EOS, PAD, UNK
from tinyllm.training.options import BUDGETS

MODEL = ("embed_dim", "hidden_dim", "num_layers", "num_attention_layers", "num_heads", "cell", "dropout", "tie_weights")
RUN_IN = 256  # tokens that a row of the scoring reads before the first one that counts
BETAS = (0.9, 0.99)  # a second moment that follows: runs here are thousands of steps, not millions
LOOKED_THROUGH = 20_000_000  # characters of training text that novel_share looks through: seconds
SPECIAL = (PAD, UNK, BOS, EOS)  # never written: plain text holds none of them


def score(model, ids, chars, seq_len, context):
    """The TextScore of a text of so many characters: every token once, from what precedes it, the first from BOS.

    The text is read in rows side by side; a row first reads the RUN_IN tokens before its own, so that it predicts
    from nearly the state that reading from the start would give.  context: how far attention sees before a window.
    """
    N = len(ids)
    rows = max(1, min(64, N // (4 * RUN_IN)))
    own = max(1, -(-(N - RUN_IN) // rows)) if rows > 1 else N  # tokens that each row but the first counts
    length = own + RUN_IN if rows > 1 else N
    inputs, targets = np.full((rows, length), PAD, np.int32), np.full((rows, length), IGNORE, np.int32)
    before = np.concatenate([[BOS], ids[:-1]])
    for row in range(rows):
        start = row * own
        end = min(N, start + length)
        inputs[row, :end - start] = before[start:end]
        counted = RUN_IN if row else 0
        targets[row, counted:end - start] = ids[start + counted:end]
    nats, state = 0.0, model.initial_state(rows, context)
    with no_grad():
        for t in range(0, length, seq_len):
            window = targets[:, t:t + seq_len]
            nats += model.loss(inputs[:, t:t + seq_len], window, state).item() * np.count_nonzero(window != IGNORE)
    return TextScore(nats, N, chars)


class Pretraining:
    """What the training loop needs to know of a language model: its batches, its loss, how it is evaluated."""

    decides = "valid_loss"

    def __init__(self, model, batches, seq_len, valid_ids=None, valid_chars=0):
        self.model, self.batches, self.seq_len = model, batches, seq_len
        self.valid_ids, self.valid_chars = valid_ids, valid_chars
        self.valid_targets = 0 if valid_ids is None else len(valid_ids)
        self.state = None  # of the recurrent layers, carried from batch to batch where the windows follow each other

    def named_parameters(self):
        return self.model.named_parameters()

    def loss(self, batch, rng):
        """Mean nats per token of a Batch; dropout from rng.  A text begins with BOS, wherever it was cut."""
        ids = batch.ids
        if batch.restart:
            ids = ids.copy()
            ids[:, 0] = BOS
            self.state = self.model.initial_state(len(ids), context=0)
        return self.model.loss(ids, batch.targets, self.state, rng)

    def targets_in(self, batch):
        return batch.targets.size

    def evaluate(self):
        """The validation fields: valid_loss (nats per token) and those of TextScore."""
        if self.valid_ids is None:
            return {}
        scores = score(self.model, self.valid_ids, self.valid_chars, self.seq_len, self.seq_len).as_dict()
        return {"valid_loss": scores["nats_per_token"], **scores}

    @staticmethod
    def criterion(fields):
        return fields["valid_loss"]

    def state_dict(self):
        return {} if self.state is None else self.state.arrays()

    def load_state_dict(self, arrays):
        if arrays:
            self.state = self.model.initial_state(arrays["hidden.0"].shape[1], context=0)
            self.state.load(arrays)


def read(settings):
    """Training text and validation text (None where there is none) as the settings of pretrain say."""
    errors = settings["errors"]
    if not settings["files"]:
        from tinyllm.data.builtin import documentation
        train, valid = documentation()
    else:
        train = "".join(readers.read_text(file, errors) for file in settings["files"])
        cut = len(train) - int(len(train) * settings["valid_fraction"])
        train, valid = train[:cut], train[cut:] or None
    if settings["valid"]:
        train, valid = train + (valid or ""), readers.read_text(settings["valid"], errors)
    return train, valid


def make_tokenizer(text, kind, vocab_size=None):
    """A tokenizer trained on the text; without a vocab_size, as many tokens as the kind usually has."""
    if kind == "bpe":
        return tokenizers.BPETokenizer.train(text, vocab_size=vocab_size, default_size=LM_BPE)
    tokenizer = tokenizers.TOKENIZERS[kind].train(text, vocab_size=vocab_size)
    if vocab_size is None and kind == "word" and tokenizer.vocab_size > LM_WORDS:
        return tokenizers.WordTokenizer.train(text, vocab_size=LM_WORDS)
    return tokenizer


def pretrain(out, settings=None, *, resume=False, force=False, progress=None):
    """Train a language model as the settings (names and defaults: tasks/settings.py) say, in the run folder `out`.

    resume  go on with the run in `out`: of the settings only a budget counts, the others are those it was started with
    force   replace a run in `out`, and train even where the memory seems too small; with resume the latter alone

    Returns the result of the training, with the validation fields of the best weights.
    """
    from tinyllm import __version__, optim
    from tinyllm.training import loop, memory
    from tinyllm.training.progress import Progress
    from tinyllm.training.run_folder import RunFolder

    run, given, table = RunFolder.open(out) if resume else None, settings or {}, None
    if run is None:
        settings = complete("pretrain", PRETRAIN, "lm", given)
        if settings["embeddings_from"]:
            table, tokenizer = _embeddings(settings["embeddings_from"])
            own = dict(zip(FROM_EMBEDDINGS, (table.shape[1], tokenizer.type, tokenizer.vocab_size)))
            settings = inherited("pretrain", settings, given, own, settings["embeddings_from"])
    else:  # without a budget now, with the one that the trainer file has
        stored.check_resumable(run, "lm", training=dict, data=dict)
        settings = {**PRETRAIN, **run.config["training"], **{name: given.get(name) for name in BUDGETS}}
    train_text, valid_text = read(settings)
    data = {"sha256": _sha256(train_text), "train_chars": len(train_text),
            "valid_sha256": _sha256(valid_text or ""), "valid_chars": len(valid_text or "")}
    seeds = np.random.SeedSequence(settings["seed"]).spawn(2)
    if run is None:
        if table is None:
            tokenizer = make_tokenizer(train_text, settings["tokenizer"], settings["vocab_size"])
        config = {"vocab_size": tokenizer.vocab_size, **{name: settings[name] for name in MODEL}}
    else:
        stored.check_same_data(run, data, "characters", text=("sha256", "train_chars"),
                               **{"validation text": ("valid_sha256", "valid_chars")})
        tokenizer, config = tokenizers.tokenizer_from_json(run.tokenizer_json), run.config["model"]
    ids = encoded(tokenizer, train_text, settings["reverse"])
    kind = ShuffledWindows if settings["shuffle"] else ContiguousBatches
    batches = kind(ids, settings["batch_size"], settings["seq_len"], rng=np.random.default_rng(seeds[1]))
    memory.check_fits(memory.estimate(config, settings, tokens=len(ids)), force=force)
    model = LanguageModel(**config, rng=np.random.default_rng(seeds[0]))
    if settings["embeddings_from"]:
        model.embedding.weight.requires_grad = False  # two models that are to read one table must both leave it alone
        if table is not None:
            model.embedding.weight.data = table
    task = Pretraining(model, batches, settings["seq_len"],
                       encoded(tokenizer, valid_text, settings["reverse"]) if valid_text else None,
                       len(valid_text or ""))
    optimizer = optim.AdamW(_decayed(model, settings["weight_decay"]), lr=settings["lr"], betas=BETAS)
    options = loop.TrainingOptions.of(settings)
    if run is None:
        absolute = {**settings, "files": [str(Path(file).resolve()) for file in settings["files"]],
                    **{name: str(Path(settings[name]).resolve()) for name in ("valid", "embeddings_from")
                       if settings[name]}}
        run = RunFolder.create(out, {"format": 1, "tinyllm": __version__, "task": "lm", "model": config,
                                     "training": absolute, "data": data}, tokenizer.to_json(), force=force)
    result = loop.train(task, optimizer, run, options, progress=progress or Progress(), resume=resume)
    return {"run": str(out), **result}


def encoded(tokenizer, text, reverse):
    """The ids of a text, from its last token to its first where reverse."""
    ids = tokenizer.encode(text)
    return ids[::-1].copy() if reverse else ids


def _embeddings(path):
    """The table of a pretrained run, and its tokenizer."""
    _, tokenizer, weights, _ = stored.language_model(path)
    return np.array(weights["embedding.weight"], np.float32, order="C"), tokenizer


def _decayed(model, weight_decay):
    """Two groups: matrices decay, biases and gains do not."""
    matrices = [p for p in model.parameters() if p.ndim > 1 and p.requires_grad]
    return [{"params": matrices, "weight_decay": weight_decay},
            {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0}]


def _sha256(text):
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def load(run):
    """The model of a run folder, ready to write.

    Raises RunFolderError for files that do not describe a language model, whoever wrote them.
    """
    config = stored.checked_config(run)
    tokenizer, arrays = stored.checked_tokenizer(run, config["vocab_size"]), stored.checked_weights(run)
    model = LanguageModel(**config, rng=np.random.default_rng(0))
    stored.load_weights(model, arrays, run)
    return TrainedLanguageModel(model, tokenizer, run.config)


class TrainedLanguageModel:
    """What `tinyllm.load(RUN)` gives for a language model: model, tokenizer, config."""

    task = "lm"

    def __init__(self, model, tokenizer, config):
        self.model, self.tokenizer, self.config = model, tokenizer, config
        self.seq_len = config["training"]["seq_len"]
        self.reverse = config["training"].get("reverse") is True

    def stream(self, prompt="", *, max_tokens=300, temperature=0.8, top_k=None, top_p=None, repetition_penalty=1.0,
               seed=0, int8=False):
        """An iterator over pieces of the text that follows the prompt: whole characters, as they come.

        int8: from weights rounded to eight bits (models/int8.py), which large models read sooner.
        Raises ValueError for a prompt with characters (or words) that the tokenizer never saw and for wrong values,
        before anything is written.
        """
        if self.reverse:
            raise ValueError("generate: the model was pretrained on reversed text: it is a start for finetune")
        if unknown := [piece for piece in self.tokenizer.unknown(prompt) if not piece.isspace()]:
            raise ValueError(f"generate: the tokenizer never saw {', '.join(map(repr, unknown))} of the prompt")
        ids = self.tokenizer.encode(prompt)
        ids = np.concatenate([[BOS], ids[ids != UNK]])  # what is left of UNK is white space, a word's at the end
        return self._pieces(self.model.stream(
            ids[None], max_tokens=max_tokens, temperature=temperature, top_k=top_k, top_p=top_p,
            repetition_penalty=repetition_penalty, context=self.seq_len, banned=SPECIAL, int8=int8,
            rng=np.random.default_rng(seed)))

    def _pieces(self, tokens):
        """The text of tokens (1,), as soon as it is whole characters."""
        decoder = self.tokenizer.decoder()
        for ids in tokens:
            if piece := decoder.feed(int(ids[0])):
                yield piece
        if piece := decoder.finish():
            yield piece

    def generate(self, prompt="", *, num_samples=1, seed=0, **choice):
        """The text that follows the prompt, or a list of num_samples of them (seeds seed, seed + 1, ...); as stream."""
        texts = ["".join(self.stream(prompt, seed=seed + number, **choice)) for number in range(num_samples)]
        return texts[0] if num_samples == 1 else texts

    def evaluate(self, *files, errors="strict", int8=False):
        """nats_per_char, nats_per_token, perplexity, chars, tokens over the files, one after the other, as score."""
        text = "".join(readers.read_text(file, errors) for file in files)
        return self.score(text, int8).as_dict()

    def score(self, text, int8=False):
        """The TextScore of a text; int8: of the model as it writes with int8, its matrices rounded."""
        if not text:
            raise ValueError("score: the text is empty")
        model = rounded(self.model) if int8 else self.model
        return score(model, encoded(self.tokenizer, text, self.reverse), len(text), self.seq_len, self.seq_len)

    def novel_share(self, texts):
        """The share of the texts' pieces (20 characters, or 5 words) that stand nowhere in the training text, 0..1.

        None where the training text is not where it was or too long to look through, where config.json does not say
        what it was, or where the texts are too short.
        """
        try:
            if self.config["data"]["train_chars"] > LOOKED_THROUGH:
                return None
            training, _ = read(self.config["training"])
            if _sha256(training) != self.config["data"]["sha256"]:
                return None
        except (OSError, ValueError, LookupError, TypeError):  # files moved, entries missing or of another kind
            return None
        words = self.tokenizer.type == "word"
        return novel_share(texts, training, size=5 if words else 20, unit="word" if words else "character")

    @property
    def piece(self):
        """What novel_share counts, in words."""
        return "5-word pieces" if self.tokenizer.type == "word" else "20-character pieces"
