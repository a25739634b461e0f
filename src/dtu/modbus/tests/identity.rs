//! Whose a list is, when another DTU may have come to the address.

use super::{dtu, plant, ports};
use crate::dtu::Dtu;
use crate::dtu::modbus::ModbusDtu;
use crate::dtu::modbus::fake::{Answer, config};

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_has_the_serial_number_as_well() {
    let dtu = dtu(plant(), |asked| (asked.address == 0x1050).then_some(Answer::Silence));
    let mut client = ModbusDtu::with_dialer(&config(), dtu.clone());
    let partial = match client.poll().await {
        Ok(reading) => reading,
        Err(failure) => failure.partial,
    };
    assert_eq!(ports(&partial)[..2], [(1, 1), (1, 2)]);
    assert_eq!(partial.dtu_serial.unwrap().to_string(), "10F8A0000001");
}

#[tokio::test(start_paused = true)]
async fn a_serial_number_is_not_taken_for_that_of_the_next_connection() {
    let dtu = dtu(plant(), |asked| {
        (asked.connection > 1 && asked.address == 0x2000).then_some(Answer::Exception(2))
    });
    let mut client = ModbusDtu::with_dialer(&config(), dtu.clone());
    assert!(client.poll().await.unwrap().dtu_serial.is_some());
    client.forget();
    assert_eq!(client.poll().await.unwrap().dtu_serial, None);
}
