//! Parquet tables of three writers, and folders of images.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::fs;
use std::path::Path;

use firstguess::spec::{Dataset, Part};
use firstguess_io::{
    LabelColumn, ReadOptions, dataset_from_bytes, load_dataset_with, load_labels, load_matrix,
};

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn read(name: &str, options: &ReadOptions) -> Result<Dataset, String> {
    let bytes = fs::read(fixture(name)).unwrap();
    dataset_from_bytes(name, &bytes, options).map_err(|error| error.to_string())
}

#[test]
fn tables_of_every_writer_and_codec_are_the_same_data() {
    for name in ["pandas_snappy.parquet", "zstd_v2.parquet", "gzip.parquet", "polars.parquet"] {
        let data = read(name, &ReadOptions::default()).unwrap();
        assert!(data.inputs().iter().copied().eq((0..12_u8).map(|i| f32::from(i) / 4.0)), "{name}");
        assert_eq!((data.labels(), data.classes()), (Some(&[0, 1, 2, 0, 1, 2][..]), 3), "{name}");
        assert_eq!(data.features(), 2);
        // Two row groups of four and two: a limit within the second.
        let five = ReadOptions { examples: Some(5), ..ReadOptions::default() };
        assert_eq!(read(name, &five).unwrap(), data.take(5).unwrap(), "{name}");
    }
}

#[test]
fn integers_keep_their_signs_and_booleans_are_numbers() {
    let data = read("types.parquet", &ReadOptions::default()).unwrap();
    assert_eq!(data.inputs(), [0.0, 1.0, -1.0, 4e9, 0.0, 2.0, 7.0, 1.0, 3.0]);
    let last =
        ReadOptions { label_column: LabelColumn::Named("f".into()), ..ReadOptions::default() };
    assert_eq!(read("types.parquet", &last).unwrap().labels(), Some(&[1, 0, 1][..]));
    let matrix = load_matrix(&fixture("types.parquet"), &ReadOptions::default()).unwrap();
    assert_eq!((matrix.columns, matrix.values[3]), (3, 4e9));
}

#[test]
fn what_is_no_number_is_named() {
    let error = |name| read(name, &ReadOptions::default()).unwrap_err();
    let null = error("null.parquet");
    assert!(null.contains("row 1 of column `n` is empty"), "{null}");
    let text = error("text.parquet");
    assert!(text.contains("column `name` holds text"), "{text}");
    let nested = error("nested.parquet");
    assert!(nested.contains("nested") && nested.contains("savez"), "{nested}");
    let named =
        ReadOptions { label_column: LabelColumn::Named("z".into()), ..ReadOptions::default() };
    assert!(read("types.parquet", &named).unwrap_err().contains("u, f, s"));
    let small = ReadOptions { max_bytes: 900, ..ReadOptions::default() };
    assert!(read("pandas_snappy.parquet", &small).unwrap_err().contains("900 bytes"));
}

#[test]
fn matrices_and_labels_from_tables_of_text() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let options = ReadOptions::default();
    let plain = load_matrix(&at("p.csv", "0.1,0.9\n0.12345678901234567,1e-9\n"), &options).unwrap();
    assert_eq!(plain.values, [0.1, 0.9, 0.12345678901234567, 1e-9]);
    let header = load_matrix(&at("h.tsv", "cat\tdog\n0.5\t0.5\n"), &options).unwrap();
    assert_eq!((header.columns, header.values), (2, vec![0.5, 0.5]));
    assert_eq!(load_labels(&at("y.csv", "label\n3\n0\n"), &options).unwrap(), [3, 0]);
    let refused = |path: &Path| load_labels(path, &options).unwrap_err().to_string();
    assert!(refused(&at("two.csv", "1,2\n")).contains("one column"));
    assert!(refused(&at("half.csv", "0.5\n")).contains("label of example 0 is 0.5"));
    assert!(refused(&fixture("grey.jpg")).contains("unknown format"));
    assert!(refused(Path::new("absent.npy")).contains("cannot read"));
    let vector = load_matrix(&fixture("column_major_f64.npy"), &options).unwrap_err().to_string();
    assert!(vector.contains("[examples, classes]"), "{vector}");
    assert_eq!(load_labels(&fixture("stored.npz"), &options).unwrap(), [2, 0, 1, 2]);
}

/// Writes a grey PGM of one row.
fn pgm(path: &Path, pixels: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, [format!("P5 {} 1 255\n", pixels.len()).as_bytes(), pixels].concat()).unwrap();
}

fn load(folder: &Path, options: &ReadOptions) -> Result<Dataset, String> {
    load_dataset_with(folder.to_str().unwrap(), options).map_err(|error| error.to_string())
}

