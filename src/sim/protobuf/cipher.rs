//! AES-128-GCM with a key that changes at each start of the DTU.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};

use super::frame::Frame;

/// The key of one start.
pub(super) struct Cipher {
    enc_rand: [u8; 16],
    key: LessSafeKey,
}

impl Cipher {
    pub(super) fn new(enc_rand: [u8; 16]) -> Option<Self> {
        let hash = hashed_three_times(&enc_rand);
        let key = UnboundKey::new(&AES_128_GCM, hash.get(..16)?).ok()?;
        Some(Self { enc_rand, key: LessSafeKey::new(key) })
    }

    /// The cipher text, and its tag.
    pub(super) fn sealed(
        &self,
        command: u16,
        sequence: u16,
        message: Vec<u8>,
    ) -> Option<(Vec<u8>, Vec<u8>)> {
        let (nonce, purpose) = self.nonce(command, sequence)?;
        let mut text = message;
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(purpose), &mut text).ok()?;
        Some((text, tag.as_ref().to_vec()))
    }

    /// The message; `None` if it was not encrypted, or with another key.
    pub(super) fn opened(&self, frame: &Frame<'_>) -> Option<Vec<u8>> {
        let (nonce, purpose) = self.nonce(frame.command, frame.sequence)?;
        let mut text = [frame.payload, frame.tag].concat();
        let length = self.key.open_in_place(nonce, Aad::from(purpose), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    /// The nonce, and what is authenticated with the message: the lowest byte comes first here.
    fn nonce(&self, command: u16, sequence: u16) -> Option<(Nonce, [u8; 4])> {
        let [[a, b], [c, d]] = [command.to_le_bytes(), sequence.to_le_bytes()];
        let purpose = [a, b, c, d];
        let hash = hashed_three_times(&[&purpose, &self.enc_rand[..]].concat());
        Some((Nonce::try_assume_unique_for_key(hash.get(20..)?).ok()?, purpose))
    }
}

fn hashed_three_times(bytes: &[u8]) -> Vec<u8> {
    (0..3).fold(bytes.to_vec(), |bytes, _| digest(&SHA256, &bytes).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::frame::written;
    use super::*;

    fn bytes(hex: &Value) -> Vec<u8> {
        let hex = hex.as_str().unwrap();
        let pairs = (0..hex.len()).step_by(2);
        pairs.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_known_encrypted_reply_is_opened_and_made() {
        let file: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/protobuf.json")).unwrap();
        let named = |vector: &&Value| vector["name"] == "realdata_new_reply_encrypted";
        let vector = file["vectors"].as_array().unwrap().iter().find(named).unwrap();
        let reply = bytes(&vector["hex"]);
        let cipher = Cipher::new(bytes(&vector["enc_rand"]).try_into().unwrap()).unwrap();
        let frame = Frame::read(&reply).unwrap();
        let message = cipher.opened(&frame).unwrap();
        let serial = vector["decoded"]["device_serial_number"].as_str().unwrap();
        assert!(message.windows(12).any(|window| window == serial.as_bytes()));
        let (text, tag) = cipher.sealed(frame.command, frame.sequence, message).unwrap();
        assert_eq!(written(frame.command, frame.sequence, &text, &tag), reply);
        let other = Cipher::new([0; 16]).unwrap();
        assert!(other.opened(&frame).is_none());
    }
}
