//! Prepares the files of `web/` for the binary: a hash in each name, references between them by
//! these names, and each file compressed.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::hash::Hasher as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PAGE: &str = "index.html";

/// Writes the files into `out`, and a table of them for `src/http/dashboard.rs`.
pub(crate) fn prepare(web: &Path, out: &Path, version: &str, repository: &str) -> Result<()> {
    println!("cargo::rerun-if-changed={}", web.display());
    let mut found = Vec::new();
    collect(web, &mut found)?;
    found.sort();
    let mut files = Files { web: web.to_owned(), out: out.join("web"), done: BTreeMap::new() };
    fs::create_dir_all(&files.out)?;
    let is_page = |path: &PathBuf| *path == web.join(PAGE);
    for path in found.iter().filter(|path| !is_page(path)) {
        files.add(path, &mut Vec::new())?;
    }
    let page = fs::read_to_string(web.join(PAGE))?;
    // The page stands above `/assets/`, where all others are.
    let page = files.refer(&page, &mut Vec::new(), |path| {
        path.strip_prefix("./assets/").map(|rest| web.join(rest))
    })?;
    let manual = format!("{repository}/blob/v{version}");
    let page = page.replace("%VERSION%", version).replace("%MANUAL%", &manual);
    fs::write(files.out.join(PAGE), page)?;
    fs::write(out.join("dashboard.rs"), files.table()?)?;
    Ok(())
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if content_type(&path).is_some() {
            found.push(path);
        }
    }
    Ok(())
}

/// The type of a file that browsers load; others stay out of the binary.
fn content_type(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("html") => Some("text/html; charset=utf-8"),
        Some("js") => Some("text/javascript; charset=utf-8"),
        Some("css") => Some("text/css; charset=utf-8"),
        Some("json") => Some("application/json"),
        Some("svg") => Some("image/svg+xml"),
        Some("png") => Some("image/png"),
        // The licences of the libraries go wherever the libraries go.
        None if name == "LICENSE" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

struct Files {
    web: PathBuf,
    out: PathBuf,
    /// Name below `/assets/` by path.
    done: BTreeMap<PathBuf, String>,
}

impl Files {
    /// The name of this file, after all that it refers to have theirs. `users` are those that wait.
    fn add(&mut self, path: &Path, users: &mut Vec<PathBuf>) -> Result<String> {
        if let Some(name) = self.done.get(path) {
            return Ok(name.clone());
        }
        if users.iter().any(|user| user == path) {
            return Err(format!("{} refers to itself, over {users:?}", path.display()).into());
        }
        let bytes = fs::read(path)?;
        let bytes = if path
            .extension()
            .is_some_and(|one| ["js", "json", "css"].iter().any(|text| one == *text))
        {
            users.push(path.to_owned());
            let folder = path.parent().unwrap_or(&self.web).to_owned();
            let text = String::from_utf8(bytes)?;
            let text = self.refer(&text, users, |reference| normalized(&folder, reference))?;
            users.pop();
            text.into_bytes()
        } else {
            bytes
        };
        let name = self.name(path, &bytes)?;
        fs::write(self.out.join(&name), &bytes)?;
        fs::write(self.out.join(format!("{name}.gz")), gzip(&bytes)?)?;
        fs::write(self.out.join(format!("{name}.br")), brotli(&bytes)?)?;
        self.done.insert(path.to_owned(), name.clone());
        Ok(name)
    }

    /// The text with the new names of the files that stand in it as quoted relative paths.
    fn refer(
        &mut self,
        text: &str,
        users: &mut Vec<PathBuf>,
        resolve: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<String> {
        let mut result = String::with_capacity(text.len());
        for (index, part) in text.split('"').enumerate() {
            if index > 0 {
                result.push('"');
            }
            let is_path = part.starts_with("./") || part.starts_with("../");
            let file = resolve(part).filter(|file| is_path && file.is_file());
            match file {
                Some(file) if part.starts_with("./assets/") => {
                    write!(result, "./assets/{}", self.add(&file, users)?)?;
                }
                Some(file) => write!(result, "./{}", self.add(&file, users)?)?,
                None => result.push_str(part),
            }
        }
        Ok(result)
    }

    /// `vendor-uplot-uPlot.min-0123456789abcdef.css`.
    fn name(&self, path: &Path, bytes: &[u8]) -> Result<String> {
        #[expect(deprecated, reason = "its algorithm is fixed, so that a build can be repeated")]
        let mut hasher = std::hash::SipHasher::new();
        hasher.write(bytes);
        let hash = hasher.finish();
        let flat = path.strip_prefix(&self.web)?.to_string_lossy().replace(['/', '\\'], "-");
        Ok(match flat.rsplit_once('.') {
            Some((stem, extension)) => format!("{stem}-{hash:016x}.{extension}"),
            None => format!("{flat}-{hash:016x}"),
        })
    }

    /// The Rust code of the table, sorted by name.
    fn table(&self) -> Result<String> {
        let mut names: Vec<(&String, &'static str)> = Vec::new();
        for (path, name) in &self.done {
            names.push((name, content_type(path).unwrap_or("application/octet-stream")));
        }
        names.sort();
        let place = |name: &str| format!("concat!(env!(\"OUT_DIR\"), \"/web/{name}\")");
        let included = |name: &str| format!("include_bytes!({})", place(name));
        let mut code = format!("const PAGE: &str = include_str!({});\n", place(PAGE));
        writeln!(code, "static ASSETS: [Asset; {}] = [", names.len())?;
        for (name, content_type) in names {
            let (plain, gzip) = (included(name), included(&format!("{name}.gz")));
            let brotli = included(&format!("{name}.br"));
            writeln!(
                code,
                "Asset {{ name: {name:?}, content_type: {content_type:?}, plain: {plain}, \
                 gzip: {gzip}, brotli: {brotli} }},"
            )?;
        }
        code.push_str("];\n");
        Ok(code)
    }
}

/// `folder` joined with a path like `../lit-html.js`.
fn normalized(folder: &Path, reference: &str) -> Option<PathBuf> {
    let mut path = folder.to_owned();
    for part in reference.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                path.pop();
            }
            name => path.push(name),
        }
    }
    path.is_absolute().then_some(path)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn brotli(mut bytes: &[u8]) -> Result<Vec<u8>> {
    let mut compressed = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    brotli::BrotliCompress(&mut bytes, &mut compressed, &parameters)?;
    Ok(compressed)
}
