"""What an accelerator makes of PGD-7 training and of AutoAttack: ResNet-18, 32 x 32.

    python tests/benchmarks/gpu.py --budget 8m --out gpu.json
    KERAS_BACKEND=jax python tests/benchmarks/gpu.py --budget 8m --out gpu_jax.json

Trains with XLA in float32 and in mixed precision at several batch sizes, on TensorFlow
also without XLA, attacks what it has trained with AutoAttack, and says images/s,
TFLOP/s, the share of what a large matrix product reaches here, and how long 120 epochs
of PGD-7 on CIFAR-10 and AutoAttack on 10 000 images would take. The data are made up,
lie on the device and are easy, so that no image falls and AutoAttack costs most. Each
figure is written when it is there; the same command goes on with those that are
missing. It runs unattended, and ends when the budget does. `--quick`: batches of 512
only, fewer updates, no AutoAttack.
"""

import argparse
import json
import re
import sys
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops

import keras_mpat as mpat
from keras_mpat import backend
from keras_mpat.files import write_json

CLASSES, STEPS, EPOCHS, IMAGES = 10, 7, 120, 50_000
BALL = mpat.Linf("8/255")
WITHOUT_XLA = "training without XLA"
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def data(n: int):
    """Images (n, 32, 32, 3) whose mean colour says the class, and labels (n,)."""
    rng = np.random.default_rng(0)
    colours = rng.permutation(np.linspace(0.15, 0.85, CLASSES))
    y = (np.arange(n) % CLASSES).astype("int32")
    x = colours[y][:, None, None, None] + rng.uniform(-0.1, 0.1, (n, 32, 32, 3))
    return x.astype("float32"), y


def on_device(x, y, batch_size: int):
    """The same batches in each epoch, without a way over the host where that goes."""
    if backend.NAME == "jax":
        return _Resident(x, y, batch_size)
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size).cache()
    if not tf.config.list_physical_devices("GPU"):
        return batches.prefetch(2)
    return batches.apply(tf.data.experimental.prefetch_to_device("/GPU:0", 2))


class _Resident(keras.utils.PyDataset):
    """Batches that stay on the device of JAX."""

    def __init__(self, x, y, batch_size: int):
        super().__init__()
        starts = range(0, len(x), batch_size)
        parts = [slice(start, start + batch_size) for start in starts]
        self._batches = [
            (ops.convert_to_tensor(x[part]), ops.convert_to_tensor(y[part]))
            for part in parts
        ]

    def __len__(self):
        return len(self._batches)

    def __getitem__(self, index):
        return self._batches[index]


class _Clock(keras.callbacks.Callback):
    """Seconds of each epoch's training."""

    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        self._begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self._begun)


def forward_flops(net) -> float:
    """Operations of one image's forward pass: two per product of a convolution."""
    total = 0.0
    for layer in net.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
            total += 2 * np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:-1])
    return float(total)


def product_rate(precision: str, size: int) -> float:
    """FLOP/s of a chain of matrix products of this size."""
    dtype = keras.dtype_policies.get(precision).compute_dtype
    matrix = ops.cast(np.random.default_rng(0).normal(size=(size, size)), dtype)
    matrix = matrix / size**0.5
    repeats = 20

    def chain(a):
        b = a
        for _ in range(repeats):
            b = ops.matmul(b, a)
        return ops.sum(ops.cast(b, "float32"))

    compiled = backend.function(chain, jit_compile=True)
    rates = []
    for _ in range(4):
        begun = time.perf_counter()
        float(compiled(matrix))
        rates.append(2 * size**3 * repeats / (time.perf_counter() - begun))
    return max(rates)


def build(width: int, precision: str, xla: bool) -> mpat.AdversarialModel:
    """A compiled model: PGD-7 with SoftTriple, SGD with momentum."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(precision)
    net = mpat.models.resnet18(CLASSES, width=width)
    keras.config.set_dtype_policy("float32")
    strategy = mpat.training.PGDTraining(BALL, steps=STEPS, step_size="2/255")
    head = mpat.SoftTripleHead(CLASSES)
    model = mpat.AdversarialModel(net, strategy=strategy, head=head)
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    model.compile(optimizer, metrics=["accuracy"], jit_compile=xla)
    return model


def training(width: int, precision: str, batch_size: int, images: int, xla=True):
    """(figures, the trained classifier). The first epoch compiles: it is left out."""
    model, clock = build(width, precision, xla), _Clock()
    x, y = data(images)
    batches = on_device(x, y, batch_size)
    history = model.fit(batches, epochs=5, callbacks=[clock], verbose=0)
    compiling, *seconds = clock.seconds
    speed = images / float(np.median(seconds))
    # An attack step is a forward pass and one back to the input; an update also needs
    # the gradients of the weights.
    flops = (2 * STEPS + 3) * forward_flops(model.classifier)
    return {
        "images_per_second": speed,
        "first_epoch_seconds": compiling,
        "epoch_seconds": seconds,
        "tflops": speed * flops / 1e12,
        "hours_of_120_epochs": EPOCHS * IMAGES / speed / 3600,
        "accuracy": history.history["accuracy"][-1],
        "ce_loss": history.history["ce_loss"][-1],
    }, model.classifier


def attacking(classifier, images: int, batch_size: int, steps: int | None):
    """AutoAttack's seconds, and what they would be for 10 000 images."""
    x, y = data(images)
    attack = mpat.attacks.AutoAttack(BALL, version="standard")
    attacks = {"autoattack": attack}
    if steps is not None:  # a CPU only shows that it runs
        attacks = {"apgd": mpat.attacks.APGD(BALL, steps=steps)}
    begun = time.perf_counter()
    result = mpat.evaluation.evaluate_robustness(
        classifier, (x, y), attacks, batch_size=batch_size, verbose=False
    )
    seconds = time.perf_counter() - begun
    return {
        "images": images,
        "seconds": seconds,
        "clean": result.clean_accuracy,
        "robust": result.robust_accuracy,
        "hours_of_10000_images": 10_000 * seconds / images / 3600,
    }


