"""Images per second of attacks and of adversarial training, beside what users run now.

    python -m tests.benchmarks.throughput --python ~/peers/bin/python \\
        --torch_python ~/torch/bin/python --write results/throughput

Attacks: PGD of ours, CleverHans (eager and in a tf.function), Foolbox, ART and
torchattacks. Training: PGD training through `fit` on TensorFlow and JAX, and four
PyTorch loops of the same net. One process per contender, all with the same number of
threads; each round lets all of them run once, in a new order, while the others wait.
Ratios are of a round; their median and its 95 % bootstrap interval are written. A
contender that fails has a row that says why. Run it on an idle machine.

--keep_memory: freed memory stays with all of the processes, as after
`keras_mpat.keep_memory`; the figures go into files of their own.

--python: an interpreter with this package's and the TensorFlow contenders (the extra
oracle); --torch_python: one with torch and torchattacks.
"""

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.benchmarks.contenders import TASKS, TORCH, WORKLOADS
from tests.benchmarks.medians import interval, keep, said

REPOSITORY = Path(__file__).resolve().parents[2]
# What `keras_mpat.keep_memory` asks of glibc, for processes that cannot call it.
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}


class Process:
    """A contender that runs when it is asked to."""

    def __init__(self, python: str, workload: str, task: str, name: str, given):
        threads = given.threads
        counts = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), threads)
        counts["TF_NUM_INTEROP_THREADS"] = 1
        self.told = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [python, "-m", "tests.benchmarks.contenders", workload, task, name],
            cwd=REPOSITORY,
            env=os.environ
            | {"PYTHONPATH": str(REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"}
            | {variable: str(count) for variable, count in counts.items()}
            | (KEPT if given.keep_memory else {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.told,
            text=True,
        )
        try:
            self.found = self.answer()
        except RuntimeError:
            self.close()
            raise
        self.seconds: list[float] = []

    def answer(self) -> dict:
        """Its next line.

        Raises:
            RuntimeError: it has ended, with its last words.
        """
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            self.told.seek(0)
            told = self.told.read().strip().splitlines()
            raise RuntimeError(told[-1] if told else "ended without a word")
        return json.loads(line)

    def run(self) -> None:
        """Lets it run once."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.seconds.append(self.answer()["seconds"])

    def end(self) -> None:
        """Stops it; it tells its memory."""
        assert self.process.stdin
        self.process.stdin.close()
        self.found |= self.answer()
        self.close()

    def close(self) -> None:
        """Waits for its end, and closes what leads to it."""
        assert self.process.stdin and self.process.stdout
        for each in (self.process.stdin, self.process.stdout, self.told):
            each.close()
        self.process.wait()


def measure(workload: str, task: str, given) -> list[dict]:
    """The rows of all contenders of a task, ours first."""
    rows, running = [], {}
    for name, (_, packages) in TASKS[task].items():
        python = given.torch_python if packages[-2:] == TORCH else given.python
        try:
            running[name] = Process(python, workload, task, name, given)
        except RuntimeError as error:
            rows.append({"contender": name, "failed": str(error)})
    order = random.Random(0)
    for number in range(given.repetitions):
        print(f"{workload} {task}: round {number + 1}/{given.repetitions}", flush=True)
        for name in order.sample(list(running), len(running)):
            running[name].run()
    work = WORKLOADS[workload]
    for process in running.values():
        process.end()
    for name, process in running.items():
        seconds, base = (np.array(p.seconds) for p in (process, running["ours"]))
        rows.append(
            {
                "contender": name,
                "images_per_second": work.batches * work.batch / np.median(seconds),
                "ours_is_faster": interval(seconds / base),
                "seconds": seconds.tolist(),
                **process.found,
            }
        )
    names = list(TASKS[task])
    return sorted(rows, key=lambda row: names.index(row["contender"]))


def machine() -> str:
    """Processor, cores, Python, and whether TensorFlow was told to use oneDNN."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text("utf-8").splitlines() if told.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    words = [*names[:1], platform.machine(), f"{os.cpu_count()} cores"]
    words.append(f"Python {platform.python_version()}")
    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS")
    return ", ".join(words + [f"TF_ENABLE_ONEDNN_OPTS={onednn}"] * bool(onednn))


def table(found: dict) -> str:
    """Markdown."""
    size = f"{found['threads']} threads, {found['repetitions']} rounds"
    size += ", freed memory kept" if found["keep_memory"] else ""
    lines = [f"{found['machine']}; {size}."]
    for title, rows in found["tasks"].items():
        lines += ["", f"**{title}**", ""]
        lines += ["| contender | images/s | time over ours | MiB | versions |"]
        lines += ["| --- | --- | --- | --- | --- |"]
        for row in rows:
            if "failed" in row:
                lines.append(f"| {row['contender']} | failed: {row['failed']} | | | |")
                continue
            speed, memory = round(row["images_per_second"]), row["peak_mib"]
            ratio = said(row["ours_is_faster"])
            versions = ", ".join(" ".join(pair) for pair in row["versions"].items())
            cells = (row["contender"], speed, ratio, memory, versions)
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--torch_python", default=sys.executable)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument(
        "--keep_memory", action="store_true", help="in all processes; glibc"
    )
    parser.add_argument("--write", type=Path, help="folder for the figures")
    given = parser.parse_args()
    found = {
        "machine": machine(),
        "threads": given.threads,
        "repetitions": given.repetitions,
        "keep_memory": given.keep_memory,
        "tasks": {},
    }
    for workload in given.workloads.split(","):
        for task in given.tasks.split(","):
            title = f"{task}: {WORKLOADS[workload].title}"
            found["tasks"][title] = measure(workload, task, given)
            if given.write:
                name = "throughput_kept" if given.keep_memory else "throughput"
                keep(given.write, name, found, table(found))
    print(table(found))


if __name__ == "__main__":
    main()
