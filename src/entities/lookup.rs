//! Finds entities; by their key already while compiling.

use super::entity::{Entity, Number, Subject};
use super::{bridge, dtu, inverter, meter, port};

/// The entities of one subject.
pub const fn of(subject: Subject) -> &'static [Entity] {
    match subject {
        Subject::Bridge => bridge::ENTITIES,
        Subject::Dtu => dtu::ENTITIES,
        Subject::Inverter => inverter::ENTITIES,
        Subject::Port => port::ENTITIES,
        Subject::Meter => meter::ENTITIES,
    }
}

/// What an entity is, in a sentence. A key that does not exist does not compile.
pub const fn about(subject: Subject, key: &str) -> &'static str {
    find(subject, key).about
}

/// The unit of an entity's source. A key that does not exist, or has no unit, does not compile.
pub const fn unit(subject: Subject, key: &str) -> &'static str {
    match find(subject, key).number() {
        Some(Number { is_kilo: true, .. }) => "Wh",
        Some(Number { unit: Some(unit), .. }) => unit,
        _ => unknown(),
    }
}

const fn find(subject: Subject, key: &str) -> &'static Entity {
    let mut rest = of(subject);
    while let [entity, others @ ..] = rest {
        if is_same(entity.key.as_bytes(), key.as_bytes()) {
            return entity;
        }
        rest = others;
    }
    unknown()
}

/// `==` for what is computed while compiling.
const fn is_same(mut one: &[u8], mut other: &[u8]) -> bool {
    while let ([a, one_rest @ ..], [b, other_rest @ ..]) = (one, other) {
        if *a != *b {
            return false;
        }
        (one, other) = (one_rest, other_rest);
    }
    one.is_empty() && other.is_empty()
}

#[expect(clippy::panic, reason = "seen by the compiler only: all calls are in constants")]
const fn unknown() -> ! {
    panic!("there is no such entity, or it has no unit")
}
