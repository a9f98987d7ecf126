"""How good predictions are: each metric is counts, then a formula; the counts of pieces add up."""
from tinyllm.lazy import load_on_first_use

FILES = {  # name: the file that holds it
    "TextScore": "perplexity",
    "ngram_score": "ngram",
    "accuracy": "accuracy",
    "entity_f1": "entity_f1",
    "entities": "entity_f1",
    "check_bio": "entity_f1",
    "bio_constraints": "entity_f1",
    "bleu": "bleu",
    "chrf": "chrf",
    "rouge": "rouge",
    "exact_match": "exact_match",
}

__all__ = [*FILES]

load_on_first_use(__name__, {name: f"{__name__}.{file}" for name, file in FILES.items()})
