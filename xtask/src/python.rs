//! Steps that need Python: one virtual environment, `.venv` below the build folder, that later runs find again.
//!
//! A step that runs tests in Python is a [`Suite`]. Where the environment variable `FIRSTGUESS_PYTHON` names an interpreter,
//! suites run in that one, which must have what they import, and nothing is installed.

mod browser;
mod package;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

pub(crate) use browser::browser;
pub(crate) use package::package;

use crate::step::Outcome;
use crate::workspace::{Workspace, execute, stdout_of};

/// Pinned, so that a dictionary released tonight breaks no build tomorrow.
const TYPOS: &str = "1.52.0";

/// The project's virtual environment.
pub(crate) struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// A program that a package of the environment brought.
    fn program(&self, name: &str) -> PathBuf {
        let folder = if cfg!(windows) { "Scripts" } else { "bin" };
        self.folder.join(folder).join(format!("{name}{}", env::consts::EXE_SUFFIX))
    }

    /// The environment's pip, or the outer one where that was packed apart.
    fn pip(&self) -> Command {
        let python = self.program("python");
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip"]);
        if !works(Command::new(&python).args(["-m", "pip"])) {
            pip = Command::new(interpreter());
            pip.args(["-m", "pip", "--python"]).arg(&python);
        }
        pip
    }

    fn install(&self, requirement: &str) -> Result<()> {
        let mut pip = self.pip();
        pip.args(["install", "--quiet", "--disable-pip-version-check", requirement]);
        execute(&mut pip)
    }
}

fn interpreter() -> &'static str {
    if cfg!(windows) { "python" } else { "python3" }
}

/// Makes the virtual environment, or finds the one of an earlier run.
pub(crate) fn environment() -> Result<Environment> {
    let build = Workspace::build_folder()?;
    let folder = build.parent().unwrap_or(&build).join(".venv");
    let environment = Environment { folder };
    if !works(&mut Command::new(environment.program("python"))) {
        // `--clear` mends an environment whose interpreter has gone.
        let make = |options: &[&str]| {
            let mut venv = Command::new(interpreter());
            venv.args(["-m", "venv", "--clear"]).args(options).arg(&environment.folder);
            venv
        };
        // A distribution may pack `ensurepip` apart: then the outer pip does the installing.
        if stdout_of(&mut make(&[])).is_err() {
            execute(&mut make(&["--without-pip"]))?;
        }
    }
    Ok(environment)
}

/// A folder of tests for `pytest`, and what they need.
pub(crate) struct Suite {
    /// From the project's root.
    pub(crate) folder: &'static str,
    /// What pip installs where the modules are not there yet.
    pub(crate) requirements: &'static [&'static str],
    /// What the tests import.
    pub(crate) modules: &'static [&'static str],
    /// What some tests import, and how pip calls it; they say that they are left out where it is missing.
    pub(crate) optional: &'static [(&'static str, &'static str)],
    /// An example that the tests run, and the environment variable that tells them its path.
    pub(crate) example: Option<(&'static str, &'static str)>,
}

/// Layers and gradients of finite networks against PyTorch.
const TORCH: Suite = Suite {
    folder: "crates/firstguess/tests/torch",
    requirements: &["torch>=2,<3", "numpy"],
    modules: &["torch"],
    optional: &[],
    example: Some(("export_net", "FIRSTGUESS_EXPORT_NET")),
};

/// Networks against PyTorch.
pub(crate) fn torch(workspace: &Workspace) -> Result<Outcome> {
    TORCH.run(workspace)
}

/// Wrong labels against cleanlab, whose choices the tests repeat one by one: the release is pinned.
const CLEANLAB: Suite = Suite {
    folder: "crates/firstguess-cli/tests/python",
    requirements: &["cleanlab==2.9.0", "numpy"],
    modules: &["cleanlab", "numpy"],
    optional: &[],
    example: None,
};

/// The command line against cleanlab.
pub(crate) fn cleanlab(workspace: &Workspace) -> Result<Outcome> {
    let command_line = workspace.firstguess()?;
    CLEANLAB.run_with(workspace, &[("FIRSTGUESS", command_line.as_path())])
}

const PYTEST: &str = "pytest==9.1.1";

