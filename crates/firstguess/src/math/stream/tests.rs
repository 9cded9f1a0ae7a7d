#![expect(clippy::cast_sign_loss, reason = "counts and shares are positive")]

use super::*;
use crate::math::special::{normal_cdf, normal_survival};
use rayon::prelude::*;

fn stream(draw: u64) -> Stream {
    Stream::new(Seed(2024), draw, 3, Purpose::Test)
}

fn normals(stream: Stream, n: usize) -> Vec<f32> {
    let mut out = vec![0.0; n];
    stream.fill_normal_f32(0, &mut out);
    out
}

/// `√n D`, with `D` the largest distance between the empirical and the exact distribution function.
fn kolmogorov_smirnov(mut sample: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = sample.len() as f64;
    let distance = sample.iter().enumerate().fold(0.0_f64, |worst, (i, &x)| {
        let exact = cdf(x);
        worst.max(exact - i as f64 / n).max((i + 1) as f64 / n - exact)
    });
    distance * n.sqrt()
}

/// The known answers published with Random123 (`kat_vectors`, philox4x32, 10 rounds).
#[test]
fn philox_gives_the_published_answers() {
    let cases = [
        ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ];
    for (counter, key, answer) in cases {
        assert_eq!(philox(counter, key), answer);
    }
}

/// The definition in the module's text, followed word by word.
#[test]
fn elements_sit_where_the_documentation_says() {
    let (seed, draw, layer) = (0x0123_4567_89ab_cdef_u64, 0x0000_fedc_ba98_7654_u64, 77_u32);
    let stream = Stream::new(Seed(seed), draw, layer, Purpose::Bias);
    let key = [0x89ab_cdef, 0x0123_4567];
    for first in [0_u64, 64 * 5, (1 << 36) + 128] {
        let mut words = [0; 256];
        stream.fill_u32(first, &mut words);
        for (offset, &word) in words.iter().enumerate() {
            let i = first + offset as u64;
            let block = 16 * (i / 64) + i % 16;
            let second = 0xfedc_0000 | 2 << 8 | (block >> 32) as u32;
            let exact = philox([block as u32, second, 0xba98_7654, layer], key);
            assert_eq!(word, exact[(i / 16 % 4) as usize], "element {i}");
        }
    }
}

#[test]
fn different_addresses_never_share_a_counter() {
    let base = Stream::new(Seed(5), 6, 7, Purpose::Weights);
    let others = [
        Stream::new(Seed(4), 6, 7, Purpose::Weights),
        Stream::new(Seed(5 | 1 << 63), 6, 7, Purpose::Weights),
        Stream::new(Seed(5), 7, 7, Purpose::Weights),
        Stream::new(Seed(5), 6 | 1 << 47, 7, Purpose::Weights),
        Stream::new(Seed(5), 6 | 1 << 48, 7, Purpose::Weights),
        Stream::new(Seed(5), 6 | 1 << 63, 7, Purpose::Weights),
        Stream::new(Seed(5), 6, 8, Purpose::Weights),
        Stream::new(Seed(5), 6, 7 | 1 << 31, Purpose::Weights),
        Stream::new(Seed(5), 6, 7, Purpose::Bias),
        Stream::new(Seed(5), 6, 7, Purpose::Test),
        base.companion(),
    ];
    for other in others {
        assert_ne!(base, other);
        // Neither can the block index reach into the fields above it.
        assert_eq!(other.high[0] & 0xff, 0);
        assert_ne!(base.block(u64::MAX), other.block(u64::MAX));
    }
}

/// Every split of a range, odd ones too, gives the values of the whole; so does one element at a time.
#[test]
fn a_range_may_be_split_anywhere() {
    let stream = stream(0);
    let mut whole = vec![0.0_f32; 1000];
    stream.fill_normal_f32(17, &mut whole);
    let mut whole_f64 = vec![0.0_f64; 1000];
    stream.fill_normal_f64(17, &mut whole_f64);
    let mut whole_uniform = vec![0.0_f64; 1000];
    stream.fill_uniform_f64(17, &mut whole_uniform);
    for step in [1, 3, 16, 31, 64, 65, 333, 1000] {
        for start in (0..1000).step_by(step) {
            let end = (start + step).min(1000);
            let mut part = vec![0.0_f32; end - start];
            stream.fill_normal_f32(17 + start as u64, &mut part);
            assert_eq!(part, whole[start..end], "{start}..{end}");
            let mut part = vec![0.0_f64; end - start];
            stream.fill_normal_f64(17 + start as u64, &mut part);
            assert_eq!(part, whole_f64[start..end], "{start}..{end}");
        }
    }
    for i in 0..1000 {
        assert_eq!(stream.normal_at(17 + i as u64), whole[i]);
        assert_eq!(stream.uniform_at(17 + i as u64), whole_uniform[i]);
    }
    // The end of the addresses is no cliff.
    stream.fill_normal_f32(u64::MAX - 100, &mut whole);
    assert!(whole.iter().all(|z| z.is_finite()));
    stream.fill_normal_f32(0, &mut []);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let serial = normals(stream(1), 10_007);
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let mut parallel = vec![0.0_f32; serial.len()];
        pool.install(|| {
            parallel.par_chunks_mut(101).enumerate().for_each(|(i, chunk)| {
                stream(1).fill_normal_f32(101 * i as u64, chunk);
            });
        });
        assert_eq!(parallel, serial);
    }
}

