//! Every kind of layer that theory predicts, against ensembles of finite networks.
//!
//! Inputs are orthogonal vectors of one length, so that theory's assumption on the data holds exactly. Each number is held
//! to four standard errors plus an allowance for finite width and batch, stated as `bias`: with it these tests see an
//! error of 5 % in any of q, V, and the gradient's ratio, and of 5 % of q in T.
//!
//! The second half repeats this on structured inputs (classes around an offset, images with common parts), where the
//! prediction is that of the kernel of these very inputs: a weight variance off by 8 % is planted and must be seen.

use firstguess::math::stream::Seed;
use firstguess::measure::{Estimate, Measurement, Options, run};
use firstguess::predict_on;
use firstguess::spec::layer::Layer;
use firstguess::spec::scheme::Scheme;
use firstguess::spec::{Architecture, Dataset, InitScheme, Shape};
use firstguess::theory::predict::{InputStatistics, Prediction, predict};

const EXAMPLES: usize = 48;
const FEATURES: usize = 64;
const WIDTH: usize = 384;
const DRAWS: usize = 60;

/// `√N₀ e_a`: mean square 1, products exactly 0.
fn orthogonal_inputs() -> Dataset {
    let mut values = vec![0.0_f32; EXAMPLES * FEATURES];
    for a in 0..EXAMPLES {
        values[a * FEATURES + a] = (FEATURES as f32).sqrt();
    }
    Dataset::new("orthogonal", Shape::flat(FEATURES).expect("valid"), values).expect("valid")
}

/// Independent pixels of mean square 1; many channels bring every product close to 0.
fn white_images(channels: usize, side: usize) -> Dataset {
    let shape = Shape::image(channels, side, side).expect("valid");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut sign = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if state & 1 == 0 { 1.0_f32 } else { -1.0 }
    };
    let values = (0..EXAMPLES * channels * side * side).map(|_| sign()).collect();
    Dataset::new("white images", shape, values).expect("valid")
}

fn both(json: &str, init: &InitScheme, data: &Dataset) -> (Prediction, Measurement) {
    let layers: Vec<Layer> = serde_json::from_str(json).expect("layers");
    let network = Architecture { layers }.resolve(&data.shape()).expect("resolves");
    let inits: Vec<_> = network.weights().iter().map(|w| init.layer(w).expect("draws")).collect();
    let prediction = predict(&network, &inits, InputStatistics::of(data), 2);
    let measured =
        run(&network, &inits, data, &Options::new(Seed(5), DRAWS), &mut ()).expect("runs");
    (prediction, measured)
}

fn close(what: &str, measured: &Estimate, theory: f64, bias: f64) {
    let error = (measured.value - theory).abs();
    let allowed = 4.0 * measured.std_error.unwrap_or(0.0) + bias;
    assert!(error <= allowed, "{what}: measured {measured:?}, theory {theory}, allowed {allowed}");
}

fn agree(json: &str, init: &InitScheme, data: &Dataset, relative: f64) -> Prediction {
    let (prediction, measured) = both(json, init, data);
    assert_eq!(prediction.layers.len(), measured.layers.len());
    for (theory, seen) in prediction.layers.iter().zip(&measured.layers) {
        let at = format!("{json}, layer {}", theory.index);
        let spread = theory.spread.clone().unwrap_or_else(|why| panic!("{at}: {why}"));
        let q = spread.q();
        close(&format!("{at}, q"), &seen.q, q, relative * q);
        close(&format!("{at}, V"), &seen.v, spread.v(), relative * spread.v());
        close(&format!("{at}, T"), &seen.t, spread.t(), relative * q);
        if let Ok(ln) = &theory.ln_gradient {
            let ratio = ln.exp();
            // The smallest layer that the gradient passes fluctuates most: its width sets the allowance.
            let bias = 2.0 * relative * ratio;
            close(&format!("{at}, gradient"), &seen.cotangent_gradient, ratio, bias);
        }
    }
    prediction
}

