"""Test vectors of the latents for their JavaScript twin; `python tests/helpers/latents_vectors.py` writes them."""

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[1] / "deployment" / "latents_vectors.json"
INDICES = [0, 63, 1_023, 1_024, 10**6]
CASES = [
    {"seed": seed, "latent_dim": size, "truncation": bound}
    for seed in (0, 1, 2**32 - 1)
    for size, bound in ((16, None), (64, None), (100, None), (16, 0.5), (64, 2.0), (100, 10.0))
]


def compute_vectors() -> dict[str, Any]:
    """Returns the latents of `INDICES` for each of `CASES`, as `gan.latents` and `truncate` compute them."""
    from gan import latents
    from gan.sampling.samples import truncate

    found = []
    for case in CASES:
        values = latents(case["seed"], INDICES, case["latent_dim"])
        values = values if case["truncation"] is None else truncate(values, case["truncation"])
        found.append({**case, "latents": [[float(f"{number:.9g}") for number in row] for row in values]})
    return {"indices": INDICES, "cases": found}


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(compute_vectors(), separators=(",", ":")) + "\n", encoding="utf-8")
