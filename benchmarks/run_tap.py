"""`make bench`, second part: how fast tap-braze-currents is, compared with fastavro and with what the SDK alone gives.

README.md beside this says what is measured and how.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(
        0, str(Path(__file__).resolve().parent.parent)
    )  # run as a file, it would not find the package it is part of
    from benchmarks.tap_comparison import main

    sys.exit(main())
