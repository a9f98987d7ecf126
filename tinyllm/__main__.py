"""python -m tinyllm VERB: the same as tinyllm VERB."""
import sys


def main():
    """The command line; a Ctrl-C while it is being imported is answered like every other."""
    try:
        from tinyllm.cli import main
        return main()
    except KeyboardInterrupt:
        print("tinyllm: interrupted, nothing new was saved", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
