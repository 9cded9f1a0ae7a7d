//! Update rules against recurrences written out, whole trainings against gradients taken apart, and what goes wrong.

use super::detect::Detector;
use super::optimizer::{EPSILON, Memory};
use super::*;
use crate::math::stream::Seed;
use crate::net::{Weights, loss};
use crate::spec::scheme::LayerInit;
use crate::spec::{Architecture, Dataset, InitScheme, Loss, LossSchedule, Network, Shape};

fn blobs(examples: usize, classes: usize, features: usize) -> Dataset {
    use crate::math::stream::{Purpose, Stream};
    let mut inputs = vec![0.0_f32; examples * features];
    Stream::new(Seed(9), 0, 0, Purpose::Test).fill_normal_f32(0, &mut inputs);
    let labels: Vec<u32> = (0..examples).map(|i| (i % classes).try_into().unwrap()).collect();
    for (row, label) in inputs.chunks_exact_mut(features).zip(&labels) {
        row[*label as usize % features] += 3.0;
    }
    Dataset::new("blobs", Shape::flat(features).unwrap(), inputs)
        .unwrap()
        .with_labels(labels, classes)
        .unwrap()
}

fn network(text: &str, data: &Dataset) -> (Network, Vec<LayerInit>) {
    let architecture: Architecture = serde_json::from_str(text).unwrap();
    let network = architecture.resolve(&data.shape()).unwrap();
    let init = InitScheme::explicit(2.0, 0.1);
    let inits = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
    (network, inits)
}

