//! Where a bridge of this configuration would be found, as far as that can be told of a faulty one,
//! too.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::fault::{Faults, Origins};
use super::written::{Entry, Written};
use super::{Form, environment, file, toml_file};
use crate::config::Config;

/// Where a bridge is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// Where it keeps what must survive a restart.
    pub state_dir: PathBuf,
    /// Where it listens.
    pub listen: SocketAddr,
}

/// What `file`, or else the first default file that exists, and the environment say of it; the rest
/// is as by default.
pub fn whereabouts(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Whereabouts {
    let Config { state_dir, http, .. } = Config::default();
    let mut found = Whereabouts { state_dir, listen: http.listen };
    if let Ok((path, text)) = file::read(file, &file::DEFAULTS) {
        match Form::of(&path) {
            Form::Toml => found.take(&toml_file::salvage(&text)),
            Form::Options => {
                path.parent().unwrap_or(Path::new(".")).clone_into(&mut found.state_dir);
            }
        }
    }
    // What is wrong with them is told by whoever loads them.
    let (mut origins, mut faults) = (Origins::default(), Faults::default());
    for (path, value) in environment::read(environment, &mut origins, &mut faults) {
        found.set(&path, &value.to_string());
    }
    found
}

impl Whereabouts {
    fn take(&mut self, entries: &[Entry]) {
        for entry in entries {
            match &entry.value {
                Written::Text(text) => self.set(&entry.name, text),
                Written::Section(http) if entry.name == "http" => {
                    let listen = http.iter().find(|entry| entry.name == "listen");
                    if let Some(Entry { value: Written::Text(text), .. }) = listen {
                        self.set("http.listen", text);
                    }
                }
                Written::Integer(_)
                | Written::Bool(_)
                | Written::List(_)
                | Written::Section(_)
                | Written::Other(_) => {}
            }
        }
    }

    fn set(&mut self, path: &str, text: &str) {
        match path {
            "state_dir" if !text.trim().is_empty() => self.state_dir = text.into(),
            "http.listen" => self.listen = text.parse().unwrap_or(self.listen),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, text: &str, environment: &[(&str, &str)], expected: (&str, &str)) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let environment =
            environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let found = whereabouts(Some(&file), environment);
        let state_dir = expected.0.replace("FOLDER", folder.path().to_str().unwrap());
        let expected = (state_dir.as_str(), expected.1);
        assert_eq!(
            (found.state_dir.to_str().unwrap(), found.listen.to_string().as_str()),
            expected
        );
    }

    #[test]
    fn a_faulty_configuration_tells_what_it_can() {
        let good = "state_dir = \"/d\"\n[[dtu]]\nport = 1\n[http]\nlisten = \"127.0.0.1:9\"\n";
        for garbage in ["", "this is [ no TOML", "= 1\n]]]\n\"", "[log]\nlevel = \"loud\"\nno = 1"]
        {
            check("a.toml", &format!("{good}{garbage}"), &[], ("/d", "127.0.0.1:9"));
        }
        check("a.toml", "state_dir = 5\nhttp.listen = \":8080\"", &[], ("data", "0.0.0.0:8080"));
        let environment = [
            ("HOYMILES__HTTP__LISTEN", "127.0.0.1:10"),
            ("HOYMILES__STATE_DIR", "/e"),
            ("HOYMILES__NO_KEY", "x"),
        ];
        check("a.toml", good, &environment, ("/e", "127.0.0.1:10"));
        check("options.json", "no JSON", &[], ("FOLDER", "0.0.0.0:8080"));
    }
}
