//! Serial numbers: twelve hexadecimal digits, of which the first four name the family.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Twelve hexadecimal digits that name one device. Case is not significant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Digits([u8; 6]);

impl Digits {
    fn parse(text: &str) -> Result<Self, InvalidSerial> {
        let invalid = || InvalidSerial(text.chars().take(40).collect());
        if text.len() != 12 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let value = u64::from_str_radix(text, 16).map_err(|_| invalid())?;
        Ok(Self::from_u64(value))
    }

    fn from_u64(value: u64) -> Self {
        let [_, _, bytes @ ..] = value.to_be_bytes();
        Self(bytes)
    }

    fn prefix(self) -> u16 {
        let [high, low, ..] = self.0;
        u16::from_be_bytes([high, low])
    }
}

/// The text is not a serial number.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a serial number: twelve digits 0-9, a-f expected, as printed on the device")]
pub struct InvalidSerial(String);

/// Names an inverter; printed in lower case, as the bridges before this one did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InverterSerial(Digits);

/// Names a DTU; printed in upper case, as on its sticker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DtuSerial(Digits);

/// Names an energy meter that a DTU reads; printed in lower case, like an inverter's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MeterSerial(Digits);

macro_rules! serial {
    ($name:ident, $format:literal) => {
        impl $name {
            /// From the six bytes in which Modbus sends it.
            pub const fn from_bytes(bytes: [u8; 6]) -> Self {
                Self(Digits(bytes))
            }

            /// From the integer in which the protobuf protocol sends it: its lower 48 bits count.
            pub fn from_u64(value: u64) -> Self {
                Self(Digits::from_u64(value))
            }

            /// The six bytes in which Modbus sends it.
            pub const fn bytes(self) -> [u8; 6] {
                self.0.0
            }

            /// The first four digits, which name the family of the device.
            pub fn prefix(self) -> u16 {
                self.0.prefix()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for byte in self.0.0 {
                    write!(f, $format, byte)?;
                }
                Ok(())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidSerial;

            fn from_str(text: &str) -> Result<Self, InvalidSerial> {
                Digits::parse(text).map(Self)
            }
        }
    };
}

serial!(InverterSerial, "{:02x}");
serial!(DtuSerial, "{:02X}");
serial!(MeterSerial, "{:02x}");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_not_significant() {
        let upper: InverterSerial = "1161A0000001".parse().unwrap();
        assert_eq!(upper, InverterSerial::from_bytes([0x11, 0x61, 0xa0, 0, 0, 1]));
        assert_eq!(upper.to_string(), "1161a0000001");
        assert_eq!(upper.prefix(), 0x1161);
        assert_eq!("10f8a0000001".parse::<DtuSerial>().unwrap().to_string(), "10F8A0000001");
    }

    #[test]
    fn the_lower_48_bits_of_an_integer_are_the_serial() {
        assert_eq!(InverterSerial::from_u64(22_070_226_321_409).to_string(), "1412a0000001");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "1161", "1161a000000g", "+161a0000001", "1161a00000012"] {
            assert!(text.parse::<InverterSerial>().is_err(), "{text}");
        }
    }
}