/// One weight, one bias, fixed gradients: what each rule does to them, by its definition.
#[test]
fn update_rules_follow_their_recurrences() {
    let data = blobs(2, 2, 1);
    let (network, inits) = network(r#"{"layers":[{"dense":1}]}"#, &data);
    let rules = [
        ("sgd", 0.0),
        ("sgd(0.9)", 0.0),
        ("nesterov(0.8)", 0.02),
        ("sgd", 0.1),
        ("adam", 0.0),
        ("adam(0.8,0.95)", 0.1),
        ("adamw", 0.1),
        ("adamw(0.7,0.9)", 0.0),
    ];
    for (text, decay) in rules {
        let method: Method = text.parse().unwrap();
        assert_eq!(method.to_string(), text);
        let optimizer = Optimizer { method, weight_decay: decay, ..Optimizer::sgd(0.03) };
        let mut weights: Weights<f64> = Weights::draw(&network, &inits, Seed(0), 0).unwrap();
        let mut gradient = weights.clone();
        let mut memory = Memory::new(&optimizer, &weights);
        let (mut w, mut m, mut v) = (weights.layers[0].weight[0], 0.0, 0.0);
        for step in 1..=20_i32 {
            let g = f64::from(step % 7) - 2.5;
            gradient.layers[0].weight[0] = g;
            gradient.layers[0].bias[0] = -g;
            memory.update(&optimizer, 0.03, 0.0, &mut weights, &mut gradient).unwrap();
            assert_eq!((gradient.layers[0].weight[0], gradient.layers[0].bias[0]), (0.0, 0.0));
            match method {
                Method::Sgd { momentum, nesterov } => {
                    let g = g + decay * w;
                    m = if step == 1 { g } else { momentum * m + g };
                    w -= 0.03 * if nesterov { g + momentum * m } else { m };
                }
                Method::Adam { beta1, beta2 } | Method::AdamW { beta1, beta2 } => {
                    let decoupled = matches!(method, Method::AdamW { .. });
                    let g = if decoupled { g } else { g + decay * w };
                    w *= if decoupled { 1.0 - 0.03 * decay } else { 1.0 };
                    m = beta1 * m + (1.0 - beta1) * g;
                    v = beta2 * v + (1.0 - beta2) * g * g;
                    let (m, v) = (m / (1.0 - beta1.powi(step)), v / (1.0 - beta2.powi(step)));
                    w -= 0.03 * m / (v.sqrt() + EPSILON);
                }
            }
            let found = weights.layers[0].weight[0];
            assert!((found - w).abs() < 1e-12, "{text}, step {step}: {found} vs {w}");
        }
    }
}

/// Three weights, six given gradients: where torch 2.15 puts them, in doubles. Its clipping divides by the norm plus 1e-6.
#[test]
fn update_rules_end_where_those_of_torch_do() {
    let data = blobs(2, 2, 3);
    let (network, inits) = network(r#"{"layers":[{"dense":1}]}"#, &data);
    for (text, weight_decay, clip, expected) in [
        ("sgd", 0.0, None, [0.5030976154542964, -0.9924898667526112, 1.937]),
        ("sgd", 0.1, Some(0.7), [0.49148476651833467, -0.9809564435968445, 1.9232703297926017]),
        ("sgd(0.9)", 0.05, None, [0.3683777177522446, -0.9000220995090319, 1.798675678894141]),
        (
            "nesterov(0.8)",
            0.02,
            None,
            [0.4331214272494873, -0.9359196141789532, 1.8099118398524645],
        ),
        ("adam", 0.0, None, [0.41398330421646407, -0.9289875818245716, 1.825182111780852]),
        (
            "adam(0.8,0.95)",
            0.1,
            None,
            [0.4215561270146587, -0.9176824769615625, 1.8172082154409472],
        ),
        ("adam", 0.0, Some(0.7), [0.41475905824740106, -0.9326392536845504, 1.8254090861011163]),
        ("adamw", 0.1, None, [0.40612603121887036, -0.9119588873921252, 1.7907617982997515]),
        ("adamw(0.7,0.9)", 0.3, None, [0.417611065542084, -0.8877000632132814, 1.714198472164931]),
    ] {
        let method = text.parse().unwrap();
        let optimizer = Optimizer { method, weight_decay, clip, ..Optimizer::sgd(0.03) };
        let mut weights: Weights<f64> = Weights::draw(&network, &inits, Seed(0), 0).unwrap();
        weights.layers[0].weight.copy_from_slice(&[0.5, -1.0, 2.0]);
        let mut gradient = weights.clone();
        let mut memory = Memory::new(&optimizer, &weights);
        for step in 1..=6 {
            let t = f64::from(step);
            gradient.layers[0].weight.copy_from_slice(&[t.sin(), (2.0 * t).cos(), 0.1 * t]);
            gradient.layers[0].bias.fill(0.0);
            memory.update(&optimizer, 0.03, 0.0, &mut weights, &mut gradient).unwrap();
        }
        let allowed = if clip.is_some() { 1e-6 } else { 1e-12 };
        for (found, expected) in weights.layers[0].weight.iter().zip(expected) {
            assert!((found - expected).abs() < allowed, "{text}: {found} vs {expected}");
        }
    }
}

#[test]
fn the_gradient_is_clipped_to_its_norm_and_penalties_pull_to_zero() {
    let data = blobs(2, 2, 1);
    let (network, inits) = network(r#"{"layers":[{"dense":1}]}"#, &data);
    let start: Weights<f64> = Weights::draw(&network, &inits, Seed(0), 0).unwrap();
    let run = |clip, penalty, g: [f64; 2]| {
        let optimizer = Optimizer { clip, ..Optimizer::sgd(1.0) };
        let (mut weights, mut gradient) = (start.clone(), start.clone());
        gradient.layers[0].weight[0] = g[0];
        gradient.layers[0].bias[0] = g[1];
        let mut memory = Memory::new(&optimizer, &weights);
        memory.update(&optimizer, 1.0, penalty, &mut weights, &mut gradient).unwrap();
        let moved = |a: f64, b: f64| a - b;
        let (before, after) = (&start.layers[0], &weights.layers[0]);
        [moved(before.weight[0], after.weight[0]), moved(before.bias[0], after.bias[0])]
    };
    let clipped = run(Some(1.0), 0.0, [3.0, 4.0]);
    assert!((clipped[0] - 0.6).abs() < 1e-6 && (clipped[1] - 0.8).abs() < 1e-6, "{clipped:?}");
    assert_eq!(run(Some(10.0), 0.0, [3.0, 4.0]), run(None, 0.0, [3.0, 4.0]));
    let sign = start.layers[0].weight[0].signum();
    assert!((run(None, 0.5, [0.0, 0.0])[0] - 0.5 * sign).abs() < 1e-12);
}

#[test]
fn rates_drop_at_epochs_and_end_at_zero() {
    let at = |text: &str, step, epoch| {
        let schedule = text.parse().unwrap();
        Optimizer { schedule, ..Optimizer::sgd(1.0) }.rate_at(step, 100, epoch)
    };
    assert_eq!([at("step(2,0.1)", 0, 1.99), at("step(2,0.5)", 0, 2.0)], [1.0, 0.5]);
    assert!((at("step(2,0.5)", 0, 5.0) - 0.25).abs() < 1e-15);
    assert_eq!([at("cosine", 0, 0.0), at("constant", 99, 9.0)], [1.0, 1.0]);
    assert!((at("cosine", 50, 0.0) - 0.5).abs() < 1e-15 && at("cosine", 100, 0.0) < 1e-15);
    for text in ["step", "step(0,0.1)", "step(1,2)", "cosin", "step(a,b)", "step(1,nan)"] {
        assert!(text.parse::<RateSchedule>().is_err(), "{text}");
    }
    // The first drop is where the rate is first below that of the start.
    for (text, per_epoch) in [("step(2,0.1)", 7), ("step(0.3,0.5)", 9), ("step(1.5,0.9)", 1)] {
        let optimizer = Optimizer { schedule: text.parse().unwrap(), ..Optimizer::sgd(1.0) };
        let rate = |step: usize| optimizer.rate_at(step, 100, step as f64 / per_epoch as f64);
        let first = (0..100).find(|step| rate(*step) < 1.0);
        assert_eq!(optimizer.first_drop(per_epoch), first, "{text}");
    }
    for text in ["step(2,1)", "constant", "cosine"] {
        let schedule = text.parse().unwrap();
        assert_eq!(Optimizer { schedule, ..Optimizer::sgd(1.0) }.first_drop(7), None, "{text}");
    }
    for text in ["sdg", "sgd(1)", "sgd(-0.1)", "adam(1,2,3)", "nesterov(x)", ""] {
        assert!(text.parse::<Method>().is_err(), "{text}");
    }
    assert!(
        Optimizer::sgd(f64::NAN).validate().is_err() && Optimizer::sgd(0.0).validate().is_err()
    );
}

/// Three steps of full-batch descent in f64 are three applications of the gradient by central differences.
#[test]
fn training_descends_the_loss_that_was_asked_for() {
    let data = blobs(12, 3, 4);
    let (network, inits) = network(r#"{"layers":[{"dense":5},"tanh",{"dense":3}]}"#, &data);
    for text in ["ce", "blurry(0.3)", "gce", "nce_rce(1,0.1)", "blurry(0.3)@ramp(0,4)"] {
        let schedule: LossSchedule = text.parse().unwrap();
        let optimizer = Optimizer::sgd(0.1);
        let programs = Programs::new(&network);
        let task = Task {
            network: &network,
            inits: &inits,
            data: &data,
            loss: &schedule,
            optimizer: &optimizer,
            batch: 12,
            steps: 3,
            seed: Seed(1),
            replicate: 0,
        };
        let mut trainer = Trainer::<f64>::new(&programs, task).unwrap();
        for step in 0..3 {
            let before = trainer.weights().clone();
            let share = schedule.share(f64::from(step), false);
            let value = |weights: &Weights<f64>| {
                let mut probe =
                    Trainer::<f64>::from_weights(&programs, task, weights.clone()).unwrap();
                let mut total = 0.0;
                probe
                    .evaluate(&data, |range, logits| {
                        let labels = &data.labels().unwrap()[range];
                        let of = |l: &Loss| -> f64 {
                            loss::evaluate(l, logits, 3, labels).unwrap().values.iter().sum()
                        };
                        total +=
                            share * of(&schedule.loss) + (1.0 - share) * of(&Loss::CROSS_ENTROPY);
                    })
                    .unwrap();
                total / 12.0
            };
            trainer.step().unwrap();
            assert!((trainer.batch_loss() - value(&before)).abs() < 1e-12, "{text}");
            for (layer, position) in [(0, 0), (0, 7), (1, 4), (1, 14)] {
                let at = |h: f64| {
                    let mut moved = before.clone();
                    moved.layers[layer].weight[position] += h;
                    value(&moved)
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                let moved = before.layers[layer].weight[position]
                    - trainer.weights().layers[layer].weight[position];
                assert!((moved - 0.1 * slope).abs() < 1e-9, "{text}: {moved} vs {slope}");
            }
        }
    }
}

/// Every arm of a small laboratory, on one thread and on three; batch norm, dropout and convolutions train too.
#[test]
fn a_laboratory_gives_the_same_digits_on_any_number_of_threads() {
    let data = blobs(60, 3, 16);
    let image = {
        let shape = Shape::image(1, 4, 4).unwrap();
        Dataset::new("image", shape, data.inputs().to_vec())
            .unwrap()
            .with_labels(data.labels().unwrap().to_vec(), 3)
            .unwrap()
    };
    let probe = Probe::new(&image, 30, Seed(0)).unwrap();
    assert_eq!(probe.data().class_counts(), [10, 10, 10]);
    let arms: Vec<Arm> = [
        (r#"{"layers":["flatten",{"dense":8},"batch_norm","relu",{"dropout":0.2},{"dense":3}]}"#, "ce"),
        (r#"{"layers":[{"conv":4,"kernel":3,"padding":1},"relu","global_average_pool",{"dense":3}]}"#,
         "blurry(0.3)@guard(0.5)"),
        (r#"{"layers":["flatten",{"dense":3}]}"#, "piecewise_zero(0.4)@delay(1)"),
    ]
    .into_iter()
    .map(|(text, schedule)| {
        let (network, inits) = network(text, &image);
        Arm {
            name: schedule.to_owned(), network, inits, loss: schedule.parse().unwrap(),
            optimizer: Optimizer::adam(0.01),
        }
    })
    .collect();
    let lab = Lab {
        data: &image,
        probe: &probe,
        validation: None,
        batch: 8,
        steps: 30,
        every: 10,
        seed: Seed(3),
        seeds: 3,
        selection_seeds: 1,
    };
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| lab.run(&arms, &[0.003, 0.03], &mut ())).unwrap()
    };
    let (one, three) = (on(1), on(3));
    assert_eq!(one, three);
    assert_eq!(one.runs.len(), 9);
    for run in &one.runs {
        assert_eq!(run.snapshots.iter().map(|s| s.step).collect::<Vec<_>>(), [0, 10, 20, 30]);
        let (start, end) = (&run.snapshots[0], &run.snapshots[3]);
        let total: f64 = start.class_shares.iter().sum();
        assert!((total - 1.0).abs() < 1e-12 && start.layer_gradients[0] > 0.0);
        assert!(end.cross_entropy < start.cross_entropy, "{}", one.arms[run.arm].name);
    }
    // The same seed starts the same network under every loss and rate, in its own arm.
    let csv = one.csv();
    assert_eq!(csv.lines().count(), 1 + 9 * 4);
    let columns = csv.lines().next().unwrap().split(',').count();
    assert!(csv.lines().all(|line| line.matches(',').count() + 1 >= columns));
    assert_eq!(one.comparisons.len(), 3);
    // The best is the most accurate of those that diverged least.
    let mut report = one;
    for (arm, (accuracy, diverged)) in report.arms.iter_mut().zip([(0.9, 2), (0.5, 0), (0.6, 0)]) {
        arm.accuracy = arm.accuracy.map(|band| super::compare::Band { mean: accuracy, ..band });
        arm.diverged = diverged;
    }
    let best = |report: &LabReport| report.best().map(|arm| arm.name.clone());
    assert_eq!(best(&report), Some(report.arms[2].name.clone()));
    report.arms[1].accuracy = report.arms[2].accuracy;
    assert_eq!(best(&report), Some(report.arms[1].name.clone()));
    for arm in &mut report.arms {
        (arm.accuracy, arm.diverged) = (None, 3);
    }
    assert_eq!((best(&report), report.diverged()), (None, 9));
}

/// Margins read off before the rate drops are those of a training that ends there.
#[test]
fn margins_end_where_the_rate_first_drops() {
    let data = blobs(60, 3, 4);
    let (narrow, few) = network(r#"{"layers":[{"dense":8},"relu",{"dense":3}]}"#, &data);
    let (wide, inits) = network(r#"{"layers":[{"dense":8},"relu",{"dense":4}]}"#, &data);
    let loss = Loss::CROSS_ENTROPY.into();
    let constant = Optimizer::adam(0.01);
    let dropping = Optimizer { schedule: "step(3,0.1)".parse().unwrap(), ..constant };
    let detector = |optimizer, epochs| Detector {
        network: &narrow,
        inits: &few,
        data: &data,
        loss: &loss,
        optimizer,
        batch: 20,
        epochs,
        seed: Seed(2),
    };
    let margins = |optimizer, epochs| {
        detector(optimizer, epochs).margin_runs(&wide, &inits, 2, &mut ()).unwrap()
    };
    assert_eq!(detector(&dropping, 8).margin_steps(), (9, 3));
    assert_eq!(margins(&dropping, 8), margins(&constant, 3));
    assert_ne!(margins(&constant, 8), margins(&constant, 3));
    // Fifteen examples to a set: four sets.
    let refused =
        |optimizer, runs| detector(optimizer, 8).margin_runs(&wide, &inits, runs, &mut ());
    assert!(matches!(refused(&constant, 5), Err(TrainError::MarginRuns { sets: 4, .. })));
    let early = Optimizer { schedule: "step(0.5,0.1)".parse().unwrap(), ..constant };
    assert!(matches!(refused(&early, 1), Err(TrainError::EarlyDrop { steps: 2, per_epoch: 3 })));
}

#[test]
fn divergence_is_reported_with_its_place_and_not_hidden() {
    let data = blobs(30, 3, 4);
    let (network, inits) = network(r#"{"layers":[{"dense":8},"squared_relu",{"dense":3}]}"#, &data);
    let probe = Probe::new(&data, 30, Seed(0)).unwrap();
    let arm = Arm {
        name: "wild".to_owned(),
        network,
        inits,
        loss: Loss::CROSS_ENTROPY.into(),
        optimizer: Optimizer::sgd(1e6),
    };
    let lab = Lab {
        data: &data,
        probe: &probe,
        validation: None,
        batch: 10,
        steps: 50,
        every: 1,
        seed: Seed(0),
        seeds: 2,
        selection_seeds: 2,
    };
    let report = lab.run(std::slice::from_ref(&arm), &[], &mut ()).unwrap();
    assert_eq!((report.arms[0].diverged, report.arms[0].accuracy), (2, None));
    let divergence = report.runs[0].diverged.clone().unwrap();
    assert!(divergence.step > 0 && divergence.layer >= 1, "{divergence:?}");
    assert!(divergence.to_string().contains("diverged at step"), "{divergence}");
    // A rate at which nothing diverges is preferred, whatever the order.
    let report = lab.run(std::slice::from_ref(&arm), &[1e6, 0.05], &mut ()).unwrap();
    assert_eq!((report.arms[0].rate, report.arms[0].diverged), (0.05, 0));
    assert_eq!(report.arms[0].rates[0].diverged, 2);
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let data = blobs(30, 3, 4);
    let (network, inits) = network(r#"{"layers":[{"dense":2}]}"#, &data);
    let (schedule, optimizer) = (Loss::CROSS_ENTROPY.into(), Optimizer::default());
    let programs = Programs::new(&network);
    let task = Task {
        network: &network,
        inits: &inits,
        data: &data,
        loss: &schedule,
        optimizer: &optimizer,
        batch: 10,
        steps: 1,
        seed: Seed(0),
        replicate: 0,
    };
    let fault = |task| Trainer::<f32>::new(&programs, task).unwrap_err().to_string();
    assert!(fault(task).contains("3 classes, the network tells 2 apart"));
    let two = data.select_classes(&[0, 1]).unwrap();
    assert!(fault(Task { data: &two, steps: 0, ..task }).contains("`steps` must be at least 1"));
    let unlabelled = Dataset::new("x", Shape::flat(4).unwrap(), vec![0.0; 8]).unwrap();
    assert!(fault(Task { data: &unlabelled, ..task }).contains("has no labels"));
}

/// A guard lets the loss in once few enough samples would be masked, and not before.
#[test]
fn the_guard_waits_for_the_network() {
    let data = blobs(300, 3, 6);
    let (network, inits) = network(r#"{"layers":[{"dense":3}]}"#, &data);
    let schedule: LossSchedule = "piecewise_zero(0.5)@guard(0.2)".parse().unwrap();
    let optimizer = Optimizer::sgd(0.02);
    let programs = Programs::new(&network);
    let task = Task {
        network: &network,
        inits: &inits,
        data: &data,
        loss: &schedule,
        optimizer: &optimizer,
        batch: 30,
        steps: 400,
        seed: Seed(0),
        replicate: 0,
    };
    let mut trainer = Trainer::<f32>::new(&programs, task).unwrap();
    let mut released_at = None;
    while !trainer.is_done() {
        trainer.step().unwrap();
        if trainer.loss_share() == 1.0 && released_at.is_none() {
            released_at = Some(trainer.steps_done());
            assert!(trainer.guard_share().unwrap() < 0.2);
        }
    }
    assert!(released_at.is_some_and(|step| step > 5), "{released_at:?}");
}
