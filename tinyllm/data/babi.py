"""bAbI's own format (Weston et al. 2015): stories, with questions about them.

    ID statement                         one more sentence of the story
    ID question TAB answer TAB IDs       about all statements so far; IDs are the statements that help

The IDs of a story go up by one, and ID 1 begins another story.  A question becomes the statements before it
and itself, joined by single spaces; earlier questions are no part of it.  An answer of several words ("n,w")
is one text.
"""
import re

from tinyllm.checked_json import brief

_LINE = re.compile(r"([0-9]{1,9}) ([^\t]+)(?:\t([^\t]+)\t[0-9 ]*)?")
_QUESTION = re.compile(r"[0-9]+ [^\t]+\t")


def is_babi(lines):
    """Whether lines look like bAbI: the first a statement of ID 1, another one a number, a text and a TAB."""
    return lines[0].startswith("1 ") and "\t" not in lines[0] and any(map(_QUESTION.match, lines))


def is_babi_without_beginning(lines):
    """Whether all lines are of bAbI's form, statements and questions, which is no table, and the first has no ID 1."""
    kinds = {match and match[3] is None for match in map(_LINE.fullmatch, lines)}
    return kinds == {True, False} and not lines[0].startswith("1 ")


def babi_rows(path, lines):
    """(line, [story and question, answer]) of each question.  Raises ValueError at a line of another form."""
    story, last = [], 0
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None or not match[2].strip():
            raise ValueError(f"{path}:{number}: expected ID statement, or ID question TAB answer TAB IDs, "
                             f"got {brief(line)}")
        this, text, answer = int(match[1]), match[2].strip(), match[3]
        if this == 1:
            story = []
        elif this != last + 1:
            raise ValueError(f"{path}:{number}: the ID must be {last + 1}, or 1 for another story, "
                             f"got {this}")
        last = this
        if answer is None:
            story.append(text)
        else:
            yield number, [" ".join([*story, text]), answer.strip()]
