//! What newcomers to TOML write, and what to write instead. No message shows a value, which may be
//! a secret.

use std::net::Ipv4Addr;

use toml::de::{DeTable, DeValue};

use super::Key;
use super::load::Fault;
use super::section::{Form, quoted};

/// What is wrong in `line`, where the parser stopped with `message`. `None` if it is nothing common.
///
/// `before` is the text in front of the line.
pub(super) fn slip(line: &str, before: &str, message: &str) -> Option<String> {
    let code = line.trim();
    let (key, value) =
        code.split_once('=').map_or((code, ""), |(key, value)| (key.trim(), value.trim()));
    let value = value.split(" #").next().unwrap_or_default().trim();
    if code.starts_with("//") || outside_quotes(code).contains(" //") {
        return Some("// does not begin a comment in TOML; begin comments with #".to_owned());
    }
    if outside_quotes(code).contains(is_typographic) {
        return Some(format!("has typographic quotes; write straight ones: {}", example(key)));
    }
    if code.starts_with('[') && !code.contains(']') {
        let name = code.trim_matches(['[', ' ']);
        return is_bare(name).then(|| format!("the bracket is not closed; write {}", header(name)));
    }
    let is_repeated = message.contains("duplicate key");
    if let Some(name) = section(code) {
        return is_repeated.then(|| repeated_section(name, before));
    }
    if is_repeated && is_bare(key) {
        return Some(format!(
            "the key `{key}` is there twice in its section; remove one of the two"
        ));
    }
    if message.contains("escape") && code.contains('\\') && is_bare(key) {
        return Some(format!(
            "a backslash in double quotes begins an escape; write the text in single quotes: \
             {key} = '...'"
        ));
    }
    if code.starts_with('{') || code.starts_with('"') && code.contains("\":") {
        return Some(format!("is JSON; expected TOML: {}", example("host")));
    }
    if let Some(key) = yaml_key(code) {
        return Some(format!(
            "separates key and value with a colon, as YAML does; write {}",
            example(key)
        ));
    }
    if !is_bare(key) || value.is_empty() || NUMBERS.contains(&key) {
        return None;
    }
    if value.starts_with('"') && value.matches('"').count() == 1 {
        return Some(format!("the text has no closing quote; write {}", example(key)));
    }
    if let Some(right) = boolean(value) {
        return Some(format!("{value} is not a boolean of TOML; write {key} = {right}"));
    }
    if !value.starts_with(['"', '\'', '[', '{']) {
        return Some(format!("the value has no quotes; write {}", with_value(key, value)));
    }
    None
}

/// The keys of numbers that people set.
const NUMBERS: [&str; 5] = ["port", "unit_id", "retries", "records_per_read", "qos"];

/// The line without what is quoted in it.
fn outside_quotes(line: &str) -> String {
    let mut quote = None;
    line.chars()
        .filter(|&c| match quote {
            Some(open) => {
                if c == open {
                    quote = None;
                }
                false
            }
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                false
            }
            None => true,
        })
        .collect()
}

fn is_typographic(c: char) -> bool {
    "“”„‟‘’‚«»″′".contains(c)
}

fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// How a key is written, as an example.
fn example(key: &str) -> String {
    let value = match key {
        "host" => "192.168.1.191",
        "timezone" => "Europe/Berlin",
        "protocol" => "modbus",
        _ => "...",
    };
    format!("{} = \"{value}\"", if is_bare(key) { key } else { "key" })
}

/// The name in the brackets of a line that opens a section.
fn section(code: &str) -> Option<&str> {
    let code = code.split('#').next().unwrap_or_default().trim();
    let name = code.strip_prefix('[')?.trim_start_matches('[').trim_end_matches(']');
    is_bare(name.trim()).then(|| name.trim())
}

