//! The weight audit finds planted mistakes and lets healthy networks be.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]
#![expect(clippy::cast_possible_truncation, reason = "weights are single precision")]

use firstguess::audit::{Audit, Law};
use firstguess::finding::{RULES, Severity, judge_weights};
use firstguess::math::stream::Seed;
use firstguess::net::{NamedTensor, Weights, named_tensors, state_layers};
use firstguess::report::{AuditReport, Style, in_ascii};
use firstguess::spec::network::Network;
use firstguess::spec::scheme::LayerInit;
use firstguess::spec::{Architecture, InitScheme, Shape};

/// A network with a law, and a file of weights.
struct Case {
    network: Network,
    inits: Vec<LayerInit>,
    tensors: Vec<NamedTensor>,
}

const WIDENING: &str =
    r#"[{"dense":128},"relu",{"dense":320},"relu",{"dense":96},"relu",{"dense":10}]"#;
const KERNELS: &str = r#"[{"conv":24},"relu",{"conv":48},"batch_norm","relu",{"max_pool":2},{"conv":16},"relu","flatten",{"dense":10}]"#;

fn case(layers: &str, shape: &[usize], init: &str, seed: u64) -> Case {
    let layers = serde_json::from_str(layers).unwrap();
    let network = Architecture { layers }.resolve(&Shape::from_extents(shape).unwrap()).unwrap();
    let init: InitScheme = match init.parse() {
        Ok(init) => init,
        Err(_) => serde_json::from_str(init).unwrap(),
    };
    let inits: Vec<LayerInit> = network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
    let weights = Weights::draw(&network, &inits, Seed(seed), 0).unwrap();
    let tensors = named_tensors(&network, &weights);
    Case { network, inits, tensors }
}

fn he() -> Case {
    case(WIDENING, &[64], "he_normal", 1)
}

fn kernels() -> Case {
    case(KERNELS, &[3, 8, 8], "he_normal", 1)
}

impl Case {
    /// The file holds what another scheme draws.
    fn drawn_by(self, init: &str) -> Self {
        let init: InitScheme = init.parse().unwrap();
        let drawn: Vec<LayerInit> =
            self.network.weights().iter().map(|w| init.layer(w).unwrap()).collect();
        let weights = Weights::draw(&self.network, &drawn, Seed(5), 0).unwrap();
        Self { tensors: named_tensors(&self.network, &weights), ..self }
    }

    /// The file holds weights of the right variances from another law.
    fn of_law(self, family: &str) -> Self {
        let family = family.parse().unwrap();
        let drawn: Vec<LayerInit> =
            self.inits.iter().map(|init| LayerInit { family, ..init.clone() }).collect();
        let weights = Weights::draw(&self.network, &drawn, Seed(5), 0).unwrap();
        Self { tensors: named_tensors(&self.network, &weights), ..self }
    }

    /// Weight tensors changed one by one, with their fans.
    fn each(mut self, change: impl Fn(usize, &mut NamedTensor, [f64; 2])) -> Self {
        let layers = state_layers(&self.network);
        for layer in &layers {
            let name = format!("{}.weight", layer.module);
            let tensor = self.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap();
            change(
                layer.layer.index,
                tensor,
                [layer.layer.fan_in as f64, layer.layer.fan_out as f64],
            );
        }
        self
    }

    fn scaled(self, factor: impl Fn([f64; 2]) -> f64) -> Self {
        self.each(|_, tensor, fans| scale(tensor, factor(fans)))
    }

    fn only(self, wanted: usize, change: impl Fn(&mut NamedTensor)) -> Self {
        self.each(|index, tensor, _| {
            if index == wanted {
                change(tensor);
            }
        })
    }

    fn report(&self) -> AuditReport {
        let law = Law::Network(&self.network, &self.inits);
        AuditReport::new(Audit::new("case", &self.tensors, law).unwrap(), Vec::new())
    }
}

fn scale(tensor: &mut NamedTensor, factor: f64) {
    tensor.values.iter_mut().for_each(|x| *x = (f64::from(*x) * factor) as f32);
}

fn residual() -> Case {
    let own = r#""weight_variance":0.1"#;
    let layers = format!(
        r#"[{{"dense":48}},{{"repeat":10,"layers":[{{"residual":["relu",{{"dense":48}},"relu",{{"dense":48,{own}}}]}}]}},"relu",{{"dense":10}}]"#
    );
    case(&layers, &[32], "explicit(1,0)", 2)
}

