//! Flax (`nnx` and `linen`): initializers for each layer, in the form that both take.

use super::Recipe;
use crate::spec::weights::{TRUNCATED_STD, WeightFamily};

pub(super) fn write(recipe: &Recipe) -> String {
    let draw = match recipe.family {
        WeightFamily::Uniform => "reach = math.sqrt(3 * weight_variance / fan_in)\n        \
             return jax.random.uniform(key, shape, dtype, -reach, reach)"
            .to_owned(),
        WeightFamily::TruncatedNormal => format!(
            "parent = math.sqrt(weight_variance / fan_in) / {TRUNCATED_STD}  # cut at two of its own deviations\n        \
             return parent * jax.random.truncated_normal(key, -2.0, 2.0, shape, dtype)"
        ),
        WeightFamily::Orthogonal => {
            "# Entries keep the variance asked for, whichever side is longer.\n        \
             gain = math.sqrt(weight_variance * max(shape[-1], fan_in) / fan_in)\n        \
             return jax.nn.initializers.orthogonal(gain)(key, shape, dtype)"
                .to_owned()
        }
        WeightFamily::DeltaOrthogonal => "inputs, outputs = shape[-2:]\n        \
             gain = math.sqrt(weight_variance * max(outputs, inputs) / inputs)\n        \
             centre = jax.nn.initializers.orthogonal(gain)(key, (inputs, outputs), dtype)\n        \
             # Zero but for the middle tap of the kernel; a dense layer is all middle.\n        \
             tap = tuple((side - 1) // 2 for side in shape[:-2])\n        \
             return jnp.zeros(shape, dtype).at[tap].set(centre)"
            .to_owned(),
        _ => "return math.sqrt(weight_variance / fan_in) * jax.random.normal(key, shape, dtype)"
            .to_owned(),
    };
    let fan_in = if recipe.family == WeightFamily::DeltaOrthogonal {
        ""
    } else {
        "fan_in = math.prod(shape[:-1])\n        "
    };
    let bias = if recipe.uniform_bias {
        "reach = math.sqrt(3 * bias_variance)\n        return jax.random.uniform(key, shape, dtype, -reach, reach)"
    } else {
        "return math.sqrt(bias_variance) * jax.random.normal(key, shape, dtype)"
    };
    format!(
        r#"# {title}
# For Flax 0.12, `nnx` and `linen`.
import math

import jax
import jax.numpy as jnp

# fan_in * Var W and Var b of every layer, and of those that differ by their order, from 0.
USUAL = {usual}
SPECIAL = {special}


def kernel_init(index: int):
    """Of the dense or convolutional layer with this position, for kernels of shape (..., inputs, outputs)."""
    weight_variance, _ = SPECIAL.get(index, USUAL)

    def init(key, shape, dtype=jnp.float32, **_):
        {fan_in}{draw}

    return init


def bias_init(index: int):
    """Of the same layer."""
    _, bias_variance = SPECIAL.get(index, USUAL)

    def init(key, shape, dtype=jnp.float32, **_):
        {bias}

    return init


# nnx:   nnx.Linear(64, 256, kernel_init=kernel_init(0), bias_init=bias_init(0), rngs=rngs)
# linen: nn.Dense(256, kernel_init=kernel_init(0), bias_init=bias_init(0))
"#,
        title = recipe.title,
        usual = recipe.python_usual(),
        special = recipe.python_special(),
    )
}
