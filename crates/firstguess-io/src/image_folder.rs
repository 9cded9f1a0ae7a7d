//! A folder of images: one subfolder per class.

use std::fs;
use std::path::{Path, PathBuf};

use firstguess::spec::{Dataset, Part};

use crate::error::{DataError, Problem};
use crate::images::{self, Image};
use crate::load::{ReadOptions, ending, file_name, file_names, read_file};
use crate::parts::{Labels, assemble, plan};

/// Names of the subfolders that hold the official parts.
const TRAIN: [&str; 2] = ["train", "training"];
const TEST: [&str; 5] = ["test", "testing", "val", "valid", "validation"];

pub(crate) const LAYOUT: &str =
    "one subfolder per class, with PNG, JPEG, PGM or PPM files of one size";

/// Loads the images below a folder, or `None` if it holds none: classes in the order of their names, files in the order of theirs.
///
/// Inputs are `[channels, height, width]` with values 0 to 255. Where there are subfolders `train` and `test`, the classes are looked
/// for in that of the part that is wanted.
pub(crate) fn load(folder: &Path, options: &ReadOptions) -> Result<Option<Dataset>, DataError> {
    let io_error = |source| DataError::Io { file: folder.to_string_lossy().into_owned(), source };
    let subfolders = folder_names(folder).map_err(io_error)?;
    let official = |names: &[&str]| {
        let found = names.iter().find(|name| subfolders.iter().any(|sub| sub == *name));
        found.map(|name| folder.join(name))
    };
    let root = match (options.part, official(&TRAIN), official(&TEST)) {
        (Part::Train, Some(train), _) => train,
        (Part::Test, _, Some(test)) => test,
        (Part::Train, None, _) => folder.to_owned(),
        (Part::Test, _, None) => return Ok(None),
    };
    let classes = match folder_names(&root) {
        Ok(classes) if !classes.is_empty() => classes,
        Ok(_) => return Ok(None),
        Err(error) => return Err(io_error(error)),
    };
    let mut files: Vec<(PathBuf, u32)> = Vec::new();
    for (class, name) in (0_u32..).zip(&classes) {
        let below = root.join(name);
        let images = file_names(&below).map_err(io_error)?;
        let images = images.into_iter().filter(|file| is_image(file));
        files.extend(images.map(|file| (below.join(file), class)));
    }
    if files.is_empty() {
        return Ok(None);
    }
    read(&file_name(folder), &files, classes.len(), options).map(Some)
}

fn read(
    name: &str,
    files: &[(PathBuf, u32)],
    classes: usize,
    options: &ReadOptions,
) -> Result<Dataset, DataError> {
    let mut first: Option<Image> = None;
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    for (path, class) in files.iter().take(options.examples.unwrap_or(usize::MAX)) {
        let shown = || path.to_string_lossy().into_owned();
        let bytes = read_file(path, options.max_bytes)?;
        let image = images::decode(&bytes).map_err(|problem| problem.in_file(&shown()))?;
        if first.is_none() {
            let all = image.shape().and_then(|shape| plan(files.len(), shape.size(), options));
            all.map_err(|problem| problem.in_file(&shown()))?;
        }
        // What the others must be like: the form without the pixels.
        let reference = first.get_or_insert(Image { pixels: Vec::new(), ..image });
        let image = fitted(image, &*reference).map_err(|problem| problem.in_file(&shown()))?;
        for channel in 0..image.channels {
            inputs.extend(image.plane(channel).map(f32::from));
        }
        labels.push(*class);
    }
    let in_folder = |problem: Problem| problem.in_file(name);
    let Some(first) = first else {
        return Err(in_folder(Problem::new("no example asked for", "at least one")));
    };
    let labels = Labels { values: labels, classes };
    first.shape().and_then(|shape| assemble(name, shape, inputs, Some(labels))).map_err(in_folder)
}

/// The image in the form of the first one; grey among colour is made colour.
fn fitted(image: Image, first: &Image) -> Result<Image, Problem> {
    let image = if first.channels == 3 { image.into_color() } else { image };
    if (image.height, image.width) != (first.height, first.width) {
        return Err(Problem::new(
            format!("an image of {} × {} pixels", image.width, image.height),
            format!("the {} × {} pixels of the first image", first.width, first.height),
        )
        .hint(format!(
            "bring all images to one size: mogrify -resize {}x{}! *.png",
            first.width, first.height
        )));
    }
    if image.channels != first.channels {
        return Err(Problem::new("a colour image", "grey, as the first image")
            .hint("make all images grey or all coloured: mogrify -colorspace Gray *.png"));
    }
    Ok(image)
}

fn is_image(name: &str) -> bool {
    !name.starts_with('.') && images::ENDINGS.contains(&ending(&name.to_lowercase()))
}

/// The names of the subfolders, sorted, without hidden ones.
fn folder_names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().is_dir()
            && let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
