//! What an entity shows, from the object that its source points into. Pure.

use serde_json::Value;

use super::entity::{Choice, Entity, Kind, LONGEST_TEXT, Number, On};

impl Entity {
    /// Its value in `object`; `null` for what is not known, which is never 0.
    pub fn value(&self, object: &Value) -> Value {
        let source = object.pointer(&self.source()).unwrap_or(&Value::Null);
        if source.is_null() {
            return Value::Null;
        }
        match self.kind {
            Kind::Number(number) => shown(number, source),
            Kind::Flag { on, .. } => Value::from(if is_on(on, source) { "on" } else { "off" }),
            Kind::Choice(choice) => Value::from(word(choice, source)),
            Kind::Text => Value::from(text(source).chars().take(LONGEST_TEXT).collect::<String>()),
            Kind::Time => source.clone(),
        }
    }
}

fn shown(number: Number, source: &Value) -> Value {
    match source.as_f64() {
        Some(value) if number.is_kilo => Value::from(value / 1000.0),
        _ => source.clone(),
    }
}

fn is_on(on: On, source: &Value) -> bool {
    match on {
        On::True => source.as_bool() == Some(true),
        On::Is(number) => source.as_u64() == Some(number),
        On::NotZero => source.as_u64() != Some(0),
        On::Word(word) => source.as_str() == Some(word),
    }
}

fn word(choice: Choice, source: &Value) -> Option<&'static str> {
    let said = text(source);
    let known = choice.words.iter().find(|(source, _)| *source == said);
    known.map(|&(_, word)| word).or(choice.other)
}

fn text(source: &Value) -> String {
    source.as_str().map_or_else(|| source.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::entities::{Subject, of};

    #[track_caller]
    fn check(subject: Subject, key: &str, object: &Value, expected: &Value) {
        let entity = of(subject).iter().find(|entity| entity.key == key).unwrap();
        assert_eq!(&entity.value(object), expected, "{key} of {object}");
    }

    #[test]
    fn numbers_are_shown_in_their_unit_and_what_is_missing_is_null() {
        use Subject::{Bridge, Inverter};
        check(Inverter, "pv_power", &json!({"pv_power": 412.6}), &json!(412.6));
        check(Inverter, "pv_power", &json!({"pv_power": 0.0}), &json!(0.0));
        check(Inverter, "pv_power", &json!({"pv_power": null}), &Value::Null);
        check(Inverter, "pv_power", &json!({}), &Value::Null);
        check(Inverter, "today_production", &json!({"today_production": 936}), &json!(936));
        check(Inverter, "total_production", &json!({"total_production": 912_345}), &json!(912.345));
        check(Inverter, "phase_b_voltage", &json!({"phase_voltages": [1.0, 2.5]}), &json!(2.5));
        check(Inverter, "phase_c_voltage", &json!({"phase_voltages": [1.0, 2.5]}), &Value::Null);
        let data = json!({"plant": {"total_production": 1}});
        check(Bridge, "total_production", &data, &json!(0.001));
    }

    #[test]
    fn codes_become_words_and_states() {
        use Subject::{Bridge, Dtu, Inverter};
        for (key, source, code, expected) in [
            ("reachable", "link_status", 1, "on"),
            ("reachable", "link_status", 0, "off"),
            ("problem", "alarm_code", 0, "off"),
            ("problem", "alarm_code", 121, "on"),
            ("operating_status", "operating_status", 3, "producing"),
            ("operating_status", "operating_status", 0, "no_data"),
            ("operating_status", "operating_status", 7, "other"),
            ("link_status", "link_status", 263, "other"),
        ] {
            check(Inverter, key, &json!({source: code}), &json!(expected));
            check(Inverter, key, &json!({source: null}), &Value::Null);
        }
        check(Dtu, "status", &json!({"status": "asleep"}), &json!("asleep"));
        check(Dtu, "reachable", &json!({"status": "asleep"}), &json!("off"));
        check(Dtu, "problem", &json!({"status": "asleep"}), &json!("off"));
        check(Dtu, "problem", &json!({"status": "error"}), &json!("on"));
        check(Bridge, "healthy", &json!({"health": {"healthy": false}}), &json!("off"));
    }

    #[test]
    fn a_text_is_no_longer_than_a_state_may_be() {
        let long = "ü".repeat(300);
        check(
            Subject::Dtu,
            "last_error",
            &json!({"last_error": long}),
            &json!("ü".repeat(LONGEST_TEXT)),
        );
    }
}
