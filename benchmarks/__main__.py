"""All comparisons, one after the other: ``python -m benchmarks`` (100,000 vectors), ``--full`` (a million).

``--only ann,durable,queue`` leaves some out; other arguments go to the comparison of vector indexes.
"""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks.ann import cli as ann
from benchmarks.ann.adapters import DEFAULT
from benchmarks.common.cli import a_folder, interruptible
from benchmarks.durable import cli as durable
from benchmarks.queue import cli as queue

_PARTS = ("ann", "durable", "queue")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="a million vectors and all queries")
    parser.add_argument("--only", default=",".join(_PARTS), help=f"of {', '.join(_PARTS)} (default: all)")
    parser.add_argument(
        "--dataset", default="auto", help="for all parts (default: auto, the best that is there)"
    )
    parser.add_argument("--data", type=a_folder, help="folder to look for data sets in, for all parts")
    options, others = parser.parse_known_args()
    begin = time.monotonic()
    wanted = options.only.split(",")
    if not set(wanted) <= set(_PARTS):
        parser.error(f"--only takes {', '.join(_PARTS)}, not {options.only}")
    if others and "ann" not in wanted:
        parser.error(f"{' '.join(others)}: such options are for ann, which --only leaves out")
    size = "full" if options.full else "short"
    data = ["--dataset", options.dataset, *(["--data", str(options.data)] if options.data else [])]
    codes = []
    if "ann" in wanted:
        # Builds by one thread alone would take the ten minutes there are, and so would all of the rest: the
        # full run has them.
        short = [
            "--limit",
            "100000",
            "--query-count",
            "1000",
            "--build-threads",
            "all",
            "--rounds",
            "1",
            "--target-rounds",
            "4",
            "--point-seconds",
            "0.3",
            "--engines",
            ",".join(name for name in DEFAULT if name not in ("faiss-hnsw32", "symphonyqg-8bit")),
        ]
        codes.append(ann.main([*data, "--name", f"ann-{size}", *([] if options.full else short), *others]))
    if "durable" in wanted:
        short = ["--load-seconds", "5", "--query-count", "200", "--rounds", "1", "--single-seconds", "1.5"]
        full = ["--load-seconds", "600"]
        codes.append(durable.main([*data, "--name", f"durable-{size}", *(full if options.full else short)]))
    if "queue" in wanted:
        short = ["--what", "stores", "--prefill", "20000", "--seconds", "0.5", "--rounds", "1"]
        codes.append(queue.main([*data, "--name", f"queue-{size}", *([] if options.full else short)]))
    print(f"all of it: {time.monotonic() - begin:.0f} s")
    return max(codes, default=0)


sys.exit(interruptible(main))