fn repeated_section(name: &str, before: &str) -> String {
    if is_list(name) {
        return format!(
            "[{name}] is there more than once; write [[{name}]], in double brackets, each time"
        );
    }
    let line = before.lines().position(|line| section(line.trim()) == Some(name));
    let first = line.map(|line| format!(", first in line {}", line + 1)).unwrap_or_default();
    format!("the section [{name}] is there twice{first}; put all its keys under one of the two")
}

fn is_list(name: &str) -> bool {
    matches!(name, "dtu" | "target")
}

fn header(name: &str) -> String {
    if is_list(name) { format!("[[{name}]]") } else { format!("[{name}]") }
}

/// The key of a line such as `host: 192.168.1.191` or `- name: Roof`.
fn yaml_key(code: &str) -> Option<&str> {
    let (key, value) = code.split_once(':')?;
    let key = key.strip_prefix('-').unwrap_or(key).trim();
    let is_pair = value.is_empty() || value.starts_with(char::is_whitespace);
    (is_bare(key) && is_pair).then_some(key)
}

/// What TOML has for a boolean of other languages.
fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// The line as it is right, with the value where it cannot be a secret.
fn with_value(key: &str, value: &str) -> String {
    let is_harmless = value.parse::<Ipv4Addr>().is_ok()
        || ["interval", "timeout", "protocol", "timezone", "level", "format"].contains(&key)
            && value.chars().all(|c| c.is_ascii_alphanumeric() || "/_+-".contains(c));
    format!("{key} = \"{}\"", if is_harmless { value } else { "..." })
}

/// Refuses numbers and booleans in quotes, and dates without: TOML has a form for each.
pub(super) fn check_forms(table: &DeTable<'_>, keys: &[Key]) -> Result<(), Fault> {
    check_table(table, keys, "", "")
}

fn check_table(table: &DeTable<'_>, keys: &[Key], section: &str, path: &str) -> Result<(), Fault> {
    for (name, value) in table {
        let name = name.get_ref();
        let (section, path) = (format!("{section}{name}"), format!("{path}{name}"));
        let form = keys.iter().find(|key| key.path == section).map(|key| key.form);
        check_value(value.get_ref(), name, form, keys, (&section, &path))?;
    }
    Ok(())
}

