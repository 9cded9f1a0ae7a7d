//! Steps that need Python: one virtual environment, `.venv` below the build folder.

mod package;

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

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

/// A machine without Python or without a package index may leave the step out; continuous
/// integration, which sets `CI`, may not.
fn left_out_unless_ci(error: anyhow::Error) -> Result<Outcome> {
    let ci = env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    if ci {
        return Err(error.context("this step is required where `CI` is set"));
    }
    Ok(Outcome::LeftOut(format!("python3, pip or the package index is out of reach: {error:#}")))
}
