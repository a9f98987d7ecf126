from pydoc_data.topics import topics

from tinyllm.data.builtin import documentation


def test_whole_topics_and_about_a_tenth_held_out():
    train, held_out = documentation()
    assert 0.06 < len(held_out) / (len(train) + len(held_out)) <= 0.1
    for text in topics.values():
        assert (text.strip("\n") in train) != (text.strip("\n") in held_out)
