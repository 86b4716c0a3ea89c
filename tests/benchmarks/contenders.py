"""One contender of `throughput.py`, in a process of its own.

    python -m tests.benchmarks.contenders WORKLOAD TASK NAME

Says "ready" and its versions, then for each line on its standard input runs the task
once and prints the seconds; at the end of the input, its largest memory. Contenders
import what they need and nothing else: the interpreter may lack TensorFlow or torch.
"""

import importlib.metadata
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Workload:
    """A net, its images and an L-infinity attack.

    Args:
        net: name of the net.
        shape: of an image, channels last.
        epsilon: radius.
        steps: of PGD; 1 is what Fast trains with.
        step_size: of PGD.
        batches: per run.
        batch: images per batch.
    """

    net: str
    shape: tuple[int, int, int]
    epsilon: float
    steps: int
    step_size: float
    batches: int
    batch: int = 128

    @property
    def title(self) -> str:
        """Net, attack and batch, for a table."""
        attack = "PGD-1 (Fast)" if self.steps == 1 else f"PGD-{self.steps}"
        return f"{self.net}, {attack}, batch {self.batch}"

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels of one run."""
        rng = np.random.default_rng(0)
        count = self.batches * self.batch
        x = rng.uniform(size=(count, *self.shape)).astype("float32")
        return x, rng.integers(0, 10, count)

    def pieces(self, x) -> list:
        """The batches of `x`."""
        size = self.batch
        return [x[first : first + size] for first in range(0, len(x), size)]


WORKLOADS = {
    "lenet": Workload("lenet", (28, 28, 1), 0.3, 10, 0.075, batches=8),
    "fast": Workload("lenet", (28, 28, 1), 0.3, 1, 0.375, batches=16),
    "resnet18": Workload("resnet18", (32, 32, 3), 8 / 255, 7, 2 / 255, batches=1),
}
TENSORFLOW, TORCH = ("tensorflow", "keras", "numpy"), ("torch", "numpy")


def keras_net(work: Workload, shape: tuple[int, ...] | None = None):
    """The net of a workload; its inputs have the workload's shape unless told."""
    import keras_mpat as mpat

    shape = shape or work.shape
    if work.net == "lenet":
        return mpat.models.lenet(10, input_shape=shape, filters=(32, 64), units=512)
    return mpat.models.resnet18(10, input_shape=shape, width=16)


def ours(work: Workload) -> Callable[[], None]:
    """PGD of this package in a graph."""
    import keras_mpat as mpat
    from keras_mpat import backend

    net = keras_net(work)
    ball = mpat.Linf(work.epsilon)
    pgd = mpat.attacks.PGD(ball, steps=work.steps, step_size=work.step_size)
    graph = backend.function(lambda x, y: pgd(net, x, y, seed=0))
    return _each_batch(work, lambda x, y: np.asarray(graph(x, y)))


def cleverhans(work: Workload, graph: bool = False) -> Callable[[], None]:
    """CleverHans' PGD, eager."""
    import tensorflow as tf
    from cleverhans.tf2.attacks.projected_gradient_descent import (
        projected_gradient_descent,
    )

    net = keras_net(work)

    def attack(x, y):
        return projected_gradient_descent(
            lambda z: net(z, training=False),
            x,
            work.epsilon,
            min(work.step_size, work.epsilon),  # it refuses a longer one
            work.steps,
            np.inf,
            clip_min=0.0,
            clip_max=1.0,
            y=y,
            rand_init=work.epsilon,
            sanity_checks=False,
        )

    attack = tf.function(attack) if graph else attack
    return _each_batch(work, lambda x, y: np.asarray(attack(x, y)), tf.constant)


def cleverhans_graph(work: Workload) -> Callable[[], None]:
    """The same in a `tf.function` of the user."""
    return cleverhans(work, graph=True)


def foolbox(work: Workload) -> Callable[[], None]:
    """Foolbox' LinfPGD, without its predictions before and after."""
    import foolbox
    import tensorflow as tf

    model = foolbox.TensorFlowModel(keras_net(work), bounds=(0, 1))
    options = {"abs_stepsize": work.step_size, "steps": work.steps}
    attack = foolbox.attacks.LinfPGD(rel_stepsize=None, **options)

    def run(x, y):
        criterion = foolbox.criteria.Misclassification(y)
        return np.asarray(attack.run(model, x, criterion, epsilon=work.epsilon))

    return _each_batch(work, run, tf.constant)


def art(work: Workload) -> Callable[[], None]:
    """ART's PGD on its TensorFlowV2Classifier."""
    import tensorflow as tf
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import TensorFlowV2Classifier

    classifier = TensorFlowV2Classifier(
        keras_net(work),
        nb_classes=10,
        input_shape=work.shape,
        loss_object=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        clip_values=(0, 1),
    )
    attack = ProjectedGradientDescent(
        classifier,
        eps=work.epsilon,
        eps_step=work.step_size,
        max_iter=work.steps,
        num_random_init=1,
        batch_size=work.batch,
        verbose=False,
    )
    return _each_batch(work, lambda x, y: attack.generate(x, y))


def torchattacks(work: Workload) -> Callable[[], None]:
    """torchattacks' PGD on the same net in PyTorch."""
    import torch
    import torchattacks

    from tests.benchmarks.torch_nets import NETS

    torch.set_num_threads(_threads())
    net = NETS[work.net]().eval()
    options = {"eps": work.epsilon, "alpha": work.step_size, "steps": work.steps}
    attack = torchattacks.PGD(net, **options)
    return _each_batch(work, lambda x, y: attack(x, y).numpy(), _nchw)


