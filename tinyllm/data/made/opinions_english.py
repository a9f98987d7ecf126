"""The English words and templates of `opinions.py`, which says what the slots of a template are."""
from typing import NamedTuple


class Group(NamedTuple):
    """Things of which one says the same.  What begins with new_ is kept from the labelled training sentences.

    The last of each list of new adjectives is like no word that these have; the others share pieces with one.
    """

    nouns: tuple
    good: tuple
    bad: tuple
    facts: tuple
    new_nouns: tuple
    new_good: tuple
    new_bad: tuple
    new_facts: tuple
    be: str = ""  # was or is
    it: str = ""  # it or he
    this: str = ""  # 这个 or 这里的
    liked: bool = True  # whether one says that one likes it or recommends it


def words(text):
    return tuple(text.split())


DISH = Group(
    nouns=words("soup fish pizza salad chicken rice"),
    good=words("tasty fresh flavourful pleasant satisfying"),
    bad=words("bland greasy unpleasant"),
    facts=("the {x} costs {count} pounds.", "we ordered the {x} at {hour}.",
           "the {x} is on page {count} of the menu.",
           "the {x} was on the menu, but we did not order it.", "they serve the {x} from {hour} on."),
    new_nouns=words("dessert breakfast sandwich curry pasta"),
    new_good=words("flavoursome lovely delectable"),
    new_bad=words("tasteless flavourless unsatisfying insipid"),
    new_facts=("although the {x} is on the menu, they only serve it in {month}.",
               "we did not order the {x} until {hour}.",
               "the {x} is not on page {count} of the menu but on the back."), be="was", it="it")
ROOM = Group(
    nouns=words("room bathroom kitchen flat terrace"),
    good=words("clean comfortable quiet spacious pleasant impressive"),
    bad=words("dirty noisy cramped dark smelly unpleasant"),
    facts=("the {x} is on the {ordinal} floor.", "the {x} has {count} lamps.",
           "we got the keys to the {x} at {hour}.",
           "the {x} is not on the {ordinal} floor.", "they painted the {x} in {month}."),
    new_nouns=words("bedroom apartment lobby balcony hostel"),
    new_good=words("comfy lovely inviting"),
    new_bad=words("uncomfortable unclean unimpressive filthy"),
    new_facts=("although we had asked for the {ordinal} floor, the {x} was on the first.",
               "we did not see the {x} before {hour}.", "the {x} was built {count} years ago."),
    be="was", it="it")
STAFF = Group(
    nouns=words("waiter receptionist driver guide cook"),
    good=words("friendly polite helpful kind patient careful pleasant"),
    bad=words("rude impatient careless unkind grumpy unpleasant"),
    facts=("the {x} works until {hour}.", "the {x} comes from {city}.", "we met the {x} in {month}.",
           "we saw the {x}, but only for {count} minutes.", "the {x} has worked here for {count} years."),
    new_nouns=words("porter manager cleaner nurse doorman"),
    new_good=words("thoughtful respectful lovely courteous"),
    new_bad=words("unfriendly impolite unhelpful surly"),
    new_facts=("although the {x} comes from {city}, he learnt his trade in Rome.",
               "we did not meet the {x} before {hour}.", "the {x} was not in the house at {hour}."),
    be="was", it="he", liked=False)
STORY = Group(
    nouns=words("film book story play plot"),
    good=words("interesting exciting funny moving original impressive satisfying"),
    bad=words("boring dull confusing predictable silly"),
    facts=("the {x} is set in {city}.", "she wrote about the {x} in {month}.",
           "the {x} is about {count} sisters.",
           "the {x} is not set in {city}.", "I read about the {x} in {month}."),
    new_nouns=words("movie novel series script documentary"),
    new_good=words("likeable lovely gripping"),
    new_bad=words("uninteresting unexciting unoriginal unimpressive tedious"),
    new_facts=("although the {x} is set in {city}, it was not written there.",
               "I did not hear of the {x} before {month}.", "it took {count} years to finish the {x}."),
    be="was", it="it")
DEVICE = Group(
    nouns=words("phone laptop camera printer tablet"),
    good=words("reliable fast useful practical impressive"),
    bad=words("slow clumsy flimsy fragile"),
    facts=("the {x} comes in {count} colours.", "I bought the {x} in {month}.", "the {x} was made in {city}.",
           "the {x} comes in white, but not in black.", "I have had the {x} for {count} weeks."),
    new_nouns=words("scanner headset charger speaker monitor"),
    new_good=words("powerful dependable handy"),
    new_bad=words("unreliable impractical useless faulty"),
    new_facts=("although I ordered the {x} in {month}, it came in June.", "the {x} was not made in {city}.",
               "the shop will not have the {x} before {month}."), be="is", it="it")

