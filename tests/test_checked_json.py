"""JSON from outside: what is refused, and how a value stands in a message."""
import pytest

from tinyllm.checked_json import MAX_DEPTH, brief, first_of, parse


def test_an_object_is_read():
    assert parse('{"a": [1, 2.5, null, "\u5b57"]}'.encode(), "x") == {"a": [1, 2.5, None, "\u5b57"]}


def test_brackets_in_strings_have_no_depth():
    assert parse(b'{"a": "' + b"[" * 99 + b'\\"["}', "x") == {"a": "[" * 99 + '"['}


@pytest.mark.parametrize("data, message", [
    (b"", r"file: not valid JSON \(Expecting value"),
    (b'{"a": }', r"file: not valid JSON \(Expecting value at column 7\)$"),
    (b'{"a":\n}', r"file: not valid JSON \(Expecting value: line 2 column 1"),
    (b"[1]", "file: must hold a JSON object, got list"),
    (b'{"a": 1, "a": 1}', r"file: not valid JSON \(key 'a' stands twice\)"),
    (b'{"a": {"b": 1, "b": 1}}', r"file: not valid JSON \(key 'b' stands twice\)"),
    (b'{"a": NaN}', r"file: not valid JSON \('NaN' is no finite number\)"),
    (b'{"a": -1e999}', r"file: not valid JSON \('-1e999' is no finite number\)"),
    (b'{"a": "\xff"}', r"file: not valid JSON \('utf-8' codec"),
    (b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "file: JSON nested deeper than 32 levels"),
])
def test_what_is_refused(data, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        parse(data, "file")


def test_values_are_cut_in_messages():
    assert brief("x") == "'x'"
    assert brief(None) == "nothing"
    assert "\n" not in brief("a\nb\u2028c")
    wide = [1] * 100
    for _ in range(20):
        wide = [wide] * 100
    for value in ("x" * 10**6, [list(range(10**6))] * 2, wide, {"a" * 99: {"b" * 99: wide}}):
        assert len(brief(value)) <= 60


def test_lists_are_cut_in_messages():
    assert first_of(["a", "b"]) == "'a', 'b'" and first_of([]) == ""
    assert first_of(list("abcdefgh")) == "'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'"
    assert first_of([str(i) for i in range(2000)], 2) == "'0', '1' and 1,998 more"
    assert len(first_of(["x" * 1000] * 1000)) < 520
