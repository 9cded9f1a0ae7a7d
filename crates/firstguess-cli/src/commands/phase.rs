//! `firstguess phase`.

mod from_sweep;

use std::path::Path;

use anyhow::{Context, bail};
use firstguess::report::phase_diagram::{FORMATS, Format, fields, format};
use firstguess::theory::dual::Dual;
use firstguess::theory::mean_field::LayerVariance;
use firstguess::theory::phase::{Phase, Prejudice};
use firstguess::theory::phase_diagram::{Axis, Cell, PhaseDiagram};
use firstguess_io::write_atomically;

use crate::args::{PhaseArgs, Point, Range};
use crate::commands::{dual, predict};
use crate::exit::ExitStatus;
use crate::printer::{Printer, Tone};
use crate::table::{columns, digits, given};

pub(crate) fn run(args: &PhaseArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    // A name that cannot be written is refused before anything is computed.
    let target = args.output.as_deref().map(target).transpose()?;
    let diagram = match (&args.from, &args.model, &args.activation) {
        (Some(folder), _, wanted) => from_sweep::diagram(folder, wanted.as_ref())?,
        (None, Some(path), _) => of_model(args, path, out)?,
        (None, None, Some(activation)) => {
            let phi = dual(activation, args.pool, args.pool_correlation)?;
            computed(args, &phi, None)
        }
        (None, None, None) => {
            bail!("give MODEL, --activation, or --from with the folder of a sweep")
        }
    };
    match target {
        Some(Target::Stdout(form)) => out.verbatim(&(form.render)(&diagram))?,
        Some(Target::File(path, form)) => {
            write_atomically(path, &(form.render)(&diagram))?;
            if out.json() {
                out.value(&fields(&diagram).into_value())?;
            }
            let what = match form.extension {
                "svg" | "png" => "the picture".to_owned(),
                _ => format!("{} cells", diagram.cells.len()),
            };
            out.note(&format!("wrote {what} to `{}`", path.display()))?;
        }
        None if out.json() => out.value(&fields(&diagram).into_value())?,
        None => print(&diagram, out)?,
    }
    Ok(ExitStatus::Fine)
}

/// The diagram with the point that the flags name, else that of the model.
fn computed(args: &PhaseArgs, phi: &Dual, own: Option<LayerVariance>) -> PhaseDiagram {
    let (weight, bias) = axes(args);
    let diagram = PhaseDiagram::new(phi, weight, bias);
    match named(args).or(own) {
        Some(point) => diagram.with_point(phi, point),
        None => diagram,
    }
}

/// Both axes, weights first.
fn axes(args: &PhaseArgs) -> (Axis, Axis) {
    let axis = |Range { low, high }| Axis { low, high, points: args.resolution };
    (axis(args.weight_variance), axis(args.bias_variance))
}

/// The point that the flags name.
fn named(args: &PhaseArgs) -> Option<LayerVariance> {
    args.point.map(|Point { weight_variance: weight, bias_variance: bias }| LayerVariance {
        weight,
        bias,
    })
}

/// The diagram of what the depth of a model repeats: equal plain layers, or blocks with norms, dropout or residual branches.
fn of_model(args: &PhaseArgs, path: &Path, out: &mut Printer) -> anyhow::Result<PhaseDiagram> {
    let prediction = predict::network::prediction(path, out.settings().seed)?;
    let (bulk, block) = (prediction.bulk, prediction.block);
    let block = match (bulk, block) {
        (Ok(bulk), _) => return Ok(computed(args, &bulk.dual(), Some(bulk.layer))),
        (Err(_), Ok(found)) => found.block,
        (Err(layers), Err(blocks)) => bail!(
            "`{}` has no phase diagram: {layers}; and of its blocks: {blocks}. `firstguess phase --activation A` has that \
             of equal plain layers",
            path.display()
        ),
    };
    let (weight, bias) = axes(args);
    let diagram = PhaseDiagram::of_block(&block, weight, bias);
    let own = block.layer();
    if own.is_none() && args.point.is_none() {
        out.note("the layers of a block are drawn with different variances: no one place in the diagram is the model's")?;
    }
    Ok(match named(args).or(own) {
        Some(point) => diagram.with_block(&block, point),
        None => diagram,
    })
}

enum Target<'a> {
    Stdout(&'static Format),
    File(&'a Path, &'static Format),
}

fn target(path: &Path) -> anyhow::Result<Target<'_>> {
    if path == Path::new("-") {
        return Ok(Target::Stdout(format("csv").context("no CSV in the list of formats")?));
    }
    let extension = path.extension().map(|e| e.to_string_lossy()).unwrap_or_default();
    let Some(form) = format(&extension) else {
        let known: Vec<String> =
            FORMATS.iter().map(|form| format!(".{} ({})", form.extension, form.about)).collect();
        bail!(
            "cannot write a phase diagram to `{}`: the ending of the name says the format, one of {}",
            path.display(),
            known.join(", ")
        );
    };
    Ok(Target::File(path, form))
}

/// Rows of the map on a terminal.
const ROWS: usize = 11;

/// Columns beside it: its axis and a margin.
const BESIDE: usize = 19;

