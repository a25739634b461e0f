//! Codes in words.

/// An operating status in words.
pub fn operating_status(code: u16) -> String {
    code.to_string()
}

/// A link status in words.
pub fn link_status(code: u16) -> String {
    code.to_string()
}

/// An alarm in words.
pub fn alarm(code: u32) -> String {
    code.to_string()
}