impl Suite {
    /// Runs the tests; left out where the packages can be neither found nor installed.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<Outcome> {
        self.run_with(workspace, &[])
    }

    /// The same with these environment variables.
    fn run_with(&self, workspace: &Workspace, variables: &[(&str, &Path)]) -> Result<Outcome> {
        match self.python() {
            Ok(python) => self.run_in(&python, workspace, variables),
            Err(error) => left_out_unless_ci(error),
        }
    }

    /// Runs the tests in this interpreter.
    fn run_in(
        &self,
        python: &Path,
        workspace: &Workspace,
        variables: &[(&str, &Path)],
    ) -> Result<Outcome> {
        let mut tests = Command::new(python);
        tests.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", self.folder]);
        tests.current_dir(&workspace.root).env("PYTHONDONTWRITEBYTECODE", "1");
        tests.envs(variables.iter().copied());
        if let Some((example, variable)) = self.example {
            workspace.build(&["--example", example])?;
            let name = format!("{example}{}", env::consts::EXE_SUFFIX);
            tests.env(variable, Workspace::build_folder()?.join("examples").join(name));
        }
        let output = tests.stderr(Stdio::inherit()).output().context("cannot start Python")?;
        let said = String::from_utf8_lossy(&output.stdout);
        print!("{said}");
        ensure!(output.status.success(), "tests in {} failed: they are named above", self.folder);
        let last = said.lines().last().unwrap_or_default();
        Ok(Outcome::Passed(last.trim_matches(['=', ' ']).to_owned()))
    }

    /// What the tests import, and what runs them.
    fn imports(&self) -> String {
        [self.modules, &["pytest"]].concat().join(", ")
    }

    fn can_run_in(&self, python: &Path) -> Result<String> {
        stdout_of(Command::new(python).args(["-c", &format!("import {}", self.imports())]))
    }

    /// An interpreter that has everything.
    fn python(&self) -> Result<PathBuf> {
        if let Some(given) = env::var_os("FIRSTGUESS_PYTHON").filter(|given| !given.is_empty()) {
            let python = PathBuf::from(given);
            self.can_run_in(&python).with_context(|| {
                let needed = self.imports();
                format!("FIRSTGUESS_PYTHON is {}, which must have {needed}", python.display())
            })?;
            return Ok(python);
        }
        self.own_python()
    }

    /// That of the project's virtual environment, whatever `FIRSTGUESS_PYTHON` says.
    fn own_python(&self) -> Result<PathBuf> {
        let environment = environment()?;
        let python = environment.program("python");
        if self.can_run_in(&python).is_err() {
            for requirement in self.requirements.iter().chain(&[PYTEST]) {
                environment.install(requirement)?;
            }
            self.can_run_in(&python)?;
        }
        for (module, requirement) in self.optional {
            let there = stdout_of(Command::new(&python).args(["-c", &format!("import {module}")]));
            if let Err(error) = there.or_else(|_| {
                environment.install(requirement)?;
                Ok::<_, anyhow::Error>(String::new())
            }) {
                println!("without {requirement}: {error:#}");
            }
        }
        Ok(python)
    }
}

fn works(command: &mut Command) -> bool {
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Spelling of everything, by `typos` from its Python wheel.
pub(crate) fn spelling(workspace: &Workspace) -> Result<Outcome> {
    let typos = match typos_program() {
        Ok(program) => program,
        Err(error) => return left_out_unless_ci(error),
    };
    execute(Command::new(typos).current_dir(&workspace.root)).context(
        "mend the words above; where one is right, say so in typos.toml under \
         `[default.extend-words]`",
    )?;
    Ok(Outcome::passed())
}

fn typos_program() -> Result<PathBuf> {
    let environment = environment()?;
    let program = environment.program("typos");
    let wanted = format!("typos-cli {TYPOS}");
    let found = || stdout_of(Command::new(&program).arg("--version")).unwrap_or_default();
    if found().trim() != wanted {
        environment.install(&format!("typos=={TYPOS}"))?;
        let version = found();
        if version.trim() != wanted {
            bail!("asked for {wanted}, got `{}`", version.trim());
        }
    }
    Ok(program)
}

/// A machine without Python or a package index may leave the step out; continuous
/// integration, which sets `CI`, may not.
fn left_out_unless_ci(error: anyhow::Error) -> Result<Outcome> {
    required_in_ci("python3, pip or the package index is out of reach", error)
}

/// The same for another reason.
fn required_in_ci(reason: &str, error: anyhow::Error) -> Result<Outcome> {
    let ci = env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    if ci {
        return Err(error.context(format!("{reason}; this step is required where `CI` is set")));
    }
    Ok(Outcome::LeftOut(format!("{reason}: {error:#}")))
}
