//! PyTorch: a function that draws the weights of a module in place.

use super::Recipe;
use crate::spec::weights::{TRUNCATED_STD, WeightFamily};

pub(super) fn write(recipe: &Recipe) -> String {
    let draw = match recipe.family {
        WeightFamily::Uniform => {
            "nn.init.uniform_(layer.weight, -math.sqrt(3) * std, math.sqrt(3) * std)".to_owned()
        }
        WeightFamily::TruncatedNormal => format!(
            "parent = std / {TRUNCATED_STD}  # cut at two of its own standard deviations\n        \
             nn.init.trunc_normal_(layer.weight, 0.0, parent, -2 * parent, 2 * parent)"
        ),
        WeightFamily::Orthogonal => "outputs = layer.weight.shape[0]\n        \
             # Entries keep the variance asked for, whichever side is longer.\n        \
             gain = math.sqrt(weight_variance * max(outputs, fan_in) / fan_in)\n        \
             nn.init.orthogonal_(layer.weight, gain)"
            .to_owned(),
        WeightFamily::DeltaOrthogonal => "outputs, inputs = layer.weight.shape[:2]\n        \
             gain = math.sqrt(weight_variance * max(outputs, inputs) / inputs)\n        \
             centre = nn.init.orthogonal_(layer.weight.new_empty(outputs, inputs), gain)\n        \
             # Zero but for the middle tap of the kernel; a linear layer is all middle.\n        \
             tap = tuple((side - 1) // 2 for side in layer.weight.shape[2:])\n        \
             nn.init.zeros_(layer.weight)\n        \
             layer.weight[(slice(None), slice(None), *tap)] = centre"
            .to_owned(),
        _ => "nn.init.normal_(layer.weight, 0.0, std)".to_owned(),
    };
    let bias = if recipe.uniform_bias {
        "reach = math.sqrt(3 * bias_variance)\n            nn.init.uniform_(layer.bias, -reach, reach)"
    } else {
        "nn.init.normal_(layer.bias, 0.0, math.sqrt(bias_variance))"
    };
    let scale = match recipe.family {
        WeightFamily::Orthogonal => "fan_in = layer.weight[0].numel()\n        ",
        WeightFamily::DeltaOrthogonal => "",
        _ => {
            "fan_in = layer.weight[0].numel()\n        std = math.sqrt(weight_variance / fan_in)\n        "
        }
    };
    format!(
        r#"# {title}
import math

import torch
from torch import nn

# fan_in * Var W and Var b of every layer, and of those that differ by their order, from 0.
USUAL = {usual}
SPECIAL = {special}


@torch.no_grad()
def init_(model: nn.Module) -> nn.Module:
    """Draws the weights of all linear and convolutional layers, in the order in which the model holds them."""
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    layers = [module for module in model.modules() if isinstance(module, kinds)]
    for index, layer in enumerate(layers):
        weight_variance, bias_variance = SPECIAL.get(index, USUAL)
        {scale}{draw}
        if layer.bias is not None:
            {bias}
    return model
"#,
        title = recipe.title,
        usual = recipe.python_usual(),
        special = recipe.python_special(),
    )
}
