"""How a benchmark's figures are shown."""

import json
from pathlib import Path

from deploy.bench import odoo_image, table


def test_figures_stand_in_columns() -> None:
    shown = table("deploy", {"requests": 12345, "p99_ms": 1.23456, "odoo_image": "stand-in"})
    assert shown.splitlines() == [
        "deploy",
        "  requests      12,345",
        "  p99_ms          1.23",
        "  odoo_image  stand-in",
    ]


def test_the_image_is_what_the_demo_says(tmp_path: Path) -> None:
    assert odoo_image(tmp_path) == ""
    (tmp_path / "demo.json").write_text(json.dumps({"odoo_image": "real"}))
    assert odoo_image(tmp_path) == "real"
