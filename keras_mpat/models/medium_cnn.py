"""The medium net of papers on interval bounds, for digits whose robustness is proven.

classifier = ibp_initialize(medium_cnn(filters=(16, 32, 32, 64)))
"""

from keras_mpat.models import _blocks as blocks

_CONVOLUTIONS = (3, 1), (4, 2), (3, 1), (4, 2)  # size of the kernel, stride


def medium_cnn(
    num_classes=10,
    *,
    input_shape=(28, 28, 1),
    filters=(32, 32, 64, 64),
    units=100,
    mean=0.1307,
    std=0.3081,
    synchronized=False,
    name="medium_cnn",
):
    """Twice a 3x3 and a strided 4x4 convolution, then two dense layers; with BatchNorm.

    The published net has two hidden layers of 512 units, pads nothing and has no
    BatchNorm. One of 100 keeps the file small; BatchNorm helps where bounds are
    trained. Five times the products of `lenet` with filters (32, 64), with
    (16, 32, 32, 64) three times.

    Args:
        num_classes: int >= 2, C. Default 10.
        input_shape: (H, W, C_in), pixels in [0, 1]. Default (28, 28, 1).
        filters: four ints, channels of the convolutions. Default (32, 32, 64, 64).
        units: int, D, width of the embedding. Default 100.
        mean: float or one per channel, subtracted from the pixels. Default 0.1307.
        std: float or one per channel, > 0, divides them. Default 0.3081 (MNIST).
        synchronized: bool, BatchNorm over all replicas of a `tf.distribute` strategy;
            TensorFlow only, see `resnet18`. Default False.
        name: str, name of the model. Default "medium_cnn".

    Returns:
        Functional model (B, H, W, C_in) -> logits (B, C); the embedding (B, D) is the
        input of its last layer, after the ReLU.

    Raises:
        ValueError: for another number of filters, less than two classes, a bad `mean`
            or `std`, or `synchronized` on another backend than TensorFlow.

    References:
        Gowal et al., arXiv:1810.12715, table 1; BatchNorm in it: Shi et al.,
        arXiv:2103.17268.
    """
    fix = "For two convolutions take `lenet`."
    blocks.check_filters(filters, len(_CONVOLUTIONS), fix)
    pairs = zip(filters, _CONVOLUTIONS, strict=True)
    return blocks.conv_classifier(
        [(width, *convolution) for width, convolution in pairs],
        num_classes,
        input_shape=input_shape,
        units=units,
        mean=mean,
        std=std,
        synchronized=synchronized,
        name=name,
    )
