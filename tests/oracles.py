"""Slow formulas in float64 NumPy, written from the papers with loops.

Shapes: B examples, C classes, K prototypes per class, D features.
"""

import math

import numpy as np


def cross_entropy(logits, label) -> float:
    """-log softmax(logits)[label] of one example."""
    largest = max(logits)
    total = sum(math.exp(value - largest) for value in logits)
    return largest + math.log(total) - logits[label]


def normalized(vector):
    """A vector of length 1; zero stays zero."""
    length = math.sqrt(sum(value * value for value in vector))
    return np.asarray(vector, "float64") / (length or 1.0)


def soft_triple_similarity(embedding, prototypes, gamma, normalize=True) -> float:
    """SoftTriple equation 7 of one example and the active prototypes of one class."""
    if normalize:
        embedding = normalized(embedding)
    cosines = [float(np.dot(embedding, normalized(p))) for p in prototypes]
    largest = max(cosines)
    weights = [math.exp((cosine - largest) / gamma) for cosine in cosines]
    products = [w * cosine for w, cosine in zip(weights, cosines, strict=True)]
    return sum(products) / sum(weights)


def soft_triple_similarities(embeddings, prototypes, gamma=0.1, normalize=True):
    """S (B, C); `prototypes` is a list with one array (K_c, D) per class."""
    return np.array(
        [
            [soft_triple_similarity(h, own, gamma, normalize) for own in prototypes]
            for h in np.asarray(embeddings, "float64")
        ]
    )


def soft_triple_losses(similarities, labels, margin=0.01, scale=20.0):
    """SoftTriple equation 6 per example, (B,)."""
    losses = []
    for row, label in zip(similarities, labels, strict=True):
        logits = [
            scale * (value - (margin if j == label else 0.0))
            for j, value in enumerate(row)
        ]
        losses.append(cross_entropy(logits, label))
    return np.array(losses)


def soft_triple_regularizer(prototypes) -> float:
    """Half the mean distance of the pairs of a class, mean over the classes."""
    total = 0.0
    for own in prototypes:
        count, distances = len(own), 0.0
        for s in range(count):
            for t in range(s + 1, count):
                cosine = float(np.dot(normalized(own[s]), normalized(own[t])))
                distances += math.sqrt(2 + 1e-5 - min(2 * cosine, 2.0))
        if count > 1:
            total += distances / (count * (count - 1))
    return total / len(prototypes)


def finite_differences(function, point, step=1e-6):
    """Central differences of a scalar function at an array, entry by entry."""
    point = np.array(point, "float64")
    gradient = np.zeros_like(point)
    for index in np.ndindex(*point.shape):
        old = point[index]
        point[index] = old + step
        above = function(point)
        point[index] = old - step
        below = function(point)
        point[index] = old
        gradient[index] = (above - below) / (2 * step)
    return gradient


def linear_pgd(x, label, kernel, epsilon, step_size, steps):
    """PGD in the Linf ball on logits x @ kernel, from x, by finite differences."""
    x = np.asarray(x, "float64")
    x_adv = x.copy()
    for _ in range(steps):
        gradient = finite_differences(
            lambda point: cross_entropy(point @ kernel, label), x_adv
        )
        x_adv = x_adv + step_size * np.sign(gradient)
        x_adv = np.clip(x_adv, x - epsilon, x + epsilon)
        x_adv = np.clip(x_adv, 0.0, 1.0)
    return x_adv
