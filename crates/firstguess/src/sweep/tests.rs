use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn axis(name: &str, values: Values) -> Axis {
    Axis { fields: vec![Field { name: name.to_owned(), values }] }
}

fn list(values: &[Value]) -> Values {
    Values::List(values.to_vec())
}

fn range(start: f64, stop: f64, num: u64) -> Values {
    Values::Range(Range { start, stop, num, scale: Scale::Linear, round: false })
}

fn parts(command: &str, axes: Vec<Axis>) -> GridParts {
    GridParts {
        command: command.to_owned(),
        spec: None,
        axes,
        chunk: None,
        json: false,
        data: String::new(),
    }
}

fn grid(axes: Vec<Axis>) -> Grid {
    Grid::new(parts("predict", axes)).unwrap()
}

fn refused(parts: GridParts, expected: &str) {
    let message = Grid::new(parts).unwrap_err().to_string();
    assert!(message.contains(expected), "`{expected}` is not in: {message}");
}

#[test]
fn the_last_axis_changes_fastest_and_zips_go_side_by_side() {
    let zip = Axis {
        fields: vec![
            Field { name: "activation".to_owned(), values: list(&["relu".into(), "tanh".into()]) },
            Field { name: "weight_variance".to_owned(), values: list(&[2.0.into(), 1.5.into()]) },
        ],
    };
    let grid = grid(vec![zip, axis("depth", range(10.0, 30.0, 3))]);
    assert_eq!((grid.points(), grid.chunk_points(), grid.chunks()), (6, 1, 6));
    let all: Vec<Vec<Value>> = (0..6).map(|index| grid.point(index).values).collect();
    assert_eq!(all[0], [json!("relu"), json!(2.0), json!(10)]);
    assert_eq!(all[2], [json!("relu"), json!(2.0), json!(30)]);
    assert_eq!(all[3], [json!("tanh"), json!(1.5), json!(10)]);
    let names: Vec<&str> = grid.fields().collect();
    assert_eq!(names, ["activation", "weight_variance", "depth"]);
}

#[test]
fn ranges_have_exact_ends_and_whole_steps() {
    let of = |values: Values| -> Vec<Value> { (0..values.len()).map(|at| values.at(at)).collect() };
    assert_eq!(of(range(0.0, 7.0, 8)), (0..8).map(Value::from).collect::<Vec<_>>());
    let fine = of(range(0.1, 0.7, 7));
    assert_eq!((fine[0].as_f64(), fine[6].as_f64()), (Some(0.1), Some(0.7)));
    let scale = Scale::Log;
    let logs = of(Values::Range(Range { start: 1e-4, stop: 1.0, num: 5, scale, round: false }));
    for (power, value) in (-4..).zip(&logs) {
        let expected = 10_f64.powi(power);
        assert!((value.as_f64().unwrap() / expected - 1.0).abs() < 1e-14, "{value}");
    }
    let widths = of(Values::Range(Range { start: 10.0, stop: 1000.0, num: 4, scale, round: true }));
    assert_eq!(widths, [json!(10), json!(46), json!(215), json!(1000)]);
}

#[test]
fn hostile_grids_are_refused_in_words() {
    let big = || axis("depth", range(1.0, 1e6, 1_000_000));
    let other = |name: &str| axis(name, range(0.0, 1.0, 1_000_000));
    refused(parts("predict", vec![big(), other("weight_variance")]), "1000000000000 points");
    refused(parts("predict", vec![axis("depth", range(0.0, 1e18, u64::MAX))]), "points");
    let vast = vec![big(), other("a"), other("b"), other("c"), other("d")];
    refused(parts("predict", vast), "more than 2^64");
    refused(parts("predict", vec![axis("depth", list(&[]))]), "empty list");
    refused(parts("predict", vec![axis("depth", list(&[json!(1), json!(1.0)]))]), "twice");
    let few = || axis("depth", range(1.0, 10.0, 10));
    refused(parts("predict", vec![few(), few()]), "given twice");
    refused(parts("predict", vec![axis("depth", range(1.0, f64::NAN, 3))]), "NaN");
    refused(parts("predict", vec![axis("depth", range(1.0, 1.0, 3))]), "two ends that differ");
    refused(parts("predict", vec![axis("depth", range(1.0, 2.0, 0))]), "at least one");
    refused(parts("predict", vec![axis("depth", range(1.0, 1.0 + 1e-12, 100_000))]), "fewer");
    let scale = Scale::Log;
    let log = Values::Range(Range { start: 0.0, stop: 1.0, num: 3, scale, round: false });
    refused(parts("predict", vec![axis("weight_variance", log)]), "above 0");
    let rounded = Values::Range(Range { start: 1.0, stop: 3.0, num: 10, scale, round: true });
    refused(parts("predict", vec![axis("depth", rounded)]), "twice");
    refused(parts("predct", vec![]), "did you mean `predict`");
    refused(parts("check", vec![]), "asks of a network");
    refused(parts("predict", vec![axis("init.scheme", list(&["a".into()]))]), "there is none");
    refused(GridParts { chunk: Some(0), ..parts("predict", vec![]) }, "from 1 to");
    let tiny = GridParts {
        chunk: Some(1),
        ..parts("predict", vec![axis("x", range(0.0, 1.0, 2_000_000))])
    };
    refused(tiny, "per chunk");
    let unequal = Axis {
        fields: vec![
            Field { name: "a".to_owned(), values: range(0.0, 1.0, 2) },
            Field { name: "b".to_owned(), values: range(0.0, 1.0, 3) },
        ],
    };
    refused(parts("predict", vec![unequal]), "`a` has 2 values and `b` has 3");
}