GROUPS = (DISH, ROOM, STAFF, STORY, DEVICE)
SCENES = ((DISH, STAFF), (ROOM, STAFF), (DISH, ROOM, STAFF), (STORY,), (STORY,), (DEVICE,), (DEVICE,))

ANYTHING = {
    "good": words("good nice"), "bad": words("bad disappointing"),
    "strong_good": words("great excellent wonderful perfect"),
    "strong_bad": words("terrible awful horrible hopeless"),
    "new_good": (), "new_bad": words("mediocre"),
    "new_strong_good": words("superb splendid"), "new_strong_bad": words("dreadful dismal")}

CLAUSES = {
    "plain": {"any": ("the {x} {is} {A}", "the {x} {is} very {A}", "the {x} {is} really {A}",
                      "the {x} {is} so {A}",
                      "the {x} {is} {S}", "the {x} {is} absolutely {S}", "I found the {x} {A}",
                      "I found the {x} very {A}"), "good": (), "bad": ()},
    "denied": {"any": ("the {x} {is} not {Z}", "the {x} {is} not {Z} at all", "I did not find the {x} {Z}",
                       "I do not think that the {x} {is} {Z}", "nobody found the {x} {Z}"),
               "good": (), "bad": ("the {x} {is} not very {Z}", "the {x} {is} not really {Z}")},
    "liking": {"any": (),
               "good": ("I loved the {x}", "I really liked the {x}", "we were happy with the {x}",
                        "I would recommend the {x}"),
               "bad": ("I hated the {x}", "I did not like the {x}", "we were not happy with the {x}",
                       "I would not recommend the {x}")},
}
TEMPLATES = {
    "opinion": ("{P}.", "{P}.", "to be honest, {P}.", "{N}.", "{N}.", "{N}.", "to be honest, {N}.", "{V}.",
                "{P} and {P}.", "{P} and {N}.", "{p}, but {P}.", "{p}, but {P}.", "although {p}, {P}.",
                "although {p}, {P}.", "{P}, even though {p}.", "{P}, even though {p}.",
                "the {x} {is} not only {A} but also {B}."),
    "neutral": ("{is} the {x} {A}?", "somebody asked whether the {x} {is} {A}.",
                "does anybody find the {x} {A}?",
                "I do not know whether the {x} {is} {A} or not.",
                "I have not heard whether the {x} {is} {A}."),
}
NEW_TEMPLATES = {
    "opinion": ("{n}, but {P}.", "{p}, but {N}.", "{n}, but {N}.", "although {n}, {P}.", "although {p}, {N}.",
                "{N}, even though {p}.", "{P}, even though {n}.", "{P}, although {p}.",
                "even though {p}, {P}.",
                "although {p}, {V}.", "{V}, even though {p}.", "{N} and {N}.",
                "I would not say that the {x} {is} {Z}.", "nobody would call the {x} {Z}.",
                "I thought that the {x} would be {Z}, but {it} {is} {A}.",
                "I thought that the {x} would be {Z}, but {it} {is} not."),
    "neutral": ("can anybody tell me whether the {x} {is} {A}?",
                "nobody could say whether the {x} {is} {A} or not.",
                "I asked whether the {x} {is} {A}, but nobody knew.",
                "I would like to know whether the {x} {is} {A}."),
}
COMPANY = {  # in unlabelled text: words of one side together
    "any": ("the {x} {is} {A} and {B}.", "the {x} {is} so {A} and {B}.", "I found the {x} {A} and {B}.",
            "what can I say of the {x}: {it} {is} {A}, {B} and {S}."),
    "good": ("the {x} {is} {A} and {B}, and we will come again.",
             "I am happy with the {x}, {it} {is} {A} and {B}."),
    "bad": ("the {x} {is} {A} and {B}, and we will not come again.",
            "I hated the {x}, {it} {is} {A} and {B}."),
}
DETAILS = {
    "count": words("two three four five six seven eight nine ten eleven twelve"),
    "ordinal": words("second third fourth fifth sixth seventh eighth ninth tenth"),
    "hour": ("noon", "two o'clock", "five o'clock", "half past six", "seven o'clock", "half past eight",
             "nine o'clock"),
    "month": words("January February March April May July August September October November December"),
    "city": words("London Berlin Madrid Vienna Prague Lisbon Oslo Dublin Athens Warsaw"),
}
