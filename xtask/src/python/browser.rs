//! The explorer in a real browser: Chromium found or installed, driven from Python.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{Suite, required_in_ci, works};
use crate::step::Outcome;
use crate::workspace::{Workspace, execute, stdout_of};

/// Pinned: what drives the browser, and what looks for faults of accessibility (it carries axe-core).
const TESTS: Suite = Suite {
    folder: "crates/firstguess-web/tests/browser",
    requirements: &["playwright==1.65.2", "axe-playwright-python==0.1.8"],
    modules: &["playwright", "axe_playwright_python"],
    optional: &[],
    example: None,
};

/// Names under which systems have it.
const NAMES: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/// Runs the tests; left out where there is no browser and none can be installed.
pub(crate) fn browser(workspace: &Workspace) -> Result<Outcome> {
    let python = match TESTS.own_python() {
        Ok(python) => python,
        Err(error) => {
            return required_in_ci("python3, pip or the package index is out of reach", error);
        }
    };
    let chromium = match chromium(&python) {
        Ok(chromium) => chromium,
        // Other than Python's packages, a browser cannot be had everywhere.
        Err(error) => {
            let reason = "there is no Chromium and none could be installed";
            return Ok(Outcome::LeftOut(format!("{reason}: {error:#}")));
        }
    };
    let program = workspace.firstguess()?;
    let build = Workspace::build_folder()?;
    let pictures = build.parent().unwrap_or(&build).join("screenshots");
    let variables = [
        ("FIRSTGUESS_CLI", program.as_path()),
        ("FIRSTGUESS_CHROMIUM", &chromium),
        ("FIRSTGUESS_SCREENSHOTS", &pictures),
    ];
    let outcome = TESTS.run_in(&python, workspace, &variables)?;
    println!("pictures of the page are in {}", pictures.display());
    Ok(outcome)
}

/// `FIRSTGUESS_CHROMIUM`, else what the system has, else what can be installed.
fn chromium(python: &Path) -> Result<PathBuf> {
    if let Some(given) = env::var_os("FIRSTGUESS_CHROMIUM").filter(|given| !given.is_empty()) {
        let given = PathBuf::from(given);
        if works(&mut Command::new(&given)) {
            return Ok(given);
        }
        bail!("FIRSTGUESS_CHROMIUM is {}, which does not start", given.display());
    }
    if let Some(found) = installed() {
        return Ok(found);
    }
    if cfg!(target_os = "linux") && works(&mut Command::new("apt-get")) {
        let install = |arguments: &[&str]| {
            let mut command = Command::new("apt-get");
            command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
            command.stdout(Stdio::null());
            execute(&mut command)
        };
        // Without the rights for it this fails, and the next way is tried.
        let done = install(&["update"]).and_then(|()| {
            install(&[
                "install",
                "--yes",
                "--no-install-recommends",
                "chromium",
                "fonts-dejavu-core",
            ])
        });
        if let (Ok(()), Some(found)) = (done, installed()) {
            return Ok(found);
        }
    }
    execute(Command::new(python).args(["-m", "playwright", "install", "chromium"]))
        .context("neither the system's packages nor the browser's own installer brought it")?;
    let where_it_lies = "from playwright.sync_api import sync_playwright\n\
        with sync_playwright() as p: print(p.chromium.executable_path)";
    Ok(PathBuf::from(stdout_of(Command::new(python).args(["-c", where_it_lies]))?.trim()))
}

/// By its whole path: the driver does not search.
fn installed() -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let places: Vec<PathBuf> = env::split_paths(&folders).collect();
    let candidates =
        NAMES.iter().flat_map(|name| places.iter().map(move |folder| folder.join(name)));
    candidates.filter(|path| path.is_file()).find(|path| works(&mut Command::new(path)))
}
