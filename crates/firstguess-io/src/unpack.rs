//! From an archive on disk to the files of a data set: gzip, tar, a Debian package, or pictures of CIFAR-10 batches.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::read::MultiGzDecoder;

use crate::images;
use crate::known::KnownFile;
use crate::parts::{gunzip, read_bounded};

/// Bytes in a block of a tar archive.
const BLOCK: usize = 512;

/// A member beside the wanted files may be this large: the pictures of CIFAR-10 batches are 23 MB.
const LARGEST_MEMBER: u64 = 64 << 20;

/// Images in one CIFAR-10 batch, and values in one plane of an image.
const BATCH: usize = 10_000;
const PLANE: usize = 32 * 32;

/// The files of an archive by name, decompressed: those that are wanted, and those they can be made of.
pub(crate) fn unpack(
    path: &Path,
    wanted: &[KnownFile],
) -> Result<HashMap<String, Vec<u8>>, String> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let open = || File::open(path).map(BufReader::new).map_err(|error| error.to_string());
    let mut found = HashMap::new();
    let is = |ending: &str| name.strip_suffix(ending).is_some();
    if is(".tgz") || is(".tar.gz") {
        members(MultiGzDecoder::new(open()?), wanted, &mut found)?;
    } else if is(".deb") {
        // The program that came with the package client: a package may be packed in several ways.
        let mut child = Command::new("dpkg-deb")
            .arg("--fsys-tarfile")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start dpkg-deb: {error}"))?;
        let outcome = match child.stdout.take() {
            Some(stdout) => members(BufReader::new(stdout), wanted, &mut found),
            None => Err("dpkg-deb gives no output".to_owned()),
        };
        let status = child.wait().map_err(|error| error.to_string())?;
        outcome?;
        if !status.success() {
            return Err(format!("dpkg-deb ended with {status}"));
        }
    } else if let Some(plain) = name.strip_suffix(".gz") {
        let limit = wanted.iter().map(|file| file.bytes).max().unwrap_or(0);
        let bytes = read_bounded(MultiGzDecoder::new(open()?), limit, "gzip");
        found.insert(plain.to_owned(), bytes.map_err(|problem| told(problem, &name))?);
    } else {
        return Err(format!("no way to unpack `{name}`"));
    }
    cifar_batches(&mut found)?;
    Ok(found)
}

fn told(problem: crate::error::Problem, name: &str) -> String {
    problem.in_file(name).to_string()
}

/// Reads a tar archive to its end, keeping the plain files that are wanted or pictures or lists of labels.
fn members(
    mut tar: impl Read,
    wanted: &[KnownFile],
    found: &mut HashMap<String, Vec<u8>>,
) -> Result<(), String> {
    let cut = |error: std::io::Error| format!("a damaged archive ({error})");
    let mut header = [0; BLOCK];
    loop {
        match tar.read_exact(&mut header) {
            // Some writers leave out the two empty blocks at the end.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            other => other.map_err(cut)?,
        }
        if header.iter().all(|&byte| byte == 0) {
            break;
        }
        let size = octal(&header[124..136]).ok_or("a damaged archive (no size of a member)")?;
        let plain = matches!(header[156], b'0' | 0);
        let text = header[..100].split(|&byte| byte == 0).next().unwrap_or_default();
        let path = String::from_utf8_lossy(text).into_owned();
        let base = path.rsplit('/').next().unwrap_or_default().to_owned();
        let padded = size.div_ceil(BLOCK as u64) * BLOCK as u64;
        let keep = plain && is_of_use(&base, wanted);
        if keep && size > LARGEST_MEMBER {
            return Err(format!("`{path}` has {size} bytes, at most {LARGEST_MEMBER} are taken"));
        }
        let mut member = tar.by_ref().take(padded);
        if !keep {
            let skipped = std::io::copy(&mut member, &mut std::io::sink()).map_err(cut)?;
            if skipped < size {
                return Err(format!("`{path}` is cut short"));
            }
            continue;
        }
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).map_err(cut)?;
        if (bytes.len() as u64) < size {
            return Err(format!("`{path}` is cut short"));
        }
        bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        match base.strip_suffix(".gz") {
            Some(plain) => {
                let limit = wanted.iter().map(|file| file.bytes).max().unwrap_or(0);
                let bytes = gunzip(&bytes, limit).map_err(|problem| told(problem, &base))?;
                found.insert(plain.to_owned(), bytes);
            }
            None => {
                found.insert(base, bytes);
            }
        }
    }
    Ok(())
}

fn is_of_use(name: &str, wanted: &[KnownFile]) -> bool {
    let is_wanted = |name: &str| wanted.iter().any(|file| file.name == name);
    let batch = |stem: &str| is_wanted(&format!("{stem}.bin"));
    is_wanted(name)
        || name.strip_suffix(".gz").is_some_and(is_wanted)
        || name.strip_suffix(".png").is_some_and(batch)
        || (matches!(name, TRAIN_LABELS | TEST_LABELS) && batch("test_batch"))
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(|c: char| c == '\0' || c == ' '), 8).ok()
}

/// The lists of labels in the package of pictures, spelled as they are there.
const TRAIN_LABELS: &str = "train_lables.json";
const TEST_LABELS: &str = "test_lables.json";

