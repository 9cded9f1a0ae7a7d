//! Where the project lies, and how its commands are run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fmt};

use anyhow::{Context, Result, bail, ensure};

/// The project's folder.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
}

impl Workspace {
    /// Any example will do.
    const AN_EXAMPLE: &str = "export_net";

    pub(crate) fn of_this_crate() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { root: manifest.parent().unwrap_or(manifest).to_path_buf() }
    }

    /// `cargo ARGUMENTS` in the project's folder.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        // `cargo run` names the very cargo that started this task.
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// As [`Self::cargo`], for a part of the toolchain that can be absent.
    pub(crate) fn cargo_component(&self, component: &str, arguments: &[&str]) -> Result<Command> {
        let tool = arguments.first().copied().unwrap_or_default();
        ensure!(
            self.cargo_has(tool),
            "`cargo {tool}` is missing: run `rustup component add {component}`, \
             or install your distribution's `{component}` package"
        );
        Ok(self.cargo(arguments))
    }

    /// Whether `cargo TOOL` exists.
    pub(crate) fn cargo_has(&self, tool: &str) -> bool {
        let mut command = self.cargo(&[tool, "--version"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// Where cargo puts what it builds for this profile: this program lies there too.
    pub(crate) fn build_folder() -> Result<PathBuf> {
        let this = env::current_exe().context("cannot tell where xtask lies")?;
        Ok(this.parent().map(Path::to_path_buf).unwrap_or_default())
    }

    /// Builds a target with the features that `cargo test --workspace` unifies, so that the gate compiles no dependency
    /// twice: one package alone, or one without an example, which brings in what only tests use, would have others.
    pub(crate) fn build(&self, target: &[&str]) -> Result<()> {
        let build = ["build", "--quiet", "--workspace", "--example", Self::AN_EXAMPLE];
        execute(self.cargo(&build).args(target))
    }

    /// Builds the command line and gives its path.
    pub(crate) fn firstguess(&self) -> Result<PathBuf> {
        self.build(&["--bin", "firstguess"])?;
        let name = format!("firstguess{}", env::consts::EXE_SUFFIX);
        Ok(Self::build_folder()?.join(name))
    }
}

/// Runs a command with the terminal's own streams; its failure is an error.
pub(crate) fn execute(command: &mut Command) -> Result<()> {
    let shown = Shown(command).to_string();
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed ({status})");
    Ok(())
}

/// Runs a command and gives what it wrote to stdout; its failure is an error that shows stderr.
pub(crate) fn stdout_of(command: &mut Command) -> Result<String> {
    let shown = Shown(command).to_string();
    let output = command.output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` failed ({}): {}", output.status, stderr.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` wrote bytes, not text"))
}

/// A command as one would type it.
pub(crate) struct Shown<'a>(pub(crate) &'a Command);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = Path::new(self.0.get_program()).file_stem().unwrap_or_default();
        f.write_str(&program.to_string_lossy())?;
        self.0.get_args().try_for_each(|argument| write!(f, " {}", argument.to_string_lossy()))
    }
}
