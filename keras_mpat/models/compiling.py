"""What a compiled model keeps of `compile` when it is saved."""

import keras


class Compiling:
    """Mixin in front of `keras.Model`: `"auto"` is asked again where it is loaded.

    `compile` sets `requested_jit` to the `jit_compile` that it was given.
    """

    def get_compile_config(self):
        config = super().get_compile_config()
        if config:
            config["jit_compile"] = self.requested_jit
        return config

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)
