"""Classifiers that end in logits, and what makes any Keras classifier fit for training.

    classifier = lenet(num_classes=2, input_shape=(8, 8, 1))
    classifier = as_logits(keras.applications.MobileNet(classes=10, weights=None))

In reading order: `lenet`, `lenet_tla`, `small_cnn`, `medium_cnn`, `resnet18`,
`resnet50` and `wide_resnet` build plain functional models; `as_logits` turns a softmax
output into logits; `feature_model` and `find_embedding` show where the embedding is;
`replace_head` puts a head on it; `dual_norm` gives it a second set of
BatchNormalization; `interpolate` mixes the weights of two; `behind_saturation` cuts off
inputs, and `plain` makes such a classifier one of Keras alone; `ibp_initialize` draws
first weights for interval bounds; `InferenceManifoldTransformation` is ATLD's
inference. Subclassed classifiers: `subclassed.py`.
"""

from keras_mpat.models.adversarial_model import AdversarialModel
from keras_mpat.models.as_logits import as_logits, ends_in_softmax
from keras_mpat.models.dual_norm import dual_norm
from keras_mpat.models.embedding import feature_model, find_embedding
from keras_mpat.models.ibp_initialize import ibp_initialize
from keras_mpat.models.interpolate import interpolate
from keras_mpat.models.lenet import lenet, lenet_tla
from keras_mpat.models.manifold_transformation import InferenceManifoldTransformation
from keras_mpat.models.medium_cnn import medium_cnn
from keras_mpat.models.replace_head import replace_head
from keras_mpat.models.resnet18 import resnet18
from keras_mpat.models.resnet50 import resnet50
from keras_mpat.models.saturated import behind_saturation, plain, saturation_of
from keras_mpat.models.small_cnn import small_cnn
from keras_mpat.models.wide_resnet import wide_resnet

__all__ = [
    "AdversarialModel",
    "InferenceManifoldTransformation",
    "as_logits",
    "behind_saturation",
    "dual_norm",
    "ends_in_softmax",
    "feature_model",
    "find_embedding",
    "ibp_initialize",
    "interpolate",
    "lenet",
    "lenet_tla",
    "medium_cnn",
    "plain",
    "replace_head",
    "resnet18",
    "resnet50",
    "saturation_of",
    "small_cnn",
    "wide_resnet",
]
