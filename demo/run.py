"""Run the demo: `python demo/run.py` is what `make demo` calls; `--stop` stops what it leaves running."""

import runpy
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # the repository in place of this folder: `demo` is a package
runpy.run_module("demo", run_name="__main__", alter_sys=True)
