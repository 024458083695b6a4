"""The picture of the live view in the README, from the journal of a real run.

    python -m benchmarks.terminal runs/last --share 0.7 --output docs/images/terminal.svg

Shows the run as its terminal did when `--share` of its events had happened.
"""

import argparse
import io
import json
import re
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tuner.advisor import rebuild
from tuner.report.live import LiveView
from tuner.report.past import read_past_run
from tuner.report.progress import Progress


def main() -> None:
    """Writes the picture and prints where the run stood."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=0.7)
    parser.add_argument("--output", type=Path, default=Path("docs/images/terminal.svg"))
    args = parser.parse_args()
    past = read_past_run(args.folder)
    until = max(2, round(len(past.events) * args.share))
    cut = replace(past, events=past.events[:until])
    told_s = Progress.of_past(cut, cut.elapsed_s).told_s
    progress = replace(Progress.of(rebuild(cut.study, cut.events), cut.elapsed_s), told_s=told_s)
    console = Console(
        record=True, width=100, height=32, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(LiveView(progress, past.study.name))
    svg = console.export_svg(title=f"python -m tuner.run --space {past.study.name}.yaml")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S)  # a picture fetches nothing
    args.output.write_text(re.sub(r"<!-- .*? -->\s*", "", svg), encoding="utf-8")
    print(json.dumps({"trials": len(progress.records), "elapsed_s": progress.elapsed_s}))


if __name__ == "__main__":
    main()
