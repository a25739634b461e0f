//! What must hold for targets. A URL may carry a token, so none is ever shown.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;

use super::token;
use crate::config::load::fault::Faults;
use crate::config::{TargetConfig, websocket_url};

pub(super) fn check(targets: &[TargetConfig], faults: &mut Faults) {
    let mut seen = BTreeMap::new();
    for (index, target) in targets.iter().enumerate() {
        let section = format!("target[{index}]");
        token(&section, "token", target.token.is_some(), target.token_file.is_some(), faults);
        let path = format!("{section}.url");
        let text = target.url.expose_secret();
        let mut url = match websocket_url::parse(text) {
            Ok(url) => url,
            Err(wrong) => {
                faults.add(&path, wrong.to_string());
                continue;
            }
        };
        if text.contains('#') {
            faults.add(&path, "has a fragment (#...); expected none");
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
