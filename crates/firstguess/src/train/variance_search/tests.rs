//! The search on small networks: identities that hold exactly, what is refused, and noise against formulas of softmax regression.

use super::*;
use crate::spec::{Architecture, InitScheme, Loss, Shape};
use crate::train::noise::NoiseMeasure;

const RELU: &str = r#"{"layers":[{"dense":24},"relu",{"dense":24},"relu",{"dense":4}]}"#;

fn blobs() -> Dataset {
    use crate::math::stream::{Purpose, Stream};
    let (examples, features, classes) = (160, 8, 4);
    let mut inputs = vec![0.0_f32; examples * features];
    Stream::new(Seed(3), 0, 0, Purpose::Test).fill_normal_f32(0, &mut inputs);
    let labels: Vec<u32> = (0..examples).map(|i| (i % classes).try_into().unwrap()).collect();
    for (row, label) in inputs.chunks_exact_mut(features).zip(&labels) {
        row[*label as usize] += 1.5;
    }
    let data = Dataset::new("blobs", Shape::flat(features).unwrap(), inputs).unwrap();
    data.with_labels(labels, classes).unwrap()
}

struct Case {
    network: Network,
    base: Vec<LayerInit>,
    data: Dataset,
    loss: LossSchedule,
    optimizer: Optimizer,
}

impl Case {
    fn new(text: &str, rate: f64) -> Self {
        let data = blobs();
        let architecture: Architecture = serde_json::from_str(text).unwrap();
        let network = architecture.resolve(&data.shape()).unwrap();
        let he = InitScheme::explicit(2.0, 0.0);
        let base = network.weights().iter().map(|w| he.layer(w).unwrap()).collect();
        let (loss, optimizer) = (Loss::CROSS_ENTROPY.into(), Optimizer::sgd(rate));
        Self { network, base, data, loss, optimizer }
    }

    fn search(&self, steps: usize) -> VarianceSearch<'_> {
        VarianceSearch {
            network: &self.network,
            base: &self.base,
            data: &self.data,
            validation: None,
            loss: &self.loss,
            optimizer: &self.optimizer,
            batch: 20,
            steps,
            shorten: 1.0,
            seed: Seed(1),
            seeds: 2,
            train_biases: false,
            include_biases: false,
            gains: (0.25, 4.0),
            scan: 5,
            tolerance: 5e-4,
        }
    }
}

fn found(search: &VarianceSearch<'_>) -> Result<Crossing, SearchError> {
    search.run(&[], &mut |_| {}, &mut ())
}

#[test]
fn norms_of_all_layers_change_by_the_same_amount() {
    let case = Case::new(RELU, 4e-4);
    let search = case.search(8000);
    let point = search.point(&Programs::new(&case.network), 0.3).unwrap();
    for pilot in &point.pilots {
        let change = |l: &LayerDrift| l.parameters as f64 * (l.last - l.initial);
        let changes: Vec<f64> = pilot.layers.iter().map(change).collect();
        assert!(changes[0] > 0.1, "{changes:?}");
        for other in &changes[1..] {
            assert!((other / changes[0] - 1.0).abs() < 1e-3, "{changes:?}");
        }
        let total = pilot.course.last().unwrap().1 - pilot.course[0].1;
        assert!((changes.iter().sum::<f64>() / total - 1.0).abs() < 1e-9);
        assert_eq!((pilot.course.len(), pilot.course[20].0), (COURSE, 8000));
    }
}

#[test]
fn only_the_product_of_rate_and_steps_counts_while_steps_are_short() {
    let ratio = |rate, steps| {
        let case = Case::new(RELU, rate);
        let search = VarianceSearch { batch: 160, ..case.search(steps) };
        search.point(&Programs::new(&case.network), 0.6).unwrap().log_ratio.unwrap()
    };
    let (long, short) = (ratio(2e-3, 2000), ratio(2e-2, 200));
    assert!(long > 0.02 && (short / long - 1.0).abs() < 0.02, "{long} {short}");
    // Steps made longer by the search itself are the same trainings.
    let case = Case::new(RELU, 2e-3);
    let search = VarianceSearch { batch: 160, shorten: 10.0, ..case.search(2000) };
    let point = search.point(&Programs::new(&case.network), 0.6).unwrap();
    assert!((point.log_ratio.unwrap() - short).abs() < 1e-6);
}

#[test]
fn the_gain_found_keeps_every_norm_and_a_search_goes_on_where_it_was() {
    let case = Case::new(RELU, 0.02);
    let search = case.search(300);
    let mut kept = Vec::new();
    let crossing = search.run(&[], &mut |point| kept.push(point.clone()), &mut ()).unwrap();
    assert!(crossing.point.log_ratio.unwrap().abs() < 5e-4, "{crossing:?}");
    assert!(crossing.points.len() <= 14 && crossing.gain_error.is_some());
    for l in 0..3 {
        let layer = |p: &Pilot| p.layers[l].last / p.layers[l].initial;
        let mean = crossing.point.pilots.iter().map(layer).sum::<f64>() / 2.0;
        assert!((mean - 1.0).abs() < 0.03, "layer {l}: {mean}");
    }
    let again = search.run(&kept, &mut |_| panic!("a pilot was repeated"), &mut ()).unwrap();
    assert_eq!(again, crossing);
    let mut new = 0;
    let resumed = search.run(&kept[..3], &mut |_| new += 1, &mut ()).unwrap();
    assert_eq!((resumed, new), (crossing.clone(), kept.len() - 3));
    // The comparison is paired and knows its own base.
    let rivals = [("base".to_owned(), case.base.clone())];
    let search = VarianceSearch { validation: Some(&case.data), ..search };
    let (starts, end) = search.compare(crossing.gain, &rivals, &mut ()).unwrap();
    assert!(end.is_some() && starts[0].validation_accuracy_difference.is_none());
    let difference = starts[1].train_loss_difference.unwrap().difference.mean;
    let means = [0, 1].map(|i| starts[i].train_loss.unwrap().mean);
    assert!((difference - (means[0] - means[1])).abs() < 1e-12);
}

