//! Memory follows the bytes that are there, not what they claim. One test: the allocator counts for the whole process.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use std::io::Write;

use firstguess_io::{DataError, ReadOptions, dataset_from_bytes};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;

/// 64 MiB of zeros after `start`, through an encoder.
fn pour(mut into: impl Write, start: &[u8]) {
    into.write_all(start).unwrap();
    let zeros = vec![0; MIB];
    for _ in 0..64 {
        into.write_all(&zeros).unwrap();
    }
}

fn npy(descr: &str, shape: &str) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat()
}

/// A deflated array of 64 MiB in an archive of some 64 KiB.
fn zip_bomb() -> Vec<u8> {
    let mut output = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut output);
    let (mut entry, config) = archive
        .new_file("x.npy")
        .compression_method(rawzip::CompressionMethod::DEFLATE)
        .start()
        .unwrap();
    let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::default()));
    pour(&mut writer, &npy("|u1", "(1024, 65536)"));
    let (encoder, descriptor) = writer.finish().unwrap();
    encoder.finish().unwrap();
    entry.finish(descriptor).unwrap();
    archive.finish().unwrap();
    output
}

/// An archive whose zip64 directory claims 2^40 entries in 2^46 bytes, and one array.
fn absurd_directory() -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    let directory_end = bytes.len() as u64;
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44_u64.to_le_bytes());
    bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for claim in [1_u64 << 40, 1 << 40, 1 << 46, 1 << 41] {
        bytes.extend(claim.to_le_bytes());
    }
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(directory_end.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([0xff; 12]);
    bytes.extend([0, 0]);
    bytes
}

/// A Parquet file whose page header claims 2 GB where there is a kilobyte.
fn absurd_table() -> Vec<u8> {
    let mut bytes = include_bytes!("fixtures/types.parquet").to_vec();
    // PageHeader { 1: type, 2: uncompressed_page_size, 3: compressed_page_size, … } in the compact protocol: the first page of the
    // file begins after the magic with field 1 (0x15), its value, then field 2 (0x15) and its zigzag varint.
    let field = bytes[4..].windows(2).position(|pair| pair == [0x15, 0x00]).unwrap_or(0);
    let start = 4 + field;
    assert_eq!(bytes[start + 2], 0x15, "the first page header is where it was");
    // The varint grows from some bytes to five; what follows moves, so the file is damaged besides.
    bytes.splice(start + 3..start + 4, [0xfe, 0xff, 0xff, 0xff, 0x0f]);
    bytes
}

#[test]
fn no_claim_and_no_bomb_allocates_more_than_the_limit_allows() {
    let mut gzip_bomb = GzEncoder::new(Vec::new(), Compression::default());
    pour(&mut gzip_bomb, b"1,2\n");
    let idx = [&[0, 0, 8, 4][..], &[0x3f; 16]].concat();
    let long_header = [b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..]].concat();
    let cases = [
        ("bomb.csv.gz", gzip_bomb.finish().unwrap(), true),
        ("bomb.npz", zip_bomb(), true),
        ("directory.npz", absurd_directory(), false),
        ("claim.npy", npy("<f8", "(1099511627776, 1024)"), false),
        ("overflow.npy", npy("<f8", "(4294967296, 4294967296)"), false),
        ("header.npy", long_header, false),
        ("claim-idx3-ubyte", idx, false),
        ("claim.parquet", absurd_table(), false),
        // 1 MiB of one-byte values would be 4 MiB of f32: more than the limit though the file is not.
        ("wide.npy", [npy("|u1", "(4, 262000)"), vec![0; 4 * 262_000]].concat(), true),
    ];
    let options = ReadOptions { max_bytes: MIB as u64, ..ReadOptions::default() };
    for (name, bytes, too_large) in cases {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let error = dataset_from_bytes(name, &bytes, &options).unwrap_err();
        let used = MEMORY.peak_usage() - before;
        assert!(used < 4 * MIB, "{name} took {used} bytes");
        assert_eq!(matches!(error, DataError::TooLarge { .. }), too_large, "{name}: {error}");
    }
}
