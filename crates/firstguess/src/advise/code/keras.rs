//! Keras 3: initializers for each layer.

use super::Recipe;
use crate::spec::weights::{TRUNCATED_STD, WeightFamily};

pub(super) fn write(recipe: &Recipe) -> String {
    let draw = match recipe.family {
        WeightFamily::Uniform => "reach = math.sqrt(3 * self.variance / fan_in)\n        \
             return keras.random.uniform(shape, -reach, reach, dtype=dtype, seed=self.seeds)"
            .to_owned(),
        WeightFamily::TruncatedNormal => format!(
            "parent = math.sqrt(self.variance / fan_in) / {TRUNCATED_STD}  # cut at two of its own deviations\n        \
             return keras.random.truncated_normal(shape, 0.0, parent, dtype=dtype, seed=self.seeds)"
        ),
        WeightFamily::Orthogonal => "# Entries keep the variance asked for, whichever side is longer.\n        \
             gain = math.sqrt(self.variance * max(shape[-1], fan_in) / fan_in)\n        \
             return keras.initializers.Orthogonal(gain, seed=self.seeds)(shape, dtype=dtype)"
            .to_owned(),
        WeightFamily::DeltaOrthogonal => "inputs, outputs = shape[-2:]\n        \
             gain = math.sqrt(self.variance * max(outputs, inputs) / inputs)\n        \
             centre = keras.initializers.Orthogonal(gain, seed=self.seeds)((inputs, outputs), dtype=dtype)\n        \
             # Zero but for the middle tap of the kernel; a dense layer is all middle.\n        \
             sides = [((side - 1) // 2, side - 1 - (side - 1) // 2) for side in shape[:-2]]\n        \
             centre = keras.ops.reshape(centre, (1,) * len(sides) + (inputs, outputs))\n        \
             return keras.ops.pad(centre, sides + [(0, 0), (0, 0)])"
            .to_owned(),
        _ => "std = math.sqrt(self.variance / fan_in)\n        \
             return keras.random.normal(shape, 0.0, std, dtype=dtype, seed=self.seeds)"
            .to_owned(),
    };
    let fan_in = if recipe.family == WeightFamily::DeltaOrthogonal {
        ""
    } else {
        "fan_in = math.prod(shape[:-1])\n        "
    };
    let bias = if recipe.uniform_bias {
        "reach = math.sqrt(3 * bias_variance)\n    return keras.initializers.RandomUniform(-reach, reach)"
    } else {
        "return keras.initializers.RandomNormal(stddev=math.sqrt(bias_variance))"
    };
    format!(
        r#"# {title}
# For Keras 3.
import math

import keras

# fan_in * Var W and Var b of every layer, and of those that differ by their order, from 0.
USUAL = {usual}
SPECIAL = {special}


class Weights(keras.initializers.Initializer):
    """For kernels of shape (..., inputs, outputs)."""

    def __init__(self, variance, seed=None):
        self.variance = variance
        self.seed = seed
        self.seeds = keras.random.SeedGenerator(seed)

    def __call__(self, shape, dtype=None):
        {fan_in}{draw}

    def get_config(self):
        return {{"variance": self.variance, "seed": self.seed}}


def kernel_initializer(index: int) -> Weights:
    """Of the dense or convolutional layer with this position."""
    return Weights(SPECIAL.get(index, USUAL)[0])


def bias_initializer(index: int):
    """Of the same layer."""
    bias_variance = SPECIAL.get(index, USUAL)[1]
    {bias}


# keras.layers.Dense(256, kernel_initializer=kernel_initializer(0), bias_initializer=bias_initializer(0))
"#,
        title = recipe.title,
        usual = recipe.python_usual(),
        special = recipe.python_special(),
    )
}