fn check_value(
    value: &DeValue<'_>,
    name: &str,
    form: Option<Form>,
    keys: &[Key],
    (section, path): (&str, &str),
) -> Result<(), Fault> {
    match (value, form) {
        (DeValue::Table(table), _) => {
            check_table(table, keys, &format!("{section}."), &format!("{path}."))
        }
        (DeValue::Array(items), _) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                check_value(item.get_ref(), name, form, keys, (section, &path))?;
            }
            Ok(())
        }
        (DeValue::String(text), Some(Form::Number)) if text.trim().parse::<i64>().is_ok() => {
            let number = text.trim();
            let wrong = format!(
                "{} is in quotes; expected a number without quotes: {name} = {number}",
                quoted(text)
            );
            Err(Fault::new(path, wrong))
        }
        (DeValue::String(text), Some(Form::Boolean))
            if ["true", "false"].contains(&text.trim().to_lowercase().as_str()) =>
        {
            let right = text.trim().to_lowercase();
            let wrong = format!(
                "{} is in quotes; expected true or false without quotes: {name} = {right}",
                quoted(text)
            );
            Err(Fault::new(path, wrong))
        }
        (DeValue::Datetime(_), Some(_)) => {
            let wrong = format!("is a date without quotes; write {name} = \"...\"");
            Err(Fault::new(path, wrong))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::load_builtin;

    const DTU: &str = "[[dtu]]\nname = \"DTU\"\nprotocol = \"modbus\"\nhost = \"192.168.1.191\"\n";

    #[track_caller]
    fn check(toml: &str, line: usize, expected: &str) {
        let message = load_builtin("a.toml", toml, []).unwrap_err().to_string();
        assert!(message.contains(expected), "no {expected:?} for {toml}: {message}");
        assert!(message.contains(&format!("line {line}")), "not line {line}: {message}");
        assert!(message.starts_with("a.toml: "), "{message}");
        assert!(!message.contains("s3cret"), "{message}");
    }

    #[test]
    fn slips_of_newcomers_are_named_with_what_to_write() {
        for (line, expected) in [
            ("host = 192.168.1.5", "the value has no quotes; write host = \"192.168.1.5\""),
            ("host = dtu.lan", "the value has no quotes; write host = \"...\""),
            ("interval = 60s", "the value has no quotes; write interval = \"60s\""),
            ("timezone = Europe/Berlin", "no quotes; write timezone = \"Europe/Berlin\""),
            ("timezone = 2024-13-41", "the value has no quotes; write timezone = \"2024-13-41\""),
            ("password = s3cret-x", "the value has no quotes; write password = \"...\""),
            ("// my DTU", "// does not begin a comment in TOML; begin comments with #"),
            ("port = 502 // Modbus", "// does not begin a comment in TOML; begin comments with #"),
            ("host: 192.168.1.5", "a colon, as YAML does; write host = \"192.168.1.191\""),
            ("password: s3cret", "a colon, as YAML does; write password = \"...\""),
            ("dtu:", "separates key and value with a colon, as YAML does; write dtu"),
            ("- name: Roof", "a colon, as YAML does; write name = \"...\""),
            ("password = \"s3cret\\q\"", "write the text in single quotes: password = '...'"),
            ("password = \"\\s3cret\"", "write the text in single quotes: password = '...'"),
            ("host = “192.168.1.5”", "has typographic quotes; write straight ones: host = \"192"),
            ("token = ‘s3cret’", "has typographic quotes; write straight ones: token = \"...\""),
            ("token = \"s3cret", "the text has no closing quote; write token = \"...\""),
            ("enabled = True", "True is not a boolean of TOML; write enabled = true"),
            ("[dtu", "the bracket is not closed; write [[dtu]]"),
            ("{ \"host\": \"192.168.1.5\" }", "is JSON; expected TOML: host = \"192.168.1.191\""),
        ] {
            check(&format!("# first\n{line}\n"), 2, expected);
        }
    }

    #[test]
    fn sections_in_the_wrong_brackets_are_named() {
        let single = DTU.replace("[[dtu]]", "[dtu]");
        check(&single, 1, "dtu: is a single section; expected [[dtu]] in double brackets");
        let twice = "[dtu] is there more than once; write [[dtu]], in double brackets, each time";
        check(&format!("{single}{single}"), 5, twice);
        check(&format!("{single}{DTU}"), 5, twice);
        check(&format!("{DTU}{single}"), 5, twice);
        let http = "http: is a list; expected a section [http], in single brackets";
        check(&format!("{DTU}[[http]]\ntoken = \"s3cret\"\n"), 5, http);
        let again =
            "the section [http] is there twice, first in line 1; put all its keys under one";
        check("[http]\ntoken = \"s3cret\"\n[http]\n", 3, again);
        check(
            "[http]\ntoken = \"s3cret\"\ntoken = \"s3cret\"\n",
            3,
            "the key `token` is there twice",
        );
    }

    #[test]
    fn values_of_the_wrong_form_are_refused() {
        let number =
            "dtu[0].port: \"502\" is in quotes; expected a number without quotes: port = 502";
        check(&format!("{DTU}port = \"502\"\n"), 5, number);
        let boolean = "\"true\" is in quotes; expected true or false without quotes: tls = true";
        check(&format!("{DTU}[mqtt]\nhost = \"h\"\ntls = \"true\"\n"), 7, boolean);
        let date = "is a date without quotes; write name = \"...\"";
        check(&DTU.replace("\"DTU\"", "2026-05-01"), 2, date);
        check("timezone = 1979-05-27\n", 1, "timezone: is a date without quotes");
        // The environment knows only text.
        let port = [("HOYMILES__HTTP__MAX_CONNECTIONS".to_owned(), "7".to_owned())];
        assert_eq!(load_builtin("a.toml", DTU, port).unwrap().config.http.max_connections, 7);
    }
}
