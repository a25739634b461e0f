//! Ports in the book: garbage invents them, and rebuilt plants have new ones.

use super::*;

/// What the plant has counted in all, and how many ports are known.
fn known(book: &Book) -> (u64, usize) {
    let total = book
        .inverters()
        .iter()
        .filter_map(|one: &InverterState| one.energy().total)
        .map(WattHours::get)
        .sum();
    (total, book.inverters().iter().map(|inverter| inverter.ports.len()).sum())
}

fn say(book: &mut Book, ports: &[u8], minute: i64) -> Vec<String> {
    let doubts = book.succeeded("Roof", &reading(vec![live(1, ports, 100)]), at(minute));
    doubts.iter().map(ToString::to_string).collect()
}

#[test]
fn a_port_named_once_by_garbage_is_no_port() {
    let mut book = new_book();
    assert_eq!(say(&mut book, &[1], 0), [""; 0], "what a new inverter brings along is believed");
    assert_eq!(
        say(&mut book, &[1, 7], 1),
        ["inverter 114100000001 port 7: not believed: named for the first time; believed when \
             the next poll names it again"]
    );
    say(&mut book, &[1], 2);
    say(&mut book, &[1, 7], 3);
    say(&mut book, &[1, 6], 4);
    assert_eq!(known(&book), (1000, 1));
    assert!(!book.ledgers().contains_key(&(serial(1), 7)), "nothing of it is kept");
}

#[test]
fn a_port_that_two_polls_name_is_believed() {
    let mut book = new_book();
    say(&mut book, &[1], 0);
    say(&mut book, &[1, 2], 1);
    assert_eq!(say(&mut book, &[1, 2], 2), [""; 0]);
    assert_eq!(known(&book), (2000, 2));
    say(&mut book, &[1], 3);
    assert_eq!(say(&mut book, &[1, 2], 4), [""; 0], "one that is known may come and go");
}

#[test]
fn an_inverter_that_is_confirmed_brings_its_ports_along() {
    let mut book = new_book();
    say(&mut book, &[1], 0);
    let both = reading(vec![live(1, &[1], 100), live(2, &[1, 2], 100)]);
    book.succeeded("Roof", &both, at(1));
    assert_eq!(book.succeeded("Roof", &both, at(2)), []);
    assert_eq!(known(&book), (3000, 3));
}

#[test]
fn a_poll_that_brings_nothing_new_neither_confirms_a_port_nor_refutes_it() {
    let mut book = new_book();
    say(&mut book, &[1], 0);
    let new = reading(vec![live(1, &[1, 2], 100)]);
    book.succeeded("Roof", &new, at(1));
    book.succeeded("Roof", &DtuReading { stale: true, ..new.clone() }, at(2));
    book.failed("Roof", problem(), &DtuReading::default(), at(3));
    assert_eq!(known(&book), (1000, 1));
    assert_eq!(book.succeeded("Roof", &new, at(4)), []);
    assert_eq!(known(&book), (2000, 2));
}

#[test]
fn ports_that_are_known_from_before_a_restart_need_no_second_poll() {
    let mut book = new_book();
    say(&mut book, &[1, 2], 0);
    let dtu = DtuState::unknown("Roof", Protocol::Protobuf, HOLD);
    let ledgers = book.ledgers().clone();
    let mut stored = book.inverters();
    stored[0].ports.remove(&2);
    let mut book = Book::new(TimeZone::UTC, vec![dtu], stored, ledgers);
    assert_eq!(say(&mut book, &[1, 2], 1), [""; 0]);
    assert_eq!(known(&book), (2000, 2));
}

#[test]
fn a_day_goes_on_in_another_zone_until_its_next_midnight() {
    // At 18:00 in London.
    let mut book = new_book();
    say(&mut book, &[1], 0);
    say(&mut book, &[1], 1);
    let day = |book: &Book| {
        let port = &book.inverters()[0].ports[&1];
        (port.energy.today.unwrap().get(), port.energy.today_since.unwrap().to_string())
    };
    let before = day(&book);
    assert_eq!(before, (100, "2023-11-16T00:00:00Z".to_owned()));
    for (name, midnight, next) in [
        ("Europe/Berlin", 5 * 60, "2023-11-16T23:00:00Z"),
        ("America/New_York", 11 * 60, "2023-11-17T05:00:00Z"),
    ] {
        let dtu = DtuState::unknown("Roof", Protocol::Protobuf, HOLD);
        let zone = TimeZone::get(name).unwrap();
        let mut book = Book::new(zone, vec![dtu], book.inverters(), book.ledgers().clone());
        for minute in [2, midnight - 1] {
            book.roll(at(minute));
            assert_eq!(day(&book), before, "{name}");
        }
        book.roll(at(midnight));
        assert_eq!(day(&book), (0, next.to_owned()), "{name}");
    }
}
