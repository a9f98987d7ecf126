"""python -m tinyllm.data.made FOLDER [SEED]: the made data as files."""
import sys

from tinyllm.data.made import write

if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit("usage: python -m tinyllm.data.made FOLDER [SEED]")
    for path in write(sys.argv[1], *map(int, sys.argv[2:])):
        print(path)
