//! The DTU's own protocol on TCP port 10081: protobuf messages in small frames, encrypted by newer
//! programs.

pub mod messages;