#[test]
fn what_the_condition_is_not_about_is_refused_with_the_reason() {
    let refused = |case: &Case, change: &dyn Fn(&mut VarianceSearch<'_>), part: &str| {
        let mut search = case.search(60);
        change(&mut search);
        let error = found(&search).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let mut case = Case::new(RELU, 0.02);
    refused(&case, &|s| s.gains = (6.0, 12.0), "shrinks at all");
    refused(&case, &|s| s.gains = (0.1, 0.2), "grows at all");
    refused(&case, &|s| s.gains = (2.0, 1.0), "above the smallest");
    refused(&case, &|s| s.shorten = 60.0, "shorten by less than");
    refused(&case, &|s| s.shorten = 0.5, "number of steps");
    refused(&case, &|s| s.seeds = 0, "seeds");
    case.optimizer.weight_decay = 0.1;
    refused(&case, &|_| {}, "weight decay");
    case.optimizer = Optimizer::adam(0.01);
    refused(&case, &|_| {}, "plain SGD");
    case.optimizer = Optimizer::sgd(1e6);
    refused(&case, &|_| {}, "smaller learning rate");
    let norm = r#"{"layers":[{"dense":8},"batch_norm","relu",{"dense":4}]}"#;
    refused(&Case::new(norm, 0.02), &|_| {}, "batch_norm");
}

fn measured(case: &Case, biases: bool) -> (NoiseMeasure, Weights<f32>) {
    let weights = Weights::draw(&case.network, &case.base, Seed(5), 0).unwrap();
    let programs = Programs::new(&case.network);
    let parts = (&case.data, &case.loss, &case.optimizer);
    let mut point = Point::new(&programs, &case.network, &weights, parts, biases).unwrap();
    (point.measure(64, Seed(0)).unwrap(), weights)
}

/// Softmax regression: gradient `(p - y) xᵀ`, Hessian `(diag p - p pᵀ) ⊗ x xᵀ`.
#[test]
fn noise_and_curvature_are_those_of_softmax_regression() {
    let case = Case::new(r#"{"layers":[{"dense":4}]}"#, 0.1);
    let (found, weights) = measured(&case, false);
    let w = &weights.layers[0].weight;
    let (n, labels) = (case.data.examples(), case.data.labels().unwrap());
    let (mut squares, mut trace, mut mean) = (0.0, 0.0, [0.0; 32]);
    for (i, label) in labels.iter().enumerate() {
        let x: Vec<f64> = case.data.row(i).unwrap().iter().map(|x| f64::from(*x)).collect();
        let z = |k: usize| (0..8).map(|j| x[j] * f64::from(w[4 * j + k])).sum::<f64>();
        let e: Vec<f64> = (0..4).map(|k| z(k).exp()).collect();
        let total: f64 = e.iter().sum();
        let square: f64 = x.iter().map(|x| x * x).sum();
        for k in 0..4 {
            let p = e[k] / total;
            let g = p - f64::from(u8::from(*label as usize == k));
            squares += g * g * square / n as f64;
            trace += p * (1.0 - p) * square / n as f64;
            (0..8).for_each(|j| mean[4 * j + k] += g * x[j] / n as f64);
        }
    }
    let square: f64 = mean.iter().map(|g| g * g).sum();
    let sigma = (squares - square) * n as f64 / (n - 1) as f64;
    assert!((found.gradient_square / square - 1.0).abs() < 1e-9, "{found:?}");
    assert!((found.tr_sigma / sigma - 1.0).abs() < 1e-9, "{sigma} {found:?}");
    let error = found.tr_hessian.std_error.unwrap();
    assert!((found.tr_hessian.value - trace).abs() < 4.0 * error, "{trace} {found:?}");
    assert!(error < 0.1 * trace && found.largest_curvature < trace, "{found:?}");
    assert_eq!((found.parameters, found.examples), (32, n));
    let (with_biases, _) = measured(&case, true);
    assert!(with_biases.parameters == 36 && with_biases.tr_sigma > found.tr_sigma);
}

#[test]
fn the_drift_of_every_layer_is_that_of_the_logits() {
    let (found, _) = measured(&Case::new(RELU, 0.1), false);
    for drift in &found.norm_drift {
        assert!((drift - found.logit_drift).abs() < 1e-10, "{found:?}");
    }
    // A network that is not homogeneous has no such identity.
    let tanh = RELU.replace("relu", "tanh");
    let (found, _) = measured(&Case::new(&tanh, 0.1), false);
    assert!((found.norm_drift[0] - found.logit_drift).abs() > 1e-3, "{found:?}");
}