/// The instruction sets that this machine has, the portable one first.
fn instruction_sets() -> Vec<Arch> {
    let mut sets = vec![Arch::Scalar, Arch::new()];
    #[cfg(target_arch = "x86_64")]
    sets.extend(pulp::x86::V3::try_new().map(Arch::V3));
    sets
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    fn outputs<const N: usize, L: BlockLaw<N>>(law: L, arch: Arch) -> Vec<L::Value> {
        let mut out = vec![L::Value::default(); 50_001];
        stream(2).fill_on(arch, law, 9, &mut out);
        out
    }
    for arch in instruction_sets() {
        assert_eq!(outputs(Words, arch), outputs(Words, Arch::Scalar));
        assert_eq!(outputs(UniformF32, arch), outputs(UniformF32, Arch::Scalar));
        assert_eq!(outputs(UniformF64, arch), outputs(UniformF64, Arch::Scalar));
        assert_eq!(outputs(NormalF32, arch), outputs(NormalF32, Arch::Scalar));
        assert_eq!(outputs(NormalF64, arch), outputs(NormalF64, Arch::Scalar));
    }
}

/// Box-Muller with the standard library's functions in f64: an independent route to the same values.
#[test]
fn the_normals_are_those_of_box_and_muller() {
    let n = 6_400;
    let mut words = vec![0; n];
    stream(3).fill_u32(0, &mut words);
    let single = normals(stream(3), n);
    let mut double = vec![0.0; n / 2];
    stream(3).fill_normal_f64(0, &mut double);
    for group in 0..n / 64 {
        for lane in 0..16 {
            let at = |k: usize| 64 * group + 16 * k + lane;
            for (radius, angle) in [(0, 1), (2, 3)] {
                let u = (f64::from(words[at(radius)]) + 0.5) / 2f64.powi(32);
                let v = (f64::from(words[at(angle)]) + 0.5) / 2f64.powi(32);
                let r = (-2.0 * u.ln()).sqrt();
                let (sine, cosine) = (std::f64::consts::TAU * v).sin_cos();
                assert!((f64::from(single[at(radius)]) - r * cosine).abs() < 1e-6 * r.max(0.1));
                assert!((f64::from(single[at(angle)]) - r * sine).abs() < 1e-6 * r.max(0.1));
            }
            let uniform = |k: usize| {
                let bits = u64::from(words[at(k)]) << 32 | u64::from(words[at(k + 1)]);
                ((bits >> 12) as f64 + 0.5) / 2f64.powi(52)
            };
            let r = (-2.0 * uniform(0).ln()).sqrt();
            let (sine, cosine) = (std::f64::consts::TAU * uniform(2)).sin_cos();
            let at = |k: usize| 32 * group + 16 * k + lane;
            assert!((double[at(0)] - r * cosine).abs() < 1e-14);
            assert!((double[at(1)] - r * sine).abs() < 1e-14);
        }
    }
}

/// |z| < 4.5 for each of six moments: a fresh seed fails by luck less than once in 10 000; a shift of 0.0012 in the
/// variance is seen.
#[test]
fn the_moments_are_those_of_the_normal_law() {
    let n = 1 << 24;
    let mut sums = [0.0_f64; 6];
    let mut buffer = vec![0.0_f32; 1 << 16];
    for chunk in 0..n / buffer.len() {
        stream(4).fill_normal_f32((chunk * buffer.len()) as u64, &mut buffer);
        for &z in &buffer {
            let mut power = 1.0;
            for sum in &mut sums {
                power *= f64::from(z);
                *sum += power;
            }
        }
    }
    // E z^k and the variance of z^k, E z^2k - (E z^k)².
    let exact = [(0.0, 1.0), (1.0, 2.0), (0.0, 15.0), (3.0, 96.0), (0.0, 945.0), (15.0, 10_170.0)];
    for (k, (mean, variance)) in exact.into_iter().enumerate() {
        let z = (sums[k] / n as f64 - mean) / (variance / n as f64).sqrt();
        assert!(z.abs() < 4.5, "moment {}: {z} standard errors", k + 1);
    }
}

