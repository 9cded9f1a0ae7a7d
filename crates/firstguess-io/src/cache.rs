//! Where fetched data sets are kept.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::DataError;

/// The folder of fetched data sets, one subfolder each: the environment variable `FIRSTGUESS_DATA`, or `firstguess/data` in the
/// user's cache folder of the platform. It need not exist yet.
///
/// # Errors
///
/// [`DataError::NoCache`] where neither is known.
pub fn folder() -> Result<PathBuf, DataError> {
    choose(|name| env::var_os(name)).ok_or(DataError::NoCache)
}

fn choose(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|text| !text.is_empty()).map(PathBuf::from);
    if let Some(folder) = set("FIRSTGUESS_DATA") {
        return Some(folder);
    }
    let home = || set("HOME");
    let caches = if cfg!(windows) {
        set("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Caches"))
    } else {
        // A relative path is to be ignored, says the XDG specification.
        set("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| home().map(|home| home.join(".cache")))
    };
    caches.map(|caches| caches.join("firstguess").join("data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(set: &[(&str, &str)]) -> Option<PathBuf> {
        choose(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value)))
    }

    #[test]
    fn the_variable_goes_before_the_platform() {
        let own = [("FIRSTGUESS_DATA", "there"), ("HOME", "/h")];
        assert_eq!(chosen(&own), Some(PathBuf::from("there")));
        assert_eq!(chosen(&[]), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_follows_the_desktop_specification() {
        let at = |path: &str| Some(PathBuf::from(path));
        assert_eq!(chosen(&[("HOME", "/h")]), at("/h/.cache/firstguess/data"));
        assert_eq!(
            chosen(&[("FIRSTGUESS_DATA", ""), ("HOME", "/h")]),
            at("/h/.cache/firstguess/data")
        );
        let xdg = [("XDG_CACHE_HOME", "/c"), ("HOME", "/h")];
        assert_eq!(chosen(&xdg), at("/c/firstguess/data"));
        let relative = [("XDG_CACHE_HOME", "c"), ("HOME", "/h")];
        assert_eq!(chosen(&relative), at("/h/.cache/firstguess/data"));
    }
}
