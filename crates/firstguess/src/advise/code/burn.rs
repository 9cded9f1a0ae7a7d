//! burn 0.22: functions that make linear and convolutional layers.

use super::Recipe;
use crate::spec::weights::WeightFamily;

pub(super) fn write(recipe: &Recipe) -> Result<String, String> {
    let initializer = match recipe.family {
        WeightFamily::Uniform => {
            "let reach = (3.0 * weight_variance / fan_in as f64).sqrt();\n    \
             Initializer::Uniform { min: -reach, max: reach }"
        }
        WeightFamily::Normal => {
            "let std = (weight_variance / fan_in as f64).sqrt();\n    \
             Initializer::Normal { mean: 0.0, std }"
        }
        WeightFamily::Orthogonal | WeightFamily::DeltaOrthogonal => {
            "// Entries keep the variance asked for, whichever side is longer.\n    \
             let gain = (weight_variance * fan_in.max(outputs) as f64 / fan_in as f64).sqrt();\n    \
             Initializer::Orthogonal { gain }"
        }
        other => return Err(format!("burn has no initializer for weights of law {other}")),
    };
    let bias = if recipe.uniform_bias {
        "let reach = (3.0 * bias_variance).sqrt();\n    Initializer::Uniform { min: -reach, max: reach }"
    } else {
        "Initializer::Normal { mean: 0.0, std: bias_variance.sqrt() }"
    };
    let delta = recipe.family == WeightFamily::DeltaOrthogonal;
    let (kernel, imports) = if delta {
        (
            "    // Zero but for the middle tap of the kernel, which is orthogonal.\n    \
             let centre: Param<Tensor<2>> = weights(index, inputs, outputs).init([outputs, inputs], device);\n    \
             let tap = (side - 1) / 2;\n    \
             let kernel = Tensor::<4>::zeros([outputs, inputs, side, side], device).slice_assign(\n        \
             [0..outputs, 0..inputs, tap..tap + 1, tap..tap + 1],\n        \
             centre.val().reshape([outputs, inputs, 1, 1]),\n    \
             );\n    \
             layer.weight = Param::initialized(ParamId::new(), kernel.detach().require_grad());\n",
            "use burn::module::{Param, ParamId};\n",
        )
    } else {
        ("", "")
    };
    let fan = if delta { "inputs" } else { "inputs * side * side" };
    let tensor = if delta { "Device, Tensor" } else { "Device" };
    let tensor = if delta { format!("{{{tensor}}}") } else { tensor.to_owned() };
    Ok(format!(
        r"// {title}
// For burn 0.22.
{imports}use burn::nn::conv::{{Conv2d, Conv2dConfig}};
use burn::nn::{{Initializer, Linear, LinearConfig, PaddingConfig2d}};
use burn::tensor::{tensor};

{variances}
fn weights(index: usize, fan_in: usize, outputs: usize) -> Initializer {{
    let (weight_variance, _) = variances(index);
    {use_outputs}{initializer}
}}

fn biases(index: usize) -> Initializer {{
    let (_, bias_variance) = variances(index);
    {bias}
}}

/// The dense layer with this position.
pub fn linear(index: usize, inputs: usize, outputs: usize, device: &Device) -> Linear {{
    let config = LinearConfig::new(inputs, outputs);
    let mut layer = config.with_initializer(weights(index, inputs, outputs)).init(device);
    // The configuration would draw biases as weights.
    layer.bias = Some(biases(index).init([outputs], device));
    layer
}}

/// The convolution with this position: stride 1, as large an image as before.
pub fn conv2d(index: usize, inputs: usize, outputs: usize, side: usize, device: &Device) -> Conv2d {{
    let config = Conv2dConfig::new([inputs, outputs], [side, side]).with_padding(PaddingConfig2d::Same);
    let mut layer = config.with_initializer(weights(index, {fan}, outputs)).init(device);
{kernel}    layer.bias = Some(biases(index).init([outputs], device));
    layer
}}
",
        title = recipe.title,
        variances = recipe.rust_variances(),
        use_outputs = if delta || recipe.family == WeightFamily::Orthogonal {
            ""
        } else {
            "let _ = outputs;\n    "
        },
    ))
}
