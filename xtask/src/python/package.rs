//! The Python package: its wheel built, its types checked, its tests run.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{Environment, environment, left_out_unless_ci, works};
use crate::step::Outcome;
use crate::workspace::{Workspace, execute};

/// What builds, checks and tests. Pinned, as the spelling is.
const TOOLS: [&str; 4] = ["maturin==1.16.0", "mypy==2.4.1", "pytest>=8,<10", "numpy>=1.24"];

/// Names an interpreter that has torch; without it torch is installed by pip.
const INTERPRETER: &str = "FIRSTGUESS_PYTHON";

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
    let python = match with_torch(&environment) {
        Ok(python) => python,
        Err(error) => return left_out_unless_ci(error),
    };
    package.tests(workspace, &python, &command_line)
}

fn tools() -> Result<Environment> {
    let environment = environment()?;
    for tool in ["maturin", "mypy", "pytest"] {
        if !works(&mut Command::new(environment.program(tool))) {
            for requirement in TOOLS {
                environment.install(requirement)?;
            }
            break;
        }
    }
    Ok(environment)
}

/// An interpreter that can import torch.
fn with_torch(environment: &Environment) -> Result<PathBuf> {
    if let Some(named) = env::var_os(INTERPRETER).filter(|named| !named.is_empty()) {
        let python = PathBuf::from(named);
        ensure!(
            imports(&python, "torch") && imports(&python, "numpy"),
            "{INTERPRETER} names `{}`, which cannot import torch and numpy",
            python.display()
        );
        return Ok(python);
    }
    let python = environment.program("python");
    if !imports(&python, "torch") {
        environment.install("torch>=2")?;
    }
    Ok(python)
}

fn imports(python: &Path, module: &str) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", &format!("import {module}")]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
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
        let sources = ["-m", "mypy", "--strict", "crates/firstguess-py/python/firstguess"];
        execute(self.command(&python, workspace).args(sources).stdout(Stdio::inherit()))
            .context("the package's types are not consistent")
    }

    fn tests(&self, workspace: &Workspace, python: &Path, command_line: &Path) -> Result<Outcome> {
        if !imports(python, "pytest") {
            let mut pip = environment()?.pip();
            pip.args(["install", "--quiet", "--target"]).arg(&self.folder).arg("pytest>=8,<10");
            execute(&mut pip)?;
        }
        let mut pytest = self.command(python, workspace);
        pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "crates/firstguess-py/tests"]);
        // One thread: the tests are many small products, and other steps may share the machine.
        pytest.env("FIRSTGUESS_CLI", command_line).env("OMP_NUM_THREADS", "1");
        execute(&mut pytest).context("the tests of the Python package failed")?;
        Ok(Outcome::passed())
    }
}
