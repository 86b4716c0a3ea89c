"""One-line breakages that the tests must notice: each is made in a copy, and caught.

    python -m tests.mutations [--only "sign"] [--write results/mutations.md]

A mutation names the tests that should notice it, to save the time of the others. The
unbroken copy runs all of those tests first, so that a failure means the breakage.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
_COPIED = (
    "keras_mpat",
    "tests",
    "examples",
    "tuning",
    "pyproject.toml",
    "README.md",
)
_TIMEOUT = 1800  # seconds
_ATTACKS = "tests/contracts/test_attacks.py"
_STRATEGIES = "tests/contracts/test_strategies.py"
_HEAD = "tests/layers/test_soft_triple_head.py"


@dataclass(frozen=True)
class Mutation:
    """In `file` of the package, `old` (found once) becomes `new`."""

    title: str
    file: str
    old: str
    new: str
    tests: str

    def apply(self, package: Path) -> None:
        """Breaks the copy in `package`."""
        path = package / self.file
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


MUTATIONS = (
    Mutation(
        "the attack goes down instead of up",
        "threat_models.py",
        "return self._restrict(ops.sign(gradient), ops.zeros_like(gradient))",
        "return self._restrict(-ops.sign(gradient), ops.zeros_like(gradient))",
        _ATTACKS,
    ),
    Mutation(
        "no projection on the L-infinity ball",
        "threat_models.py",
        "return ops.minimum(ops.maximum(x_adv, x - self.radius), x + self.radius)",
        "return x_adv",
        _ATTACKS,
    ),
    Mutation(
        "no projection on the L2 ball",
        "threat_models.py",
        "return x + change / ops.maximum(norm, 1.0)",
        "return x + change",
        _ATTACKS,
    ),
    Mutation(
        "no clipping to the valid inputs",
        "threat_models.py",
        "return ops.minimum(ops.maximum(x, low), high)",
        "return x",
        _ATTACKS,
    ),
    Mutation(
        "features that cannot move do",
        "threat_models.py",
        'return ops.where(np.asarray(self.mutable, "bool"), changed, original)',
        "return changed",
        "tests/test_threat_models.py",
    ),
    Mutation(
        "random start of the L2 ball too near its surface",
        "threat_models.py",
        "length = fraction ** (1.0 / max(free, 1))",
        "length = fraction ** 0.0",
        "tests/test_threat_models.py tests/test_threat_model_directions.py",
    ),
    Mutation(
        "the L2 direction is not of unit length",
        "norms.py",
        "return x / ops.maximum(euclidean(x), 1.0)",
        "return x / 1.0",
        "tests/test_threat_model_directions.py",
    ),
    Mutation(
        "restarts keep the last run, not the worst",
        "attacks/attack.py",
        "ops.logical_and(same, new_value > value),",
        "ops.logical_and(same, new_value > -1e30),",
        "tests/attacks/test_pgd.py tests/attacks/test_worst_case.py",
    ),
    Mutation(
        "APGD halves its step one increase too late",
        "attacks/adaptive_step.py",
        "few = increases <= limit",
        "few = increases < limit",
        "tests/attacks/test_adaptive_step.py",
    ),
    Mutation(
        "APGD has no momentum",
        "attacks/apgd.py",
        "before=state.x,",
        "before=x,",
        "tests/attacks/test_apgd.py -k path",
    ),
    Mutation(
        "every run of APGD aims at the likeliest wrong class",
        "attacks/aims.py",
        "return wrong_class(ids, logits, number % count)",
        "return wrong_class(ids, logits, 0 * number)",
        "tests/attacks/test_apgd.py -k rank",
    ),
    Mutation(
        "DLR depends on the scale of the logits",
        "objectives.py",
        "own, first - third)",
        "own, first - first + 1.0)",
        "tests/test_objectives.py",
    ),
    Mutation(
        "FAB: a projection that forgets which features have no room left",
        "attacks/hyperplane.py",
        "spent = end <= reach",
        "spent = end < 0.0",
        "tests/attacks/test_hyperplane.py",
    ),
    Mutation(
        "FAB: the room behind instead of ahead",
        "attacks/hyperplane.py",
        "ops.where(direction > 0, high - x, x - low)",
        "ops.where(direction < 0, high - x, x - low)",
        "tests/attacks/test_hyperplane.py",
    ),
    Mutation(
        "FAB: a misclassified point does not step back",
        "attacks/fab.py",
        "kept = ops.where(per_example(fooled, x), self.backward * change, change)",
        "kept = change",
        "tests/attacks/test_fab.py -k by_hand",
    ),
    Mutation(
        "FAB aims at the class that is predicted already",
        "attacks/targets.py",
        'ops.top_k(ops.where(own, -float("inf"), logits), num_classes - 1)',
        "ops.top_k(logits, num_classes - 1)",
        "tests/attacks/test_fab.py",
    ),
    Mutation(
        "closest points that are not misclassified",
        "attacks/minimum_norm.py",
        'return keep_closer(best, (x_adv, ops.where(fooled, distance, float("inf"))))',
        "return keep_closer(best, (x_adv, distance))",
        "tests/attacks/test_fab.py",
    ),
    Mutation(
        "points outside the ball are judged",
        "attacks/scheduled.py",
        'allowed = np.ones(count, "bool") if inside is None else np.asarray(inside)',
        'allowed = np.ones(count, "bool")',
        "tests/attacks/test_scheduled.py",
    ),
    Mutation(
        "margin decomposition raises the whole margin from the start",
        "attacks/margin_decomposition.py",
        "((part, first), (whole,",
        "((whole, first), (whole,",
        "tests/attacks/test_scheduled.py -k imbalanced",
    ),
    Mutation(
        "FMN: the ball grows after a misclassified point",
        "attacks/fmn.py",
        "smaller = ops.minimum(radius * (1.0 - rate), best[1])",
        "smaller = radius * (1.0 + rate)",
        "tests/attacks/test_fmn.py -k radius_follows",
    ),
    Mutation(
        "CWL2: a constant that fooled grows on",
        "attacks/cwl2.py",
        "high = ops.where(fooled, ops.minimum(high, constant), high)",
        "high = ops.where(fooled, high, high)",
        "tests/attacks/test_cwl2.py",
    ),
    Mutation(
        "all examples draw the same noise",
        "noise.py",
        "return fold(fold(base[None], 0), places(size))",
        "return fold(fold(base[None], 0), 0 * places(size))",
        "tests/test_noise.py",
    ),
    Mutation(
        "the cross-entropy of the attack has the wrong sign",
        "objectives.py",
        "return ops.softplus(ops.logsumexp(others, axis=-1) - own)",
        "return ops.softplus(own - ops.logsumexp(others, axis=-1))",
        "tests/test_objectives.py",
    ),
    Mutation(
        "a margin attack that stops at the decision boundary",
        "objectives.py",
        "else -ops.maximum(margin + self.kappa, 0.0)",
        "else -ops.maximum(margin, 0.0)",
        "tests/test_objectives.py",
    ),
    Mutation(
        "the attack runs BatchNorm in training mode",
        "models/forward.py",
        "return lambda x: predictions(model, x, training=False)",
        "return lambda x: predictions(model, x, training=True)",
        _STRATEGIES,
    ),
    Mutation(
        "Free: the gradient catcher leaks into the input",
        "training/free_training.py",
        "x_adv + (catcher - ops.stop_gradient(catcher))",
        "x_adv + catcher",
        "tests/training/test_free_training.py",
    ),
    Mutation(
        "Free: the perturbation starts anew in each replay",
        "training/free_training.py",
        "self._placed(ops.concatenate([moved - x, others]), model)",
        "self._placed(ops.concatenate([0 * (moved - x), others]), model)",
        "tests/training/test_free_training.py",
    ),
    Mutation(
        "the warm-up of epsilon is an epoch late",
        "training/strategy.py",
        "done = epoch - self.clean_epochs",
        "done = epoch - self.clean_epochs - 1",
        "tests/training/test_adversarial_training.py",
    ),
    Mutation(
        "the margin favors the true class",
        "losses/soft_triple.py",
        "logits = y_pred - self.scale * self.margin * own",
        "logits = y_pred + self.scale * self.margin * own",
        "tests/losses/test_soft_triple.py",
    ),
    Mutation(
        "prototypes compete across classes",
        "losses/soft_triple.py",
        "return ops.sum(ops.softmax(scores, axis=-1) * similarities, axis=-1)",
        "return ops.sum(ops.softmax(scores, axis=1) * similarities, axis=-1)",
        _HEAD,
    ),
    Mutation(
        "the regularizer over the wrong axis",
        "losses/soft_triple.py",
        'cosines = ops.einsum("ckd,cld->ckl", directions, directions)',
        'cosines = ops.einsum("cdk,cdl->ckl", directions, directions)',
        _HEAD,
    ),
    Mutation(
        "inactive prototypes count",
        "losses/soft_triple.py",
        "scores = ops.where(active > 0, scores, -1e9)",
        "scores = 1.0 * scores",
        _HEAD,
    ),
    Mutation(
        "mining by the signed cosine",
        "losses/angular_triplet.py",
        'likeness = ops.where(allowed, ops.abs(cosines), -float("inf"))',
        'likeness = ops.where(allowed, cosines, -float("inf"))',
        "tests/losses/test_angular_triplet.py",
    ),
    Mutation(
        "mining that multiplies the own class by zero",
        "losses/angular_triplet.py",
        'likeness = ops.where(allowed, ops.abs(cosines), -float("inf"))',
        'likeness = cosines * ops.cast(allowed, "float32")',
        "tests/losses/test_angular_triplet.py -k all_cosines",
    ),
    Mutation(
        "proxies without an example are counted",
        "losses/proxy_anchor.py",
        "ops.maximum(ops.sum(occupied), 1.0)",
        "similarities.shape[-1]",
        "tests/losses/test_proxy_anchor.py",
    ),
    Mutation(
        "the positive stays in the denominator of Proxy-NCA",
        "losses/proxy_nca.py",
        "rivals = ops.logical_or(own == 0.0, include_positive)",
        "rivals = ops.logical_or(own == 0.0, True)",
        "tests/losses/test_proxy_nca.py",
    ),
    Mutation(
        "the transport plan is held still in the gradient",
        "losses/sinkhorn.py",
        "return ops.sum(sinkhorn(costs, **settings) * costs, axis=0)",
        "plan = ops.stop_gradient(sinkhorn(costs, **settings))\n"
        "    return ops.sum(plan * costs, axis=0)",
        "tests/losses/test_sinkhorn.py -k gradient",
    ),
    Mutation(
        "Sinkhorn never stops early",
        "losses/sinkhorn.py",
        "enough = tolerance / regularization",
        "enough = 0.0 * tolerance / regularization",
        "tests/losses/test_sinkhorn.py -k stops",
    ),
    Mutation(
        "feature scattering and ATLD start inside the box",
        "training/strategy.py",
        "return ball.sample(x, keys)",
        "return threat_model.sample(x, keys)",
        "tests/training/test_feature_scattering.py "
        "tests/training/test_atld.py -k oracle",
    ),
    Mutation(
        "TRADES starts at the image itself",
        "training/trades.py",
        "start = x + deviation * noise.normal(keys, tuple(x.shape[1:]))",
        "start = x + 0.0 * deviation * noise.normal(keys, tuple(x.shape[1:]))",
        "tests/training/test_trades.py -k oracle",
    ),
    Mutation(
        "the divergence of TRADES the other way round",
        "training/trades.py",
        "values = kl_divergence(clean, adversarial)",
        "values = kl_divergence(adversarial, clean)",
        "tests/training/test_trades.py -k loss_against",
    ),
    Mutation(
        "the weight of the head is ignored",
        "models/terms.py",
        "return self.head_weight * loss",
        "return loss",
        "tests/models/test_adversarial_model.py",
    ),
    Mutation(
        "TLA-SA mines for the adversarial image",
        "layers/triplet_head.py",
        "anchors = main_view(views) if adversarial else partners",
        "anchors = main_view(views)",
        "tests/layers/test_pair_heads.py -k switched",
    ),
    Mutation(
        "longer steps of prototypes are longer gradients, too",
        "layers/head.py",
        "return ops.stop_gradient((self.step_multiplier - 1.0) * weight) + weight",
        "return self.step_multiplier * weight",
        "tests/models/test_predict_from.py -k step_multiplier",
    ),
    Mutation(
        "attacks ascend the loss of the linear layer only",
        "models/forward.py",
        "return scores(model, *both(model, x, training))",
        "return model.classifier(x, training=training)",
        "tests/models/test_predict_from.py -k attacks",
    ),
    Mutation(
        "Free's ascent of CE uses the averages of BatchNorm",
        "training/free_training.py",
        'logits_fn = model.logits_fn("batch_stats")  # as the update will see them',
        'logits_fn = model.logits_fn("eval")',
        "tests/training/test_free_training.py -k ascent",
    ),
    Mutation(
        "merged prototypes keep their average",
        "callbacks/slots.py",
        "changed[rows] = value[rows] if point else 0.0",
        "changed[rows] = changed[rows] if point else 0.0",
        "tests/callbacks/test_prototype_merging.py",
    ),
    Mutation(
        "merging forgets how many a prototype stands for",
        "layers/merging.py",
        "direction = directions(counts @ directions(pair))",
        "direction = directions(np.ones(2) @ directions(pair))",
        "tests/layers/test_merging.py",
    ),
    Mutation(
        "what is wrong without an attack counts as robust",
        "models/steps.py",
        "Margin().fooled(labels, logits_fn(x)),  # wrong before counts as not robust",
        "Margin().fooled(labels, logits_fn(x_adv)),",
        "tests/models/test_hostile_use.py -k without_an_attack",
    ),
    Mutation(
        "the weakest class is the average one",
        "metrics.py",
        "lowest = ops.min(ops.where(seen > 0, share, 1.0))",
        "lowest = ops.mean(ops.where(seen > 0, share, 1.0))",
        "tests/test_metrics.py",
    ),
    Mutation(
        "float16: input gradients are not scaled",
        "backend.py",
        "_GRADIENT_SCALE = 1024.0",
        "_GRADIENT_SCALE = 2.0**-24",
        "tests/models/test_mixed_precision.py",
    ),
    Mutation(
        "a gradient flows through the attack",
        "attacks/attack.py",
        "return ops.stop_gradient(self.search(logits_fn, x, targets, keys))",
        "return self.search(logits_fn, x, targets, keys)",
        f"{_ATTACKS} -k no_gradient",
    ),
    Mutation(
        "a roll-back forgets the optimizer",
        "callbacks/snapshot.py",
        "for variable in [*model.variables, *model.optimizer.variables]",
        "for variable in [*model.variables]",
        "tests/callbacks/test_overfitting_guard.py -k roll_back",
    ),
    Mutation(
        "interpolation from the wrong end",
        "models/interpolate.py",
        "return ((1 - share) * one + share * other).astype(one.dtype)",
        "return (share * one + (1 - share) * other).astype(one.dtype)",
        "tests/models/test_interpolate.py",
    ),
    Mutation(
        "inputs above the bounds pass",
        "input_checks.py",
        "if np.any(x < low - slack) or np.any(x > high + slack):",
        "if np.any(x < low - slack):",
        "tests/models/test_checks.py",
    ),
    Mutation(
        "wrong inputs of later batches are not counted",
        "models/steps.py",
        "count = violations(x, y, self)",
        "count = 0 * violations(x, y, self)",
        "tests/models/test_hostile_use.py -k later_batch",
    ),
    Mutation(
        "the validation set is part of the training set",
        "datasets/loading.py",
        'return held_out if split == "validation" else kept',
        'return held_out if split == "validation" else np.arange(len(modes))',
        "tests/contracts/test_datasets.py -k stratified",
    ),
    Mutation(
        "Square keeps every window, not those that lower the margin",
        "attacks/square.py",
        "better = ops.logical_or(new_fooled, new_value > value)",
        "better = ops.logical_or(new_fooled, new_value > -1e30)",
        "tests/attacks/test_square.py",
    ),
    Mutation(
        "Square goes on when an example is fooled",
        "attacks/square.py",
        "better = ops.logical_and(better, ops.logical_not(fooled))",
        "better = ops.logical_and(better, True)",
        "tests/attacks/test_square.py",
    ),
    Mutation(
        "Transfer sees the gradients of the model under attack",
        "attacks/transfer.py",
        "return self.attack.run(self._logits, x, targets, keys, number)",
        "return self.attack.run(logits_fn, x, targets, keys, number)",
        "tests/attacks/test_transfer.py -k examples_are",
    ),
    Mutation(
        "a config forgets what a model has learned",
        "configurable.py",
        "value = Learned(value)",
        "pass",
        "tests/test_learned.py",
    ),
    Mutation(
        "every run leads to the same prototype",
        "attacks/latent_objectives.py",
        'rank = ops.cast(number, "int32") % ops.clip(there, 1, count)',
        'rank = 0 * ops.cast(number, "int32") % ops.clip(there, 1, count)',
        "tests/attacks/test_latent_objectives.py",
    ),
    Mutation(
        "the head judges, not the model under attack",
        "attacks/latent_attack.py",
        "return value, view.logits",
        "return value, view.head.logits(view.embedding)",
        "tests/attacks/test_latent_attack.py -k judges",
    ),
    Mutation(
        "no window reaches the last row and column",
        "attacks/_windows.py",
        'room = np.array(size, "float32") - lengths',
        'room = np.array(size, "float32") - lengths - 1.0',
        "tests/attacks/test_square_linf.py",
    ),
    Mutation(
        "an exchange of mass forgets the budget that is left",
        "attacks/_pyramids.py",
        "length = ops.sqrt(ops.maximum(available + unused, 0.0))",
        "length = ops.sqrt(ops.maximum(available, 0.0))",
        "tests/attacks/test_square_l2.py",
    ),
    Mutation(
        "the last part is said to have fooled an example, not the first",
        "evaluation/driver.py",
        "new = free & fooled",
        "new = fooled",
        "tests/evaluation/test_evidence.py",
    ),
    Mutation(
        "the wrong side of a verification breaks alone",
        "evaluation/verification.py",
        '"broken by ours only": int(np.sum(~ours & theirs))',
        '"broken by ours only": int(np.sum(ours & ~theirs))',
        "tests/evaluation/test_verification.py",
    ),
    Mutation(
        "a card does not say that nothing was audited",
        "evaluation/card_text.py",
        'return f"under {names}; {_audited(values)}"',
        'return f"under {names}"',
        "tests/evaluation/test_card.py",
    ),
    Mutation(
        "bounds of a layer without room for rounding",
        "evaluation/certification/rules.py",
        "self._error = 2 * relative(terms + 16)",
        "self._error = 0.0",
        "tests/evaluation/test_certified.py",
    ),
    Mutation(
        "the lines below and above a ReLU change places",
        "evaluation/certification/rules.py",
        "part = rising * line[:, None] + falling * chord[:, None]",
        "part = rising * chord[:, None] + falling * line[:, None]",
        "tests/evaluation/test_certified.py",
    ),
    Mutation(
        "rounding narrows a box instead of widening it",
        "evaluation/certification/rounding.py",
        "return Box(self.low - slack, self.high + slack, self.gain)",
        "return Box(self.low + slack, self.high - slack, self.gain)",
        "tests/contracts/test_certified_layers.py",
    ),
    Mutation(
        "what is certified in one ball is not attacked in another",
        "evaluation/driver.py",
        "if certifier.threat_model == self._parts[part].value.threat_model:",
        "if True:",
        "tests/evaluation/test_certify.py",
    ),
    Mutation(
        "an audit that lacks checks has passed",
        "evaluation/audit.py",
        'return "incomplete" if any(a.status == NOT_RUN for a in errors) else "passed"',
        'return "passed" if any(a.status == NOT_RUN for a in errors) else "passed"',
        "tests/evaluation/test_audit.py",
    ),
    Mutation(
        "any share is within the threshold of an audit",
        "evaluation/checks/check.py",
        "return share <= max(limit, 1 / n) + 1e-9",
        "return share <= 1.0",
        "tests/evaluation/test_audit.py",
    ),
    Mutation(
        "what is certified and broken contradicts nothing",
        "evaluation/checks/protocol.py",
        "broken = np.flatnonzero(proven & ~robust)",
        "broken = np.flatnonzero(proven & robust & ~robust)",
        "tests/evaluation/test_audit.py",
    ),
    Mutation(
        "a card looks at the ball of the first attack only",
        "evaluation/card_checks.py",
        "    for ball in balls:",
        "    for ball in balls[:1]:",
        "tests/evaluation/test_card.py -k by_value",
    ),
    Mutation(
        "adversarial examples of another model are taken for one's own",
        "evaluation/evidence.py",
        "if not same or whose != self._digest():",
        "if not same:",
        "tests/evaluation/test_evidence.py -k another_evaluation",
    ),
    Mutation(
        "what Square takes counts as taken by margins",
        "evaluation/checks/rivals.py",
        'if names[k].startswith(("APGD", "FAB"))',
        'if names[k].startswith(("APGD", "FAB", "Square"))',
        "tests/evaluation/test_audit.py -k in_each_version",
    ),
    Mutation(
        "near misses alone are nobody",
        "evaluation/driver.py",
        "if all(earlier.attack != own.attack for earlier in before):",
        "if False:",
        "tests/evaluation/test_robustness.py",
    ),
    Mutation(
        "latent sets: what is wrong without an attack is not attacked",
        "evaluation/driver.py",
        'begun = rows["clean"] | self._everyone',
        'begun = rows["clean"] | False',
        "tests/evaluation/test_latent_set.py -k all_are_attacked",
    ),
    Mutation(
        "latent sets: of what withstands, the last run is kept",
        "evaluation/driver.py",
        'new |= free & (found["margin"] > chunk.rows["margin"][examples])',
        "new |= free",
        "tests/evaluation/test_latent_set.py -k came_nearest",
    ),
    Mutation(
        "the ratio of TLA with signed cosines",
        "evaluation/latent/ratio.py",
        "np.sum(np.abs(rows @ directions(columns).T))",
        "np.sum(rows @ directions(columns).T)",
        "tests/evaluation/test_latent_ratio.py",
    ),
    Mutation(
        "the width of a class counts examples with themselves",
        "evaluation/latent/ratio.py",
        "pairs = _cosines(points, points, absolute) - lengths",
        "pairs = _cosines(points, points, absolute) - 0 * lengths",
        "tests/evaluation/test_latent_ratio.py",
    ),
    Mutation(
        "a search that takes any of equally near rows",
        "evaluation/latent/search.py",
        "chosen[tied] = np.sort(ordered[:, :count], axis=1)",
        "pass",
        "tests/evaluation/test_latent_neighbors.py -k equals",
    ),
    Mutation(
        "a tie of votes goes to the smaller class",
        "evaluation/latent/knn.py",
        "np.where(leading, summed.reshape(shape), np.inf)",
        "np.where(leading, 0.0, np.inf)",
        "tests/evaluation/test_latent_neighbors.py -k votes",
    ),
    Mutation(
        "a query finds itself",
        "evaluation/latent/search.py",
        "cosines[own, exclude[own] - start] = -np.inf",
        "pass",
        "tests/evaluation/test_latent_neighbors.py -k itself",
    ),
    Mutation(
        "principal components of vectors of any length",
        "evaluation/latent/projection.py",
        "joint = directions(np.concatenate(list(parts.values())))",
        "joint = np.concatenate(list(parts.values()))",
        "tests/evaluation/test_latent_views.py",
    ),
    Mutation(
        "a covariance is not centered at its class",
        "evaluation/detection/gaussians.py",
        "for centered in _blocks(latent, own, means[c]):",
        "for centered in _blocks(latent, own, means[0]):",
        "tests/evaluation/detection/test_detector.py",
    ),
    Mutation(
        "equal scores are told apart by their order",
        "evaluation/detection/roc.py",
        "np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)",
        "np.arange(len(scores))",
        "tests/evaluation/detection/test_roc.py",
    ),
    Mutation(
        "an attack on a detector keeps the largest margin, not the most trusted error",
        "evaluation/detection/attack.py",
        "return ops.where(self.fooled(logits), logits[:, -1], margin)",
        "return margin",
        "tests/evaluation/detection/test_attack.py",
    ),
    Mutation(
        "of two errors the less trusted one is the worse",
        "evaluation/detection/result.py",
        "higher = second.confidence > first.confidence",
        "higher = second.confidence < first.confidence",
        "tests/evaluation/detection/test_result.py",
    ),
    Mutation(
        "an accuracy curve forgets what was fooled before",
        "evaluation/curves.py",
        "return np.logical_and.accumulate(self.correct, axis=0)",
        "return self.correct",
        "tests/evaluation/test_curves.py",
    ),
    Mutation(
        "a loss surface leaves the ball",
        "evaluation/loss_surfaces.py",
        "point = ball.project(x + a * first + b * second, x)",
        "point = ball.box(x + a * first + b * second)",
        "tests/evaluation/test_curves.py",
    ),
    # Sign, projection, step, momentum, rank, success: of each attack and the driver.
    Mutation(
        "APGD goes down instead of up",
        "attacks/apgd.py",
        "ahead = ball.project(state.x + size * ball.steepest(state.gradient), x)",
        "ahead = ball.project(state.x - size * ball.steepest(state.gradient), x)",
        "tests/attacks/test_apgd_bowl.py",
    ),
    Mutation(
        "APGD's momentum leads out of the ball",
        "attacks/apgd.py",
        "moved = ball.project(moved + (1 - weight) * (state.x - state.before), x)",
        "moved = moved + (1 - weight) * (state.x - state.before)",
        "tests/attacks/test_apgd.py -k path",
    ),
    Mutation(
        "APGD's steps are a hundredth",
        "attacks/adaptive_step.py",
        "INITIAL = 2.0  # radii",
        "INITIAL = 0.02  # radii",
        "tests/attacks/test_apgd.py -k path",
    ),
    Mutation(
        "APGD has momentum before it has moved",
        "attacks/apgd.py",
        "weights[0] = 1.0",
        "weights[0] = self.momentum",
        "tests/attacks/test_apgd.py -k path",
    ),
    Mutation(
        "APGD's momentum is that of the step before the last",
        "attacks/apgd.py",
        "before=state.x,",
        "before=state.before,",
        "tests/attacks/test_apgd.py -k path",
    ),
    Mutation(
        "APGD forgets to go back to its best point",
        "attacks/apgd.py",
        "x=ops.where(restart, best_x, x),",
        "x=x,",
        "tests/attacks/test_apgd.py -k path",
    ),
    Mutation(
        "APGD: only the class that is aimed at is a success",
        "attacks/apgd.py",
        "wrong, lead = goal.fooled(logits), goal.lead(logits)",
        "wrong, lead = values > 0, goal.lead(logits)",
        "tests/attacks/test_apgd.py",
    ),
    Mutation(
        "FAB goes away from the boundary",
        "attacks/fab.py",
        "moved = (1 - alpha) * (kept + self.overshoot * here)",
        "moved = (1 - alpha) * (kept - self.overshoot * here)",
        "tests/attacks/test_fab.py",
    ),
    Mutation(
        "FAB's steps are a hundredth",
        "attacks/fab.py",
        "moved = (1 - alpha) * (kept + self.overshoot * here)",
        "moved = (1 - alpha) * (kept + 0.01 * here)",
        "tests/attacks/test_fab.py",
    ),
    Mutation(
        "FAB leaves the box",
        "attacks/fab.py",
        "return self.threat_model.box(x + moved)",
        "return x + moved",
        "tests/attacks/test_fab.py",
    ),
    Mutation(
        "FAB: a closest point outside the ball is the result",
        "attacks/minimum_norm.py",
        "return ops.where(per_example(within, x), x_adv, moved)",
        "return x_adv",
        "tests/attacks/test_fab.py",
    ),
    Mutation(
        "every run of FAB aims at the likeliest wrong class",
        "attacks/fab.py",
        "rank = number % num_aims(self.target_classes, num_classes)",
        "rank = 0 * number",
        "tests/attacks/test_fab.py -k rank",
    ),
    Mutation(
        "FAB: only the class that is aimed at is a success",
        "attacks/fab.py",
        "return value, gradient, logits",
        "return value, gradient, ops.where(value[:, None] > 0, logits, -signs)",
        "tests/attacks/test_fab.py -k on_the_way",
    ),
    Mutation(
        "Square keeps the windows that raise the margin",
        "attacks/square.py",
        "better = ops.logical_or(new_fooled, new_value > value)",
        "better = ops.logical_or(new_fooled, new_value < value)",
        "tests/attacks/test_square.py",
    ),
    Mutation(
        "Square leaves the box",
        "attacks/_windows.py",
        "ops.reshape(threat_model.project(x + end, x), (-1, *self._canvas))",
        "ops.reshape(x + end, (-1, *self._canvas))",
        "tests/attacks/test_square_linf.py",
    ),
    Mutation(
        "Square's windows change a hundredth of epsilon",
        "attacks/_windows.py",
        "ends = (-threat_model.radius, threat_model.radius)",
        "ends = (-threat_model.radius / 100, threat_model.radius / 100)",
        "tests/attacks/test_square_linf.py",
    ),
    Mutation(
        "Square: a tie is a success",
        "attacks/square.py",
        "new_fooled = goal.fooled(logits)",
        "new_fooled = goal.lead(logits) >= 0",
        "tests/attacks/test_square.py -k tie",
    ),
    Mutation(
        "evaluation: a tie is a success",
        "evaluation/driver.py",
        "return CrossEntropy().fooled(y, logits), *answer(y, logits)",
        "return answer(y, logits)[1] >= 0, *answer(y, logits)",
        "tests/evaluation/test_robustness.py -k tie",
    ),
    Mutation(
        "evaluation projects what left the ball and says nothing",
        "evaluation/driver.py",
        "return x_adv, part.value.threat_model.project(x_adv, x)",
        "return (part.value.threat_model.project(x_adv, x),) * 2",
        "tests/evaluation/test_robustness.py -k leaves",
    ),
    Mutation(
        "evaluation takes what is wrong anyway for robust",
        "evaluation/driver.py",
        'begun = rows["clean"] | self._everyone',
        'begun = rows["clean"] | True',
        "tests/evaluation/test_robustness.py -k wrong_before",
    ),
    Mutation(
        "a copy that fills a batch revives its example",
        "evaluation/driver.py",
        "alive[filled[fooled]] = False",
        "alive[filled] = ~fooled",
        "tests/evaluation/test_robustness.py",
    ),
    Mutation(
        "evaluation runs the first target again and again",
        "evaluation/driver.py",
        "x_adv = part.value.run(self._logits, x, y, keys, number)",
        "x_adv = part.value.run(self._logits, x, y, keys, 0 * number)",
        "tests/evaluation/test_robustness.py -k every_run",
    ),
    Mutation(
        "examples of each chunk draw the noise of the first",
        "evaluation/driver.py",
        "keys = noise.of_indices(self._seed, first + filled)",
        "keys = noise.of_indices(self._seed, 0 * first + filled)",
        "tests/evaluation/test_robustness.py -k batch_size",
    ),
    Mutation(
        "a search ranks the worst trial first",
        "tuning/results.py",
        'sign = -1 if self.direction == "max" else 1',
        'sign = 1 if self.direction == "max" else -1',
        "tests/tuning/test_results.py",
    ),
    Mutation(
        "few seeds get the interval of many",
        "tuning/results.py",
        "    if freedom <= len(_STUDENT):\n",
        "    if freedom > len(_STUDENT):\n",
        "tests/tuning/test_results.py",
    ),
    Mutation(
        "importance is told of another hyper-parameter",
        "tuning/importance.py",
        "points = np.stack(columns, axis=1)",
        "points = np.stack(columns[::-1], axis=1)",
        "tests/tuning/test_importance.py",
    ),
    Mutation(
        "the report of a search runs the text of a command",
        "tuning/verdict.py",
        'element("code", result.command)',
        'element("code", Markup(result.command))',
        "tests/tuning/test_report.py",
    ),
    Mutation(
        "files are written in place",
        "files.py",
        'with _placed(Path(f"{os.fspath(path)}.part"), path) as partial:',
        "with _placed(Path(path), path) as partial:",
        "tests/test_files.py",
    ),
    Mutation(
        "a file takes its place before it is on the disk",
        "files.py",
        "os.fsync(file.fileno())",
        "pass",
        "tests/test_files.py",
    ),
    Mutation(
        "numbers of prototypes go to the classes in the order of a message",
        "tuning/space.py",
        "[found[key] for key in sorted(found, key=_label)]",
        "list(found.values())",
        "tests/tuning/test_space.py",
    ),
    Mutation(
        "images that judge the trials of a search stay gray levels",
        "tuning/data_checks.py",
        "return to_unit(x), y",
        "return x, y",
        "tests/tuning/test_hyper_model.py",
    ),
    Mutation(
        "a chief waits for a worker that has left",
        "tuning/oracles.py",
        "                self.tuner_ids.discard(tuner_id)\n        for",
        "                pass\n        for",
        "tests/tuning/test_oracles.py -k between_trials",
    ),
    Mutation(
        "failed trials reach the axis of scores",
        "evaluation/plots/parallel.py",
        "places[: rows if score is not None else -1]",
        "places[:rows]",
        "tests/evaluation/test_plots_of_tuning.py",
    ),
    Mutation(
        "a trial that had ended runs again after a kill",
        "tuning/oracles.py",
        "            if self.trials[trial_id].status == _RUNNING\n        }",
        "            if True\n        }",
        "tests/tuning/test_oracles.py",
    ),
    Mutation(
        "a trial that was killed while it was written counts as one",
        "tuning/oracles.py",
        "                del self.trials[trial_id]\n",
        "                pass\n",
        "tests/tuning/test_oracles.py",
    ),
    Mutation(
        "the Gaussian process measures a point twice",
        "tuning/oracles.py",
        'if response["status"] != _RUNNING or not self._duplicate(response["values"]):',
        "if True:",
        "tests/tuning/test_oracles.py",
    ),
    Mutation(
        "a silent worker keeps its trial",
        "tuning/oracles.py",
        "if silent < self._patience:",
        "if silent < 1e9:",
        "tests/tuning/test_oracles.py",
    ),
    Mutation(
        "a search scores the luckiest epoch",
        "tuning/trial.py",
        "name: float(np.mean(values[-job.score_epochs :]))",
        "name: float(np.max(values))",
        "tests/tuning/test_trial.py",
    ),
    Mutation(
        "a resumed trial forgets the noise and the optimizer",
        "tuning/kept_epochs.py",
        "            model.load_weights(path)\n",
        "            pass\n",
        "tests/tuning/test_trial.py",
    ),
    Mutation(
        "a collapse is seen only if the last epoch alone shows it",
        "tuning/kept_epochs.py",
        "recent = row[-self._patience :]",
        "recent = row[-1:] * self._patience",
        "tests/tuning/test_trial.py",
    ),
    Mutation(
        "a space draws what its strategy does not use",
        "tuning/space.py",
        "return needs is None or chosen[needs[0]] in needs[1]",
        "return True",
        "tests/tuning/test_space.py",
    ),
    Mutation(
        "ATLD's attack makes images hard to tell",
        "training/atld.py",
        "            return -values, values",
        "            return values, values",
        "tests/training/test_atld.py -k easier",
    ),
    Mutation(
        "ATLD's attack starts twice the image away",
        "training/atld.py",
        "start = unboxed_sample(ball, x, keys)",
        "start = ball.project(x + ball.sample(x, keys), x)",
        "tests/training/test_atld.py -k oracle",
    ),
    Mutation(
        "ATLD's discriminator learns from the classifier's side",
        "training/atld.py",
        "values = binary_divergence(told, seen)\n            values += soft",
        "values = binary_divergence(seen, told)\n            values += soft",
        "tests/training/test_atld.py",
    ),
    Mutation(
        "ATLD's balance is upside down",
        "losses/latent_matching.py",
        "ratio = top / ops.where(bottom > 0, bottom, 1.0)",
        "ratio = bottom / ops.where(top > 0, top, 1.0)",
        "tests/losses/test_latent_matching.py",
    ),
    Mutation(
        "NT-Xent counts a projection among its own negatives",
        "losses/nt_xent.py",
        "masked_logsumexp(similarities, other, axis=-1)",
        "masked_logsumexp(similarities, other | ~other, axis=-1)",
        "tests/losses/test_nt_xent.py",
    ),
    Mutation(
        "NT-Xent divides three views by their two positives",
        "losses/nt_xent.py",
        "return (len(views) - 1) * normalizer - pull",
        "return normalizer - pull / (len(views) - 1)",
        "tests/losses/test_nt_xent.py",
    ),
    Mutation(
        "the clean views of ACL pass the adversarial statistics",
        "pretraining/acl.py",
        '(self.clean_network, "clean")):',
        '(self.network, "clean")):',
        "tests/pretraining/test_methods.py",
    ),
    Mutation(
        "attacks on outputs overflow in float16",
        "losses/linearized.py",
        "gradient / ops.where(size > 0, size, 1.0)",
        "gradient",
        "tests/losses/test_linearized.py tests/pretraining/test_methods.py -k float16",
    ),
    Mutation(
        "of the images of a pretraining the first batch is checked",
        "pretraining/running.py",
        "model.check_images(images)",
        "model.check_images(images[:1])",
        "tests/pretraining/test_running.py -k looked_at",
    ),
    Mutation(
        "crops resized from outside the crop",
        "pretraining/views.py",
        "weights = ops.where(inside, weights, 0.0)",
        "weights = ops.where(inside | ~inside, weights, 0.0)",
        "tests/pretraining/test_views.py",
    ),
    Mutation(
        "a continued run begins the order of its images anew",
        "pretraining/running.py",
        "_Ordered(images, batch_size, model.seed, done)",
        "_Ordered(images, batch_size, model.seed, 0)",
        "tests/pretraining/test_running.py",
    ),
    Mutation(
        "arguments of a callback are taken for its state",
        "callbacks/callback_state.py",
        "if name in arguments:",
        "if name in _NOT_STATE:",
        "tests/callbacks/test_full_state.py",
    ),
    Mutation(
        "a state is taken without a look at its digests",
        "callbacks/kept_states.py",
        'if found["sha256"] == self._digests(at):',
        'if found["sha256"]:',
        "tests/callbacks/test_full_state.py",
    ),
    Mutation(
        "a run that early stopping has ended goes on",
        "callbacks/full_state.py",
        'self.params["epochs"] if ended else at.epoch',
        "at.epoch",
        "tests/callbacks/test_full_state.py",
    ),
    Mutation(
        "a run that stopped within an epoch loses what the epoch has counted",
        "callbacks/training_state.py",
        "        variable.assign(value)",
        "        variable.assign(variable.value)",
        "tests/callbacks/test_full_state.py",
    ),
    Mutation(
        "a run that is stopped in a validation keeps the noise that it has drawn",
        "callbacks/full_state.py",
        "                variable.assign(value)",
        "                variable.assign(variable.value)",
        "tests/callbacks/test_full_state.py",
    ),
    Mutation(
        "the weakest class is a mean over the replicas",
        "models/fitting.py",
        "return {name: found.get(name, value) for name, value in logs.items()}",
        "return logs",
        "tests/training/test_two_devices.py -k end_with",
    ),
    Mutation(
        "every worker writes the states",
        "replicas.py",
        "return (resolver.task_type, resolver.task_id) == (chief, 0)",
        "return (resolver.task_type, resolver.task_id) != (chief, -1)",
        "tests/training/test_two_devices.py -k workers",
    ),
    Mutation(
        "the death of a worker is left to TensorFlow to explain",
        "replicas.py",
        "except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:",
        "except tf.errors.DataLossError as error:",
        "tests/training/test_two_devices.py -k workers",
    ),
    Mutation(
        "replicas draw the same noise",
        "noise.py",
        "return replicas.index() * size + ops.arange",
        "return 0 * replicas.index() * size + ops.arange",
        "tests/training/test_two_devices.py",
    ),
    Mutation(
        "each replica writes the whole perturbation of Free",
        "training/free_training.py",
        "            rows = here * rows[None]",
        "            rows = (here + 1 - here) * rows[None]",
        "tests/training/test_two_devices.py",
    ),
    Mutation(
        "batches that are passed over are not taken from the data",
        "callbacks/passed_batches.py",
        "        next(iterator)  # at the end of the data, Keras ends the epoch",
        "        pass",
        "tests/callbacks/test_full_state.py",
    ),
)


def copy(folder: Path) -> None:
    """Copies what the tests need into `folder`."""
    for name in _COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)


def run_tests(folder: Path, tests: list[str]) -> int:
    """The exit code of pytest in the copy: 0 all passed, 1 some failed."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    try:
        finished = subprocess.run(
            [*command, *tests],
            cwd=folder,
            env=environment,
            capture_output=True,
            timeout=_TIMEOUT,
        )
    except subprocess.TimeoutExpired:  # a loop without end is noticed, too
        return 1
    return finished.returncode


