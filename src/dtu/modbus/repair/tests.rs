//! Answers of all kinds and cuts on their way through the mending stream.

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::{prop_assert, prop_assert_eq, proptest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// An answer with that byte count and those data bytes behind it.
fn answer(byte_count: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 3).unwrap().to_be_bytes();
    [&[0, 9, 0, 0], &length[..], &[1, 3, byte_count], data].concat()
}

#[track_caller]
fn check(raw: &[u8], expected: Result<Option<&[u8]>, NoAnswer>) {
    let taken = take_answer(&mut raw.into());
    let taken = taken.as_ref().map(Option::as_deref).map_err(|no_answer| *no_answer);
    assert_eq!(taken, expected, "{raw:02x?}");
}

#[test]
fn the_byte_count_becomes_what_really_follows() {
    let good = answer(40, &[7; 40]);
    for wrong in [0, 20, 39, 40, 41, 0xff] {
        check(&answer(wrong, &[7; 40]), Ok(Some(&good)));
    }
    check(&answer(40, &[7; 80]), Ok(Some(&answer(80, &[7; 80]))));
}

#[test]
fn data_that_the_library_cannot_take_is_cut() {
    check(&answer(40, &[7; 41]), Ok(Some(&answer(40, &[7; 40]))));
    check(&answer(0xff, &[7; 257]), Ok(Some(&answer(250, &[7; 250]))));
}

#[test]
fn an_answer_without_byte_count_is_an_empty_one() {
    check(&[0, 9, 0, 0, 0, 2, 1, 3], Ok(Some(&answer(0, &[]))));
    check(&answer(0, &[]), Ok(Some(&answer(0, &[]))));
}

#[test]
fn a_refusal_passes() {
    let refusal = vec![0, 9, 0, 0, 0, 3, 1, 0x83, 1];
    check(&refusal, Ok(Some(&refusal)));
    check(&[0, 9, 0, 0, 0, 4, 1, 0x83, 1, 0], Ok(Some(&refusal)));
    check(&[0, 9, 0, 0, 0, 2, 1, 0x83], Err(NoAnswer::NoExceptionCode));
}

#[test]
fn what_is_no_answer_is_refused_before_it_is_awaited() {
    check(b"HTTP/1.1 400", Err(NoAnswer::OtherLanguage("HTTP")));
    check(&[0x15, 3, 3, 0, 2, 2, 0x16], Err(NoAnswer::OtherLanguage("TLS")));
    check(&[0x15, 3, 0, 0, 0, 1, 1], Err(NoAnswer::ImpossibleLength(1)));
    check(b"GET / HTTP", Err(NoAnswer::OtherProtocol(0x5420)));
    check(&[0, 9, 0, 0, 1, 5], Err(NoAnswer::ImpossibleLength(261)));
    check(&[0, 9, 0, 0, 0, 1, 1], Err(NoAnswer::ImpossibleLength(1)));
    check(&[0, 9, 0, 0, 0, 0], Err(NoAnswer::ImpossibleLength(0)));
    check(&[0, 9, 0, 0, 0, 3, 1, 4, 0], Err(NoAnswer::OtherFunction(4)));
    check(&[0, 9, 0, 0, 0], Ok(None));
}

/// Everything that a mended stream hands on when its inner one receives `pieces`.
async fn through(pieces: Vec<Vec<u8>>) -> (Vec<u8>, io::Error) {
    let (near, mut far) = tokio::io::duplex(4096);
    let mut mended = Mended::new(near);
    let send = async move {
        for piece in pieces {
            far.write_all(&piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let receive = async move {
        let mut all = Vec::new();
        let mut portion = [0; 11];
        loop {
            match mended.read(&mut portion).await {
                Ok(length) => all.extend_from_slice(&portion[..length]),
                Err(error) => return (all, error),
            }
        }
    };
    tokio::join!(send, receive).1
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn a_hang_up_says_when() {
    let (_, error) = block_on(through(vec![answer(40, &[7; 40])]));
    assert_eq!(error.to_string(), "before it answered");
    let (_, error) = block_on(through(vec![answer(40, &[7; 40])[..20].to_vec()]));
    assert_eq!(error.to_string(), "in the middle of an answer");
}

proptest! {
    #[test]
    fn however_answers_are_cut_they_come_out_the_same(
        lengths in vec(0_u8..=125, 1..5), cuts in vec(1_usize..60, 1..40),
    ) {
        let sizes: Vec<usize> = lengths.iter().map(|registers| usize::from(*registers) * 2).collect();
        let sent: Vec<u8> = sizes.iter().flat_map(|size| answer(0xff, &vec![7; *size])).collect();
        let expected: Vec<u8> = sizes
            .iter()
            .flat_map(|size| answer(u8::try_from(*size).unwrap(), &vec![7; *size]))
            .collect();
        let mut rest = &sent[..];
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle() {
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece.to_vec());
            rest = behind;
            if rest.is_empty() { break }
        }
        prop_assert_eq!(block_on(through(pieces)).0, expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..600)) {
        let mut raw = BytesMut::from(&bytes[..]);
        while let Ok(Some(answer)) = take_answer(&mut raw) {
            prop_assert!(answer.len() <= 259);
        }
    }

    #[test]
    fn no_answer_of_any_content_makes_it_panic(data in vec(any::<u8>(), 0..258), function: u8) {
        let mut raw = answer(0, &data);
        raw[7] = function;
        drop(take_answer(&mut raw[..].into()));
    }
}