def seconds_of(text: str) -> float:
    """A time such as 8m, 90s or 1.5h."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; pass 90s, 8m or 1h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def plan(smoke: bool, quick: bool = False):
    """(name, stage) in the order of what is worth most; each needs those before it."""
    sizes = (8,) if smoke else (512,) if quick else (512, 128, 1024)
    precisions = PRECISIONS[:2] if smoke or quick else PRECISIONS
    yield from (("product", precision, None) for precision in precisions)
    for batch_size in sizes:
        for precision in reversed(precisions[:2]):
            yield "training", precision, batch_size
            if backend.NAME == "tensorflow" and batch_size == sizes[0]:
                yield WITHOUT_XLA, precision, batch_size
    if not quick:
        yield "attacking", "float32", sizes[0]
    if not (smoke or quick):
        yield "training", "mixed_float16", sizes[0]


def run(
    out: Path, budget: float, *, smoke: bool, width: int, quick: bool = False
) -> dict:
    """Measures what is missing in the file until the budget is spent."""
    end = time.perf_counter() + budget
    known = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    known |= {
        "device": backend.device_name(),
        "backend": backend.NAME,
        "keras": keras.__version__,
        "width": width,
        "smoke": smoke,
    }
    figures = known.setdefault("figures", {})
    trained = {}
    stages = list(plan(smoke, quick))
    attacks = any(kind == "attacking" for kind, *_ in stages)
    for kind, precision, batch_size in stages:
        name = " ".join(str(part) for part in (kind, precision, batch_size) if part)
        # The classifier of another process is gone: train it again to attack it.
        wanted = kind == "training" and precision == "float32" and not trained
        wanted = wanted and not any(each.startswith("attacking") for each in figures)
        wanted = wanted and attacks
        if name in figures and not wanted:
            continue
        if time.perf_counter() > end:
            print(f"The budget is spent before: {name}. The same command goes on.")
            break
        print(f"{name} …", flush=True)
        if kind == "product":
            size = 256 if smoke else 8192
            found = {"tflops": product_rate(precision, size) / 1e12}
        elif kind in ("training", WITHOUT_XLA):
            # In 500 updates the averages of BatchNormalization have arrived.
            images = (4 if smoke else 15 if quick else 100) * batch_size
            xla = kind == "training"
            found, classifier = training(width, precision, batch_size, images, xla)
            peak = figures[f"product {precision}"]["tflops"]
            found["share_of_product"] = found["tflops"] / peak
            if precision == "float32" and xla:
                trained[batch_size] = classifier
        else:
            classifier = trained[batch_size]
            images, steps = (8, 2) if smoke else (512, None)
            found = attacking(classifier, images, batch_size, steps)
        figures[name] = found
        write_json(out, known)
        print("  " + "  ".join(f"{key} {_short(v)}" for key, v in found.items()))
    return known


def _short(value) -> str:
    if isinstance(value, list):
        return "/".join(map(_short, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--budget", type=seconds_of, default="8m")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--smoke", action="store_true", help="tiny, also without a GPU")
    parser.add_argument("--quick", action="store_true", help="no AutoAttack, one size")
    arguments = parser.parse_args()
    if not arguments.smoke and not backend.has_accelerator():
        sys.exit(
            f"{backend.NAME} sees no accelerator here: {backend.device_name()}. On a "
            "machine with one, install the CUDA build of TensorFlow or JAX. --smoke "
            "shows on a CPU that everything runs."
        )
    run(
        arguments.out,
        arguments.budget,
        smoke=arguments.smoke,
        quick=arguments.quick,
        width=4 if arguments.smoke else arguments.width,
    )


if __name__ == "__main__":
    main()
