//! The two text formats of figures: that of OpenMetrics, and the older one that all scrapers read.

use hyper::HeaderMap;
use hyper::header::ACCEPT;

/// In which text format a scraper wants the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus text exposition 0.0.4.
    Plain,
}

impl Format {
    /// What the request asks for: OpenMetrics if it names it, as Prometheus itself does.
    pub(in crate::http) fn wanted(headers: &HeaderMap) -> Self {
        let names = |value: &str| value.contains("application/openmetrics-text");
        let all = headers.get_all(ACCEPT);
        if all.iter().filter_map(|value| value.to_str().ok()).any(names) {
            Self::OpenMetrics
        } else {
            Self::Plain
        }
    }

    pub(in crate::http) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The page, written as OpenMetrics, in this format.
    pub(super) fn of(self, page: String) -> String {
        match self {
            Self::OpenMetrics => page,
            Self::Plain => plain(&page),
        }
    }
}

/// In the older format a family bears the name of its samples, suffix included; it knows neither
/// units, nor info metrics, nor an end.
fn plain(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    let mut help = None;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let Some((family, kind)) = rest.split_once(' ') else { continue };
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, words)) = help.take() {
                text.extend(["# HELP ", family, suffix, " ", words, "\n"]);
            }
            text.extend(["# TYPE ", family, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_names_families_as_their_samples() {
        let page = "# HELP a_polls Polls.\n# TYPE a_polls counter\na_polls_total{x=\"1\"} 2\n\
                    # HELP a_power_watts Power.\n# TYPE a_power_watts gauge\n\
                    # UNIT a_power_watts watts\na_power_watts 1.5\n\
                    # HELP a_build Build.\n# TYPE a_build info\na_build_info{v=\"1\"} 1\n# EOF\n";
        let expected = "# HELP a_polls_total Polls.\n# TYPE a_polls_total counter\n\
                        a_polls_total{x=\"1\"} 2\n\
                        # HELP a_power_watts Power.\n# TYPE a_power_watts gauge\na_power_watts 1.5\n\
                        # HELP a_build_info Build.\n# TYPE a_build_info gauge\na_build_info{v=\"1\"} 1\n";
        assert_eq!(plain(page), expected);
    }

    #[test]
    fn a_scraper_gets_what_it_asks_for() {
        let wanted = |accept: Option<&'static str>| {
            let headers = accept.map(|accept| (ACCEPT, accept.parse().unwrap()));
            Format::wanted(&headers.into_iter().collect())
        };
        assert_eq!(wanted(None), Format::Plain);
        assert_eq!(wanted(Some("text/plain;version=0.0.4")), Format::Plain);
        let prometheus =
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
        assert_eq!(wanted(Some(prometheus)), Format::OpenMetrics);
    }
}