/// Names and shapes of GPT-2, its projections scaled or not.
fn gpt(scaled: bool) -> Vec<NamedTensor> {
    let blocks = 12;
    let source =
        case(r#"[{"repeat":48,"layers":[{"dense":32},"relu"]}]"#, &[32], "explicit(0.0128,0)", 3);
    let mut weights = source.tensors.into_iter().filter(|tensor| tensor.name.ends_with("weight"));
    let mut tensors = Vec::new();
    for block in 0..blocks {
        for part in ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"] {
            let mut tensor = weights.next().unwrap();
            tensor.name = format!("transformer.h.{block}.{part}.weight");
            if scaled && part.ends_with("c_proj") {
                scale(&mut tensor, 1.0 / 24.0_f64.sqrt());
            }
            tensors.push(tensor);
        }
    }
    tensors
}

fn without_law(tensors: &[NamedTensor]) -> AuditReport {
    AuditReport::new(Audit::new("file", tensors, Law::Unknown).unwrap(), Vec::new())
}

/// Every planted mistake with the finding that names it.
#[expect(clippy::too_many_lines, reason = "one entry for each mistake")]
fn planted() -> Vec<(&'static str, &'static str, AuditReport)> {
    let set = |value: f32, places: usize| {
        move |tensor: &mut NamedTensor| tensor.values[..places].fill(value)
    };
    let mut found = vec![
        ("PyTorch's default for He", "fan-mode", he().drawn_by("torch_default")),
        ("fan_out for fan_in", "fan-mode", he().scaled(|[i, o]| (i / o).sqrt())),
        ("mean of both fans", "fan-mode", he().scaled(|[i, o]| (2.0 * i / (i + o)).sqrt())),
        (
            "fan_in for the mean of both",
            "fan-mode",
            case(WIDENING, &[64], "glorot_normal", 1).scaled(|[i, o]| ((i + o) / (2.0 * i)).sqrt()),
        ),
        ("positions left out of the fan", "fan-mode", kernels().only(2, |t| scale(t, 3.0))),
        ("the factor 2 is missing", "weight-scale", he().scaled(|_| 0.5_f64.sqrt())),
        ("the factor 2 outside the root", "weight-scale", he().scaled(|_| 2.0)),
        ("variance as standard deviation", "weight-scale", he().scaled(|[i, _]| (2.0 / i).sqrt())),
        ("fan not divided by", "weight-scale", he().scaled(|[i, _]| i.sqrt())),
        ("gain of tanh applied", "weight-scale", he().scaled(|_| 5.0 / 3.0)),
        ("one layer an order too large", "weight-scale", he().only(3, |t| scale(t, 10.0))),
        (
            "truncated and not rescaled",
            "weight-scale",
            he().drawn_by("he_truncated_normal").scaled(|_| 0.87962566),
        ),
        (
            "deviation as half-width",
            "weight-scale",
            he().drawn_by("he_uniform").scaled(|_| 3.0_f64.sqrt().recip()),
        ),
        ("uniform for normal", "weight-law", he().drawn_by("he_uniform")),
        (
            "normal for uniform",
            "weight-law",
            case(WIDENING, &[64], "he_uniform", 1).drawn_by("he_normal"),
        ),
        ("a mean", "weight-law", he().only(2, |t| t.values.iter_mut().for_each(|x| *x += 0.03))),
        (
            "independent for orthogonal",
            "weight-law",
            case(WIDENING, &[64], "orthogonal", 1).of_law("normal"),
        ),
        (
            "orthogonal for independent",
            "weight-law",
            case(WIDENING, &[64], "lecun_normal", 1).of_law("orthogonal"),
        ),
        ("truncated for normal", "weight-truncation", he().drawn_by("he_truncated_normal")),
        (
            "normal for truncated",
            "weight-truncation",
            case(WIDENING, &[64], "he_truncated_normal", 1).drawn_by("he_normal"),
        ),
        ("NaN", "uninitialised-memory", he().only(2, set(f32::NAN, 1))),
        ("infinity", "uninitialised-memory", he().only(1, set(f32::INFINITY, 1))),
        ("denormal memory", "uninitialised-memory", he().only(4, set(1e-41, 40))),
        ("absurd size", "uninitialised-memory", he().only(1, set(4.2e28, 1))),
        ("one constant", "constant-weights", he().only(3, |t| t.values.fill(0.05))),
        ("zeros", "constant-weights", he().only(4, |t| t.values.fill(0.0))),
        ("rows of zeros", "zero-rows", he().only(2, |t| t.values[..2 * 128].fill(0.0))),
        (
            "padded inputs",
            "zero-rows",
            he().only(1, |t| t.values.chunks_mut(64).for_each(|row| row[60..].fill(0.0))),
        ),
        (
            "rows repeated",
            "duplicated-draws",
            he().only(2, |t| {
                let (head, tail) = t.values.split_at_mut(128 * 8);
                tail[..128 * 8].copy_from_slice(head);
            }),
        ),
        (
            "branches unscaled",
            "residual-scale",
            residual().each(|index, tensor, _| {
                if index > 1 && index < 22 && index % 2 == 1 {
                    scale(tensor, 10.0_f64.sqrt());
                }
            }),
        ),
        ("biases drawn", "bias-scale", {
            let mut case = he();
            let drawn = he().drawn_by("torch_default");
            for (tensor, other) in case.tensors.iter_mut().zip(drawn.tensors) {
                if tensor.name.ends_with("bias") {
                    tensor.values = other.values;
                }
            }
            case
        }),
        ("biases left at zero", "bias-scale", {
            let mut case = case(WIDENING, &[64], "torch_default", 1);
            for tensor in &mut case.tensors {
                if tensor.name.ends_with("bias") {
                    tensor.values.fill(0.0);
                }
            }
            case
        }),
    ]
    .into_iter()
    .map(|(what, id, case)| (what, id, case.report()))
    .collect::<Vec<_>>();
    let mut reseeded = he();
    let source: Vec<f32> = reseeded.tensors[2].values.clone();
    for (at, factor) in [(0_usize, 1.4), (4, 0.6)] {
        let tensor = &mut reseeded.tensors[at];
        let size = tensor.values.len().min(source.len());
        tensor.values[..size].copy_from_slice(&source[..size]);
        scale(tensor, factor);
    }
    found.push(("generator seeded anew", "duplicated-draws", without_law(&reseeded.tensors)));
    let mut copied = case(
        r#"[{"repeat":3,"layers":[{"dense":40},"relu"]},{"dense":10}]"#,
        &[40],
        "he_normal",
        4,
    );
    let [first, _, third, ..] = &mut copied.tensors[..] else { panic!("four layers") };
    third.values.clone_from(&first.values);
    found.push(("a block copied", "duplicated-draws", copied.report()));
    found.push(("projections of GPT-2 unscaled", "residual-scale", without_law(&gpt(false))));
    let mut tied = gpt(true);
    for name in ["transformer.wte.weight", "lm_head.weight"] {
        let source = case(r#"[{"dense":50}]"#, &[32], "lecun_normal", 8).tensors.remove(0);
        tied.push(NamedTensor { name: name.to_owned(), ..source });
    }
    found.push(("tied", "tied-tensors", without_law(&tied)));
    found
}

#[test]
fn every_planted_mistake_is_found_by_its_name() {
    let planted = planted();
    assert!(planted.len() >= 20);
    let mut missed = Vec::new();
    for (what, id, report) in &planted {
        let ids: Vec<&str> = report.findings.iter().map(|finding| finding.id).collect();
        if !ids.contains(id) {
            missed.push(format!("{what}: {id} is not among {ids:?}"));
        }
        // A mistake has few names: a default in place of a scheme has another scale, law, tail and other biases.
        if ids.len() > 4 {
            missed.push(format!("{what}: {ids:?}"));
        }
        for width in [80, 110] {
            let text = report.to_terminal(Style { width, color: false, unicode: true });
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert!(in_ascii(&text).is_ascii());
        }
        assert_eq!(report.to_json()["findings"][0]["id"], ids[0]);
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    // Every rule on weights has its case.
    let rules = RULES.iter().map(|rule| rule.id).skip_while(|id| *id != "uninitialised-memory");
    for rule in rules {
        assert!(planted.iter().any(|(_, id, _)| *id == rule), "no case for {rule}");
    }
}

/// The factor is measured, and the mistake told.
#[test]
fn the_factor_and_its_cause_are_named() {
    for (what, _, report) in planted() {
        let expected = match what {
            "PyTorch's default for He" => ("0.40", "kaiming_uniform_(a=√5)"),
            "fan_out for fan_in" => ("times", "fan_in and fan_out are swapped"),
            "positions left out of the fan" => ("2.9", "positions of the kernel"),
            "the factor 2 is missing" => ("0.70", "factor 2 of He's rule is missing"),
            "fan not divided by" => ("times", "the fan was not divided by"),
            "truncated and not rescaled" => ("0.88", "truncated normal was not rescaled"),
            "deviation as half-width" => ("0.5", "half-width of a uniform law"),
            _ => continue,
        };
        let titles: Vec<&str> = report.findings.iter().map(|f| &f.title[..]).collect();
        let told =
            titles.iter().any(|title| title.contains(expected.0) && title.contains(expected.1));
        assert!(told, "{what}: {titles:?}");
    }
}

fn healthy() -> Vec<(String, AuditReport)> {
    let mut found = Vec::new();
    for (seed, scheme) in (10..).zip([
        "he_normal",
        "he_uniform",
        "he_truncated_normal",
        "glorot_normal",
        "glorot_uniform",
        "glorot_truncated_normal",
        "lecun_normal",
        "orthogonal",
        "torch_default",
        "explicit(1.76,0.05)",
        "gaussian_pair(2)",
        "gaussian_pair(3)",
        r#"{ "scheme": "explicit", "weight_variance": 1.0, "weight_law": "student_t(5)" }"#,
        r#"{ "scheme": "explicit", "weight_variance": 1.0, "weight_law": "rademacher" }"#,
        r#"{ "scheme": "explicit", "weight_variance": 1.0, "weight_law": "laplace" }"#,
    ]) {
        found.push((scheme.to_owned(), case(WIDENING, &[64], scheme, seed).report()));
    }
    for (seed, scheme) in
        (40..).zip(["he_normal", "torch_default", "orthogonal", "delta_orthogonal"])
    {
        found.push((format!("kernels {scheme}"), case(KERNELS, &[3, 8, 8], scheme, seed).report()));
    }
    found.push(("branches scaled".to_owned(), residual().report()));
    let tiny = case(r#"[{"dense":3},"tanh",{"dense":2}]"#, &[2], "torch_default", 50);
    found.push(("tiny".to_owned(), tiny.report()));
    // Half the digits, as in bfloat16.
    let rounded = he().each(|_, tensor, _| {
        for x in &mut tensor.values {
            *x = f32::from_bits(x.to_bits() & 0xffff_0000);
        }
    });
    found.push(("bfloat16".to_owned(), rounded.report()));
    let mut renamed = he();
    for (at, tensor) in renamed.tensors.iter_mut().enumerate() {
        let kind = tensor.name.rsplit('.').next().unwrap().to_owned();
        tensor.name = format!("model.fc{}.{kind}", at / 2);
    }
    found.push(("other names".to_owned(), renamed.report()));
    found.push(("GPT-2 scaled".to_owned(), without_law(&gpt(true))));
    let mut padded = gpt(true);
    "embedding.weight".clone_into(&mut padded[0].name);
    padded[0].values[..32].fill(0.0);
    found.push(("padding of an embedding".to_owned(), without_law(&padded)));
    found
}

#[test]
fn healthy_networks_raise_no_alarm() {
    let healthy = healthy();
    assert!(healthy.len() >= 20);
    for (what, report) in healthy {
        let alarms: Vec<String> =
            report.findings.iter().map(|f| format!("{}: {}", f.id, f.title)).collect();
        assert!(alarms.is_empty(), "{what}: {}", alarms.join("\n"));
        assert_eq!(report.worst(), None);
    }
    // Five hundred seeds would each be another healthy network; fifty show that six standard errors are enough.
    for seed in 100..150 {
        let report = case(
            r#"[{"dense":24},"tanh",{"dense":16},"tanh",{"dense":4}]"#,
            &[12],
            "torch_default",
            seed,
        )
        .report();
        assert!(report.findings.is_empty(), "seed {seed}: {}", report.findings[0].title);
    }
}

#[test]
fn tensors_that_do_not_fit_are_refused_with_what_was_sought() {
    let mut case = he();
    case.tensors.truncate(3);
    let law = Law::Network(&case.network, &case.inits);
    let error = Audit::new("case", &case.tensors, law).unwrap_err().to_string();
    assert!(
        error.contains("layer 3") && error.contains("[96, 320]") && error.contains("none left"),
        "{error}"
    );
    assert!(judge_weights(&Audit::new("nothing", &[], Law::Unknown).unwrap()).is_empty());
}

/// The scheme alone: fans come from the shapes.
#[test]
fn a_scheme_is_enough_where_there_is_no_model() {
    let scheme: InitScheme = "he_normal".parse().unwrap();
    for case in [he(), kernels()] {
        let audit = Audit::new("file", &case.tensors, Law::Scheme(&scheme)).unwrap();
        assert!(judge_weights(&audit).is_empty());
        let other = case.drawn_by("torch_default");
        let audit = Audit::new("file", &other.tensors, Law::Scheme(&scheme)).unwrap();
        let found = judge_weights(&audit);
        assert!(found.iter().any(|f| f.id == "fan-mode" && f.severity == Severity::Error));
    }
}
