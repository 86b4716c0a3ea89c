"""Tests of keras_mpat; run them with `make test`."""
