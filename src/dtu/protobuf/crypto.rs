//! The DTU's encryption: AES-128-GCM, with key and nonce from sixteen random bytes of each start.
//! Pure: no socket, no clock.

use bytes::Bytes;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use thiserror::Error;

use super::frame::{Command, Frame};

/// Random bytes of each start of the DTU.
pub type EncRand = [u8; 16];

/// The frame was not made with this key, command and sequence number, or was changed on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the frame cannot be decrypted")]
pub struct Unauthentic;

/// Encrypts and decrypts the frames of one DTU until its next start.
#[derive(Debug)]
pub struct Cipher {
    enc_rand: EncRand,
    key: LessSafeKey,
}

impl Cipher {
    /// The key that follows from `enc_rand`.
    pub fn new(enc_rand: EncRand) -> Result<Self, Unauthentic> {
        let hash = sha256_three_times(&enc_rand);
        let key = hash.first_chunk::<16>().ok_or(Unauthentic)?;
        let key = UnboundKey::new(&AES_128_GCM, key).map_err(|_| Unauthentic)?;
        Ok(Self { enc_rand, key: LessSafeKey::new(key) })
    }

    /// Encrypts a message. Command and sequence number determine the nonce.
    pub fn seal(
        &self,
        command: Command,
        sequence: u16,
        message: &[u8],
    ) -> Result<Frame, Unauthentic> {
        let mut payload = message.to_vec();
        let aad = Aad::from(associated_data(command, sequence));
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(command, sequence)?, aad, &mut payload)
            .map_err(|_| Unauthentic)?;
        let tag = tag.as_ref().try_into().map_err(|_| Unauthentic)?;
        Ok(Frame { command, sequence, payload: payload.into(), tag: Some(tag) })
    }

    /// Decrypts a frame.
    pub fn open(&self, frame: &Frame) -> Result<Bytes, Unauthentic> {
        let tag = frame.tag.as_ref().ok_or(Unauthentic)?;
        let mut bytes = [&frame.payload, tag.as_slice()].concat();
        let aad = Aad::from(associated_data(frame.command, frame.sequence));
        let nonce = self.nonce(frame.command, frame.sequence)?;
        let length = self.key.open_in_place(nonce, aad, &mut bytes).map_err(|_| Unauthentic)?.len();
        bytes.truncate(length);
        Ok(bytes.into())
    }

    fn nonce(&self, command: Command, sequence: u16) -> Result<Nonce, Unauthentic> {
        let seed = [&associated_data(command, sequence)[..], &self.enc_rand].concat();
        let hash = sha256_three_times(&seed);
        let nonce = hash.last_chunk().ok_or(Unauthentic)?;
        Ok(Nonce::assume_unique_for_key(*nonce))
    }
}

/// Command and sequence number, each little-endian here, although the header is big-endian.
const fn associated_data(command: Command, sequence: u16) -> [u8; 4] {
    let [a, b] = command.0.to_le_bytes();
    let [c, d] = sequence.to_le_bytes();
    [a, b, c, d]
}

fn sha256_three_times(bytes: &[u8]) -> Vec<u8> {
    (0..3).fold(bytes.to_vec(), |bytes, _| digest(&SHA256, &bytes).as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENC_RAND: EncRand = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();

    #[test]
    fn key_nonce_and_associated_data_match_the_worked_example() {
        let cipher = Cipher::new(ENC_RAND).unwrap();
        let key = 0x1a87_826e_0e5b_80bd_5ac6_e98a_fe66_0876_u128.to_be_bytes();
        assert_eq!(sha256_three_times(&ENC_RAND)[..16], key);
        let nonce = cipher.nonce(Command::REAL_DATA, 2).unwrap();
        let expected = 0x8789_22f3_656e_7318_1a16_0637_u128.to_be_bytes();
        assert_eq!(nonce.as_ref()[..], expected[4..]);
        assert_eq!(associated_data(Command::REAL_DATA, 2), [0x11, 0xa3, 0x02, 0x00]);
    }

    #[test]
    fn only_the_same_command_sequence_and_key_decrypt() {
        let cipher = Cipher::new(ENC_RAND).unwrap();
        let frame = cipher.seal(Command::REAL_DATA, 7, b"message").unwrap();
        assert_eq!(cipher.open(&frame), Ok(Bytes::from_static(b"message")));
        let check = |what: &str, frame: Frame| {
            assert_eq!(cipher.open(&frame), Err(Unauthentic), "{what}");
        };
        check("sequence", Frame { sequence: 8, ..frame.clone() });
        check("command", Frame { command: Command::COMMAND, ..frame.clone() });
        check("payload", Frame { payload: Bytes::from_static(b"passage"), ..frame.clone() });
        check("no tag", Frame { tag: None, ..frame.clone() });
        let restarted = Cipher::new([0; 16]).unwrap();
        assert_eq!(restarted.open(&frame), Err(Unauthentic));
    }
}
