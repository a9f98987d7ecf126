"""python -m tinyllm.data.made FOLDER [SEED]: the made data as files."""
import argparse
import sys


def main():
    """Write them; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tinyllm.data.made",
        description="Write small data for translation, sentiment and names, English and Chinese, as files.")
    parser.add_argument("folder", metavar="FOLDER", help="where they go: a new folder or an empty one")
    parser.add_argument("seed", metavar="SEED", nargs="?", default="0", help="a whole number: the same, the same data")
    args = parser.parse_args()
    if not args.seed.isdecimal():
        parser.error(f"SEED must be a whole number from 0, got {args.seed}")
    if not args.folder:
        parser.error("FOLDER must be a name, got an empty one")
    try:
        from tinyllm.data.made import write
        for path in write(args.folder, int(args.seed)):
            print(path)
    except KeyboardInterrupt:
        print("tinyllm.data.made: interrupted, some files may be missing", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"tinyllm.data.made: {args.folder}: {error.strerror or error}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"tinyllm.data.made: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
