//! Whatever the bytes: a data set that keeps its promises, or an error. Never a panic.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use firstguess::spec::Dataset;
use firstguess_io::{DataError, ReadOptions, dataset_from_bytes, load_dataset};
use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::{Array2, Array4, arr1, arr2};
use ndarray_npy::{NpzWriter, WriteNpyExt};
use proptest::prelude::*;

const COMPRESSED_NPZ: &[u8] = include_bytes!("fixtures/compressed.npz");
const STORED_NPZ: &[u8] = include_bytes!("fixtures/stored.npz");
const OBJECTS_NPZ: &[u8] = include_bytes!("fixtures/objects.npz");
const COLUMN_MAJOR_NPY: &[u8] = include_bytes!("fixtures/column_major_f64.npy");
const SNAPPY_PARQUET: &[u8] = include_bytes!("fixtures/pandas_snappy.parquet");
const ZSTD_PARQUET: &[u8] = include_bytes!("fixtures/zstd_v2.parquet");

fn read(file: &str, bytes: &[u8]) -> Result<Dataset, DataError> {
    let data = dataset_from_bytes(file, bytes, &ReadOptions::default());
    if let Ok(data) = &data {
        assert_promises(data);
    }
    data
}

/// What every caller relies on.
fn assert_promises(data: &Dataset) {
    assert!(data.examples() > 0 && data.features() == data.shape().size());
    assert_eq!(data.inputs().len(), data.examples() * data.features());
    assert!(data.inputs().iter().all(|x| x.is_finite()));
    if let Some(labels) = data.labels() {
        assert_eq!(labels.len(), data.examples());
        assert!(labels.iter().all(|&label| (label as usize) < data.classes()));
    }
}

fn load(path: &Path) -> Result<Dataset, String> {
    load_dataset(path.to_str().unwrap(), None)
        .inspect(assert_promises)
        .map_err(|error| error.to_string())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn npy() -> Vec<u8> {
    let mut bytes = Vec::new();
    arr2(&[[1.5_f32, -2.0, 0.0], [4.0, 5.0, 6.25]]).write_npy(&mut bytes).unwrap();
    bytes
}

fn npz(inputs: &Array2<f64>, labels: &[i64]) -> Vec<u8> {
    let mut writer = NpzWriter::new(Cursor::new(Vec::new()));
    writer.add_array("x", inputs).unwrap();
    writer.add_array("y", &arr1(labels)).unwrap();
    writer.finish().unwrap().into_inner()
}

fn idx(extents: &[u32], data: &[u8]) -> Vec<u8> {
    let axes = u8::try_from(extents.len()).unwrap();
    let extents = extents.iter().flat_map(|extent| extent.to_be_bytes());
    [0, 0, 8, axes].into_iter().chain(extents).chain(data.iter().copied()).collect()
}

fn cifar(labels: &[u8]) -> Vec<u8> {
    labels.iter().flat_map(|&label| std::iter::once(label).chain([label * 20; 3072])).collect()
}

/// A small valid file of every format.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a.npy", npy()),
        ("a.npz", npz(&arr2(&[[1.0, 2.0], [3.0, 4.0]]), &[1, 0])),
        ("numpy.npz", COMPRESSED_NPZ.to_vec()),
        ("numpy.npy", COLUMN_MAJOR_NPY.to_vec()),
        ("a.csv.gz", gzip(b"a,b,label\n1,2,0\n3,4.5,1\n")),
        ("a.csv", b"a,b,label\n1,2,0\n3,4.5,1\n".to_vec()),
        ("images-idx3-ubyte", idx(&[2, 2, 3], &[7; 12])),
        ("images-idx3-ubyte.gz", gzip(&idx(&[2, 2, 3], &[7; 12]))),
        ("data_batch_1.bin", cifar(&[3])),
        ("a.parquet", SNAPPY_PARQUET.to_vec()),
        ("b.parquet", ZSTD_PARQUET.to_vec()),
    ]
}

