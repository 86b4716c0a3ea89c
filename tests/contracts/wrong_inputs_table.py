"""Every wrong input that the package names: one row each, as a user would write it.

`test_wrong_inputs.py` runs each row and holds its message to the house form;
`write_errors.py` writes rows and messages to ERRORS.md. A new check is a new row here.
"""

import functools
import sys
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

import keras_mpat as mpat
from tests import toy

_EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

# What the code of the rows may use. ERRORS.md shows it as it stands.
NAMES = """\
x, y = toy.data(16)                      # x: float32 (16, 4) in [0, 1]; y: 0 or 1
images = np.zeros((16, 8, 8, 3), "float32")
ball = mpat.Linf(0.1)
pgd = mpat.training.PGDTraining(ball, steps=1)
net = toy.net()                          # keras.Sequential, (B, 4) -> logits (B, 2)
model = toy.model(pgd, classifier=net, validation_attack=mpat.attacks.FGSM(ball))
free = toy.model(mpat.training.FreeTraining(ball, replays=2, batch_size=8))
one_hot = toy.model(pgd)
one_hot.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
vision = toy.model(pgd, classifier=mpat.models.lenet(2, input_shape=(8, 8, 3)))
"""


@dataclass(frozen=True)
class Row:
    """One mistake.

    Args:
        mistake: what is wrong, in words.
        code: the statement that makes it.
        late: it is in a later batch of a stream, so that an epoch has been trained.
    """

    mistake: str
    code: str
    late: bool = False


