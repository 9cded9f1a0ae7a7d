//! `firstguess reproduce`: the papers' figures beside ours.

use firstguess::math::stream::Seed;
use firstguess::report::reproduction::{index, rows};
use firstguess::reproduce::{Claim, FIGURES, Figure, Reproduction, figure};
use firstguess::spec::SpecError;
use firstguess_io::write_atomically;
use serde::Serialize;

use crate::args::{PlotFormat, ReproduceArgs};
use crate::commands::pictures::Folder;
use crate::commands::progress::Bar;
use crate::exit::ExitStatus;
use crate::printer::{Printer, Tone};
use crate::table::columns;

/// One figure of the list.
#[derive(Serialize)]
struct Listed {
    figure: &'static str,
    title: &'static str,
    sources: &'static [&'static str],
    about: &'static str,
}

impl Listed {
    fn of(figure: &'static Figure) -> Self {
        let Figure { id, title, sources, about, .. } = figure;
        Self { figure: id, title, sources, about }
    }
}

#[derive(Serialize)]
struct Answer<'a, T> {
    figures: &'a [T],
}

/// One figure, computed.
#[derive(Serialize)]
struct Computed<'a> {
    #[serde(flatten)]
    listed: Listed,
    holds: bool,
    claims: &'a [Claim],
    files: &'a [String],
}

pub(crate) fn run(args: &ReproduceArgs, out: &mut Printer) -> anyhow::Result<ExitStatus> {
    if args.figures.is_empty() {
        anyhow::ensure!(
            args.output.is_none(),
            "which figures? `firstguess reproduce all -o DIR`, or names from `firstguess reproduce`"
        );
        return list(out);
    }
    let figures = chosen(&args.figures)?;
    let folder =
        args.output.as_deref().map(|path| Folder::new(path, args.plot_format)).transpose()?;
    let seed = Seed(out.settings().seed.unwrap_or_default());
    let mut computed = Vec::new();
    for figure in &figures {
        let mut progress =
            Bar::new(out.settings().quiet, &format!("reproducing {}", figure.id), "networks");
        let reproduction = figure.reproduce(seed, &mut progress);
        progress.finish();
        let reproduction = reproduction?;
        if !out.json() {
            describe(&reproduction, out)?;
        }
        computed.push(reproduction);
    }
    let mut files = vec![Vec::new(); computed.len()];
    if let (Some(folder), Some(path)) = (&folder, &args.output) {
        let ending = match args.plot_format {
            PlotFormat::Svg => "svg",
            PlotFormat::Png => "png",
        };
        let pictures = computed.iter().flat_map(|found| found.found.pictures.iter().cloned());
        folder.write(&pictures.collect::<Vec<_>>(), out)?;
        for (reproduction, files) in computed.iter().zip(&mut files) {
            for table in &reproduction.found.tables {
                let name = format!("{}-{}.csv", reproduction.figure.id, table.name);
                write_atomically(&path.join(&name), table.csv().as_bytes())?;
                files.push(name);
            }
            let pictures = reproduction.found.pictures.iter();
            files.extend(pictures.map(|picture| format!("{}.{ending}", picture.name())));
        }
        write_atomically(&path.join("index.md"), index(&computed, ending).as_bytes())?;
        out.note(&format!("wrote `{}`", path.join("index.md").display()))?;
    }
    let all = computed.iter().all(Reproduction::holds);
    if out.json() {
        let answers: Vec<Computed<'_>> = computed
            .iter()
            .zip(&files)
            .map(|(reproduction, files)| Computed {
                listed: Listed::of(reproduction.figure),
                holds: reproduction.holds(),
                claims: &reproduction.found.claims,
                files,
            })
            .collect();
        out.object("reproduce", &Answer { figures: &answers })?;
    } else {
        let claims: Vec<&Claim> = computed.iter().flat_map(|found| &found.found.claims).collect();
        let held = claims.iter().filter(|claim| claim.holds()).count();
        let tone = if all { Tone::Good } else { Tone::Bad };
        out.headline(tone, &format!("{held} of {} statements hold", claims.len()))?;
    }
    Ok(if all { ExitStatus::Fine } else { ExitStatus::Findings })
}

fn list(out: &mut Printer) -> anyhow::Result<ExitStatus> {
    if out.json() {
        let figures: Vec<Listed> = FIGURES.iter().map(|figure| Listed::of(figure)).collect();
        out.object("reproduce", &Answer { figures: &figures })?;
        return Ok(ExitStatus::Fine);
    }
    let width = FIGURES.iter().map(|figure| figure.id.len()).max().unwrap_or_default();
    for Figure { id, title, sources, .. } in FIGURES {
        out.lines(&format!("{id:width$}  {title} ({})\n", sources.join(", ")))?;
    }
    out.note(
        "`firstguess reproduce all` computes every one; `firstguess cite KEY` names a source",
    )?;
    Ok(ExitStatus::Fine)
}

/// The figures of these names, each once, in the order of the list.
fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Figure>> {
    let ids: Vec<&str> = FIGURES.iter().map(|figure| figure.id).collect();
    for name in names {
        if name != "all" && figure(name).is_none() {
            let known: Vec<&str> = ids.iter().copied().chain(["all"]).collect();
            return Err(SpecError::unknown_name("figure", name, &known).into());
        }
    }
    let wanted = |id: &str| names.iter().any(|name| name == id || name == "all");
    Ok(FIGURES.iter().copied().filter(|figure| wanted(figure.id)).collect())
}

fn describe(reproduction: &Reproduction, out: &mut Printer) -> anyhow::Result<()> {
    let Figure { id, title, sources, .. } = reproduction.figure;
    out.lines(&format!("{id}: {title} ({})\n", sources.join(", ")))?;
    let rows = rows(reproduction).map(|row| {
        let verdict = if row.holds { "" } else { "DOES NOT HOLD" };
        vec![row.what, row.stated, row.ours, verdict.to_owned()]
    });
    let table = columns(out, &["", "stated", "ours", ""], rows.collect());
    out.lines(&format!("{table}\n"))?;
    Ok(())
}