def caught(mutation: Mutation) -> bool:
    """Whether the tests of a mutation fail on a copy that has it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy(folder)
        mutation.apply(folder / "keras_mpat")
        return run_tests(folder, mutation.tests.split()) == 1


def main() -> int:
    """Runs what the flags choose; the exit code is the number of survivors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="part of the titles to run")
    parser.add_argument("--write", type=Path, help="file for the table")
    given = parser.parse_args()
    chosen = [m for m in MUTATIONS if given.only in m.title]
    with tempfile.TemporaryDirectory() as name:
        copy(Path(name))
        groups = sorted({mutation.tests for mutation in chosen})
        for number, tests in enumerate(groups, start=1):
            print(f"unbroken {number}/{len(groups)}  {tests}", flush=True)
            if run_tests(Path(name), tests.split()):
                sys.exit(f"The tests fail on the unbroken code: {tests}")
    lines = ["| breakage | file | caught |", "| --- | --- | --- |"]
    survivors = 0
    for number, mutation in enumerate(chosen, start=1):
        start = time.perf_counter()
        found = caught(mutation)
        survivors += not found
        word = "yes" if found else "NO"
        lines.append(f"| {mutation.title} | `{mutation.file}` | {word} |")
        seconds = time.perf_counter() - start
        print(f"{number}/{len(chosen)}  {seconds:3.0f} s  {lines[-1]}", flush=True)
    if given.write:
        given.write.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(chosen) - survivors} of {len(chosen)} caught")
    return survivors


if __name__ == "__main__":
    sys.exit(main())
