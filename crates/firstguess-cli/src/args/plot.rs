//! Where pictures go, for every command that draws some.

use std::path::PathBuf;

use clap::{Args as Arguments, ValueEnum};

/// A folder of pictures.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct PlotArgs {
    /// Draw the results into a folder, one picture per file; the folder is made if it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) plot: Option<PathBuf>,
    /// Kind of the pictures
    #[arg(long, value_name = "KIND", value_enum, default_value_t = PlotFormat::Svg, requires = "plot")]
    pub(crate) plot_format: PlotFormat,
}

/// What pictures are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlotFormat {
    /// Sharp at every size, dark where the reader asks for it
    Svg,
    /// 1440 pixels across
    Png,
}
