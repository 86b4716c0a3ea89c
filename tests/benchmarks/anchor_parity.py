"""Our AutoAttack on the published MNIST net, held against the published figures.

    python -m tests.benchmarks.anchor_parity --images 10000 --state_dir state \\
        --result results/anchor

Interrupted, the same command continues. Prints what each stage left, and, for the
first 300 images, whose verdicts differ from those of the AutoAttack for torch; writes
anchor.json with all verdicts.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from tests import anchors

EPSILON = 0.3
PUBLISHED = {"clean": 98.50, "AutoAttack": 82.93}  # on all 10 000


def differences(robust: np.ndarray, upstream: np.ndarray) -> dict[str, list[int]]:
    """Images on which the two sides differ, by who alone breaks them."""
    count = min(len(robust), len(upstream))
    ours, theirs = robust[:count], upstream[:count]
    return {
        "broken by ours alone": np.flatnonzero(~ours & theirs).tolist(),
        "broken by upstream alone": np.flatnonzero(ours & ~theirs).tolist(),
    }


def main() -> None:
    """Evaluates, prints and writes."""
    import keras_mpat as mpat

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--version", default="standard")
    parser.add_argument("--state_dir", type=Path)
    parser.add_argument("--result", type=Path, help="folder for anchor.json")
    given = parser.parse_args()
    folder = anchors.folder()
    if folder is None:
        parser.error("no anchors: MPAT_ANCHORS must name their folder")
    attack = mpat.attacks.AutoAttack(mpat.Linf(EPSILON), version=given.version)
    result = mpat.evaluation.evaluate_robustness(
        anchors.published_net(folder),
        anchors.images(folder, given.images),
        attack,
        seed=given.seed,
        state_dir=given.state_dir,
    )
    for part in result.stages[0].parts:
        print(f"{part.name}: {100 * part.accuracy:.2f} ({part.seconds:.0f} s)")
    upstream = json.loads((folder / "aa_fgsm_300.json").read_text())["robust"]
    flags = np.array(json.loads(upstream) if isinstance(upstream, str) else upstream)
    found = differences(result.robust, flags.astype(bool))
    print(f"n = {result.n}, clean {100 * result.clean_accuracy:.2f}", end=", ")
    print(f"robust {100 * result.robust_accuracy:.2f}; published: {PUBLISHED}")
    print(*(f"{name}: {images}" for name, images in found.items()), sep="\n")
    if given.result:
        given.result.mkdir(parents=True, exist_ok=True)
        values = {"epsilon": EPSILON, "seed": given.seed, **result.to_dict()}
        for name in ("broken_by", "predicted", "margins"):  # 10 000 numbers each
            values["evidence"].pop(name)
        text = json.dumps(values | {"differences": found}, indent=1) + "\n"
        (given.result / "anchor.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
