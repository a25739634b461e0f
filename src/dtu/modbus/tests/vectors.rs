//! The vectors under `tests/vectors` byte for byte, through frame reader, Modbus library and decoder.

use serde_json::Value;

use crate::dtu::DtuError;
use crate::dtu::modbus::connection::Connection;
use crate::dtu::modbus::decode::{ReadRequest, dtu_serial, inverters, port_record};
use crate::dtu::modbus::fake::{Answer, Asked, FakeDtu, answer_to, bytes, config};
use crate::dtu::modbus::scale::Scales;
use crate::plant::units::{Amperes, Celsius, Hertz, Volts, Watts};

const VECTORS: &str = include_str!("../../../../tests/vectors/modbus.json");

fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn hex(vector: &Value, key: &str) -> Vec<u8> {
    let digits = vector[key].as_str().unwrap();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

fn read_of(request: &[u8]) -> ReadRequest {
    let [.., a, b, c, d] = *request else { panic!("{request:?}") };
    ReadRequest { address: u16::from_be_bytes([a, b]), count: u16::from_be_bytes([c, d]) }
}

#[tokio::test(start_paused = true)]
async fn decodes_each_vector_byte_for_byte() {
    let vectors = vectors();
    let script = vectors.clone();
    let dtu = FakeDtu::new(move |asked: Asked| match asked.number.checked_sub(1) {
        // The vectors begin with transaction 1, the library with 0.
        None => Answer::Raw(answer_to(0, &[0; 6])),
        Some(number) => Answer::Raw(hex(&script[number], "response_hex")),
    });
    let mut connection = Connection::new(dtu.clone(), &config());
    connection.read(ReadRequest::dtu_serial(), 0, |_| true).await.unwrap();
    for vector in &vectors {
        let request = hex(vector, "request_hex");
        let answer = connection.read(read_of(&request), 0, |_| true).await;
        let asked = *dtu.asked().last().unwrap();
        assert_eq!(asked.transaction.to_be_bytes(), request[..2], "{}", vector["name"]);
        assert_eq!(ReadRequest { address: asked.address, count: asked.count }, read_of(&request));
        check(vector, answer);
    }
    assert_eq!(connection.count(), 1, "no vector costs the connection");
    assert_eq!(vectors.len(), 14);
}

#[track_caller]
fn check(vector: &Value, answer: Result<Vec<u8>, DtuError>) {
    let (name, expected) = (vector["name"].as_str().unwrap(), &vector["decoded"]);
    if let Some(code) = expected["exception_code"].as_u64() {
        let Err(DtuError::Exception(refused)) = answer else { panic!("{name}: {answer:?}") };
        assert_eq!(u64::from(refused), code, "{name}");
        return;
    }
    let data = answer.unwrap();
    if let Some(serial) = expected["dtu_serial"].as_str() {
        assert_eq!(dtu_serial(&data).unwrap().to_string(), serial, "{name}");
    } else if let Some(length) = expected["data_bytes"].as_u64() {
        assert_eq!(data.len(), usize::try_from(length).unwrap(), "{name}");
        if length > 0 {
            assert_eq!(port_record(&data), Ok(None), "{name}");
        }
    } else if let Some(records) = expected.as_array() {
        assert_eq!(data.len(), 40 * records.len(), "{name}");
        for (record, expected) in data.chunks(40).zip(records) {
            check_record(name, record, expected);
        }
    } else {
        check_record(name, &data, expected);
    }
}

#[track_caller]
fn check_record(name: &str, data: &[u8], expected: &Value) {
    let record = port_record(data).unwrap().unwrap();
    assert_eq!(bytes(&record), data, "{name}: each field stands where it should");
    let found = serde_json::json!({
        "data_type": record.data_type, "serial": record.serial.to_string(), "port": record.port,
        "pv_voltage_raw": record.pv_voltage, "pv_current_raw": record.pv_current,
        "grid_voltage_raw": record.grid_voltage, "grid_frequency_raw": record.grid_frequency,
        "pv_power_raw": record.pv_power, "today_wh": record.today, "total_wh": record.total,
        "temperature_raw": record.temperature, "operating_status": record.operating_status,
        "alarm_code": record.alarm_code, "alarm_count": record.alarm_count,
        "link_status": record.link_status, "fixed": record.constant, "scaled": expected["scaled"],
    });
    assert_eq!(&found, expected, "{name}");

    let mut read = inverters(&[record], &mut Scales::default());
    let inverter = read.pop().unwrap();
    let port = &inverter.ports[0];
    let found = [
        ("pv_voltage_v", port.pv_voltage.map(Volts::as_f64)),
        ("pv_current_a", port.pv_current.map(Amperes::as_f64)),
        ("pv_power_w", port.pv_power.map(Watts::as_f64)),
        ("grid_voltage_v", inverter.values.grid_voltage.map(Volts::as_f64)),
        ("grid_frequency_hz", inverter.values.grid_frequency.map(Hertz::as_f64)),
        ("temperature_c", inverter.values.temperature.map(Celsius::as_f64)),
    ];
    for (key, value) in found {
        let expected = record.is_live().then(|| expected["scaled"][key].as_f64().unwrap());
        assert_eq!(value, expected, "{name}: {key}");
    }
}
