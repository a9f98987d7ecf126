"""python -m tinyllm.data.made FOLDER [SEED]: the made data as files."""
import sys

from tinyllm.data.made import write

if __name__ == "__main__":
    folder, seed = (*sys.argv[1:], "0")[:2] if len(sys.argv) > 1 else ("", "")
    if len(sys.argv) > 3 or not seed.isdecimal():
        sys.exit("usage: python -m tinyllm.data.made FOLDER [SEED]")
    for path in write(folder, int(seed)):
        print(path)
