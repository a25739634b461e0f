//! Inverters that two DTUs read, such as both protocols of one box.

use super::*;

/// Of a box that is read over both of its protocols.
fn new_house() -> Book {
    let dtu = |name, protocol| DtuState::unknown(name, protocol, HOLD);
    let dtus = vec![dtu("M", Protocol::Modbus), dtu("E", Protocol::Protobuf)];
    Book::new(TimeZone::UTC, dtus, [], [])
}

/// What the DTU says of inverter 1: it delivers so much, or is not reached.
fn say(book: &mut Book, dtu: &str, watts: Option<i32>, minute: i64) {
    let inverter = watts.map_or_else(|| dark(1), |watts| live(1, &[1], watts));
    book.succeeded(dtu, &reading(vec![inverter]), at(minute));
}

/// To which DTU inverter 1 belongs, and what it delivers.
fn owner(book: &Book) -> (String, Option<f64>) {
    let inverter = book.inverters().remove(0);
    (inverter.dtu_name.to_string(), inverter.pv_power().map(Watts::as_f64))
}

fn is(dtu: &str, watts: f64) -> (String, Option<f64>) {
    (dtu.to_owned(), Some(watts))
}

#[test]
fn an_inverter_stays_with_the_dtu_that_reads_it() {
    let mut book = new_house();
    for minute in 0..20 {
        say(&mut book, "M", Some(100), minute);
        say(&mut book, "E", Some(200), minute);
        assert_eq!(owner(&book), is("M", 100.0), "minute {minute}");
        say(&mut book, "E", None, minute);
        assert_eq!(owner(&book), is("M", 100.0), "minute {minute}");
    }
    let total = book.inverters()[0].energy().total;
    assert_eq!((total, book.ledgers().len()), (Some(WattHours::new(1000)), 1));
}

#[test]
fn two_dtus_that_answer_at_once_come_in_the_order_of_the_configuration() {
    let mut book = new_house();
    say(&mut book, "E", Some(200), 0);
    say(&mut book, "M", Some(100), 0);
    assert_eq!(owner(&book), is("M", 100.0));
    let mut book = new_house();
    say(&mut book, "E", Some(200), 0);
    say(&mut book, "M", None, 0);
    assert_eq!(owner(&book), is("E", 200.0), "one that does not reach it has nothing to say");
    for minute in 1..=6 {
        say(&mut book, "E", Some(200), minute);
    }
    say(&mut book, "M", Some(100), 6);
    assert_eq!(owner(&book), is("E", 200.0), "nor one that comes late");
}

#[test]
fn when_one_falls_silent_the_other_takes_over_and_keeps_it() {
    let mut book = new_house();
    say(&mut book, "M", Some(100), 0);
    for minute in 0..=5 {
        say(&mut book, "E", Some(200), minute);
        book.failed("M", problem(), &DtuReading::default(), at(minute));
    }
    assert_eq!(owner(&book), is("M", 100.0));
    let before = book.inverters()[0].energy().total;
    say(&mut book, "E", Some(200), 6);
    assert_eq!(owner(&book), is("E", 200.0));
    assert_eq!(book.inverters()[0].energy().total, before, "nothing was produced twice");
    say(&mut book, "M", Some(100), 7);
    assert_eq!(owner(&book), is("E", 200.0));
}

#[test]
fn a_dtu_that_lists_an_inverter_it_does_not_reach_any_more_loses_it() {
    let mut book = new_house();
    say(&mut book, "M", Some(100), 0);
    for minute in 1..=6 {
        assert_eq!(owner(&book).0, "M", "minute {minute}");
        say(&mut book, "M", None, minute);
        say(&mut book, "E", Some(200), minute);
    }
    say(&mut book, "E", Some(200), 7);
    assert_eq!(owner(&book), is("E", 200.0));
}

#[test]
fn in_the_morning_the_one_that_is_first_to_see_the_sun_does_not_win() {
    let mut book = new_house();
    say(&mut book, "M", Some(2), 0);
    for minute in 1..=600 {
        say(&mut book, "M", None, minute);
        say(&mut book, "E", None, minute);
    }
    assert_eq!(owner(&book), is("M", 0.0));
    say(&mut book, "E", Some(2), 601);
    assert_eq!(owner(&book), is("M", 0.0));
    say(&mut book, "M", Some(3), 601);
    say(&mut book, "E", Some(2), 602);
    assert_eq!(owner(&book), is("M", 3.0));
}

#[test]
fn both_dtus_and_the_cure_are_named_once() {
    let mut book = new_house();
    let mut told = Vec::new();
    for minute in 0..30 {
        // In the meantime each of them is the owner.
        let (first, second) = if minute < 10 { ("M", "E") } else { ("E", "M") };
        let both = || reading(vec![live(1, &[1], 100), live(2, &[1], 100)]);
        book.succeeded(first, &both(), at(minute));
        if !(8..=18).contains(&minute) {
            book.succeeded(second, &both(), at(minute));
        }
        told.extend(book.take_rivalries().iter().map(ToString::to_string));
    }
    assert_eq!(owner(&book).0, "E");
    assert_eq!(
        told,
        ["E: M reads the same inverters, so only M's values of them count while it has any; put \
             `exclude = [\"114100000001\", \"114100000002\"]` into the section of one of the two, \
             or remove one section"]
    );
}

#[test]
fn one_dtu_after_another_is_no_quarrel() {
    let mut book = new_house();
    say(&mut book, "M", Some(100), 0);
    say(&mut book, "E", Some(200), 6);
    assert_eq!((owner(&book), book.take_rivalries()), (is("E", 200.0), Vec::new()));
}

#[test]
fn a_dtu_whose_inverters_are_anothers_is_not_asleep_for_it() {
    let mut book = new_house();
    for dtu in ["M", "E"] {
        say(&mut book, dtu, Some(300), 0);
    }
    assert!(!book.may_sleep("E", at(1)), "it went in the midst of production");
}

#[test]
fn a_dtu_whose_inverters_are_anothers_invents_none() {
    let mut book = new_house();
    say(&mut book, "M", Some(300), 0);
    say(&mut book, "E", Some(300), 0);
    book.succeeded("E", &reading(vec![live(1, &[1], 300), live(9, &[1], 300)]), at(1));
    assert_eq!(book.inverters().len(), 1);
}
