//! A pilot of the search for the optimal variance: 784-256-256-10, 3 000 steps of 100 by plain SGD, on one core; and a
//! search's point of eight pilots on all cores. `variance_torch.py` beside this file does the pilot with PyTorch.
#![expect(clippy::print_stdout, reason = "its output is the result")]

use std::time::Instant;

use firstguess::layer_inits;
use firstguess::math::stream::{Purpose, Seed, Stream};
use firstguess::spec::{Architecture, Dataset, InitScheme, Loss, LossSchedule, Shape};
use firstguess::train::{Optimizer, Programs, Task, Trainer};
use rayon::prelude::*;

const MLP: &str = r#"{"layers":[{"dense":256},"relu",{"dense":256},"relu",{"dense":10}]}"#;
const EXAMPLES: usize = 10_000;
const STEPS: usize = 3000;

fn main() {
    let Ok(shape) = Shape::flat(784) else { unreachable!("fixed shape") };
    let mut inputs = vec![0.0_f32; EXAMPLES * 784];
    Stream::new(Seed(0), 0, 0, Purpose::Data).fill_uniform_f32(0, &mut inputs);
    let labels = (0..10).cycle().take(EXAMPLES).collect();
    let data = Dataset::new("uniform", shape, inputs).and_then(|data| data.with_labels(labels, 10));
    let architecture: Result<Architecture, _> = serde_json::from_str(MLP);
    let (Ok(data), Ok(architecture)) = (data, architecture) else { unreachable!("fixed input") };
    let Ok(network) = architecture.resolve(&shape) else { unreachable!("fixed network") };
    let he = InitScheme::explicit(2.0, 0.0);
    let Ok(inits) = layer_inits(&he, &network) else { unreachable!("fixed scheme") };
    let programs = Programs::new(&network);
    let (loss, optimizer): (LossSchedule, _) = (Loss::CROSS_ENTROPY.into(), Optimizer::sgd(0.02));
    let pilots = |count: u64| {
        let start = Instant::now();
        (0..count).into_par_iter().for_each(|replicate| {
            let task = Task {
                network: &network,
                inits: &inits,
                data: &data,
                loss: &loss,
                optimizer: &optimizer,
                batch: 100,
                steps: STEPS,
                seed: Seed(0),
                replicate,
            };
            let Ok(trainer) = Trainer::<f32>::new(&programs, task) else { return };
            let mut trainer = trainer.with_fixed_biases(true);
            while !trainer.is_done() && trainer.step().is_ok() {}
            assert!(trainer.is_done(), "a pilot stopped early");
        });
        start.elapsed().as_secs_f64()
    };
    let one = pilots(1);
    println!("one pilot on one core: {one:.2} s, {:.0} steps/s", STEPS as f64 / one);
    let many = pilots(8);
    println!("eight pilots on all cores: {many:.2} s, {:.2} pilots at once", 8.0 * one / many);
}
