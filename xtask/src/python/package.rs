//! The Python package: its wheel built, its types checked, its tests run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{Environment, PYTEST, Suite, environment, left_out_unless_ci, works};
use crate::step::Outcome;
use crate::workspace::{Workspace, execute};

/// What builds and checks. Pinned, as the spelling is.
const TOOLS: [&str; 4] = ["maturin==1.16.0", "mypy==2.4.1", "numpy>=1.24", PYTEST];

const TESTS: Suite = Suite {
    folder: "crates/firstguess-py/tests",
    requirements: &["torch>=2,<3", "numpy"],
    modules: &["torch", "numpy"],
    // Below the next major release, which may change what the tests call.
    optional: &[
        ("distributed", "dask[distributed]>=2024.1,<2027"),
        ("duckdb", "duckdb>=1,<3"),
        ("onnx", "onnx>=1.15,<2"),
        ("onnxruntime", "onnxruntime>=1.17,<2"),
        ("polars", "polars>=1,<3"),
        ("pyarrow", "pyarrow>=15,<27"),
    ],
    example: None,
};

/// Where the built package lies: beside the virtual environment, so that any interpreter can be pointed to it.
struct Package {
    folder: PathBuf,
}

/// Builds the wheel, checks that stubs and module agree, checks the types, runs the tests.
pub(crate) fn package(workspace: &Workspace) -> Result<Outcome> {
    let environment = match tools() {
        Ok(environment) => environment,
        Err(error) => return left_out_unless_ci(error),
    };
    let command_line = workspace.firstguess()?;
    let package = Package::build(workspace, &environment)?;
    package.types(workspace, &environment)?;
    // One thread: the tests are many small products, and other steps may share the machine.
    let variables = [
        ("PYTHONPATH", package.folder.as_path()),
        ("FIRSTGUESS_CLI", &command_line),
        ("OMP_NUM_THREADS", Path::new("1")),
    ];
    TESTS.run_with(workspace, &variables)
}

fn tools() -> Result<Environment> {
    let environment = environment()?;
    let there = |tool: &&str| works(&mut Command::new(environment.program(tool)));
    if !["maturin", "mypy", "pytest"].iter().all(there) {
        for requirement in TOOLS {
            environment.install(requirement)?;
        }
    }
    Ok(environment)
}

impl Package {
    /// The wheel, in the profile of the other tests so that their build serves it, unpacked.
    fn build(workspace: &Workspace, environment: &Environment) -> Result<Self> {
        let folder = environment.folder.with_file_name(".python-package");
        let wheels = folder.join("wheels");
        if folder.exists() {
            fs::remove_dir_all(&folder).context("cannot clear the last built package")?;
        }
        let mut maturin = Command::new(environment.program("maturin"));
        maturin
            .args(["build", "--quiet", "--profile", "dev", "--compatibility", "linux", "--out"])
            .arg(&wheels)
            .arg("--interpreter")
            .arg(environment.program("python"))
            .current_dir(&workspace.root);
        execute(&mut maturin).context("the wheel could not be built")?;
        let wheel = fs::read_dir(&wheels)?.next().context("maturin wrote no wheel")??.path();
        let package = Self { folder: folder.join("site") };
        let mut pip = environment.pip();
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"]);
        execute(pip.arg(&package.folder).arg(wheel))?;
        Ok(package)
    }

    fn command(&self, program: &Path, workspace: &Workspace) -> Command {
        let mut command = Command::new(program);
        command.env("PYTHONPATH", &self.folder).env("PYTHONDONTWRITEBYTECODE", "1");
        command.current_dir(&workspace.root);
        command
    }

    fn types(&self, workspace: &Workspace, environment: &Environment) -> Result<()> {
        let python = environment.program("python");
        let stubs = ["-m", "mypy.stubtest", "firstguess._core", "--concise"];
        execute(self.command(&python, workspace).args(stubs))
            .context("_core.pyi and the compiled module disagree: mend the stub")?;
        let sources = ["-m", "mypy", "crates/firstguess-py/python/firstguess"];
        execute(self.command(&python, workspace).args(sources).stdout(Stdio::inherit()))
            .context("the package's types are not consistent")
    }
}
