"""python -m tinyllm VERB: the same as tinyllm VERB."""
import sys

from tinyllm.cli import main

sys.exit(main())
