"""Sequence to sequence: a text in, a text out: translation, answers, summaries."""
import regex

from tinyllm.autograd import no_grad
from tinyllm.data.pairs import read_pairs
from tinyllm.metrics.bleu import bleu
from tinyllm.metrics.chrf import chrf
from tinyllm.metrics.corpus import check_strings
from tinyllm.metrics.exact_match import exact_match
from tinyllm.metrics.rouge import rouge
from tinyllm.models import Seq2Seq
from tinyllm.tasks import stored, supervised
from tinyllm.tasks.inputs import EVALUATED, Inputs, drop_words, in_batches, one_line
from tinyllm.tasks.settings import BEAM, BPE, DECODED, LENGTH_PENALTY, MOST_BEAM, SELECT
from tinyllm.text import TOKENIZERS
from tinyllm.text.sentences import SentenceTokenizer
from tinyllm.text.word import CJK
from tinyllm.training import memory

UNIT = "tokens"


def read(files, settings):
    """Pairs; ValueError names file and line of a bad one.  Further columns are references of dev, not of train."""
    pairs = read_pairs(files, format=settings["format"], fields=settings["fields"], columns=settings["columns"],
                       errors=settings["errors"])
    if not settings.get("dev"):
        for pair in pairs:
            if len(pair.targets) > 1:
                raise ValueError(f"{pair.where}: training takes one target for a source, got {len(pair.targets)} "
                                 "(--columns 1,2 picks two columns)")
    return pairs


def make_tokenizer(records, settings, pretrained):
    """One for both sides."""
    if pretrained is not None:
        return pretrained
    kind = settings["tokenizer"]
    texts = [as_copied(text, settings["copy"], kind) for record in records
             for text in (record.source, record.targets[0])]
    default = {"default_size": BPE} if kind == "bpe" else {}
    tokenizer = TOKENIZERS[kind].train(texts, vocab_size=settings["vocab_size"], **default)
    return SentenceTokenizer(tokenizer) if settings["sentences"] else tokenizer


def as_copied(text, copies, kind):
    """A text as a model that copies reads and writes it: a word at its beginning has the space before it that the same
    word has elsewhere, so that it is the same token; kind: of the tokenizer."""
    spaced = copies and kind != "char" and text and not regex.match(f"[{CJK}]", text)
    return f" {text}" if spaced else text


def describe(records):
    """Nothing."""
    return {}


def check_dev(dev, about):
    """Any text will do."""


def model_config(settings, tokenizer, about):
    sizes = {"vocab_size": tokenizer.vocab_size, **{name: settings[name] for name in (
        "embed_dim", "hidden_dim", "num_layers", "num_attention_layers", "num_heads", "cell", "dropout")}}
    return {"encoder": {**sizes, "bidirectional": True,
                        "num_features": getattr(tokenizer, "num_features", 0)},
            "decoder": {**sizes, "memory_dim": settings["hidden_dim"], "tie_weights": settings["tie_weights"],
                        "copies": settings["copy"]},
            "max_seq_len": _longest_target(settings) + 1, "share_embeddings": True}


def _longest_target(settings):
    """In tokens, EOS not counted."""
    return settings["max_target_len"] or settings["max_len"]


def make_model(config, rng):
    return Seq2Seq.from_config(config, rng=rng)


def transfer(model, pretrained):
    """The names taken over and the names new, of encoder and decoder."""
    return supervised.transfer(model, pretrained, "encoder", "decoder")