#[test]
fn arrays_of_another_library_are_read_back() {
    let data = read("a.npy", &npy()).unwrap();
    assert_eq!(data.inputs(), [1.5, -2.0, 0.0, 4.0, 5.0, 6.25]);
    assert_eq!((data.shape().to_string().as_str(), data.labels()), ("[3]", None));
    let data = read("a.npz", &npz(&arr2(&[[1.0, 2.0], [3.0, 4.0]]), &[1, 0])).unwrap();
    assert_eq!(data.inputs(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!((data.labels(), data.classes()), (Some(&[1, 0][..]), 2));
    let mut bytes = Vec::new();
    let images =
        Array4::from_shape_fn((2, 3, 4, 5), |(n, c, h, w)| (n * 60 + c * 20 + h * 5 + w) as f64);
    images.write_npy(&mut bytes).unwrap();
    let data = read("images.npy", &bytes).unwrap();
    assert_eq!(data.shape().extents(), [3, 4, 5]);
    assert!(data.inputs().iter().copied().eq((0..120_u8).map(f32::from)));
}

/// The fixtures were written by NumPy itself.
#[test]
fn archives_of_numpy_are_read_back() {
    let counting = |data: &Dataset| data.inputs().iter().copied().eq((0..36_u8).map(f32::from));
    for (name, bytes) in [("compressed.npz", COMPRESSED_NPZ), ("stored.npz", STORED_NPZ)] {
        let data = read(name, bytes).unwrap();
        assert_eq!(data.shape().extents(), [1, 3, 3], "{name}");
        assert!(counting(&data), "{name}");
        assert_eq!((data.labels(), data.classes()), (Some(&[2, 0, 1, 2][..]), 3), "{name}");
    }
    let data = read("c.npy", COLUMN_MAJOR_NPY).unwrap();
    assert_eq!(data.shape().extents(), [1, 2, 2]);
    assert!(data.inputs().iter().copied().eq((0..12_u8).map(|i| f32::from(i) / 4.0)));
    let pickle = read("objects.npz", OBJECTS_NPZ).unwrap_err().to_string();
    assert!(pickle.contains("array `x`") && pickle.contains("pickle"), "{pickle}");
}

#[test]
fn a_limit_takes_the_first_examples_of_every_format() {
    let options = ReadOptions { examples: Some(1), ..ReadOptions::default() };
    for (name, bytes) in samples() {
        let all = read(name, &bytes).unwrap();
        let one = dataset_from_bytes(name, &bytes, &options).unwrap();
        assert_eq!(one, all.take(1).unwrap(), "{name}");
        let none = ReadOptions { examples: Some(0), ..ReadOptions::default() };
        assert!(dataset_from_bytes(name, &bytes, &none).is_err(), "{name}");
    }
}

/// No prefix of a binary file passes for the file. (A table cut at a line is a table.)
#[test]
fn every_truncation_is_an_error() {
    for (name, bytes) in samples() {
        assert!(read(name, &bytes).is_ok(), "{name}");
        for end in 0..bytes.len() {
            let cut = read(name, &bytes[..end]);
            assert!(
                cut.is_err() || name == "a.csv",
                "{name} cut to {end} bytes of {}",
                bytes.len()
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_never_panic(
        sample in 0..11_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let (name, mut bytes) = samples().swap_remove(sample);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = read(name, &bytes);
    }

    /// Headers are short: most flips in a whole file miss them.
    #[test]
    fn changed_headers_never_panic(
        sample in 0..11_usize,
        changes in prop::collection::vec((0..128_usize, any::<u8>()), 1..5),
    ) {
        let (name, mut bytes) = samples().swap_remove(sample);
        for (place, byte) in changes {
            if let Some(found) = bytes.get_mut(place) {
                *found = byte;
            }
        }
        let _ = read(name, &bytes);
    }

    #[test]
    fn noise_never_panics(
        start in prop::sample::select(vec![&b""[..], b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x1f\x8b\x08", b"\0\0\x08\x02"]),
        noise in prop::collection::vec(any::<u8>(), 0..300),
        name in prop::sample::select(vec!["a.npy", "a.npz", "a.csv", "a.bin", "a", "a.idx"]),
    ) {
        let _ = read(name, &[start, &noise].concat());
    }

    #[test]
    fn any_text_as_a_table_never_panics(text in "[-0-9a-z.,;\"\n\t é]{0,80}") {
        let _ = read("a.csv", text.as_bytes());
    }

    #[test]
    fn any_header_text_never_panics(
        descr in "[<>|=]?[a-zA-Z]?[0-9]{0,3}",
        extents in prop::collection::vec(any::<u64>().prop_map(|e| e >> (e % 64)), 0..6),
        junk in "[{}()',: a-z0-9]{0,20}",
        data in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let shape = extents.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let header = format!("{{'descr': '{descr}', 'fortran_order': True, 'shape': ({shape},)}}{junk}");
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        let _ = read("a.npy", &[b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &data].concat());
    }
}

#[test]
fn not_a_number_is_refused_with_its_place() {
    for bad in [f64::NAN, f64::INFINITY, 1e300] {
        let bytes = npz(&arr2(&[[0.0, 1.0], [2.0, bad]]), &[0, 1]);
        let error = read("a.npz", &bytes).unwrap_err().to_string();
        assert!(error.contains("example 1, feature 1"), "{error}");
    }
}

#[test]
fn labels_must_fit_the_inputs() {
    let inputs = arr2(&[[0.0], [1.0]]);
    for (labels, expected) in [
        (vec![0, 1, 2], "3 labels for 2 examples"),
        (vec![0], "1 labels for 2 examples"),
        (vec![0, -1], "label of example 1 is -1"),
        (vec![0, i64::MAX], "label of example 1 is"),
        (vec![], "0 labels"),
    ] {
        let error = read("a.npz", &npz(&inputs, &labels)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_archive_without_inputs_lists_what_it_holds() {
    let mut writer = NpzWriter::new(Cursor::new(Vec::new()));
    writer.add_array("weights", &arr1(&[1.0_f32])).unwrap();
    writer.add_array("y", &arr1(&[1_i64])).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    let error = read("a.npz", &bytes).unwrap_err().to_string();
    assert!(error.contains("`weights`, `y`") && error.contains("numpy.savez"), "{error}");
}

#[test]
fn folders_of_images_and_labels() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(load(folder.path()).unwrap_err().contains("without a known data set"));

    fs::write(at("t10k-images-idx3-ubyte"), idx(&[1, 1, 2], &[1, 2])).unwrap();
    fs::write(at("t10k-labels-idx1-ubyte"), idx(&[1], &[1])).unwrap();
    fs::write(at("train-images-idx3-ubyte.gz"), gzip(&idx(&[2, 1, 2], &[3, 4, 5, 6]))).unwrap();
    fs::write(at("train-labels-idx1-ubyte"), idx(&[2], &[9, 0])).unwrap();
    let train = load(folder.path()).unwrap();
    assert_eq!(train.inputs(), [3.0, 4.0, 5.0, 6.0]);
    assert_eq!((train.labels(), train.classes()), (Some(&[9, 0][..]), 10));
    let test = load(&at("t10k-images-idx3-ubyte")).unwrap();
    assert_eq!((test.inputs(), test.labels()), (&[1.0, 2.0][..], Some(&[1][..])));

    let labels_alone = load(&at("train-labels-idx1-ubyte")).unwrap_err();
    assert!(labels_alone.contains("labels without images"), "{labels_alone}");
    fs::write(at("train-labels-idx1-ubyte"), idx(&[3], &[9, 0, 1])).unwrap();
    assert!(load(folder.path()).unwrap_err().contains("3 labels for 2 examples"));
    fs::write(at("train-labels-idx1-ubyte"), b"junk").unwrap();
    assert!(load(folder.path()).unwrap_err().contains("labels-idx1"));
    fs::remove_file(at("train-labels-idx1-ubyte")).unwrap();
    assert_eq!(load(folder.path()).unwrap().labels(), None);
}

#[test]
fn folders_of_cifar_batches() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("data_batch_2.bin"), cifar(&[5])).unwrap();
    fs::write(at("data_batch_1.bin"), cifar(&[1, 2])).unwrap();
    fs::write(at("test_batch.bin"), cifar(&[7])).unwrap();
    let data = load(folder.path()).unwrap();
    assert_eq!((data.labels(), data.classes()), (Some(&[1, 2, 5][..]), 10));
    assert_eq!(load(&at("test_batch.bin")).unwrap().labels(), Some(&[7][..]));
    // With enough examples in the first batch the damaged second one is never opened.
    fs::write(at("data_batch_2.bin"), [0; 10]).unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(load_dataset(path, Some(2)).unwrap().examples(), 2);
    assert!(load_dataset(path, Some(3)).unwrap_err().to_string().contains("data_batch_2.bin"));
}

#[cfg(unix)]
#[test]
fn places_that_are_no_files() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a.npz")).unwrap();
    fs::create_dir(folder.path().join("train-images-idx3-ubyte")).unwrap();
    fs::write(folder.path().join(OsStr::from_bytes(b"\xff\xfe.csv")), "1,2\n").unwrap();
    assert!(load(folder.path()).is_err());
    assert!(load(&folder.path().join("a.npz")).unwrap_err().contains("folder"));
    assert!(load(&folder.path().join("b.npz")).unwrap_err().contains("no data set or file"));
    fs::write(folder.path().join("empty.npz"), "").unwrap();
    assert!(load(&folder.path().join("empty.npz")).unwrap_err().contains("empty file"));
    // Reading under a file is not "not found".
    assert!(load(&folder.path().join("empty.npz/x")).unwrap_err().contains("cannot read"));
    assert!(load(Path::new("/dev/zero")).unwrap_err().contains("not a regular file"));
    for name in ["", "a\0b", "\u{202e}", &"x".repeat(10_000)] {
        assert!(load_dataset(name, None).is_err());
    }
}
