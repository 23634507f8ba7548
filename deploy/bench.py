"""bin/bench NAME: runs `bench.NAME.main()`, prints its figures, and writes them to `$BERTH_HOME/bench/NAME.json`."""

import importlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy import environment, homes
from deploy.processes import CHECKOUT
from deploy.progress import SetupError, main

Figure = float | int | str


def bench() -> int:
    """What follows NAME is the benchmark's: it finds it in sys.argv, as if it were a program."""
    names = sorted(path.stem for path in (CHECKOUT / "bench").glob("*.py") if path.stem != "__init__")
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        raise SetupError(
            f"There is no such benchmark: {' '.join(sys.argv[1:]) or '(none named)'}.",
            left="Nothing ran.",
            todo=f"bin/bench {'|'.join(names)}",
        )
    name = sys.argv.pop(1)
    home = homes.find()
    environment.load(home)
    os.environ["BERTH_HOME"] = str(home)
    figures = {"odoo_image": odoo_image(home), **importlib.import_module(f"bench.{name}").main()}
    print(table(name, figures))
    file = home / "bench" / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"\nwritten to {file}")
    return 0


def odoo_image(home: Path) -> str:
    """`real` or `stand-in`, as the demo says; empty where there is none."""
    file = home / "demo.json"
    return str(json.loads(file.read_text())["odoo_image"]) if file.exists() else ""


def table(name: str, figures: Mapping[str, Figure]) -> str:
    """Numbers right-aligned, floats with two decimals."""
    shown = {
        key: f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
        for key, value in figures.items()
    }
    left, right = max(map(len, shown)), max(map(len, shown.values()))
    return "\n".join([name, *(f"  {key:<{left}}  {value:>{right}}" for key, value in shown.items())])


if __name__ == "__main__":
    main(bench)
