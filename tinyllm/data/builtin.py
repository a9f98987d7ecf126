"""Text that every Python has, so that the first command needs no file: the documentation behind help()."""
from pydoc_data.topics import topics


def documentation():
    """Training text and held-out text: whole topics in the order of their names.

    A topic is held out where the held-out part stays within a tenth of all that was read so far.  The text differs a
    little from one Python to the next.
    """
    train, held_out, seen, held = [], [], 0, 0
    for name in sorted(topics):
        text = topics[name].strip("\n") + "\n\n\n"
        seen += len(text)
        if held + len(text) <= seen / 10:
            held += len(text)
            held_out.append(text)
        else:
            train.append(text)
    return "".join(train), "".join(held_out)