class Task(supervised.SupervisedTask):
    """The model's batches, loss and evaluation."""

    def __init__(self, tokenizer, records, dev, settings, about, rng):
        trained = TrainedSeq2Seq(None, tokenizer, settings["max_len"], settings["truncate"], copies=settings["copy"])
        sources = trained.inputs
        targets = Inputs(trained.of_targets, _longest_target(settings), option="--max-target-len")
        self.sources = [sources.of_text(trained.as_copied(record.source)) for record in records]
        self.targets = [targets.of_text(trained.as_copied(record.targets[0])) for record in records]
        self.remarks = sources.what_was_cut("training sources") + targets.what_was_cut("training targets")
        self.dev, self.dev_pairs = dev, []
        if dev is not None:
            self.dev_pairs = [(sources.of_text(trained.as_copied(record.source)),
                               targets.of_text(trained.as_copied(record.targets[0]))) for record in dev]
            self.remarks += sources.what_was_cut("dev sources") + targets.what_was_cut("dev targets")
            # all along dev, of which the first ones may be of one file alone
            self.decoded = range(0, len(dev), -(-len(dev) // DECODED))
            self.remarks.append(f"scores on dev while it trains: {len(self.decoded)} of {len(dev)} records, greedily")
        lengths = [(len(source.ids), len(target.ids)) for source, target in zip(self.sources, self.targets)]
        super().__init__(trained, lengths, settings, sum(len(target.ids) + 1 for _, target in self.dev_pairs), rng)

    def learnt_from(self):
        return self.sources + self.targets

    def estimate(self, config):
        """{part: bytes} that training takes."""
        return memory.estimate_seq2seq(config, self.settings, *self.largest, slots=Inputs.slots(self.sources),
                                       evaluated=EVALUATED)

    def loss(self, batch, rng):
        return self._loss([self.sources[i] for i in batch], [self.targets[i] for i in batch],
                          self.settings["word_dropout"], rng=rng, label_smoothing=self.settings["label_smoothing"],
                          teacher_forcing_ratio=self.settings["teacher_forcing_ratio"])

    def _loss(self, sources, targets, word_dropout=0.0, rng=None, **options):
        source, source_valid, features = Inputs.batch(sources)
        target, target_valid, _ = Inputs.batch(targets)
        source, _ = drop_words(source, source_valid, None, word_dropout, rng)
        return self.model.loss(source, target, source_valid, target_valid, rng=rng, source_features=features, **options)

    def targets_in(self, batch):
        return sum(len(self.targets[i].ids) + 1 for i in batch)

    def evaluate(self):
        """valid_loss (nats per token, targets as input); of every n-th record, greedily: chrf and so on (SELECT)."""
        if self.dev is None:
            return {}
        total = 0.0
        with no_grad():
            for batch in in_batches([len(source.ids) for source, _ in self.dev_pairs]):
                sources, targets = zip(*[self.dev_pairs[i] for i in batch])
                total += self._loss(sources, targets).item() * sum(len(target.ids) + 1 for target in targets)
        scores = self.trained.score([self.dev[i] for i in self.decoded], beam=1,
                                    sources=[self.dev_pairs[i][0] for i in self.decoded])
        return {"valid_loss": total / self.valid_targets,
                **{name: scores[name] for name in SELECT["seq2seq"] if name != "valid_loss"}}


def load(run):
    """The model of a run folder.

    Raises RunFolderError for files that do not describe one.
    """
    model, _, tokenizer, max_len = stored.trained(run, make_model)
    return TrainedSeq2Seq(model, tokenizer, max_len, run.config["training"].get("truncate") or "end", run.config,
                          copies=model.decoder.config["copies"])


class TrainedSeq2Seq:
    """What `tinyllm.load(RUN)` gives for a sequence-to-sequence model."""

    task = "seq2seq"

    def __init__(self, model, tokenizer, max_len, truncate="end", config=None, copies=False):
        self.model, self.tokenizer, self.config, self.copies = model, tokenizer, config, copies
        self.of_targets = tokenizer.tokenizer if isinstance(tokenizer, SentenceTokenizer) else tokenizer
        self.inputs = Inputs(tokenizer, max_len, truncate)

    def predict(self, texts, beam=BEAM, length_penalty=LENGTH_PENALTY):
        """What the model makes of each text; "" for one that is empty.  beam, length_penalty: Seq2Seq.translate's."""
        check_strings("predict", "texts", texts)
        if not isinstance(beam, int) or not 1 <= beam <= MOST_BEAM:
            raise ValueError(f"predict: beam must be a whole number from 1 to {MOST_BEAM}, got {beam!r}")
        return self._translated([self.inputs.of_text(self.as_copied(text.strip())) for text in texts], beam,
                                length_penalty)

    def as_copied(self, text):
        """A text as the model reads and writes it."""
        return as_copied(text, self.copies, self.tokenizer.type)

    def _translated(self, inputs, beam, length_penalty):
        """The same of Inputs."""
        result = [""] * len(inputs)
        real = [i for i, each in enumerate(inputs) if len(each.ids)]
        for batch in in_batches([len(inputs[i].ids) for i in real], max(1, EVALUATED // beam * 2)):
            rows = [real[i] for i in batch]
            ids, valid, features = Inputs.batch([inputs[i] for i in rows])
            outputs = self.model.translate(ids, valid, beam=beam, length_penalty=length_penalty,
                                           source_features=features)
            for i, output in zip(rows, outputs):
                result[i] = self.of_targets.decode(output).strip()
        return result

    def predictions(self, texts, beam=BEAM, length_penalty=LENGTH_PENALTY):
        """For each text a dict: source, prediction."""
        outputs = self.predict(texts, beam, length_penalty)
        return [{"source": text, "prediction": output} for text, output in zip(texts, outputs)]

    @staticmethod
    def shown(prediction):
        """What stands on a line for it."""
        return one_line(prediction["prediction"])

    def evaluate(self, *files, format=None, fields=None, columns=None, errors="strict", beam=BEAM,
                 length_penalty=LENGTH_PENALTY):
        """bleu, chrf, rouge_1, rouge_2, rouge_l (0..100), exact_match (0..1) and BLEU's signature, over the files."""
        settings = {"format": format, "fields": fields, "columns": columns, "errors": errors, "dev": True}
        return self.score(read(files, settings), beam, length_penalty)

    def score(self, records, beam=BEAM, length_penalty=LENGTH_PENALTY, sources=None):
        """The same over records; sources: their sources as Inputs, where they are known already."""
        outputs = (self.predict([record.source for record in records], beam, length_penalty) if sources is None else
                   self._translated(sources, beam, length_penalty))
        references = [list(record.targets) for record in records]
        tokenize = "zh" if _mostly_chinese(references) else "13a"
        translation, overlap = bleu(outputs, references, tokenize=tokenize), rouge(outputs, references)
        return {"bleu": translation.score, "chrf": chrf(outputs, references).score, "rouge_1": overlap.rouge_1,
                "rouge_2": overlap.rouge_2, "rouge_l": overlap.rouge_l,
                "exact_match": exact_match(outputs, references).score, "signature": translation.signature}

    def attention(self, source, output):
        """The weights of the last cross-attention, mean of its heads: tokens of the output and </s>, tokens of the
        source, and an array (T, S), for a picture."""
        source = self.as_copied(source.strip())
        read, written = self.inputs.of_text(source), self.of_targets.encode(self.as_copied(output.strip()))
        ids, valid, features = Inputs.batch([read])
        weights = self.model.attention(ids, valid, written[None], None, features)[0].mean(axis=0)
        return [*(self.of_targets.decode([i]) for i in written), "</s>"], self.inputs.names(source, read), weights


def _mostly_chinese(references):
    text = "".join(reference for each in references[:200] for reference in each)
    return 2 * len(regex.findall(rf"[{CJK}]", text)) > len(text)
