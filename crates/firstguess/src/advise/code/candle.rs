//! candle 0.11: functions that make linear and convolutional layers.

use super::Recipe;
use crate::spec::weights::WeightFamily;

pub(super) fn write(recipe: &Recipe) -> String {
    let weight = match recipe.family {
        WeightFamily::Uniform => {
            "let reach = (3.0 * weight_variance / fan_in as f64).sqrt();\n    \
             Init::Uniform { lo: -reach, up: reach }"
        }
        WeightFamily::Normal => {
            "let stdev = (weight_variance / fan_in as f64).sqrt();\n    \
             Init::Randn { mean: 0.0, stdev }"
        }
        _ => return from_file(recipe),
    };
    let bias = if recipe.uniform_bias {
        "let reach = (3.0 * bias_variance).sqrt();\n    Init::Uniform { lo: -reach, up: reach }"
    } else {
        "Init::Randn { mean: 0.0, stdev: bias_variance.sqrt() }"
    };
    format!(
        r#"// {title}
// For candle 0.11.
use candle_core::Result;
use candle_nn::{{Conv2d, Conv2dConfig, Init, Linear, VarBuilder}};

{variances}
fn weights(index: usize, fan_in: usize) -> Init {{
    let (weight_variance, _) = variances(index);
    {weight}
}}

fn biases(index: usize) -> Init {{
    let (_, bias_variance) = variances(index);
    {bias}
}}

/// The dense layer with this position.
pub fn linear(index: usize, inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Linear> {{
    let weight = vb.get_with_hints((outputs, inputs), "weight", weights(index, inputs))?;
    let bias = vb.get_with_hints(outputs, "bias", biases(index))?;
    Ok(Linear::new(weight, Some(bias)))
}}

/// The convolution with this position.
pub fn conv2d(
    index: usize,
    inputs: usize,
    outputs: usize,
    side: usize,
    config: Conv2dConfig,
    vb: VarBuilder,
) -> Result<Conv2d> {{
    let seen = inputs / config.groups;
    let shape = (outputs, seen, side, side);
    let weight = vb.get_with_hints(shape, "weight", weights(index, seen * side * side))?;
    let bias = vb.get_with_hints(outputs, "bias", biases(index))?;
    Ok(Conv2d::new(weight, Some(bias), config))
}}
"#,
        title = recipe.title,
        variances = recipe.rust_variances(),
    )
}

fn from_file(recipe: &Recipe) -> String {
    format!(
        r#"// {title}
// For candle 0.11.
//
// candle has no initializer for weights of law {family}. Write them to a file,
//     firstguess init model.toml --scheme advised -o weights.safetensors
// whose names are those of `torch.nn.Sequential` ("0.weight", "0.bias", "2.weight", ...), and load it into the variables
// of the model once it is built with the same names (`vb.pp("0")`, `vb.pp("2")`, ...).
use candle_core::{{DType, Device, Result}};
use candle_nn::{{VarBuilder, VarMap}};

pub fn with_weights<M>(
    path: &str,
    device: &Device,
    build: impl FnOnce(VarBuilder) -> Result<M>,
) -> Result<(M, VarMap)> {{
    let mut variables = VarMap::new();
    let model = build(VarBuilder::from_varmap(&variables, DType::F32, device))?;
    variables.load(path)?;
    Ok((model, variables))
}}
"#,
        title = recipe.title,
        family = recipe.family,
    )
}