def _each_batch(work, run, convert=lambda each: each) -> Callable[[], None]:
    x, y = work.data()
    pieces = [(convert(a), convert(b)) for a, b in zip(*map(work.pieces, (x, y)))]  # noqa: B905

    def all_of_them():
        for a, b in pieces:
            run(a, b)

    return all_of_them


def _nchw(each):
    import torch

    each = torch.from_numpy(each)
    return each.permute(0, 3, 1, 2).contiguous() if each.ndim == 4 else each


def fit_ours(work: Workload, attack_dtype=None) -> Callable[[], None]:
    """PGD training through `fit`, on the backend of Keras."""
    import keras

    import keras_mpat as mpat

    ball = mpat.Linf(work.epsilon)
    options = {"step_size": work.step_size, "attack_dtype": attack_dtype}
    if work.steps == 1:
        strategy = mpat.training.FastTraining(ball, **options)
    else:
        strategy = mpat.training.PGDTraining(ball, steps=work.steps, **options)
    model = mpat.AdversarialModel(keras_net(work), strategy=strategy)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9))
    x, y = work.data()
    return lambda: model.fit(x, y, work.batch, shuffle=False, verbose=0)


def fit_ours_mixed(work: Workload) -> Callable[[], None]:
    """The same with Keras' policy of products in bfloat16 and weights in float32."""
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    return fit_ours(work)


def fit_ours_jax(work: Workload) -> Callable[[], None]:
    """The same on JAX."""
    os.environ["KERAS_BACKEND"] = "jax"
    return fit_ours(work)


def loop_torch(
    work: Workload, *, channels_last=False, compiled=False, bfloat16=False
) -> Callable[[], None]:
    """PGD training as a PyTorch loop: attack in eval mode, step in training mode."""
    import torch
    from torch.nn.functional import cross_entropy

    from tests.benchmarks.torch_nets import NETS

    torch.set_num_threads(_threads())
    layout = torch.channels_last if channels_last else torch.contiguous_format
    net = NETS[work.net]().to(memory_format=layout)
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    function = torch.compile(net) if compiled else net

    def logits(x):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            return function(x)

    def attacked(x, y):
        net.eval()
        delta = torch.empty_like(x).uniform_(-work.epsilon, work.epsilon)
        x_adv = (x + delta).clamp(0, 1)
        for _ in range(work.steps):
            x_adv.requires_grad_(True)
            loss = cross_entropy(logits(x_adv).float(), y)
            (gradient,) = torch.autograd.grad(loss, x_adv)
            with torch.no_grad():
                x_adv = x_adv + work.step_size * gradient.sign()
                x_adv = x + (x_adv - x).clamp(-work.epsilon, work.epsilon)
                x_adv = x_adv.clamp(0, 1)
        return x_adv.detach()

    def step(x, y):
        x_adv = attacked(x, y)
        net.train()
        optimizer.zero_grad()
        cross_entropy(logits(x_adv).float(), y).backward()
        optimizer.step()

    def convert(each):
        each = _nchw(each)
        return each.to(memory_format=layout) if each.ndim == 4 else each

    return _each_batch(work, step, convert)


TASKS: dict[str, dict[str, tuple[Callable, tuple[str, ...]]]] = {
    "attack": {
        "ours": (ours, TENSORFLOW),
        "CleverHans, eager": (cleverhans, ("cleverhans", *TENSORFLOW)),
        "CleverHans in a tf.function": (
            cleverhans_graph,
            ("cleverhans", *TENSORFLOW),
        ),
        "Foolbox": (foolbox, ("foolbox", *TENSORFLOW)),
        "ART": (art, ("adversarial-robustness-toolbox", *TENSORFLOW)),
        "torchattacks": (torchattacks, ("torchattacks", *TORCH)),
    },
    "train": {
        "ours": (fit_ours, TENSORFLOW),
        "ours, attack on the folded net": (
            lambda work: fit_ours(work, "float32"),
            TENSORFLOW,
        ),
        "ours, attack in bfloat16": (
            lambda work: fit_ours(work, "bfloat16"),
            TENSORFLOW,
        ),
        "ours, mixed_bfloat16": (fit_ours_mixed, TENSORFLOW),
        "ours on JAX": (fit_ours_jax, ("jax", "keras", "numpy")),
        "PyTorch, eager": (loop_torch, TORCH),
        "PyTorch, channels last": (
            lambda work: loop_torch(work, channels_last=True),
            TORCH,
        ),
        "PyTorch, torch.compile": (lambda work: loop_torch(work, compiled=True), TORCH),
        "PyTorch, bfloat16": (lambda work: loop_torch(work, bfloat16=True), TORCH),
    },
}


def _threads() -> int:
    return int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))


def main(workload: str, task: str, name: str) -> None:
    """Serves runs to the process that asks for them."""
    make, packages = TASKS[task][name]
    talk = os.fdopen(os.dup(1), "w", buffering=1)  # what others print goes elsewhere
    os.dup2(2, 1)
    run = make(WORKLOADS[workload])
    for _ in range(2):  # traces, compiles, fills caches
        run()
    found = {each: importlib.metadata.version(each) for each in packages}
    talk.write(json.dumps({"versions": found}) + "\n")
    for _ in sys.stdin:
        begun = time.perf_counter()
        run()
        talk.write(json.dumps({"seconds": time.perf_counter() - begun}) + "\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    talk.write(json.dumps({"peak_mib": round(peak)}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