THREAT_MODELS = [
    Row("epsilon below 0", "mpat.Linf(-0.1)"),
    Row("epsilon that is NaN", "mpat.L2(float('nan'))"),
    Row("epsilon in gray levels on inputs in [0, 1]", "mpat.Linf(8)"),
    Row("epsilon that is no fraction", "mpat.Linf('abc')"),
    Row("epsilon that is no number", "mpat.Linf(None)"),
    Row("epsilon of booleans", "mpat.Linf(True)"),
    Row("no epsilon at all", "mpat.Linf([])"),
    Row("one epsilon per feature, one below 0", "mpat.Linf([0.1, -0.1])"),
    Row("bounds out of order", "mpat.Linf(0.1, bounds=(1, 0))"),
    Row("bounds that are one number", "mpat.Linf(0.1, bounds=255)"),
    Row("bounds that are three numbers", "mpat.Linf(0.1, bounds=(0, 1, 2))"),
    Row("bounds with NaN", "mpat.Linf(0.1, bounds=(0, float('nan')))"),
    Row("infinite bounds", "mpat.Linf('8/255', bounds=(0, float('inf')))"),
    Row("bounds that are text", "mpat.Linf(0.1, bounds='unit')"),
    Row("mutable that is not boolean", "mpat.Linf(0.1, mutable=[0.5, 2, 3, 4])"),
    Row(
        "L2 epsilon above range * sqrt(d)",
        "mpat.attacks.PGD(mpat.L2(8))(net, x, y)",
    ),
    Row(
        "one epsilon per feature, of too many features",
        "mpat.attacks.PGD(mpat.Linf([0.1] * 5))(net, x, y)",
    ),
    Row(
        "a mask of too many features",
        "mpat.attacks.FGSM(mpat.Linf(0.1, mutable=[True] * 5))(net, x, y)",
    ),
    Row(
        "bounds of too many features",
        "mpat.attacks.FGSM(mpat.Linf(0.1, bounds=([0] * 5, [1] * 5)))(net, x, y)",
    ),
]
ATTACKS = [
    Row("a number for a threat model", "mpat.attacks.PGD(0.3)"),
    Row("text for a threat model", "mpat.attacks.FGSM('8/255')"),
    Row("a class for a threat model", "mpat.attacks.RandomNoise(mpat.Linf)"),
    Row("step_size of 0", "mpat.attacks.PGD(ball, step_size=0)"),
    Row("step_size below 0", "mpat.attacks.MIM(ball, step_size=-2)"),
    Row("step_size that is NaN", "mpat.attacks.CW(ball, step_size=float('nan'))"),
    Row("step_size that is no fraction", "mpat.attacks.BIM(ball, step_size='abc')"),
    Row("step_size that is no number", "mpat.attacks.BIM(ball, step_size=[None])"),
    Row("no steps", "mpat.attacks.PGD(ball, steps=0)"),
    Row("a fraction of a step", "mpat.attacks.BIM(ball, steps=2.5)"),
    Row("no restarts", "mpat.attacks.PGD(ball, restarts=0)"),
    Row(
        "restarts that would all be the same",
        "mpat.attacks.PGD(ball, restarts=5, random_start=False)",
    ),
    Row("kappa below 0", "mpat.attacks.CW(ball, kappa=-1)"),
    Row("kappa that is text", "mpat.attacks.CW(ball, kappa='50')"),
    Row("momentum below 0", "mpat.attacks.MIM(ball, momentum=-1)"),
    Row("momentum that is text", "mpat.attacks.MIM(ball, momentum='1')"),
    Row("an objective by name", "mpat.attacks.PGD(ball, objective='margin')"),
    Row("a target that is a class number", "mpat.attacks.PGD(ball, target=3)"),
    Row("a target rule that is a class", "mpat.attacks.FGSM(ball, target=mpat.attacks.LeastLikely)"),
    Row("the worst case of nothing", "mpat.attacks.WorstCase([])"),
    Row("the worst case of names", "mpat.attacks.WorstCase(['pgd'])"),
    Row("the worst case of one attack", "mpat.attacks.WorstCase(mpat.attacks.PGD(ball))"),
    Row("the worst case of two balls", "mpat.attacks.WorstCase([mpat.attacks.PGD(ball), mpat.attacks.PGD(mpat.Linf(0.2))])"),
    Row("a net that ends in softmax", "mpat.attacks.PGD(ball)(lambda z: keras.ops.softmax(net(z)), x, y)"),
    Row("a seed below 0", "mpat.attacks.PGD(ball)(net, x, y, seed=-1)"),
    Row("a seed that is text", "mpat.attacks.PGD(ball)(net, x, y, seed='0')"),
    Row("x and y of different length in an attack", "mpat.attacks.PGD(ball)(net, x, y[:9])"),
    Row("labels of other classes in an attack", "mpat.attacks.PGD(ball)(net, x, y + 5)"),
    Row("gray levels in an attack", "mpat.attacks.PGD(ball)(net, 255 * x, y)"),
    Row("NaN in an attack", "mpat.attacks.PGD(ball)(net, x * np.nan, y)"),
]
STRATEGIES = [
    Row("a number for the ball of PGD", "mpat.training.PGDTraining(0.3)"),
    Row("a number for the ball of Free", "mpat.training.FreeTraining(0.3)"),
    Row("a number for the ball of Fast", "mpat.training.FastTraining(0.3)"),
    Row("an attack that is a class", "mpat.training.AdversarialTraining(mpat.attacks.PGD)"),
    Row("an attack by name", "mpat.training.AdversarialTraining('pgd')"),
    Row("no steps in training", "mpat.training.PGDTraining(ball, steps=0)"),
    Row("step_size of 0 in training", "mpat.training.FastTraining(ball, step_size=0)"),
    Row("no replays", "mpat.training.FreeTraining(ball, replays=0)"),
    Row("no rows for Free's perturbation", "mpat.training.FreeTraining(ball, batch_size=0)"),
    Row("an unknown norm_mode", "mpat.training.PGDTraining(ball, norm_mode='batch_stat')"),
    Row("a norm_mode for Free", "mpat.training.FreeTraining(ball, norm_mode='train')"),
    Row("a warm-up below 0", "mpat.training.PGDTraining(ball, warmup_epochs=-1)"),
    Row("half an epoch without attack", "mpat.training.PGDTraining(ball, clean_epochs=0.5)"),
]
HEADS = [
    Row("no prototypes", "mpat.SoftTripleHead(2, prototypes_per_class=0)"),
    Row("prototypes for other classes", "mpat.SoftTripleHead(2, prototypes_per_class=[3, 4, 5])"),
    Row("half a prototype", "mpat.SoftTripleHead(2, prototypes_per_class=2.5)"),
    Row("prototypes that are text", "mpat.SoftTripleHead(2, prototypes_per_class='10')"),
    Row("no classes", "mpat.SoftTripleHead(0)"),
    Row("one class", "mpat.SoftTripleHead(1)"),
    Row("gamma of 0", "mpat.SoftTripleHead(2, gamma=0)"),
    Row("gamma that is text", "mpat.SoftTripleHead(2, gamma='small')"),
    Row("scale below 0", "mpat.SoftTripleHead(2, scale=-20)"),
    Row("margin below 0", "mpat.SoftTripleHead(2, margin=-0.1)"),
    Row("tau that is NaN", "mpat.SoftTripleHead(2, tau=float('nan'))"),
    Row("tau that is text", "mpat.SoftTripleHead(2, tau='0.2')"),
    Row("an unknown initializer", "mpat.SoftTripleHead(2, initializer='soft_tripel')"),
    Row("embeddings that are maps", "mpat.SoftTripleHead(2)(images)"),
    Row("scale of 0 in the loss", "mpat.losses.SoftTriple(scale=0)"),
]
MODELS = [
    Row("a classifier that is a class", "mpat.AdversarialModel(keras.Sequential, strategy=pgd)"),
    Row("a classifier that is a function", "mpat.AdversarialModel(lambda z: z, strategy=pgd)"),
    Row("a classifier by path", "mpat.AdversarialModel('robust.keras', strategy=pgd)"),
    Row("an unbuilt Sequential", "mpat.AdversarialModel(keras.Sequential([keras.layers.Dense(2)], name='net'), strategy=pgd)"),
    Row("one logit", "mpat.AdversarialModel(keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)], name='net'), strategy=pgd)"),
    Row("multi-label outputs", "mpat.AdversarialModel(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, 'sigmoid', name='labels')]), strategy=pgd)"),
    Row("a map of outputs", "mpat.AdversarialModel(keras.Sequential([keras.Input((4, 4)), keras.layers.Dense(2)]), strategy=pgd)"),
    Row("two outputs", "z = keras.Input((4,)); mpat.AdversarialModel(keras.Model(z, [keras.layers.Dense(2)(z), keras.layers.Dense(2)(z)], name='net'), strategy=pgd)"),
    Row("a model in a model", "mpat.AdversarialModel(model, strategy=pgd)"),
    Row("a strategy that is a class", "mpat.AdversarialModel(net, strategy=mpat.training.PGDTraining)"),
    Row("a strategy by name", "mpat.AdversarialModel(net, strategy='pgd')"),
    Row("an attack for a strategy", "mpat.AdversarialModel(net, strategy=mpat.attacks.PGD(ball))"),
    Row("no strategy", "mpat.AdversarialModel(net, strategy=None)"),
    Row("a head that is a class", "mpat.AdversarialModel(net, strategy=pgd, head=mpat.SoftTripleHead)"),
    Row("a head by name", "mpat.AdversarialModel(net, strategy=pgd, head='soft_triple')"),
    Row("a head that is a layer", "mpat.AdversarialModel(net, strategy=pgd, head=keras.layers.Dense(2, name='last'))"),
    Row("a head for other classes", "mpat.AdversarialModel(net, strategy=pgd, head=mpat.SoftTripleHead(10))"),
    Row("head_weight below 0", "mpat.AdversarialModel(net, strategy=pgd, head_weight=-0.5)"),
    Row("head_weight that is NaN", "mpat.AdversarialModel(net, strategy=pgd, head_weight=float('nan'))"),
    Row("head_weight that is infinite", "mpat.AdversarialModel(net, strategy=pgd, head_weight=float('inf'))"),
    Row("head_weight that is text", "mpat.AdversarialModel(net, strategy=pgd, head_weight='0.5')"),
    Row("head_weight that is None", "mpat.AdversarialModel(net, strategy=pgd, head_weight=None)"),
    Row("an unknown regularizer", "mpat.AdversarialModel(net, strategy=pgd, regularizer='weight', regularizer_weight=0.1)"),
    Row("a regularizer without effect", "mpat.AdversarialModel(net, strategy=pgd, regularizer_weight=0.1)"),
    Row("a validation attack that is a class", "mpat.AdversarialModel(net, strategy=pgd, validation_attack=mpat.attacks.PGD)"),
    Row("a validation attack by name", "mpat.AdversarialModel(net, strategy=pgd, validation_attack='pgd')"),
    Row("a feature_layer that does not exist", "mpat.AdversarialModel(toy.named(), strategy=pgd, head=mpat.SoftTripleHead(2), feature_layer='hiden')"),
    Row("a feature_layer that is a number", "mpat.AdversarialModel(toy.named(), strategy=pgd, head=mpat.SoftTripleHead(2), feature_layer=-2)"),
    Row("a feature_layer without effect", "mpat.AdversarialModel(net, strategy=pgd, feature_layer='hidden')"),
    Row("a seed that is no integer", "mpat.AdversarialModel(net, strategy=pgd, seed=0.5)"),
    Row("replace_head with a class", "mpat.models.replace_head(net, mpat.SoftTripleHead)"),
    Row("replace_head on a path", "mpat.models.replace_head('robust.keras', mpat.SoftTripleHead(2))"),
    Row("replace_head with a name", "mpat.models.replace_head(net, 'soft_triple')"),
    Row("as_logits of a path", "mpat.models.as_logits('robust.keras')"),
    Row("a net of one class", "mpat.models.lenet(1)"),
    Row("a net of half a class", "mpat.models.lenet(2.5)"),
    Row("a net for images without channels", "mpat.models.lenet(10, input_shape=(28, 28))"),
    Row("small images", "mpat.models.small_cnn(10, input_shape=(8, 8, 1))"),
    Row("a std of 0", "mpat.models.lenet(10, std=0.0)"),
]
COMPILE = [
    Row("a loss by name", "model.compile('adam', loss='sparse_categorical_crossentropy')"),
    Row("a loss of probabilities", "model.compile('adam', loss=keras.losses.SparseCategoricalCrossentropy())"),
    Row("a loss of probabilities, one-hot", "model.compile('adam', loss=keras.losses.CategoricalCrossentropy())"),
    Row("a loss function of probabilities", "model.compile('adam', loss=keras.losses.sparse_categorical_crossentropy)"),
    Row("a loss for one logit", "model.compile('adam', loss=keras.losses.BinaryCrossentropy(from_logits=True))"),
    Row("mean squared error", "model.compile('adam', loss='mse')"),
    Row("an unknown loss", "model.compile('adam', loss='crossentropy_loss')"),
    Row("Free with averaged weights", "free.compile(keras.optimizers.SGD(0.1, use_ema=True))"),
    Row("Free with gradient accumulation", "free.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2))"),
    Row("an unknown optimizer", "model.compile('adma')"),
]
DATA = [
    Row("gray levels in bounds of [0, 1]", "model.fit(255 * x, y)"),
    Row("inputs around 0", "model.fit(2 * x - 1, y)"),
    Row("uint8 images", "model.fit((255 * x).astype('uint8'), y)"),
    Row("NaN", "model.fit(np.where(x > 0.7, np.nan, x), y)"),
    Row("infinity", "model.fit(np.where(x > 0.7, np.inf, x), y)"),
    Row("a list of lists", "model.fit((255 * x).tolist(), y.tolist())"),
    Row("complex numbers", "model.fit(x.astype('complex64'), y)"),
    Row("booleans", "model.fit(x > 0.5, y)"),
    Row("text", "model.fit(x.astype(str), y)"),
    Row("objects", "model.fit(x.astype(object), y)"),
    Row("no examples", "model.fit(x[:0], y[:0])"),
    Row("no data", "model.fit(None)"),
    Row("no labels", "model.fit(x)"),
    Row("x and y of different length", "model.fit(x, y[:9])"),
    Row("other features", "model.fit(x[:, :3], y)"),
    Row("one example without its batch axis", "model.fit(x[0], y[:1])"),
    Row("channels first", "vision.fit(images.transpose(0, 3, 1, 2), y)"),
    Row("larger images", "vision.fit(np.zeros((16, 32, 32, 3), 'float32'), y)"),
    Row("images without channels", "vision.fit(images[..., 0], y)"),
    Row("labels from 1", "model.fit(x, y + 1)"),
    Row("labels -1 and 1", "model.fit(x, 2 * y - 1)"),
    Row("labels between classes", "model.fit(x, y + 0.5)"),
    Row("labels that are NaN", "model.fit(x, y * np.nan)"),
    Row("labels that are names", "model.fit(x, np.array(['cat', 'dog'])[y])"),
    Row("labels that are booleans of no class", "model.fit(x, np.stack([y == 0, y == 1, y == 2], -1))"),
    Row("labels of two columns of classes", "model.fit(x, np.stack([y, y], -1))"),
    Row("labels for each pixel", "model.fit(x, np.zeros((16, 4, 4)))"),
    Row("one-hot labels without a categorical loss", "model.fit(x, np.eye(2)[y])"),
    Row("class numbers with a categorical loss", "one_hot.fit(x, y)"),
    Row("soft labels", "one_hot.fit(x, 0.8 * np.eye(2)[y] + 0.1)"),
    Row("labels of several classes at once", "one_hot.fit(x, np.ones((16, 2)))"),
    Row("one-hot labels of other classes", "one_hot.fit(x, np.eye(3)[y])"),
    Row("a batch larger than Free's delta", "free.fit(x, y, batch_size=16)"),
    Row("a batch size of 0", "model.fit(x, y, batch_size=0)"),
    Row("a batch size that is text", "model.fit(x, y, batch_size='16')"),
    Row("validation data of another shape", "model.fit(x, y, validation_data=(x[:, :3], y))"),
    Row("validation data in gray levels", "model.fit(x, y, validation_data=(255 * x, y))"),
    Row("validation labels of other classes", "model.fit(x, y, validation_data=(x, y + 1))"),
    Row("validation data without labels", "model.fit(x, y, validation_data=x)"),
    Row("validation data in three parts too many", "model.fit(x, y, validation_data=(x, y, y, y))"),
    Row("sample weights of another length", "model.fit(x, y, sample_weight=np.ones(9))"),
    Row("sample weights that are NaN", "model.fit(x, y, sample_weight=y * np.nan)"),
    Row("fit before compile", "mpat.AdversarialModel(toy.net(), strategy=pgd).fit(x, y)"),
    Row("gray levels in evaluate", "model.evaluate(255 * x, y)"),
    Row("labels of other classes in evaluate", "model.evaluate(x, y + 1)"),
    Row("gray levels in train_on_batch", "model.train_on_batch(255 * x, y)"),
    Row("labels of other classes in train_on_batch", "model.train_on_batch(x, y + 1)"),
    Row("a batch larger than Free's delta in train_on_batch", "free.train_on_batch(x, y)"),
]
STREAMS = [
    Row("gray levels in the first batch", "model.fit(toy.stream((255 * x, y)))"),
    Row("gray levels in a later batch", "model.fit(toy.stream((x, y), (255 * x, y)), steps_per_epoch=2)", late=True),
    Row("NaN in a later batch", "model.fit(toy.stream((x, y), (x * np.nan, y)), steps_per_epoch=2)", late=True),
    Row("labels of other classes in a later batch", "model.fit(toy.stream((x, y), (x, y + 1)), steps_per_epoch=2)", late=True),
    Row("gray levels in a later batch of the validation", "model.fit(x, y, validation_data=toy.stream((x, y), (255 * x, y)), validation_steps=2)", late=True),
    Row("a later batch larger than Free's delta", "free.fit(toy.stream((x[:8], y[:8]), (x, y)), steps_per_epoch=2)", late=True),
    Row("batches without labels", "model.fit(toy.stream((x,)))"),
    Row("batches that are dictionaries", "model.fit(toy.stream({'image': x, 'label': y}))"),
    Row("a stream of nothing", "model.fit(toy.stream())"),
]
EVALUATION = [
    Row("a path where nothing is", "mpat.evaluation.evaluate_robustness('nothing.keras', (x, y), mpat.attacks.PGD(ball))"),
    Row("a function for a model", "mpat.evaluation.evaluate_robustness(lambda z: z, (x, y), mpat.attacks.PGD(ball))"),
    Row("an attack by name", "mpat.evaluation.evaluate_robustness(net, (x, y), 'pgd')"),
    Row("an attack that is a class", "mpat.evaluation.evaluate_robustness(net, (x, y), mpat.attacks.PGD)"),
    Row("a threat model for an attack", "mpat.evaluation.evaluate_robustness(net, (x, y), ball)"),
    Row("a list of names", "mpat.evaluation.evaluate_robustness(net, (x, y), ['pgd', 'cw'])"),
    Row("no attack", "mpat.evaluation.evaluate_robustness(net, (x, y), [])"),
    Row("no examples to evaluate", "mpat.evaluation.evaluate_robustness(net, (x[:0], y[:0]), mpat.attacks.PGD(ball))"),
    Row("x and y of different length in evaluation", "mpat.evaluation.evaluate_robustness(net, (x, y[:9]), mpat.attacks.PGD(ball))"),
    Row("inputs without labels", "mpat.evaluation.evaluate_robustness(net, x, mpat.attacks.PGD(ball))"),
    Row("no data at all", "mpat.evaluation.evaluate_robustness(net, None, mpat.attacks.PGD(ball))"),
    Row("gray levels in evaluation", "mpat.evaluation.evaluate_robustness(net, (255 * x, y), mpat.attacks.PGD(ball))"),
    Row("other features in evaluation", "mpat.evaluation.evaluate_robustness(net, (x[:, :3], y), mpat.attacks.PGD(ball))"),
    Row("labels of other classes in evaluation", "mpat.evaluation.evaluate_robustness(net, (x, y + 1), mpat.attacks.PGD(ball))"),
    Row("labels between classes in evaluation", "mpat.evaluation.evaluate_robustness(net, (x, y + 0.5), mpat.attacks.PGD(ball))"),
    Row("names for labels in evaluation", "mpat.evaluation.evaluate_robustness(net, (x, np.array(['cat', 'dog'])[y]), mpat.attacks.PGD(ball))"),
    Row("an L2 ball larger than the box", "mpat.evaluation.evaluate_robustness(net, (x, y), mpat.attacks.PGD(mpat.L2(8)))"),
    Row("no limit", "mpat.evaluation.evaluate_robustness(net, (x, y), mpat.attacks.PGD(ball), limit=0)"),
    Row("no batch", "mpat.evaluation.evaluate_robustness(net, (x, y), mpat.attacks.PGD(ball), batch_size=0)"),
    Row("a seed below 0 in evaluation", "mpat.evaluation.evaluate_robustness(net, (x, y), mpat.attacks.PGD(ball), seed=-1)"),
]
DATASETS = [
    Row("an unknown data set", "mpat.datasets.load('mnits', 'train')"),
    Row("a data set in another spelling", "mpat.datasets.info('CIFAR-10')"),
    Row("a data set that is no text", "mpat.datasets.info(10)"),
    Row("an unknown split", "mpat.datasets.load('digits', 'validate')"),
    Row("a batch size of 0 for a stream", "mpat.datasets.load('digits', 'train', batch_size=0)"),
    Row("a validation share above 1", "mpat.datasets.arrays('digits', 'train', validation=1.5)"),
    Row("an augmentation by name", "mpat.datasets.load('digits', 'train', augment='flip')"),
    Row("own arrays of different length", "mpat.datasets.from_arrays(images, y[:9])"),
    Row("own arrays in gray levels", "mpat.datasets.from_arrays(images + 255, y)"),
    Row("own arrays with NaN", "mpat.datasets.from_arrays(images * np.nan, y)"),
    Row("own labels, one-hot", "mpat.datasets.from_arrays(images, np.eye(2)[y])"),
    Row("own labels that are names", "mpat.datasets.from_arrays(images, np.array(['cat', 'dog'])[y])"),
    Row("own labels below 0", "mpat.datasets.from_arrays(images, -y)"),
    Row("own bounds out of order", "mpat.datasets.from_arrays(images, y, bounds=(1, 0))"),
    Row("own bounds that are one number", "mpat.datasets.from_arrays(images, y, bounds=255)"),
    Row("a class map with a gap", "mpat.datasets.load('digits', 'train', label_map=lambda d: 2 * (d // 5))"),
    Row("a data set twice", "mpat.datasets.register(mpat.datasets.info('digits'))"),
]
COMMANDS = [
    Row("an unknown data set: --dataset", "settings.resolve({'dataset': 'mnits'})"),
    Row("an unknown strategy: --strategy", "settings.resolve({'strategy': 'pdg'})"),
    Row("an unknown head: --head", "settings.resolve({'head': 'softtriple'})"),
    Row("an unknown network: --model", "settings.resolve({'model': 'resnet'})"),
    Row("an unknown recipe: --preset", "settings.resolve({'preset': 'mpat_fast'})"),
    Row("an unknown optimizer: --optimizer", "settings.resolve({'optimizer': 'adma'})"),
    Row("a flag without effect", "settings.resolve({'strategy': 'pgd', 'replays': 8})"),
    Row("an epsilon that is no number: --epsilon", "train.length('eight')"),
    Row("an unknown attack: --attacks", "evaluate.suite(0.1, names=['pdg10'])"),
]
TABLES = {
    "Threat models": THREAT_MODELS,
    "Attacks": ATTACKS,
    "Strategies": STRATEGIES,
    "Heads and their loss": HEADS,
    "Classifiers and AdversarialModel": MODELS,
    "compile": COMPILE,
    "Data": DATA,
    "Streams": STREAMS,
    "Evaluation": EVALUATION,
    "Data sets": DATASETS,
    "Command line": COMMANDS,
}
