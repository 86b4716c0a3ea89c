"""datasets.Share: the rows of one of several processes."""

import numpy as np
import pytest

from keras_mpat import backend, datasets
from keras_mpat.datasets.streams import NumpyStream

X = np.arange(24, dtype="float32").reshape(12, 2) / 24
Y = np.arange(12) % 3


def stream(batch_size=4):
    made = datasets.from_arrays(X, Y, batch_size=batch_size)
    numbered = backend.NAME != "tensorflow"
    return made if numbered else list(made.as_numpy_iterator())


def test_the_parts_of_a_batch_are_the_batch_in_order():
    parts = [datasets.Share(stream(), index=index, count=2) for index in (0, 1)]
    assert [len(part) for part in parts] == [3, 3]
    for step in range(3):
        rows = [
            np.concatenate(each) for each in zip(*(p[step] for p in parts), strict=True)
        ]
        np.testing.assert_array_equal(rows[0], X[4 * step : 4 * step + 4])
        np.testing.assert_array_equal(rows[1], Y[4 * step : 4 * step + 4])


def test_a_single_process_takes_all():
    own = {"index": backend.process(), "count": backend.processes()}
    assert own == {"index": 0, "count": 1}
    np.testing.assert_array_equal(datasets.Share(stream(), **own)[1][0], X[4:8])


@pytest.mark.skipif(backend.NAME == "tensorflow", reason="a PyDataset elsewhere")
def test_passes_are_counted_by_the_stream_within():
    whole = datasets.from_arrays(X, Y, batch_size=4, shuffle=True)
    assert isinstance(whole, NumpyStream)
    part = datasets.Share(whole, index=0, count=2)
    first, second = ([part[step][1].tolist() for step in range(3)] for _ in range(2))
    assert first != second


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"index": 2, "count": 2}, "must be at least 0 and below `count`. .*index=2"),
        ({"index": -1, "count": 2}, "below `count`. Received: index=-1"),
        ({"stream": iter(())}, "must have numbered batches. Received: .*iterator"),
    ],
)
def test_what_cannot_be_shared_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        datasets.Share(**{"stream": stream(), "index": 0, "count": 2} | given)


def test_a_batch_without_equal_parts_is_refused():
    with pytest.raises(ValueError, match="4 examples for 3 processes. Change its"):
        datasets.Share(stream(), index=0, count=3)[0]
