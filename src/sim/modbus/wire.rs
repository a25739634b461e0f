//! The frames of Modbus-TCP: a header of seven bytes, then a function and what belongs to it.

use bytes::{Buf, BufMut};

use crate::sim::conversation::NotARequest;

/// Transaction, protocol, length.
const PREFIX: usize = 6;

/// Unit, function and 252 more (Modbus messaging on TCP/IP, section 4.1).
const LONGEST: usize = 254;

const READ_HOLDING_REGISTERS: u8 = 3;
const REFUSED: u8 = 0x80;

/// How long the request is that these bytes begin; `None` if there are too few to tell.
pub(super) fn request_length(mut begun: &[u8]) -> Result<Option<usize>, NotARequest> {
    let (Ok(_transaction), Ok(protocol), Ok(length)) =
        (begun.try_get_u16(), begun.try_get_u16(), begun.try_get_u16())
    else {
        return Ok(None);
    };
    let length = usize::from(length);
    if protocol != 0 || !(2..=LONGEST).contains(&length) {
        return Err(NotARequest);
    }
    Ok(Some(PREFIX + length))
}

/// One whole request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    transaction: u16,
    unit: u8,
    function: u8,
    body: Vec<u8>,
}

impl From<&[u8]> for Request {
    /// Takes what `request_length` has measured; what is missing reads as 0.
    fn from(mut frame: &[u8]) -> Self {
        let transaction = frame.try_get_u16().unwrap_or_default();
        let _protocol = frame.try_get_u16();
        let _length = frame.try_get_u16();
        let unit = frame.try_get_u8().unwrap_or_default();
        let function = frame.try_get_u8().unwrap_or_default();
        Self { transaction, unit, function, body: frame.to_vec() }
    }
}

impl Request {
    /// The address and the number of registers to read; `None` if it wants something else.
    pub(super) fn read_registers(&self) -> Option<(u16, u16)> {
        let mut body = self.body.as_slice();
        if self.function != READ_HOLDING_REGISTERS || body.len() != 4 {
            return None;
        }
        Some((body.try_get_u16().ok()?, body.try_get_u16().ok()?))
    }

    /// The reply that carries `data`. `stated_length` is for a DTU that miscounts.
    pub(super) fn reply(&self, data: &[u8], stated_length: Option<u8>) -> Vec<u8> {
        let counted = u8::try_from(data.len()).unwrap_or(u8::MAX);
        let mut body = vec![self.function, stated_length.unwrap_or(counted)];
        body.extend_from_slice(data);
        self.frame(&body)
    }

    /// The reply that refuses.
    pub(super) fn refusal(&self, code: u8) -> Vec<u8> {
        self.frame(&[self.function | REFUSED, code])
    }

    fn frame(&self, body: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(PREFIX + 1 + body.len());
        frame.put_u16(self.transaction);
        frame.put_u16(0);
        frame.put_u16(u16::try_from(1 + body.len()).unwrap_or(u16::MAX));
        frame.put_u8(self.unit);
        frame.extend_from_slice(body);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(begun: &[u8], want: Result<Option<usize>, NotARequest>) {
        assert_eq!(request_length(begun), want, "{begun:02x?}");
    }

    #[test]
    fn the_header_tells_how_long_a_request_is() {
        check(&[], Ok(None));
        check(&[0, 2, 0, 0, 0], Ok(None));
        check(&[0, 2, 0, 0, 0, 6], Ok(Some(12)));
        check(&[0, 2, 0, 0, 0, 6, 1, 3, 0x10, 0, 0, 20, 9], Ok(Some(12)));
        check(&[0, 2, 0, 1, 0, 6], Err(NotARequest));
        check(&[0, 2, 0, 0, 0, 1], Err(NotARequest));
        check(b"GET / HTTP", Err(NotARequest));
    }

    #[test]
    fn only_a_read_of_holding_registers_is_one() {
        let read = |frame: &[u8]| Request::from(frame).read_registers();
        assert_eq!(read(&[0, 2, 0, 0, 0, 6, 1, 3, 0x10, 0x28, 0, 20]), Some((0x1028, 20)));
        assert_eq!(read(&[0, 2, 0, 0, 0, 6, 1, 4, 0x10, 0x28, 0, 20]), None);
        assert_eq!(read(&[0, 2, 0, 0, 0, 5, 1, 3, 0x10, 0x28, 0]), None);
        assert_eq!(read(&[0, 2, 0, 0, 0, 2, 1, 3]), None);
    }

    /// The shared examples of a published client's tests, and of the technical note.
    #[test]
    fn replies_equal_the_examples() {
        let data = [0x10, 0xf8, 0xa0, 0, 0, 1];
        let serial = Request::from(&[0, 9, 0, 0, 0, 6, 1, 3, 0x20, 0, 0, 3][..]);
        let header = [0, 9, 0, 0, 0, 9, 1, 3];
        assert_eq!(serial.reply(&data, None), [&header[..], &[6], &data].concat());
        assert_eq!(serial.reply(&data, Some(255)), [&header[..], &[255], &data].concat());
        let record = Request::from(&[0, 7, 0, 0, 0, 6, 1, 3, 0x10, 0, 0, 20][..]);
        assert_eq!(record.reply(&[], None), [0, 7, 0, 0, 0, 3, 1, 3, 0]);
        assert_eq!(record.refusal(1), [0, 7, 0, 0, 0, 3, 1, 0x83, 1]);
    }
}
