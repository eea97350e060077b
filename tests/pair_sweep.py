"""Check right pairs with many samples of weights and sequences, and wrong ones once; print what was found.

Right pairs must be called the same function each time. Of wrong ones, it is printed whether the verdict, the layer and
the cause are those that the tables expect. Exit with 1 for a false alarm, a miss, or a wrong cause.

    python tests/pair_sweep.py --seeds 10                  # ten samples of weights, of three batches each
    python tests/pair_sweep.py --seeds 0 --only mask       # wrong pairs only
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

ONLY = ("same_function",)


def main() -> int:
    """Run the sweep and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1, help="samples of weights of each right pair (default: 1)")
    parser.add_argument("--batches", type=int, default=1, help="samples of sequences for each (default: 1)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--only", default="", help="only pairs whose names match this pattern")
    parser.add_argument("--no-wrong", action="store_true", help="right pairs only")
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent.parent))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore")
    from tests.pair_zoo import tables

    counts: Counter[str] = Counter()
    chosen = {name: pair for name, pair in tables.RIGHT.items() if re.search(options.only, name)}
    for seed in range(options.first, options.first + options.seeds):
        for name, pair in chosen.items():
            alarm(name, pair, seed, options.batches, counts)
        print(f"seed {seed}: {dict(counts)}, {time.process_time():.0f} s of CPU", flush=True)
    wrong = {} if options.no_wrong else tables.WRONG
    for name, pair in wrong.items():
        if re.search(options.only, name):
            row(name, pair, counts)
    print(f"{dict(counts)}, {time.process_time():.0f} s of CPU")
    return int(any(counts[one] for one in ("false alarms", "not found", "wrong causes")))


def alarm(name: str, pair: Any, seed: int, batches: int, counts: Counter[str]) -> None:
    """Check a right pair with other weights, and print a false alarm."""
    import parity
    from tests.pair_zoo.making import reweighted

    left, right = pair.left(), pair.right()
    source = right if pair.transfer == "right to left" else left
    reweighted(source, seed)
    options = {"seeds": batches, "contracts": ONLY, **pair.options}
    verdict = parity.check_pair(left, right, pair.inputs, transfer=pair.transfer, **options)
    counts["checks"] += 1
    if not verdict:
        counts["false alarms"] += 1
        print(f"FALSE ALARM: {name}, seed {seed}\n{verdict}", flush=True)


def row(name: str, pair: Any, counts: Counter[str]) -> None:
    """Check a wrong pair, and print whether the verdict, the layer and the cause are right."""
    import parity

    begin = time.process_time()
    options = {"seeds": 1, "contracts": ONLY, "dtype": "float64", **pair.options}
    verdict = parity.check_pair(pair.left(), pair.right(), pair.inputs, transfer=pair.transfer, **options)
    found, layer, cause = pair.judged(verdict)
    wrong_cause = bool(verdict.cause) and not cause
    counts.update({"wrong pairs": 1, "found": found, "not found": not found, "layers": layer, "causes": cause})
    counts.update({"wrong causes": wrong_cause})
    marks = [text if good else f"NO {text}" for good, text in ((found, "found"), (layer, "layer"), (cause, "cause"))]
    print(f"{name}: {', '.join(marks)}{', WRONG CAUSE' if wrong_cause else ''}, {time.process_time() - begin:.1f} s")
    print(f"    {verdict.first_difference}\n    {verdict.cause or 'no cause'}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