#[test]
fn paths_lead_into_the_spec() {
    let spec = json!({ "init": { "scheme": "he_normal" }, "network": { "layers": [{ "dense": 8 }, "relu"] } });
    let with = |name: &str, value: Value| GridParts {
        spec: Some(spec.clone()),
        ..parts("check", vec![axis(name, list(&[value]))])
    };
    let grid = Grid::new(with("network.layers.0.dense", json!(16))).unwrap();
    let point = grid.point(0);
    assert_eq!(point.spec.unwrap()["network"]["layers"][0]["dense"], 16);
    assert!(point.options.is_empty());
    let made = Grid::new(with("measure.draws", json!(4))).unwrap();
    assert_eq!(made.point(0).spec.unwrap()["measure"]["draws"], 4);
    let digits = Grid::new(with("data.samples", json!(7))).unwrap().point(0).spec.unwrap();
    assert_eq!(
        (&digits["data"]["samples"], &digits["data"]["dataset"]),
        (&json!(7), &json!("digits"))
    );
    refused(with("network.layers.7.dense", json!(1)), "list of 2");
    refused(with("init.scheme.gain", json!(1)), "has no parts");
    let inside = GridParts {
        axes: vec![
            axis("init.scheme", list(&["a".into()])),
            axis("init.scheme.gain", list(&[1.into()])),
        ],
        ..with("x", json!(1))
    };
    refused(inside, "given twice");
}

#[test]
fn keys_depend_on_the_question_alone() {
    let by = |command: &str, axes: Vec<Axis>| Grid::new(parts(command, axes)).unwrap();
    let one = by("predict", vec![axis("depth", list(&[json!(5)])), axis("a", list(&[json!(2.0)]))]);
    let same =
        by("predict", vec![axis("a", range(1.0, 2.0, 2)), axis("depth", range(5.0, 6.0, 2))]);
    assert_eq!(one.key(0), same.key(2));
    assert_ne!(one.key(0), same.key(3));
    assert_ne!(one.key(0), one.clone().on_data("x.npz 01".to_owned()).key(0));
    let other =
        by("critical", vec![axis("depth", list(&[json!(5)])), axis("a", list(&[json!(2)]))]);
    assert_ne!(one.key(0), other.key(0));
    assert_ne!(one.digest(), same.digest());
    // A key that moved would recompute every sweep: then NUMERICAL_VERSION must have moved as well.
    assert_eq!(NUMERICAL_VERSION, 1);
    assert_eq!(one.key(0), "75d0ceb09e17cc0e963d01a132347faa");
}

#[test]
fn manifests_give_the_grid_back() {
    let grid = grid(vec![axis("depth", range(1.0, 9.0, 9)), axis("a", list(&["x".into()]))]);
    let text = serde_json::to_string(&grid.parts()).unwrap();
    let again = Grid::new(serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!((again.digest(), again.key(4)), (grid.digest(), grid.key(4)));
}

#[test]
fn answers_become_columns() {
    let grid = grid(vec![axis("weight_variance", list(&[json!(1), json!(1.5)]))]);
    let layout = Layout::new(&grid);
    let answer = json!({
        "q_star": 0.5, "depth_scale_q": null, "depth_scale_q_reason": "infinite: the slope is 1",
        "chi_1": null, "chi_1_reason": "no limit", "phase": "ordered",
        "layers": [{ "gradient": 0.25 }, { "q": 3.0, "gradient": 1.0 }],
    });
    let row = |index: u64, outcome| Row { point: grid.point(index), key: grid.key(index), outcome };
    let table = layout.table(&[row(0, Ok(answer)), row(1, Err("why".to_owned()))]);
    let of = |name: &str| &table.columns.iter().find(|column| column.name == name).unwrap().data;
    let number = |first| ColumnData::Number(vec![first, None]);
    assert_eq!(of("point"), &ColumnData::Integer(vec![Some(0), Some(1)]));
    assert_eq!(of("weight_variance"), &ColumnData::Number(vec![Some(1.0), Some(1.5)]));
    assert_eq!(of("error"), &ColumnData::Text(vec![None, Some("why".to_owned())]));
    assert_eq!(of("depth_scale_q"), &number(Some(f64::INFINITY)));
    assert_eq!(of("chi_1"), &number(None));
    assert_eq!(of("last_q"), &number(Some(3.0)));
    assert_eq!(of("first_gradient"), &number(Some(0.25)));
    assert_eq!(of("phase"), &ColumnData::Text(vec![Some("ordered".to_owned()), None]));
    let names: Vec<&str> = layout.columns().map(|(name, _)| name).collect();
    let distinct: std::collections::HashSet<&&str> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
    assert!(Command::ALL.iter().all(|command| Command::named(command.name()) == Ok(*command)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Chunks cover every point once, in order; all points differ.
    #[test]
    fn chunks_divide_the_points(a in 1_u64..40, b in 1_u64..40, chunk in prop::option::of(1_u64..50)) {
        let axes = vec![
            axis("a", range(0.0, 1.0, a.max(2))),
            axis("b", range(-3.0, 1e-3, b.max(2))),
        ];
        let grid = Grid::new(GridParts { chunk, ..parts("predict", axes) }).unwrap();
        let all: Vec<u64> = (0..grid.chunks()).flat_map(|index| grid.chunk(index)).collect();
        prop_assert_eq!(&all, &(0..grid.points()).collect::<Vec<_>>());
        let keys: std::collections::HashSet<String> =
            all.iter().map(|index| grid.key(*index)).collect();
        prop_assert_eq!(keys.len() as u64, grid.points());
        prop_assert!(grid.chunk(grid.chunks()).is_empty());
    }
}
