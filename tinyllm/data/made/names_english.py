"""The English names, times and templates of `names.py`.

A person, a place or a time is drawn as pieces (text, tag without B- or I-); of those that are made of parts,
or hold a number, each belongs to the one split that `splits.part` gives it.
"""
from functools import partial

from tinyllm.data.made.numerals import english
from tinyllm.data.made.splits import part, pick
from tinyllm.data.made.values import DAYS, MONTHS, WEEKDAYS

GIVEN = (
    "Anna Peter Maria David Laura Thomas Emma Daniel Sophie Martin Julia Simon Helen Robert Clara Paul Nina "
    "Oscar Alice Henry Ruth Frank Olivia George Emily Jacob Lucy Adam Susan Philip").split()
NEW_GIVEN = "Edith Walter Ingrid Felix Martha Ralph Bettina Gilbert Nora Hugo Judith Leonard".split()
PLACES_TOO = "Florence Victoria Chester Austin Charlotte Jordan Lincoln Sydney".split()  # given names too
MONTHS_TOO = "April May June August".split()  # given names too
STEMS = "Ash Brad Clay Hart Lang Mor Nor Red Stan Whit Wood Wal Had Bur".split()
NEW_STEMS = "Thorn Hazel Kirk El Fen".split()
FAMILY_ENDS, PLACE_ENDS = "ley man well worth".split(), "ton ford ville burg port field bury".split()
TITLES = "Mr Mrs Dr Professor".split()
CITIES = (
    "London Berlin Madrid Paris Vienna Prague Lisbon Oslo Dublin Athens Rome Tokyo Beijing Cairo Spain Italy "
    "Norway Japan Egypt Canada").split()
NEW_CITIES = "Warsaw Budapest Helsinki Lima Nairobi Kenya Peru Finland Portugal".split()
PLACE_FORMS = ("{}", "{}", "{}", "New {}", "Port {}", "North {}", "South {}", "{} Bay", "{} Valley")
PART_OF_DAY = "morning afternoon evening".split()
PAST = ("yesterday", "this morning", "last night", "last week", "last month", "last year", "last summer")
FUTURE = ("tomorrow", "tonight", "this evening", "next week", "next month", "next year", "next summer")

WORDS = {
    "thing": "rose table bill book chair lamp cup bag picture coat letter watch".split(),
    "spot": "garden kitchen hall street house village school park shop station".split(),
    "like": "red white black green old new small big".split()}
TEMPLATES = {
    "names": (
        "{P} met {P} in {L} {T} .", "{P} was born in {L} .", "{P} was born {T} .", "{P} lives in {L} .",
        "{P} will fly to {L} {F} .", "{T} , {P} moved from {L} to {L} .", "my friend {P} works in {L} .",
        "the train from {L} to {L} was late {t} .", "{P} and {P} are going to {L} {f} .",
        "{P} is not at home .", "it rained in {L} {t} .", "the mayor of {L} spoke to {P} {T} .",
        "did you see {P} {t} ?", "the shop in {L} will close {F} .",
        "the new bridge in {L} was opened by {P} {T} .", "{P} wrote a letter to {P} {t} .",
        "a letter from {P} arrived {t} .", "the bus to {L} leaves {f} .",
        "we are going to visit {P} in {L} {f} .", "{P} , a teacher from {L} , won the prize .",
        "there is a big market in {L} .", "please call {P} {f} .", "{P} bought a house near {L} {T} .",
        "{L} is a quiet place .", "{P} is a good cook .", "{P} told {P} about {L} .", "may I speak to {P} ?",
        "will {P} come to {L} {f} ?", "{f} we will see {P} again .", "the school in {L} was built {y} ."),
    "none": (
        "the {thing} in the {spot} is {like} .", "you may take the {like} {thing} with you .",
        "the mark on the {thing} will not go away .", "where is the {like} {thing} from the {spot} ?",
        "he may march to the {spot} .", "both of them were in the {spot} .",
        "will you pay for the {like} {thing} ?")}
