"""Wall time of our AutoAttack against torchattacks', one after the other.

    python -m tests.benchmarks.autoattack_speed --torch_python ~/torch/bin/python \\
        [--images 1000] [--threads 2] [--batch_size 128] [--shipped]

The net and the images are the published ones of the anchors (`tests/anchors.py`),
epsilon is 0.3. Ours runs on TensorFlow, compiled; the other side is torch's own
network, not Keras on torch, attacked by torchattacks' parts with the published settings
(its own AutoAttack takes 10 steps: --shipped times that instead). Each side has a
process of its own with the same number of threads; imports and loading do not count,
compiling does. Run it on an idle machine.

--torch_python: an interpreter with torch and torchattacks (pip install --no-deps).
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tests import anchors

REPOSITORY = Path(__file__).resolve().parents[2]
EPSILON, CLASSES = 0.3, 10


def ours(x: np.ndarray, y: np.ndarray, *, batch_size: int, **_) -> dict:
    """Seconds, and who withstands, on the backend of Keras."""
    import keras

    import keras_mpat as mpat

    net = anchors.published_net(anchors.folder())
    attack = mpat.attacks.AutoAttack(mpat.Linf(EPSILON))
    net(x[:1])
    begun = time.perf_counter()
    result = mpat.evaluation.evaluate_robustness(
        net, (x, y), attack, batch_size=batch_size, verbose=False
    )
    seconds = time.perf_counter() - begun
    parts = {part.name: part.accuracy for part in result.stages[0].parts}
    found = {"framework": f"{keras.backend.backend()}, keras {keras.__version__}"}
    return found | {
        "seconds": seconds,
        "after": parts,
        "clean": result.clean_accuracy,
        "robust": result.robust.astype(int).tolist(),
    }


def theirs(
    x: np.ndarray, y: np.ndarray, *, batch_size: int, threads: int, shipped: bool
) -> dict:
    """The same of torchattacks on torch's own network."""
    import torch

    sys.path.insert(0, str(REPOSITORY / "examples"))
    import torchattacks
    import upstream

    torch.set_num_threads(threads)
    net = torch_net()
    if shipped:
        options = {"eps": EPSILON, "n_classes": CLASSES, "seed": 0}
        attack = torchattacks.AutoAttack(net, **options)
    else:
        attack = upstream.published(net, "Linf", EPSILON, CLASSES, 0)
    images = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    labels = torch.from_numpy(y.astype("int64"))
    batches = list(zip(images.split(batch_size), labels.split(batch_size), strict=True))
    begun = time.perf_counter()
    x_adv = torch.cat([attack(*batch) for batch in batches])
    seconds = time.perf_counter() - begun
    with torch.no_grad():
        clean, robust = (net(z).argmax(dim=1) == labels for z in (images, x_adv))
    return {
        "framework": f"torch {torch.__version__}",
        "seconds": seconds,
        "clean": float(clean.float().mean()),
        "robust": (clean & robust).int().tolist(),
    }


def torch_net():
    """The published net in torch, from the weights as they are stored."""
    from torch import from_numpy, nn

    net = nn.Sequential(
        *(nn.Conv2d(1, 16, 4, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 32, 4, stride=2, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 100), nn.ReLU(), nn.Linear(100, CLASSES)),
    )
    with np.load(anchors.folder() / "wong_mnist_fgsm_torchlayout.npz") as stored:
        net.load_state_dict({name: from_numpy(stored[name]) for name in stored.files})
    return net.eval()


def process(side: str, python: str, arguments) -> dict:
    """Runs one side in a process of its own."""
    threads = str(arguments.threads)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    environment = os.environ | {name: threads for name in names}
    environment |= {"TF_NUM_INTEROP_THREADS": "1", "KERAS_BACKEND": "tensorflow"}
    command = [python, "-m", "tests.benchmarks.autoattack_speed", "--side", side]
    for name in ("images", "threads", "batch_size"):
        command += [f"--{name}", str(getattr(arguments, name))]
    command += ["--shipped"] * arguments.shipped
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{side}: {done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch_python")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--shipped", action="store_true")
    parser.add_argument("--side", choices=["ours", "theirs"])
    arguments = parser.parse_args()
    if anchors.folder() is None:
        sys.exit("The anchors are missing; MPAT_ANCHORS names their folder.")
    if arguments.side is not None:
        x, y = anchors.images(anchors.folder(), arguments.images)
        options = {name: getattr(arguments, name) for name in ("threads", "shipped")}
        run = {"ours": ours, "theirs": theirs}[arguments.side]
        size = min(arguments.batch_size, arguments.images)
        print(json.dumps(run(x, y, batch_size=size, **options)))
        return
    if arguments.torch_python is None:
        parser.error("--torch_python names an interpreter with torch and torchattacks")
    found = {
        "ours": process("ours", sys.executable, arguments),
        "theirs": process("theirs", arguments.torch_python, arguments),
    }
    for side, values in found.items():
        accuracy = 100 * np.mean(values["robust"])
        text = f"{values['seconds']:.1f} s, clean {100 * values['clean']:.2f}, robust"
        print(f"{side}: {text} {accuracy:.2f} % ({values['framework']})", flush=True)
    ratio = found["ours"]["seconds"] / found["theirs"]["seconds"]
    differ = np.flatnonzero(
        np.subtract(found["ours"]["robust"], found["theirs"]["robust"])
    )
    print(json.dumps({"ratio": ratio, "disagreements": differ.tolist(), **found}))
    print(f"ours / theirs: {ratio:.3f} of the time; {len(differ)} verdicts differ")


if __name__ == "__main__":
    main()
