"""examples/catastrophic_overfitting.py: its table, figures and picture, in small."""

import json

import catastrophic_overfitting as example
import pytest
from matplotlib.image import imread

from keras_mpat import attacks, callbacks


class _AtOnce(callbacks.CatastrophicOverfittingGuard):
    """Takes the second check for an event, as long as there was none."""

    def _check(self, epoch, batch):
        self.drop = 0.9 if self.events or epoch != 2 else -1.0
        return super()._check(epoch, batch)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*on the probe")
def test_in_small(tmp_path, shared_data, monkeypatch):
    monkeypatch.setattr(example, "JUDGES", {"FGSM": attacks.FGSM(example.BALL)})
    monkeypatch.setattr(example.mpat.callbacks, "CatastrophicOverfittingGuard", _AtOnce)
    table = example.compare(
        tmp_path, epochs=3, limit=256, test_limit=20, data_dir=str(shared_data)
    )
    assert "| FGSM | rolled back | then PGD-7 |" in table
    record = json.loads((tmp_path / "curves.json").read_text())
    assert set(record["events"].values()) == {2}
    watched, guarded = record["curves"].values()
    name = "probe, PGD-10"
    assert len(watched[name]) == len(guarded[name]) == 3
    # The same training until the guard rolls back.
    assert watched[name][:2] == guarded[name][:2]
    assert all(0 <= row["clean"] <= 1 for row in record["test"].values())
    assert imread(tmp_path / "catastrophic_overfitting.png")[..., :3].std() > 0.02
