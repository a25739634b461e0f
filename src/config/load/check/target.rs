//! What must hold for targets. A URL may carry a token, so none is ever shown.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use url::Url;

use super::token;
use crate::config::TargetConfig;
use crate::config::load::fault::Faults;

const EXPECTED: &str = "a WebSocket URL like \"ws://192.168.1.23:8123/api/hoymiles_smiles/ws\"";

pub(super) fn check(targets: &[TargetConfig], faults: &mut Faults) {
    let mut seen = BTreeMap::new();
    for (index, target) in targets.iter().enumerate() {
        let section = format!("target[{index}]");
        token(&section, "token", target.token.is_some(), target.token_file.is_some(), faults);
        let path = format!("{section}.url");
        let mut url = match Url::parse(target.url.expose_secret().trim()) {
            Ok(url) => url,
            Err(error) => {
                faults.add(&path, format!("is no URL ({error}); expected {EXPECTED}"));
                continue;
            }
        };
        for wrong in wrongs(&url) {
            faults.add(&path, wrong);
        }
        let has_token = target.token.is_some() || target.token_file.is_some();
        if has_token && url.query_pairs().any(|(name, _)| name == "token") {
            let wrong = "has a token in its query, and token or token_file gives one too; expected \
                         only one of them";
            faults.add(&path, wrong);
        }
        url.set_query(None);
        if let Some(first) = seen.insert(url, index) {
            let wrong = format!(
                "is also the URL of target[{first}], apart from the query; expected each endpoint \
                 once"
            );
            faults.add(&path, wrong);
        }
    }
}

fn wrongs(url: &Url) -> Vec<String> {
    let mut wrongs = Vec::new();
    match url.scheme() {
        "ws" | "wss" if url.host_str().is_none_or(str::is_empty) => {
            wrongs.push(format!("names no host; expected {EXPECTED}"));
        }
        "ws" | "wss" => (),
        "http" => wrongs.push("begins with http://; expected ws://".to_owned()),
        "https" => wrongs.push("begins with https://; expected wss://".to_owned()),
        _ => wrongs.push(format!("begins neither with ws:// nor with wss://; expected {EXPECTED}")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        let wrong = "has a user name or password, which WebSocket does not know; expected them to \
                     be left out, and a token under the key `token`";
        wrongs.push(wrong.to_owned());
    }
    if url.fragment().is_some() {
        wrongs.push("has a fragment (#...); expected none".to_owned());
    }
    wrongs
}