NEW_TEMPLATES = {
    "names": (
        "nobody in {L} had heard of {P} .", "{P} left {L} {T} and went to {L} .", "{L} is larger than {L} .",
        "according to {P} , the road to {L} will be closed {F} .", "{T} {P} sold the house in {L} to {P} .",
        "the flight to {L} was cancelled {t} , said {P} .", "who told {P} that the train to {L} leaves {f} ?",
        "students from {L} and {L} talked to {P} {t} .", "in {L} , everybody knows {P} .",
        "the museum in {L} shows pictures by {P} .", "{P} is older than {P} .", "will it snow in {L} {f} ?",
        "{P} asked {P} the way to {L} .", "{P} has to be in {L} {f} .", "both {P} and {P} were in {L} {T} ."),
    "none": (
        "who left the {like} {thing} in the {spot} ?", "one of us lost the {like} {thing} in the {spot} .",
        "may we see the {thing} in the {spot} ?", "the {thing} is not in the {spot} .")}


def tokens(text):
    return text.split()


def text(tokens):
    """The tokens as one writes them."""
    return " ".join(tokens).replace(" ,", ",").replace(" .", ".").replace(" ?", "?")


def drawn(split, kind, make):
    """A name from make() that belongs to the split."""
    while True:
        name = make()
        if part(kind, name) == split:
            return name


def person(rng, split, new):
    """Given name, given and family name, or a title and the family name."""
    form = rng.random()
    if form < 0.3:
        if new:
            return ((pick(rng, NEW_GIVEN), "PER"),)
        if split == "train" and form < 0.1:
            return ((pick(rng, PLACES_TOO + MONTHS_TOO), "PER"),)
        return ((drawn(split, "given", lambda: pick(rng, GIVEN)), "PER"),)
    if form < 0.45:
        family = drawn(split, "family", lambda: _compound(rng, new, FAMILY_ENDS))
        return (pick(rng, TITLES), "O"), (family, "PER")
    given = GIVEN + PLACES_TOO + MONTHS_TOO + (NEW_GIVEN if new else [])
    name = drawn(split, "person", lambda: f"{pick(rng, given)} {_compound(rng, new, FAMILY_ENDS)}")
    return ((name, "PER"),)


def place(rng, split, new):
    """A city or country, or a name made for the occasion: Ashford, New Ashford, Ashford Bay."""
    form = rng.random()
    if form < 0.3:
        if new:
            return ((pick(rng, NEW_CITIES), "LOC"),)
        if split == "train" and form < 0.1:
            return ((pick(rng, PLACES_TOO), "LOC"),)
        if split == "train":
            return ((pick(rng, CITIES), "LOC"),)
    name = drawn(split, "place", lambda: _compound(rng, new, PLACE_ENDS))
    return ((pick(rng, PLACE_FORMS).format(name), "LOC"),)


def _compound(rng, new, ends):
    return pick(rng, NEW_STEMS if new else STEMS) + pick(rng, ends)


def _time(rng, split, new, *, forms, words, which, years):
    """A time in one of the forms, its preposition outside; no piece of a time is new."""
    form, weekday = pick(rng, forms), pick(rng, WEEKDAYS)[0]
    if form == "word":
        return ((pick(rng, words), "TIM"),)
    if form == "weekday":
        return ((f"{which} {weekday}", "TIM"),)
    if form == "part of day":
        return ("on", "O"), (f"{weekday} {pick(rng, PART_OF_DAY)}" if rng.random() < 0.5 else weekday, "TIM")
    if form == "hour":
        return ("at", "O"), (f"{english(int(rng.integers(1, 13)))} o'clock", "TIM")
    if form == "day":
        return ("on", "O"), (drawn(split, "day", lambda: _day(rng)), "TIM")
    if form == "year":
        return ("in", "O"), (drawn(split, "year", lambda: str(rng.integers(*years))), "TIM")
    month = pick(rng, MONTHS)
    if rng.random() < 0.5:
        return ("in", "O"), (month, "TIM")
    return ("in", "O"), (f"{month} {drawn(split, 'year', lambda: str(rng.integers(*years)))}", "TIM")


def _day(rng):
    month = int(rng.integers(12))
    return f"{MONTHS[month]} {rng.integers(1, DAYS[month] + 1)}"


NEAR, FAR = ("word", "weekday", "part of day", "hour", "day"), ("year", "month")
ANY = ("word", "weekday", "part of day", "day", "year", "month")
SLOTS = {
    "P": person, "L": place,
    "T": partial(_time, forms=ANY, words=PAST, which="last", years=(1950, 2020)),
    "t": partial(_time, forms=NEAR, words=PAST[:4], which="last", years=None),
    "y": partial(_time, forms=FAR, words=(), which="", years=(1950, 2020)),
    "F": partial(_time, forms=ANY, words=FUTURE, which="next", years=(2030, 2050)),
    "f": partial(_time, forms=NEAR, words=FUTURE[:4], which="next", years=None)}
