//! The bytes of the fuzzer as the answers of a peer, piece by piece.

use bytes::Bytes;

/// The remaining bytes of the fuzzer.
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

    /// The next `count` bytes, or the remaining ones.
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