/// Its letters.
const LEGEND: [(char, &str); 7] = [
    ('o', "ordered, deeply prejudiced: gradients vanish, all inputs get one class"),
    ('v', "ordered, prejudiced: gradients vanish, most networks favour a class"),
    ('=', "edge of chaos: gradients keep their size"),
    ('x', "chaotic, deeply prejudiced: gradients explode, all inputs get one class"),
    ('p', "chaotic, prejudiced: gradients explode, most networks favour a class"),
    ('n', "neutral: guesses are split evenly"),
    ('?', "no limit: theory says nothing of infinite depth there"),
];

fn letter(cell: &Cell) -> char {
    match (cell.phase, cell.prejudice) {
        (Some(Phase::EdgeOfChaos), _) => '=',
        (_, Some(Prejudice::Neutrality)) => 'n',
        (Some(Phase::Ordered), Some(Prejudice::Prejudice)) => 'v',
        (Some(Phase::Ordered), _) => 'o',
        (_, Some(Prejudice::Prejudice)) => 'p',
        (Some(Phase::Chaotic), _) => 'x',
        _ => '?',
    }
}

fn print(diagram: &PhaseDiagram, out: &mut Printer) -> anyhow::Result<()> {
    let (weights, biases) = (&diagram.weight_variances, &diagram.bias_variances);
    let pool = diagram.pool.as_ref().map_or_else(String::new, |pool| format!(" then {pool}"));
    out.headline(
        Tone::Neutral,
        &format!("phases of {}{pool}, {} cells", diagram.activation, diagram.cells.len()),
    )?;
    let sampled = |count: usize, of: usize| -> Vec<usize> {
        let shown = count.min(of);
        (0..shown).map(|i| i * (of - 1) / (shown - 1).max(1)).collect()
    };
    let (columns_shown, rows_shown) =
        (sampled(out.settings().width - BESIDE, weights.len()), sampled(ROWS, biases.len()));
    let mut map = String::from("\n  bias variance upwards, weight variance to the right\n");
    let mut seen = Vec::new();
    for row in rows_shown.iter().rev() {
        let line: String = columns_shown
            .iter()
            .filter_map(|column| diagram.cell(*column, *row).map(letter))
            .collect();
        seen.extend(line.chars());
        map += &format!("  {:>9} {line}\n", digits(biases[*row]));
    }
    let (low, high) = (given(weights[0]), given(weights[weights.len() - 1]));
    let gap = columns_shown.len().saturating_sub(low.chars().count() + high.chars().count());
    map += &format!("  {:>9} {low}{}{high}\n", "", " ".repeat(gap));
    out.lines(&map)?;
    let meanings: Vec<String> = LEGEND
        .iter()
        .filter(|(letter, _)| seen.contains(letter))
        .map(|(letter, meaning)| format!("  {letter}  {meaning}"))
        .collect();
    out.lines(&format!("{}\n\n", meanings.join("\n")))?;
    if let Some(both) = &diagram.homogeneous {
        out.lines(&format!("{both}\n"))?;
    }
    if let Some(point) = &diagram.point {
        out.lines(&described(point, diagram.blocks))?;
    }
    out.lines(&lines(diagram, out))?;
    out.note(
        "-o FILE.svg or FILE.png draws it, FILE.csv or FILE.json holds every cell and both lines",
    )?;
    Ok(())
}

/// The point that was asked about, in words.
fn described(point: &Cell, blocks: bool) -> String {
    let meaning = LEGEND.iter().find(|(known, _)| *known == letter(point));
    let meaning = meaning.map_or("theory says nothing of it", |(_, meaning)| meaning);
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), digits);
    format!(
        "at σ_w² = {}, σ_b² = {}: {meaning}\n  χ₁ = {}{}, q* = {}, c* = {}\n\n",
        given(point.weight_variance),
        given(point.bias_variance),
        number(point.chi_1),
        if blocks && point.chi_1.is_some() { " per block" } else { "" },
        number(point.q_star),
        number(point.c_star()),
    )
}

/// Both lines at a few bias variances.
fn lines(diagram: &PhaseDiagram, out: &Printer) -> String {
    let last = diagram.bias_variances.len() - 1;
    let mut rows = Vec::new();
    let mut reasons: Vec<String> = Vec::new();
    for step in 0..=4 {
        let at = step * last / 4;
        let mut keep = |why: String| {
            if !reasons.contains(&why) {
                reasons.push(why);
            }
            "-".to_owned()
        };
        let edge = match &diagram.edge_of_chaos[at] {
            Ok(points) => {
                let each: Vec<String> = points
                    .iter()
                    .map(|point| {
                        let repels = !point.stable && point.q_star.is_ok();
                        format!(
                            "{:.6}{}",
                            point.weight_variance,
                            if repels { " (unstable)" } else { "" }
                        )
                    })
                    .collect();
                each.join(" and ")
            }
            Err(why) => keep(format!("edge of chaos: {why}")),
        };
        let neutral = match &diagram.neutrality[at] {
            Ok(point) => format!("{:.6}", point.weight_variance),
            Err(why) => keep(format!("neutrality: {why}")),
        };
        rows.push(vec![digits(diagram.bias_variances[at]), edge, neutral]);
    }
    rows.dedup();
    let headings = ["bias variance", "edge of chaos", "neutral beyond"];
    let mut text = columns(out, &headings, rows);
    // The same reason often comes with another number: one of each kind is enough.
    reasons.dedup_by_key(|why| why.split(':').next().map(ToOwned::to_owned));
    for why in reasons {
        text += &format!("  -  {why}\n");
    }
    text
}
