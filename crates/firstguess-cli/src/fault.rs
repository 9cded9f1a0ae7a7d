//! A fault in a spec file, shown in the file's own text.

use firstguess_io::LoadSpecError;
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
};

use crate::printer::WIDTH;

/// The code frame around the fault; `None` where the fault has no place.
pub(crate) fn frame(error: &LoadSpecError, color: bool, unicode: bool) -> Option<String> {
    let (text, span) = (error.text.as_ref()?, error.fault.span.clone()?);
    let mut diagnostic = MietteDiagnostic::new(error.fault.message.clone())
        .with_label(LabeledSpan::at(span, "here"));
    if let Some(help) = &error.fault.help {
        diagnostic = diagnostic.with_help(help);
    }
    let source = NamedSource::new(error.path.display().to_string(), text.clone());
    let report = Report::new(diagnostic).with_source_code(source);
    let theme = match (color, unicode) {
        (true, true) => GraphicalTheme::unicode(),
        (false, true) => GraphicalTheme::unicode_nocolor(),
        _ => GraphicalTheme::none(),
    };
    let mut frame = String::new();
    let handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_links(false);
    handler.render_report(&mut frame, report.as_ref()).ok()?;
    Some(frame)
}
