"""What RoCL and ACL share: an encoder, a projector, an adversary, views and a seed.

    perturb(x, keys)          -> {name: inputs}, the views of a batch, some attacked
    project(views, training)  -> {name: projections}
    contrast(projections)     -> scalar, the loss

Keras owns the update. The encoder is the classifier's own layers up to the embedding:
what is trained is the classifier, except for its last layer.
"""

import abc

import keras
from keras import ops

from keras_mpat import noise
from keras_mpat.attacks import PGD
from keras_mpat.configurable import check_count, check_positive, numbers
from keras_mpat.losses.linearized import linearized
from keras_mpat.losses.nt_xent import nt_xent
from keras_mpat.losses.weighting import weighted_mean
from keras_mpat.models import AdversarialModel, checks, forward
from keras_mpat.models.embedding import find_embedding
from keras_mpat.pretraining.fitting import Fitting
from keras_mpat.pretraining.projector import with_projector
from keras_mpat.pretraining.steps import Steps
from keras_mpat.pretraining.views import SimCLRViews
from keras_mpat.threat_models import check_threat_model


class Contrastive(Steps, Fitting, keras.Model, abc.ABC):
    """Base of self-supervised adversarial pretraining, trained by `fit` on images.

    Args:
        classifier: a functional or Sequential Keras classifier; its layers up to the
            embedding are trained in place, its last layer is left alone.
        threat_model: what the adversary may do, e.g. `Linf("8/255")`.
        steps: steps of the attack on the projections.
        step_size: length of a step; `None`: `step_share` of epsilon.
        projection: widths of the projector's layers.
        views: a `SimCLRViews`; `None`: its defaults for the number of channels.
        temperature: T of NT-Xent, > 0.
        seed: seed of views and attacks.

    Input shape: images of the classifier. Output shape: embeddings (B, D), in inference
    mode with the statistics of adversarial images.
    """

    learning_rate = 1.0
    step_share = 0.25
    batch_norm_in_projector = False

    def __init__(
        self,
        classifier,
        threat_model,
        *,
        steps: int,
        step_size=None,
        projection=None,
        views: SimCLRViews | None = None,
        temperature: float = 0.5,
        seed: int = 0,
        name: str | None = None,
        **kwargs,
    ):
        for wrapper in (Contrastive, AdversarialModel):
            checks.check_classifier(classifier, wrapper)
        super().__init__(name=name, dtype="float32", **kwargs)
        check_threat_model(threat_model)
        check_count("seed", seed, "Pass seed=0.", minimum=0)
        fix = "ACL and RoCL use 0.5."
        check_positive("temperature", temperature, "a factor on cosines", fix)
        encoder = encoder_of(classifier)
        self.example_shape = tuple(encoder.input_shape[1:])
        _check_images(self.example_shape, threat_model)
        threat_model.check_example(self.example_shape)
        self.views = _checked(views, self.example_shape[-1])
        self.threat_model = threat_model
        self.steps, self.step_size = steps, step_size
        length = threat_model.radius * self.step_share
        self.attack = PGD(
            threat_model,
            steps=steps,
            step_size=length if step_size is None else step_size,
        )
        # A file has lists where there were tuples.
        is_list = isinstance(projection, list)
        self.projection = tuple(projection) if is_list else projection
        self.temperature = temperature
        self.seed = int(seed)
        # Tracked once, as part of the network: the last layer has no part in training.
        self._whole = _Untracked(classifier, encoder)
        self.network = with_projector(
            encoder, self.widths(), batch_norm=self.batch_norm_in_projector
        )
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        # Keras saves the state of random numbers, dropout's too, only as weights.
        self.seed_state = self.seed_generator.state
        self.random_states = forward.random_states(self.network)
        self.built = True

    @property
    def classifier(self) -> keras.Model:
        """The classifier whose encoder is trained; its last layer is as it was."""
        return self._whole.classifier

    @property
    def encoder(self) -> keras.Model:
        """Images -> embeddings (B, D), on the classifier's own layers."""
        return self._whole.encoder

    @abc.abstractmethod
    def widths(self) -> tuple[int, ...]:
        """Widths of the projector's layers."""

    @abc.abstractmethod
    def perturb(self, x, keys) -> dict:
        """The views of a batch.

        Args:
            x: images (B, H, W, C_in), float32.
            keys: (B, 2), see `noise`.
        """

    @abc.abstractmethod
    def project(self, views: dict, training: bool) -> dict:
        """Projections (B, P) by name, from views by name."""

    @abc.abstractmethod
    def contrast(self, projections: dict):
        """The loss, a scalar."""

    def two_views(self, x, keys):
        """Two random views of each image."""
        bounds = tuple(map(float, self.threat_model.bounds))
        return [self.views(x, noise.fold(keys, number), bounds) for number in (1, 2)]

    def attacked(self, x, keys, losses):
        """PGD from a random start that raises the sum of the losses, in the ball.

        Args:
            x: (B, H, W, C_in).
            keys: (B, 2).
            losses: of projections (B, P) by the adversarial network.
        """

        def objective(projections):
            values = losses(projections)
            return values, values

        def goal(x):
            return linearized(self.network(x, training=False), objective)

        start = self.threat_model.sample(x, noise.fold(keys, 3))
        return ops.stop_gradient(self.attack.ascend(goal, x, start))

    def nt_xent(self, *projections, one_sided=False):
        """NT-Xent per projection at the model's temperature."""
        return nt_xent(*projections, temperature=self.temperature, one_sided=one_sided)

    def call(self, x, training=False):
        if isinstance(x, dict):
            return self.project(x, training)
        return self.encoder(x, training=training)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """The contrastive loss, plus what layers have added."""
        return self.contrast(y_pred) + sum(self.losses)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "trainable": self.trainable,
            "classifier": serialize(self.classifier),
            "threat_model": serialize(self.threat_model),
            "steps": self.steps,
            "step_size": self.step_size,
            "projection": self.projection,
            "views": serialize(self.views),
            "temperature": self.temperature,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        deserialize = keras.saving.deserialize_keras_object
        config = dict(config)
        for part in ("classifier", "threat_model", "views"):
            config[part] = deserialize(config[part], custom_objects=custom_objects)
        return cls(config.pop("classifier"), config.pop("threat_model"), **config)


