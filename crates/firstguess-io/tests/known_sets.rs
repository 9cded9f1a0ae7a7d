//! The fetched sets against published facts. They are not part of the project and take seconds to read: with FIRSTGUESS_LONG set,
//! and after `firstguess data fetch mnist fashion_mnist cifar10`. The embedded digits always run (src/digits.rs).

#![expect(clippy::unwrap_used, reason = "a test that cannot read its data has failed")]

use firstguess::spec::dataset::Standardizer;
use firstguess::spec::{Dataset, Part, Standardize};
use firstguess_io::{ReadOptions, load_dataset_with};

fn load(name: &str, part: Part) -> Dataset {
    load_dataset_with(name, &ReadOptions { part, ..ReadOptions::default() }).unwrap()
}

/// Mean and standard deviation of one channel.
fn moments(data: &Dataset, channel: usize) -> (f64, f64) {
    let [channels, height, width] = data.shape().as_image().unwrap();
    let plane = height * width;
    let values = || {
        let planes = data.inputs().chunks_exact(plane).skip(channel).step_by(channels);
        planes.flatten().map(|&x| f64::from(x))
    };
    let count = (data.examples() * plane) as f64;
    let mean = values().sum::<f64>() / count;
    (mean, (values().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt())
}

#[track_caller]
fn close((mean, std): (f64, f64), wanted: (f64, f64), tolerance: f64) {
    assert!((mean - wanted.0).abs() < tolerance, "mean {mean}, not {}", wanted.0);
    assert!((std - wanted.1).abs() < tolerance, "std {std}, not {}", wanted.1);
}

#[test]
fn the_fetched_sets_are_the_published_ones() {
    if std::env::var_os("FIRSTGUESS_LONG").is_none() {
        return;
    }
    let (train, test) = (load("mnist", Part::Train), load("mnist", Part::Test));
    assert_eq!((train.name(), train.examples(), test.examples()), ("mnist", 60_000, 10_000));
    assert_eq!(train.class_counts(), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    assert_eq!(test.class_counts(), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    // 0.13066 and 0.30811 of 255, known to everyone who has normalised MNIST.
    close(moments(&train, 0), (0.1306604762738429 * 255.0, 0.30810780717887876 * 255.0), 1e-6);
    let scale = Standardizer::fit(&train, Standardize::Global);
    close(moments(&scale.apply(&train).unwrap(), 0), (0.0, 1.0), 1e-6);
    // The test part on the scale of the training part is close to it, not equal.
    let (mean, std) = moments(&scale.apply(&test).unwrap(), 0);
    assert!(mean.abs() > 1e-4 && mean.abs() < 0.02 && (std - 1.0).abs() < 0.02, "{mean} ± {std}");

    let fashion = load("fashion_mnist", Part::Train);
    assert_eq!(fashion.class_counts(), [6000; 10]);
    close(moments(&fashion, 0), (0.2860405969887955 * 255.0, 0.35302424825650003 * 255.0), 1e-6);

    let cifar = load("cifar10", Part::Train);
    assert_eq!((cifar.examples(), cifar.class_counts()), (50_000, vec![5000; 10]));
    for (channel, wanted) in [
        (125.306918046875, 62.99321927813685),
        (122.950394140625, 62.08870764001421),
        (113.86538318359375, 66.70489964063092),
    ]
    .into_iter()
    .enumerate()
    {
        close(moments(&cifar, channel), wanted, 1e-6);
    }
    let pets = load("cifar10", Part::Test).select_classes(&[3, 5]).unwrap();
    assert_eq!((pets.examples(), pets.class_counts()), (2000, vec![1000, 1000]));
}
