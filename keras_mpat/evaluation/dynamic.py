"""Models that optimize for each prediction, and what their evaluation must hold.

Such a model sets the attribute `dynamic_inference = True`. Examples made on what is
inside it, and only judged behind its optimization, overrate it: the adversary would go
through.
"""


def is_dynamic(model) -> bool:
    """Whether a model says that it optimizes for each prediction."""
    return getattr(model, "dynamic_inference", False)  # of any Keras model


def check_parts(model, attacks) -> None:
    """Raises if a dynamic model is to be attacked on other models only.

    Args:
        model: the classifier under attack.
        attacks: what is run on it.
    """
    if is_dynamic(model) and not any(attack.sees_model for attack in attacks):
        raise ValueError(
            "`attacks` must hold one that goes through the model where inference is "
            "dynamic: examples of other models overrate it. Received: attacks by "
            f"transfer only, on a {type(model).__name__}. Add attacks.AutoAttack(ball)."
        )
