//! Finds and reads the configuration file.

use std::path::{Path, PathBuf};

use super::fault::ConfigError;
use crate::files::{self, FileError};

/// Where the file is looked for when nobody names one: in the container, then in the repository.
pub(super) const DEFAULTS: [&str; 2] =
    ["/config/hoymiles-bridge.toml", "config/hoymiles-bridge.toml"];

/// In bytes. The configuration of a plant with a hundred DTUs is a hundredth of that.
const LARGEST: u64 = 1 << 20;

/// The path and the text of the named file, or else of the first of `defaults` that exists.
pub(super) fn read(
    named: Option<&Path>,
    defaults: &[&str],
) -> Result<(PathBuf, String), ConfigError> {
    if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
        return match text(path) {
            Some(text) => Ok((path.to_owned(), text?)),
            None => Err(ConfigError::new(format!(
                "{}: there is no such file; expected the configuration file that --config or \
                 HOYMILES_CONFIG names",
                path.display()
            ))),
        };
    }
    for path in defaults.iter().map(Path::new) {
        if let Some(text) = text(path) {
            return Ok((path.to_owned(), text?));
        }
    }
    Err(ConfigError::new(format!(
        "no configuration file at {}; copy config/hoymiles-bridge.example.toml to \
         config/hoymiles-bridge.toml and set the address of your DTU in it, or name another file \
         with --config or HOYMILES_CONFIG. To try the bridge without hardware: hoymiles-bridge demo",
        defaults.join(" or ")
    )))
}

/// What the file holds; `None` if there is none.
fn text(path: &Path) -> Option<Result<String, ConfigError>> {
    let cause = match files::read(path, LARGEST).map(String::from_utf8) {
        Ok(Ok(text)) => return Some(Ok(text)),
        Ok(Err(_)) => "is not text; expected a TOML file in UTF-8".to_owned(),
        Err(error) if error.is_missing() => return None,
        Err(error @ FileError::Unreadable(_)) => {
            format!("{error}; expected a file that this user can read")
        }
        Err(error) => format!("{error}; expected a TOML file"),
    };
    Some(Err(ConfigError::new(format!("{}: {cause}", path.display()))))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_first_default_that_exists_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["a.toml", "b.toml"].map(|name| folder.path().join(name));
        let defaults = [first.to_str().unwrap(), second.to_str().unwrap()];
        let none = read(None, &defaults).unwrap_err().to_string();
        for text in [defaults[0], defaults[1], "--config", "demo"] {
            assert!(none.contains(text), "{none}");
        }
        fs::write(&second, "2").unwrap();
        assert_eq!(read(None, &defaults).unwrap(), (second.clone(), "2".to_owned()));
        fs::write(&first, "1").unwrap();
        assert_eq!(read(None, &defaults).unwrap(), (first.clone(), "1".to_owned()));
        assert_eq!(read(Some(&second), &defaults).unwrap(), (second, "2".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| folder.path().join(name);
        fs::write(inside("latin1.toml"), b"\xfc = 1").unwrap();
        fs::write(inside("full.toml"), vec![b'#'; 1 << 20]).unwrap();
        fs::write(inside("large.toml"), vec![b'#'; (1 << 20) + 1]).unwrap();
        std::os::unix::fs::symlink(inside("full.toml"), inside("link.toml")).unwrap();
        assert!(read(Some(&inside("link.toml")), &[]).is_ok());
        let _socket = std::os::unix::net::UnixListener::bind(inside("socket")).unwrap();
        for (path, expected) in [
            (inside("socket"), "no regular file"),
            (PathBuf::from("/dev/zero"), "no regular file"),
            (inside("large.toml"), "larger than 1048576 bytes"),
            (inside("missing.toml"), "no such file"),
            (folder.path().to_owned(), "is a folder"),
            (inside("latin1.toml"), "UTF-8"),
        ] {
            let message = read(Some(&path), &[]).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.starts_with(path.to_str().unwrap()), "{message}");
        }
    }
}
