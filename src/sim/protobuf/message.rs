//! Protobuf messages field by field, independent of the bridge's own description of them.

use bytes::BufMut;

const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const LENGTH: u64 = 2;
const FOUR_BYTES: u64 = 5;

#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// Adds a number; zero is left out, as in all of proto3.
    pub(super) fn int(mut self, field: u64, value: impl Into<i64>) -> Self {
        let value = value.into();
        if value != 0 {
            self.key(field, VARINT);
            self.varint(value.cast_unsigned());
        }
        self
    }

    /// Adds text or bytes unless empty.
    pub(super) fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        if !value.is_empty() {
            self.delimited(field, value);
        }
        self
    }

    pub(super) fn message(mut self, field: u64, value: &Self) -> Self {
        self.delimited(field, &value.0);
        self
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn delimited(&mut self, field: u64, value: &[u8]) {
        self.key(field, LENGTH);
        self.varint(value.len() as u64);
        self.0.put_slice(value);
    }

    fn key(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            let [low, ..] = (value | 0x80).to_le_bytes();
            self.0.push(low);
            value >>= 7;
        }
        let [low, ..] = value.to_le_bytes();
        self.0.push(low);
    }
}

/// The number in a field of a received message, 0 if it is missing; `None` if the message is invalid.
pub(super) fn int_of(mut message: &[u8], field: u64) -> Option<u64> {
    let mut found = 0;
    while !message.is_empty() {
        let key = take_varint(&mut message)?;
        match key & 7 {
            VARINT => {
                let value = take_varint(&mut message)?;
                if key >> 3 == field {
                    found = value;
                }
            }
            EIGHT_BYTES => message = message.get(8..)?,
            FOUR_BYTES => message = message.get(4..)?,
            LENGTH => {
                let length = usize::try_from(take_varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            _ => return None,
        }
    }
    Some(found)
}

fn take_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7F).checked_shl(7 * place)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_fields() {
        let inner = Message::default().int(1, 0).int(2, 300);
        let message = Message::default().int(1, -1).bytes(2, b"HM").message(3, &inner);
        let minus_one = [&[0x08][..], &[0xFF; 9], &[0x01]].concat();
        let rest = [0x12, 2, b'H', b'M', 0x1A, 3, 0x10, 0xAC, 0x02];
        assert_eq!(message.len(), 20);
        assert_eq!(message.into_bytes(), [&minus_one[..], &rest].concat());
    }

    #[test]
    fn finds_a_number_behind_other_fields() {
        let message = Message::default().bytes(1, b"text").int(2, 33).int(4, 300).into_bytes();
        assert_eq!([2, 3, 4].map(|field| int_of(&message, field)), [Some(33), Some(0), Some(300)]);
        assert_eq!(int_of(&message[..message.len() - 1], 2), None);
        assert_eq!(int_of(&[0xFF; 20], 2), None);
    }
}
