//! Entities of a DTU: how asking it goes.

use super::Subject::Dtu;
use super::entity::{Choice, Entity, Kind, Number, On};

pub(super) const ENTITIES: &[Entity] = &[
    Entity::new(
        Dtu,
        "status",
        "Status",
        Kind::Choice(Choice {
            words: &[
                ("online", "online"),
                ("asleep", "asleep"),
                ("error", "error"),
                ("unknown", "unknown"),
            ],
            other: None,
        }),
        "How the DTU is: online, asleep, error or unknown.",
    )
    .diagnostic(),
    Entity::new(
        Dtu,
        "reachable",
        "Reachable",
        Kind::Flag { device_class: "connectivity", on: On::Word("online") },
        "Whether the last poll of the DTU succeeded.",
    )
    .from("/status")
    .diagnostic(),
    Entity::new(
        Dtu,
        "problem",
        "Problem",
        Kind::Flag { device_class: "problem", on: On::Word("error") },
        "Whether the last poll of the DTU failed; a DTU that sleeps is no problem.",
    )
    .from("/status")
    .diagnostic(),
    Entity::new(
        Dtu,
        "last_successful_query",
        "Last successful query",
        Kind::Time,
        "When the last successful poll of the DTU ended.",
    )
    .diagnostic(),
    number("query_count", "Queries", Number::QUERIES, "Polls of the DTU since the bridge started."),
    number(
        "error_count",
        "Failed queries",
        Number::ERRORS,
        "Failed polls of the DTU since the bridge started.",
    ),
    Entity::new(
        Dtu,
        "last_error",
        "Last error",
        Kind::Text,
        "Why the last failed poll of the DTU failed.",
    )
    .diagnostic()
    .disabled(),
    Entity::new(
        Dtu,
        "last_error_time",
        "Last error time",
        Kind::Time,
        "When the last failed poll of the DTU failed.",
    )
    .diagnostic()
    .disabled(),
];

const fn number(
    key: &'static str,
    name: &'static str,
    number: Number,
    about: &'static str,
) -> Entity {
    Entity::new(Dtu, key, name, Kind::Number(number), about).diagnostic().disabled()
}
