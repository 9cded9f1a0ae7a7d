//! A folder of pictures, one file each, whole or not at all.

use std::fs;
use std::path::Path;

use anyhow::Context;
use firstguess::report::picture::{Picture, Theme};
use firstguess_io::write_atomically;

use crate::args::{PlotArgs, PlotFormat};
use crate::printer::Printer;

/// Pixels of a PNG per unit of its drawing.
const SCALE: f64 = 2.0;

/// Where pictures go.
pub(super) struct Folder<'a> {
    path: &'a Path,
    format: PlotFormat,
}

impl<'a> Folder<'a> {
    /// Of the options, where there is one.
    pub(super) fn of(args: &'a PlotArgs) -> anyhow::Result<Option<Self>> {
        args.plot.as_deref().map(|path| Self::new(path, args.plot_format)).transpose()
    }

    /// The folder; what cannot be one is refused before anything is computed, and none is made before there is something in it.
    pub(super) fn new(path: &'a Path, format: PlotFormat) -> anyhow::Result<Self> {
        anyhow::ensure!(
            path.is_dir() || !path.exists(),
            "cannot draw into `{}`: it is a file. Give the name of a folder",
            path.display()
        );
        Ok(Self { path, format })
    }

    /// Every picture under its own name.
    pub(super) fn write(&self, pictures: &[Picture], out: &mut Printer) -> anyhow::Result<()> {
        fs::create_dir_all(self.path).with_context(|| {
            format!("cannot make the folder `{}` for the pictures", self.path.display())
        })?;
        for picture in pictures {
            let (ending, bytes) = match self.format {
                PlotFormat::Svg => ("svg", picture.to_svg().into_bytes()),
                PlotFormat::Png => ("png", picture.to_png(Theme::Light, SCALE)),
            };
            write_atomically(&self.path.join(format!("{}.{ending}", picture.name())), &bytes)?;
        }
        let names: Vec<&str> = pictures.iter().map(Picture::name).collect();
        out.note(&format!("drew {} into `{}`", names.join(", "), self.path.display()))?;
        Ok(())
    }
}
