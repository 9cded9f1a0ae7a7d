//! Training speed: steps per second of one training on one core, of eight independent trainings on two, and of a small
//! convolutional network. `training_torch.py` beside this file does the same with PyTorch; docs/benchmarks.md has the ratios.
#![expect(clippy::print_stdout, reason = "its output is the result")]

use std::time::{Duration, Instant};

use firstguess::layer_inits;
use firstguess::math::stream::{Purpose, Seed, Stream};
use firstguess::spec::scheme::LayerInit;
use firstguess::spec::{Architecture, Dataset, InitScheme, Loss, LossSchedule, Network, Shape};
use firstguess::train::{Optimizer, Programs, Task, Trainer};
use rayon::prelude::*;

const MLP: &str = r#"{"layers":[{"dense":512},"relu",{"dense":512},"relu",{"dense":10}]}"#;
const CNN: &str = r#"{"layers":[{"conv":32,"kernel":3,"padding":1},"relu",{"max_pool":2},
    {"conv":64,"kernel":3,"padding":1},"relu",{"max_pool":2},"flatten",{"dense":10}]}"#;

struct Setting {
    data: Dataset,
    network: Network,
    inits: Vec<LayerInit>,
}

fn setting(text: &str, shape: Shape, examples: usize) -> Setting {
    let mut inputs = vec![0.0_f32; examples * shape.size()];
    Stream::new(Seed(0), 0, 0, Purpose::Data).fill_normal_f32(0, &mut inputs);
    let labels = (0..10).cycle().take(examples).collect();
    let data = Dataset::new("normal", shape, inputs).and_then(|data| data.with_labels(labels, 10));
    let architecture: Result<Architecture, _> = serde_json::from_str(text);
    let (Ok(data), Ok(architecture)) = (data, architecture) else { unreachable!("fixed input") };
    let Ok(network) = architecture.resolve(&shape) else { unreachable!("fixed network") };
    let he = InitScheme::explicit(2.0, 0.0);
    let Ok(inits) = layer_inits(&he, &network) else { unreachable!("fixed scheme") };
    Setting { data, network, inits }
}

/// Seconds that `trainings` take for `steps` each, in parallel on the current pool.
fn seconds(setting: &Setting, trainings: u64, steps: usize) -> f64 {
    let programs = Programs::new(&setting.network);
    let (loss, optimizer): (LossSchedule, _) = (Loss::CROSS_ENTROPY.into(), Optimizer::sgd(0.01));
    let start = Instant::now();
    (0..trainings).into_par_iter().for_each(|replicate| {
        let task = Task {
            network: &setting.network,
            inits: &setting.inits,
            data: &setting.data,
            loss: &loss,
            optimizer: &optimizer,
            batch: 64,
            steps,
            seed: Seed(0),
            replicate,
        };
        let Ok(mut trainer) = Trainer::<f32>::new(&programs, task) else { return };
        while !trainer.is_done() && trainer.step().is_ok() {}
        assert!(trainer.is_done(), "a training stopped early");
    });
    start.elapsed().as_secs_f64()
}

/// Best of several repetitions: other programs only ever add time.
fn best(setting: &Setting, trainings: u64, steps: usize, budget: Duration) -> f64 {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    let mut repetitions = 0;
    while repetitions < 3 || start.elapsed() < budget {
        best = best.min(seconds(setting, trainings, steps));
        repetitions += 1;
    }
    trainings as f64 * steps as f64 / best
}

fn on_threads(threads: usize, f: impl FnOnce() -> f64 + Send) -> f64 {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(f),
        Err(_) => f(),
    }
}

fn main() {
    // `cargo test` builds and calls every bench.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let budget = Duration::from_secs(8);
    let Ok(flat) = Shape::flat(784) else { return };
    let Ok(image) = Shape::image(3, 32, 32) else { return };
    let (mlp, cnn) = (setting(MLP, flat, 2048), setting(CNN, image, 512));
    let report = |name: &str, rate: f64| println!("{name}: {rate:.1} steps/s");
    report("mlp, one training, one thread", on_threads(1, || best(&mlp, 1, 200, budget)));
    report("mlp, eight trainings, two threads", on_threads(2, || best(&mlp, 8, 100, budget)));
    report("cnn, one training, one thread", on_threads(1, || best(&cnn, 1, 15, budget)));
    report("cnn, two trainings, two threads", on_threads(2, || best(&cnn, 2, 15, budget)));
}