#[test]
fn a_subfolder_is_a_class_and_names_give_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    pgm(&at("dogs/b.pgm"), &[5, 6]);
    pgm(&at("dogs/a.PGM"), &[3, 4]);
    pgm(&at("cats/1.pgm"), &[1, 2]);
    fs::create_dir(at("empty")).unwrap();
    fs::create_dir(at(".hidden")).unwrap();
    fs::write(at("dogs/notes.txt"), "no image").unwrap();
    let data = load(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(data.inputs(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!((data.labels(), data.classes()), (Some(&[0, 1, 1][..]), 3));
    assert_eq!(data.shape().extents(), [1, 1, 2]);
    let one = ReadOptions { examples: Some(1), ..ReadOptions::default() };
    assert_eq!(load(folder.path(), &one).unwrap(), data.take(1).unwrap());
    let small = ReadOptions { max_bytes: 23, ..ReadOptions::default() };
    assert!(load(folder.path(), &small).unwrap_err().contains("23 bytes"));
    let test = ReadOptions { part: Part::Test, ..ReadOptions::default() };
    assert!(load(folder.path(), &test).unwrap_err().contains("without a test part"));
}

#[test]
fn train_and_test_subfolders_are_parts() {
    let folder = tempfile::tempdir().unwrap();
    pgm(&folder.path().join("train/a/1.pgm"), &[1]);
    pgm(&folder.path().join("train/b/1.pgm"), &[2]);
    pgm(&folder.path().join("test/b/1.pgm"), &[3]);
    pgm(&folder.path().join("test/a/1.pgm"), &[4]);
    assert_eq!(load(folder.path(), &ReadOptions::default()).unwrap().inputs(), [1.0, 2.0]);
    let test = ReadOptions { part: Part::Test, ..ReadOptions::default() };
    let data = load(folder.path(), &test).unwrap();
    assert_eq!((data.inputs(), data.labels()), (&[4.0, 3.0][..], Some(&[0, 1][..])));
}

#[test]
fn images_that_differ_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    pgm(&folder.path().join("a/1.pgm"), &[1, 2]);
    pgm(&folder.path().join("a/2.pgm"), &[1, 2, 3]);
    let size = load(folder.path(), &ReadOptions::default()).unwrap_err();
    assert!(size.contains("2.pgm") && size.contains("3 × 1") && size.contains("2 × 1"), "{size}");
    fs::write(folder.path().join("a/2.pgm"), b"P6 2 1 255\n\x01\x02\x03\x04\x05\x06").unwrap();
    let color = load(folder.path(), &ReadOptions::default()).unwrap_err();
    assert!(color.contains("colour"), "{color}");
    // The other way round grey becomes colour.
    pgm(&folder.path().join("a/3.pgm"), &[7, 8]);
    fs::remove_file(folder.path().join("a/1.pgm")).unwrap();
    let data = load(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(data.shape().extents(), [3, 1, 2]);
    assert_eq!(data.row(0).unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(data.row(1).unwrap(), [7.0, 8.0, 7.0, 8.0, 7.0, 8.0]);
    fs::write(folder.path().join("a/4.png"), b"junk").unwrap();
    assert!(load(folder.path(), &ReadOptions::default()).unwrap_err().contains("4.png"));
}

/// JPEG is lossy: against the values that were saved, at quality 100, within three.
#[test]
fn jpeg_images_are_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let class = folder.path().join("a");
    fs::create_dir(&class).unwrap();
    fs::copy(fixture("grey.jpg"), class.join("grey.jpg")).unwrap();
    let grey = load(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(grey.shape().extents(), [1, 8, 8]);
    for (i, value) in (0_u8..).zip(grey.inputs()) {
        assert!((value - f32::from(i) * 3.0).abs() <= 3.0, "pixel {i}: {value}");
    }
    fs::remove_file(class.join("grey.jpg")).unwrap();
    fs::copy(fixture("colour.jpg"), class.join("colour.jpeg")).unwrap();
    let colour = load(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(colour.shape().extents(), [3, 8, 8]);
    for (plane, wanted) in colour.inputs().chunks(64).zip([200.0, 100.0, 50.0]) {
        assert!(plane.iter().all(|value| (value - wanted).abs() <= 3.0), "{wanted}: {plane:?}");
    }
    // Cut and flipped images give an error or an image, never a panic.
    let bytes = fs::read(fixture("colour.jpg")).unwrap();
    for end in (0..bytes.len()).step_by(7) {
        fs::write(class.join("colour.jpeg"), &bytes[..end]).unwrap();
        let _ = load(folder.path(), &ReadOptions::default());
    }
    for place in (2..bytes.len()).step_by(3) {
        let mut changed = bytes.clone();
        changed[place] ^= 0x5a;
        fs::write(class.join("colour.jpeg"), changed).unwrap();
        let _ = load(folder.path(), &ReadOptions::default());
    }
}
