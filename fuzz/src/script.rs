//! The bytes of the fuzzer as what a peer will say, piece by piece.

use bytes::Bytes;

/// What is left of the fuzzer's bytes.
#[derive(Clone, Debug)]
pub struct Script(Bytes);

impl Script {
    /// All of them.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }

    /// The next byte; 0 at the end.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// The next so many bytes, or those that are left.
    pub fn take(&mut self, count: usize) -> Bytes {
        self.0.split_to(count.min(self.0.len()))
    }

    /// A piece whose length comes before it, in two bytes.
    pub fn piece(&mut self) -> Bytes {
        let length = u16::from_be_bytes([self.byte(), self.byte()]);
        self.take(length.into())
    }

    /// Whether nothing is left.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}