fn json(block: &str, repeats: usize) -> String {
    format!(r#"[{{"dense":{WIDTH}}},{{"repeat":{repeats},"layers":[{block}]}},{{"dense":16}}]"#)
}

const HE: InitScheme = InitScheme::explicit(2.0, 0.0);

#[test]
fn pools_of_dense_units() {
    let data = orthogonal_inputs();
    for block in [
        r#""relu",{"max_pool":2},{"dense":384}"#,
        r#""tanh",{"max_pool":4},{"dense":384}"#,
        r#""gelu",{"max_pool":2},{"dense":384}"#,
        r#""relu",{"average_pool":4},{"dense":384}"#,
        r#""relu",{"min_pool":2},{"dense":384}"#,
        r#"{"max_pool":2},"selu",{"dense":384}"#,
    ] {
        agree(&json(block, 3), &InitScheme::explicit(1.6, 0.1), &data, 0.04);
    }
}

#[test]
fn residual_blocks() {
    let data = orthogonal_inputs();
    for block in [
        r#"{"residual":["relu",{"dense":384}]}"#,
        r#"{"residual":["tanh",{"dense":384},"tanh",{"dense":384}],"branch_scale":"1/sqrt(depth)"}"#,
        r#"{"residual":["relu",{"dense":384}],"shortcut":[{"dense":384}],"branch_scale":0.5}"#,
        // A stream that collects post-activations: their means add up.
        r#"{"residual":[{"dense":384},"relu"]}"#,
        r#"{"residual":["layer_norm","relu",{"dense":384}]}"#,
        r#"{"residual":[{"residual":["relu",{"dense":384}]},"tanh",{"dense":384}]}"#,
    ] {
        agree(&json(block, 3), &InitScheme::explicit(1.2, 0.1), &data, 0.05);
    }
}

#[test]
fn normalisations() {
    let data = orthogonal_inputs();
    for block in [
        r#""layer_norm","relu",{"dense":384}"#,
        r#""relu","layer_norm",{"dense":384}"#,
        r#""rms_norm","gelu",{"dense":384}"#,
        r#""relu","rms_norm",{"dense":384}"#,
        r#"{"group_norm":4},"relu",{"dense":384}"#,
    ] {
        agree(&json(block, 3), &InitScheme::explicit(1.5, 0.1), &data, 0.05);
    }
    // The batch is finite: 1/48 of the variance is what each unit's mean takes, and gradients feel it twice.
    for block in [r#""batch_norm","relu",{"dense":384}"#, r#""relu","batch_norm",{"dense":384}"#] {
        agree(&json(block, 3), &HE, &data, 0.08);
    }
}

#[test]
fn dropout_between_layers() {
    agree(&json(r#""tanh",{"dropout":0.2},{"dense":384}"#, 3), &HE, &orthogonal_inputs(), 0.05);
}

#[test]
fn convolutions() {
    let data = white_images(16, 6);
    for body in [
        r#"{"conv":64,"kernel":3},"relu",{"conv":64,"kernel":3},"relu","flatten""#,
        r#"{"conv":64,"kernel":3,"stride":2},"tanh",{"conv":64,"kernel":3},"tanh","flatten""#,
        r#"{"conv":64,"kernel":3},"relu",{"conv":64,"kernel":3},"relu","global_average_pool""#,
        r#"{"conv":64,"kernel":3},"relu",{"average_pool":2},{"conv":64,"kernel":3},"relu","flatten""#,
        r#"{"conv":64,"kernel":3},{"residual":["relu",{"conv":64,"kernel":3}]},"relu","flatten""#,
        r#"{"conv":64,"kernel":3},"batch_norm","relu",{"conv":64,"kernel":3},"relu","flatten""#,
    ] {
        agree(&format!("[{body},{{\"dense\":16}}]"), &InitScheme::explicit(1.8, 0.05), &data, 0.08);
    }
}

/// Four classes around centres of their own and a common offset; positions of an image share part of their values.
fn structured(shape: Shape) -> Dataset {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = || {
        let mut sum = 0.0_f32;
        for _ in 0..12 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            sum += (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5;
        }
        sum
    };
    let features = shape.size();
    let area = shape.as_image().map_or(1, |[_, height, width]| height * width);
    let centres: Vec<f32> = (0..4 * features).map(|_| 0.6 * draw()).collect();
    let mut values = Vec::with_capacity(EXAMPLES * features);
    for example in 0..EXAMPLES {
        let centre = &centres[(example % 4) * features..][..features];
        for channel in centre.chunks_exact(area) {
            let common = if area > 1 { 0.6 * draw() } else { 0.0 };
            values.extend(channel.iter().map(|c| 0.3 + c + common + 0.6 * draw()));
        }
    }
    Dataset::new("structured", shape, values).expect("valid")
}

/// The kernel of the data against networks on the data; returns whether all agreed.
fn follows(
    json: &str,
    init: &InitScheme,
    data: &Dataset,
    allow: f64,
    off: f64,
) -> Result<(), String> {
    let layers: Vec<Layer> = serde_json::from_str(json).expect("layers");
    let network = Architecture { layers }.resolve(&data.shape()).expect("resolves");
    let drawn: Vec<_> = network.weights().iter().map(|w| init.layer(w).expect("draws")).collect();
    let mut thought = drawn.clone();
    for layer in &mut thought {
        layer.weight_variance *= off;
    }
    let prediction = predict_on(&network, &thought, data, 16, Seed(5));
    assert_eq!(prediction.kernel_inputs, Some(EXAMPLES), "{json}");
    let options = Options {
        gradients: network.residual_blocks == 0,
        gaussianity: false,
        ..Options::new(Seed(5), DRAWS)
    };
    let measured = run(&network, &drawn, data, &options, &mut ()).expect("runs");
    for (theory, seen) in prediction.layers.iter().zip(&measured.layers) {
        assert!(theory.on_data.is_some(), "{json}, layer {}: no kernel", theory.index);
        let spread = theory.spread.clone().map_err(|why| format!("{json}: {why}"))?;
        let q = spread.q();
        let mut numbers = vec![
            ("q", seen.q, q, allow * q),
            ("V", seen.v, spread.v(), allow * spread.v()),
            ("T", seen.t, spread.t(), allow * q),
        ];
        if let (Ok(ln), 0) = (&theory.ln_gradient, network.residual_blocks) {
            numbers.push(("gradient", seen.cotangent_gradient, ln.exp(), 2.0 * allow * ln.exp()));
        }
        for (what, measured, theory_value, bias) in numbers {
            let error = (measured.value - theory_value).abs();
            if error > 4.0 * measured.std_error.unwrap_or(0.0) + bias {
                return Err(format!(
                    "{json}, layer {}, {what}: measured {measured:?}, theory {theory_value}",
                    theory.index
                ));
            }
        }
    }
    Ok(())
}

/// Every kind of layer between dense ones, on classes around an offset.
#[test]
fn kernels_of_structured_vectors() {
    let data = structured(Shape::flat(FEATURES).expect("valid"));
    for (block, allow) in [
        (r#""relu",{"dense":384}"#, 0.04),
        (r#""relu",{"max_pool":2},{"dense":384}"#, 0.04),
        (r#""tanh",{"max_pool":2},{"dense":384}"#, 0.04),
        (r#""tanh",{"average_pool":4},{"dense":384}"#, 0.04),
        (r#"{"residual":["relu",{"dense":384}]}"#, 0.05),
        (
            r#"{"residual":["tanh",{"dense":384}],"shortcut":[{"dense":384}],"branch_scale":0.5}"#,
            0.05,
        ),
        (r#""layer_norm","relu",{"dense":384}"#, 0.05),
        (r#""relu","layer_norm",{"dense":384}"#, 0.05),
        (r#""rms_norm","gelu",{"dense":384}"#, 0.05),
        (r#"{"group_norm":4},"relu",{"dense":384}"#, 0.05),
        (r#""tanh",{"dropout":0.2},{"dense":384}"#, 0.05),
    ] {
        let init = InitScheme::explicit(1.5, 0.1);
        follows(&json(block, 2), &init, &data, allow, 1.0).unwrap_or_else(|why| panic!("{why}"));
    }
    let plain = json(r#""relu",{"dense":384}"#, 2);
    let init = InitScheme::explicit(1.5, 0.1);
    assert!(follows(&plain, &init, &data, 0.04, 1.08).is_err(), "8 % of the weight variance pass");
}

/// Convolutions on images whose positions correlate.
#[test]
fn kernels_of_structured_images() {
    let data = structured(Shape::image(8, 5, 5).expect("valid"));
    let init = InitScheme::explicit(1.8, 0.05);
    for (body, allow) in [
        (
            r#"{"conv":96,"kernel":3},"relu",{"conv":96,"kernel":3},"relu","global_average_pool""#,
            0.06,
        ),
        (
            r#"{"conv":96,"kernel":3},"tanh",{"average_pool":2},{"conv":96,"kernel":3},"relu","flatten""#,
            0.06,
        ),
        (r#"{"conv":96,"kernel":3,"stride":2},"batch_norm","relu","flatten""#, 0.08),
        (
            r#"{"conv":96,"kernel":3},{"residual":["relu",{"conv":96,"kernel":3}]},"relu","global_average_pool""#,
            0.06,
        ),
    ] {
        let json = format!("[{body},{{\"dense\":16}}]");
        follows(&json, &init, &data, allow, 1.0).unwrap_or_else(|why| panic!("{why}"));
    }
}

/// Structured images whose positions differ in scale: dark corners, a bright middle.
fn uneven(channels: usize, side: usize) -> Dataset {
    let shape = Shape::image(channels, side, side).expect("valid");
    let even = structured(shape);
    let area = side * side;
    let scale = |at: usize| {
        let from_middle = |x: usize| (x as f32 - 0.5 * (side as f32 - 1.0)) / side as f32;
        let (y, x) = (from_middle(at / side), from_middle(at % side));
        2.2 * (-9.0 * (x * x + y * y)).exp() + 0.05
    };
    let values = even.inputs().iter().enumerate().map(|(i, x)| x * scale(i % area)).collect();
    Dataset::new("uneven", shape, values).expect("valid")
}

/// Positions of uneven variances: `q`, `V`, `T` and gradients per layer, whether or not the head mixes positions; padding
/// with a stride, and delta-orthogonal kernels among them.
#[test]
fn kernels_of_uneven_images() {
    let data = uneven(8, 5);
    let explicit = InitScheme::explicit(1.8, 0.05);
    let delta = InitScheme { gain: 1.5, ..InitScheme::new(Scheme::DeltaOrthogonal) };
    for (body, init) in [
        (r#"{"conv":96,"kernel":1},"tanh",{"conv":96,"kernel":1},"tanh","flatten""#, &explicit),
        (
            r#"{"conv":96,"kernel":1},"tanh",{"conv":96,"kernel":1},"tanh","global_average_pool""#,
            &explicit,
        ),
        (
            r#"{"conv":96,"kernel":3,"padding":1},"gelu",{"conv":96,"kernel":3,"padding":1},"tanh","flatten""#,
            &explicit,
        ),
        (
            r#"{"conv":96,"kernel":3,"padding":1},"tanh",{"conv":96,"kernel":3,"padding":1},"relu","global_average_pool""#,
            &explicit,
        ),
        (
            r#"{"conv":96,"kernel":3,"padding":1,"stride":2},"relu",{"conv":96,"kernel":3,"padding":1},"tanh","flatten""#,
            &explicit,
        ),
        (
            r#"{"conv":96,"kernel":3,"padding":1},"tanh",{"conv":96,"kernel":3,"padding":1},"tanh","flatten""#,
            &delta,
        ),
        (r#"{"conv":96,"kernel":3,"padding":1},"flatten","tanh""#, &explicit),
    ] {
        let json = format!("[{body},{{\"dense\":16}}]");
        follows(&json, init, &data, 0.06, 1.0).unwrap_or_else(|why| panic!("{why}"));
    }
}

/// Where the kernel ends, the prediction says from which layer on its numbers are idealised, and why.
#[test]
fn the_end_of_the_kernel_is_told() {
    let data = structured(Shape::flat(FEATURES).expect("valid"));
    let told = |json: &str| {
        let layers: Vec<Layer> = serde_json::from_str(json).expect("layers");
        let network = Architecture { layers }.resolve(&data.shape()).expect("resolves");
        let init = InitScheme::explicit(1.7, 0.1);
        let inits: Vec<_> =
            network.weights().iter().map(|w| init.layer(w).expect("draws")).collect();
        predict_on(&network, &inits, &data, 2, Seed(5))
    };
    let stopped = told(r#"[{"dense":64},"gelu",{"max_pool":2},{"dense":64},"tanh",{"dense":4}]"#);
    let gap = stopped.kernel_gap.as_ref().expect("a pool of GELU has no kernel here");
    assert_eq!((stopped.kernel_inputs, gap.from_layer), (None, Some(2)));
    assert!(gap.to_string().contains("from layer 2 on"), "{gap}");
    assert!(gap.to_string().contains("one variance"), "{gap}");
    assert!(stopped.layers[0].on_data.is_some() && stopped.layers[1].on_data.is_none());
    let whole = told(r#"[{"dense":64},"relu",{"max_pool":2},{"dense":64},"tanh",{"dense":4}]"#);
    assert_eq!((whole.kernel_gap, whole.kernel_inputs), (None, Some(EXAMPLES)));
}
