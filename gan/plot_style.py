"""How plots look, in reports and of benchmarks: options of Matplotlib. Imports nothing."""

from typing import Any

STYLE: Any = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
}