/// `√n D > 2.2` happens once in 8 000 by luck; at n = 400 000 a distance of 0.0035 is seen.
#[test]
fn the_distribution_functions_fit() {
    let n = 400_000;
    let single: Vec<f64> = normals(stream(5), n).into_iter().map(f64::from).collect();
    let mut double = vec![0.0_f64; n];
    stream(6).fill_normal_f64(0, &mut double);
    let mut uniform = vec![0.0_f64; n];
    stream(7).fill_uniform_f64(0, &mut uniform);
    let mut uniform_f32 = vec![0.0_f32; n];
    stream(8).fill_uniform_f32(0, &mut uniform_f32);
    assert!(uniform.iter().all(|u| *u > 0.0 && *u < 1.0));
    assert!(uniform_f32.iter().all(|u| *u > 0.0 && *u < 1.0));
    let identity = |u: f64| u;
    for (name, statistic) in [
        ("normal f32", kolmogorov_smirnov(single, normal_cdf)),
        ("normal f64", kolmogorov_smirnov(double, normal_cdf)),
        ("uniform f64", kolmogorov_smirnov(uniform, identity)),
        (
            "uniform f32",
            kolmogorov_smirnov(uniform_f32.into_iter().map(f64::from).collect(), identity),
        ),
    ] {
        assert!(statistic < 2.2, "{name}: {statistic}");
    }
}

/// The ends of the uniforms reach the tails that the documentation states, with the right weight.
#[test]
fn the_tails_reach_six_standard_deviations_with_the_right_weight() {
    // Exactly: among all 2³² radii, the share with r > t is exp(-t²/2).
    for t in [3.0_f64, 4.0, 5.0, 6.0, 6.5] {
        let share = (-0.5 * t * t).exp();
        let word = (share * 2f64.powi(32)) as u32;
        let radius = |x: u32| (2.0 * f64::from(minus_ln_uniform_f32(x))).sqrt();
        assert!(radius(word.saturating_sub(2 + word / 100_000)) > t, "{t}");
        assert!(radius(word + 2 + word / 100_000) < t, "{t}");
    }
    assert!((normal_pair_f32(0, 0)[0] - 6.764).abs() < 1e-3);
    assert!((normal_pair([0; 4])[0] - 8.571).abs() < 1e-3);
    // By count: 2²⁴ draws beyond 4 sigma, a Poisson number of mean 1063 (|z| < 4).
    let n = 1 << 24;
    let beyond = normals(stream(9), n).into_iter().filter(|z| z.abs() > 4.0).count() as f64;
    let expected = 2.0 * normal_survival(4.0) * n as f64;
    assert!((beyond - expected).abs() < 4.0 * expected.sqrt(), "{beyond} vs {expected}");
}

/// Correlations of values and of squares between neighbours in seed, draw, layer, purpose and element: 12 checks at
/// |z| < 4.5, n = 500 000, so that a correlation of 0.0064 is seen.
#[test]
fn neighbouring_streams_are_independent() {
    let n = 500_000;
    let base = Stream::new(Seed(0), 0, 0, Purpose::Weights);
    let first = normals(base, n + 1);
    let mut shifted = first[1..].to_vec();
    shifted.push(first[0]);
    let others = [
        ("seed", normals(Stream::new(Seed(1), 0, 0, Purpose::Weights), n)),
        ("draw", normals(Stream::new(Seed(0), 1, 0, Purpose::Weights), n)),
        ("layer", normals(Stream::new(Seed(0), 0, 1, Purpose::Weights), n)),
        ("purpose", normals(Stream::new(Seed(0), 0, 0, Purpose::Bias), n)),
        ("element", shifted),
        ("companion", normals(base.companion(), n)),
    ];
    for (name, other) in others {
        let (mut product, mut square_product) = (0.0, 0.0);
        for (&a, &b) in first[..n].iter().zip(&other) {
            let (a, b) = (f64::from(a), f64::from(b));
            product += a * b;
            square_product += (a * a - 1.0) * (b * b - 1.0);
        }
        let root = (n as f64).sqrt();
        assert!((product / root).abs() < 4.5, "{name}: {}", product / root);
        assert!((square_product / (2.0 * root)).abs() < 4.5, "{name}: {square_product}");
    }
}
