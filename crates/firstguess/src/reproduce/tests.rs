use super::*;

/// Those that need no networks hold to the last digit that was stated.
#[test]
fn figures_of_theory_hold() {
    for id in [
        "class-fractions",
        "phase-diagrams",
        "pool-size",
        "data-shift",
        "depth-scales",
        "loss-bias",
    ] {
        let found = figure(id).expect("listed").reproduce(Seed(0), &mut ()).expect("computes");
        assert!(!found.found.claims.is_empty() && !found.found.tables.is_empty(), "{id}");
        for claim in &found.found.claims {
            assert!(claim.holds(), "{id}: {claim:?}");
        }
    }
}

/// What is measured holds at another seed than the one of the documentation.
#[test]
fn figures_of_networks_hold() {
    for id in ["first-layer-drift", "residual-correlation", "norms"] {
        let found = figure(id).expect("listed").reproduce(Seed(7), &mut ()).expect("computes");
        for claim in &found.found.claims {
            assert!(claim.holds(), "{id}: {claim:?}");
        }
    }
}

#[test]
fn claims_hold_within_tolerance_and_errors_only() {
    let measured = |value| Estimate::new(value, Some(0.1), 10);
    assert!(Claim::about("exact", 1.0, 0.01, 1.005).holds());
    assert!(!Claim::about("exact", 1.0, 0.01, 1.02).holds());
    assert!(Claim::about("measured", 1.0, 0.01, measured(1.4)).holds());
    assert!(!Claim::about("measured", 1.0, 0.01, measured(1.5)).holds());
    assert!(
        Claim::at_most("bound", 1.0, 1.0).holds() && !Claim::at_most("bound", 1.0, 1.1).holds()
    );
    assert!(
        Claim::at_least("bound", 1.0, 1.0).holds() && !Claim::at_least("bound", 1.0, 0.9).holds()
    );
    assert!(!Claim::about("nothing", 1.0, 1.0, f64::NAN).holds());
    assert!(!Claim::at_most("nothing", 1.0, Estimate::missing("for a test")).holds());
}

#[test]
fn names_are_fit_for_files_and_differ() {
    let mut ids: Vec<&str> = FIGURES.iter().map(|figure| figure.id).collect();
    for id in &ids {
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{id}");
        assert_eq!(figure(id).map(|figure| figure.id), Some(*id));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), FIGURES.len());
    assert!(figure("no-such-figure").is_none());
}

#[test]
fn tables_are_written_as_csv() {
    let mut table = Table::new("numbers", &["pair", "first", "second"]);
    table.push("log_periodic(0.9,3)", [1.5, f64::NAN]);
    assert_eq!(table.csv(), "pair,first,second\n\"log_periodic(0.9,3)\",1.5,\n");
}