class _Untracked:
    """Hides models whose layers are tracked elsewhere from the tracking of Keras."""

    def __init__(self, classifier, encoder):
        self.classifier = classifier
        self.encoder = encoder


def encoder_of(classifier) -> keras.Model:
    """Images -> embeddings (B, D), on the classifier's own layers."""
    embedding = find_embedding(classifier)
    return keras.Model(classifier.inputs[0], embedding)


def mean_of(values):
    """The mean of losses (B,), divided by the number of TensorFlow replicas."""
    return weighted_mean(values)


def joint(network, inputs, training: bool) -> list:
    """Projections of several views that pass a network as one batch."""
    together = network(ops.concatenate(inputs), training=training)
    return ops.split(together, len(inputs))


def _check_images(shape: tuple, threat_model) -> None:
    if len(shape) != 3 or None in shape:
        raise ValueError(
            "`classifier` must take images (H, W, C_in) of known size, of which views "
            f"can be cropped. Received: inputs of shape {shape}. Give keras.Input the "
            "height, width and channels."
        )
    if any(numbers(bound).ndim for bound in threat_model.bounds):
        raise ValueError(
            "`bounds` of the threat model must be two numbers in pretraining: views "
            "move pixels. Received: an array of bounds. Pass for example Linf(0.1, "
            "bounds=(0, 1))."
        )


def _checked(views, channels: int) -> SimCLRViews:
    views = SimCLRViews() if views is None else views
    if not isinstance(views, SimCLRViews):
        raise ValueError(
            "`views` must be a pretraining.SimCLRViews instance. Received: "
            f"views={views!r}. Pass None for its defaults."
        )
    views.for_channels(channels)
    return views