/// Turns pictures of batches into batches: row i of a picture is image i, its 1024 pixels from left to right and from top to bottom.
fn cifar_batches(found: &mut HashMap<String, Vec<u8>>) -> Result<(), String> {
    let pictures: Vec<String> =
        found.keys().filter(|name| name.strip_suffix(".png").is_some()).cloned().collect();
    if pictures.is_empty() {
        return Ok(());
    }
    let labels = |found: &mut HashMap<String, Vec<u8>>, name: &str| {
        let text = found.remove(name).ok_or_else(|| format!("`{name}` is missing"))?;
        let labels: Vec<u8> = String::from_utf8_lossy(&text)
            .trim_matches(|c: char| c.is_whitespace() || c == '[' || c == ']')
            .split(',')
            .map(|label| {
                label.trim().parse::<u8>().map_err(|_| format!("`{name}` holds `{label}`"))
            })
            .collect::<Result<_, _>>()?;
        Ok::<_, String>(labels)
    };
    let train = labels(found, TRAIN_LABELS)?;
    let test = labels(found, TEST_LABELS)?;
    for picture in pictures {
        let stem = picture.trim_end_matches(".png");
        let (all, number) = match stem.strip_prefix("data_batch_") {
            Some(number) => (&train, number.parse::<usize>().ok().and_then(|n| n.checked_sub(1))),
            None => (&test, Some(0)),
        };
        let first = number.map_or(usize::MAX, |number| number.saturating_mul(BATCH));
        let labels = all.get(first..first.saturating_add(BATCH));
        let labels = labels.ok_or_else(|| format!("labels for `{picture}` are missing"))?;
        let bytes = found.remove(&picture).unwrap_or_default();
        let image = images::decode(&bytes).map_err(|problem| told(problem, &picture))?;
        drop(bytes);
        if (image.channels, image.height, image.width) != (3, BATCH, PLANE) {
            return Err(format!(
                "`{picture}` is {} × {}, a batch is {PLANE} × {BATCH} in colour",
                image.width, image.height
            ));
        }
        let mut batch = Vec::with_capacity(BATCH * (1 + 3 * PLANE));
        for (label, row) in labels.iter().zip(image.pixels.chunks_exact(3 * PLANE)) {
            batch.push(*label);
            for channel in 0..3 {
                batch.extend(row.iter().skip(channel).step_by(3));
            }
        }
        found.insert(format!("{stem}.bin"), batch);
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tar archive with these members.
    pub(crate) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in members {
            let mut header = [0; BLOCK];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
            header[156] = b'0';
            bytes.extend(header);
            bytes.extend(*content);
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        }
        bytes.extend([0; 2 * BLOCK]);
        bytes
    }

    fn wanted(names: &[&str]) -> Vec<KnownFile> {
        let file =
            |name: &&str| KnownFile { name: (*name).to_owned(), bytes: 100, sha256: String::new() };
        names.iter().map(file).collect()
    }

    fn read(bytes: &[u8], names: &[&str]) -> Result<HashMap<String, Vec<u8>>, String> {
        let mut found = HashMap::new();
        members(bytes, &wanted(names), &mut found).map(|()| found)
    }

    #[test]
    fn wanted_members_are_found_in_any_folder_and_others_skipped() {
        let archive =
            tar(&[("package/readme", b"text"), ("package/data/a", b"one"), ("b", &[7; 600])]);
        let found = read(&archive, &["a", "b"]).unwrap();
        assert_eq!(
            (found.len(), &found["a"][..], &found["b"][..]),
            (2, &b"one"[..], &[7; 600][..])
        );
    }

    #[test]
    fn damaged_archives_are_refused() {
        let archive = tar(&[("a", &[1; 2000])]);
        assert!(read(&archive[..1500], &["a"]).is_err());
        assert!(read(&archive[..1500], &["b"]).is_err());
        let mut huge = archive.clone();
        huge[124..135].copy_from_slice(b"77777777777");
        assert!(read(&huge, &["a"]).unwrap_err().contains("at most"));
        assert!(read(&huge, &["b"]).unwrap_err().contains("cut short"));
        let mut junk = archive;
        junk[124..135].copy_from_slice(b"xxxxxxxxxxx");
        assert!(read(&junk, &["a"]).is_err());
        assert!(read(&[], &["a"]).unwrap().is_empty());
    }

    #[test]
    fn pictures_of_another_size_or_without_labels_are_no_batches() {
        use crate::images::tests::encoded_png;
        let picture = encoded_png(1, 1, png::ColorType::Rgb, &[1, 2, 3]);
        let batch = |files: &[(&str, &[u8])]| {
            let mut found: HashMap<String, Vec<u8>> =
                files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
            cifar_batches(&mut found).unwrap_err()
        };
        assert!(batch(&[("test_batch.png", &picture)]).contains("missing"));
        let labels = format!("[{}]", vec!["3"; BATCH].join(","));
        let lists = [(TRAIN_LABELS, labels.as_bytes()), (TEST_LABELS, labels.as_bytes())];
        let sized = batch(&[lists[0], lists[1], ("test_batch.png", &picture)]);
        assert!(sized.contains("1 × 1"), "{sized}");
        assert!(
            batch(&[lists[0], lists[1], ("data_batch_2.png", &picture)]).contains("labels for")
        );
        assert!(
            batch(&[lists[0], (TEST_LABELS, b"[1,x]"), ("test_batch.png", &picture)])
                .contains("holds `x`")
        );
    }
}
