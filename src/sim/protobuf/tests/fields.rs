//! Each message of a simulated DTU, against the bridge's own description of it: not a byte of it may
//! lie in a field that the description does not have.

use prost::Message as _;

use super::super::frame::{Frame, length, written};
use super::super::message::Message;
use super::*;
use crate::dtu::protobuf::messages::{
    AppInfoReq, CommandReq, HbReq, MeterMo, RealDataNewReq, WarnReq,
};

const ASKED: u16 = 7;

/// The frames with which a DTU answers, and their payloads.
fn answers(command: u16, message: Message, faults: &[Fault]) -> Vec<(u16, u16, Vec<u8>)> {
    let clock = WallClock::from_fn(|| Timestamp::from_second(NOON).unwrap());
    let simulation = Simulation::new(plant(2, 6), clock);
    for fault in faults {
        simulation.faults().set(*fault);
    }
    let dtu = Protobuf::new(Kind { has_meter: true, ..Kind::default() }, &simulation);
    let request = written(command, ASKED, &message.into_bytes(), &[]);
    let mut reply = dtu.reply(&request, &simulation, &simulation.faults().active());
    let mut frames = Vec::new();
    while let Ok(Some(end)) = length(&reply, false) {
        let rest = reply.split_off(end);
        let frame = Frame::read(&reply).unwrap();
        frames.push((frame.command, frame.sequence, frame.payload.to_vec()));
        reply = rest;
    }
    assert!(reply.is_empty());
    frames
}

/// What is decoded is as long as what was sent: nothing was skipped.
#[track_caller]
fn check_whole<M: prost::Message + Default>(payload: &[u8]) -> M {
    let message = M::decode(payload).unwrap();
    assert_eq!(message.encoded_len(), payload.len());
    message
}

#[test]
fn every_reply_parses_with_the_field_numbers_of_the_protocol() {
    let reply = |command, message| answers(command, message, &[]).remove(0);
    let (command, sequence, payload) = reply(frame::APP_INFO, Message::default());
    assert_eq!((command, sequence), (0xA201, ASKED));
    let info: AppInfoReq = check_whole(&payload);
    assert_eq!((info.inverters.len(), info.inverter_count, info.port_count), (2, 2, 12));
    let (command, _, payload) = reply(frame::REAL_DATA, Message::default());
    let data: RealDataNewReq = check_whole(&payload);
    assert_eq!((command, data.ap, data.cp, data.three_phase.len()), (0xA211, 2, 0, 2));
    let meter: &MeterMo = &data.meters[0];
    assert_eq!(meter.power, meter.power_a + meter.power_b + meter.power_c);
    let (_, _, payload) = reply(frame::REAL_DATA, Message::default().int(2, 1));
    let data: RealDataNewReq = check_whole(&payload);
    assert_eq!((data.ap, data.cp, data.ports.len()), (2, 1, 5));
    let (command, _, payload) = reply(frame::COMMAND, Message::default().int(2, 33));
    assert_eq!((command, check_whole::<CommandReq>(&payload).action), (0xA205, 33));
    let (command, _, payload) = reply(frame::HEARTBEAT, Message::default());
    assert_eq!((command, check_whole::<HbReq>(&payload).csq), (0xA202, 78));
}

#[test]
fn unasked_frames_surround_the_reply() {
    let faults = [Fault::Unsolicited, Fault::SeveralFrames, Fault::BigReply];
    let frames = answers(frame::REAL_DATA, Message::default(), &faults);
    let commands: Vec<u16> = frames.iter().map(|(command, ..)| *command).collect();
    assert_eq!(commands, [0x2202, 0x220B, 0x2202, 0xA211, 0x2202, 0x220B]);
    assert!(frames[3].2.len() >= 8192);
    check_whole::<RealDataNewReq>(&frames[3].2);
    check_whole::<WarnReq>(&frames[1].2);
    // Its sixth field is one that nobody knows.
    assert_eq!(HbReq::decode(frames[0].2.as_slice()).unwrap().csq, 78);
}

#[test]
fn what_a_dtu_does_not_know_it_does_not_answer() {
    for (command, message) in [
        (0xA399, Message::default()),
        (frame::COMMAND, Message::default().int(2, 8)),
        (frame::REAL_DATA, Message::default().int(2, 2)),
        (frame::REAL_DATA, Message::default().int(2, -1)),
    ] {
        assert_eq!(answers(command, message, &[]), [], "{command:04x}");
    }
}
