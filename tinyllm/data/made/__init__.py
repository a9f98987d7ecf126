"""Small task data of our own, made by grammars from a seed: nothing is read, nothing is fetched.

    bilingual     English and Chinese sentences of one meaning
    sentiment     sentences and what they think: positive, negative, neutral
    entities      sentences with persons, places and times tagged
    unlabelled    text of the same kinds without labels, to pretrain on
    write         all of it as the files that the commands read: python -m tinyllm.data.made FOLDER

The test splits are made so that remembering the training split does not help: each module says how.
"""
from tinyllm.data.made.files import write
from tinyllm.data.made.names import entities
from tinyllm.data.made.opinions import sentiment
from tinyllm.data.made.plain import unlabelled
from tinyllm.data.made.translation import bilingual

__all__ = ["bilingual", "sentiment", "entities", "unlabelled", "write"]
