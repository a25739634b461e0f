//! Compiles `proto/hoymiles.proto` with a compiler that is a crate: no `protoc` needs to be
//! installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["proto/hoymiles.proto"], ["proto"])?;
    prost_build::Config::new()
        // Tests compare messages with the fields of captured frames by name.
        .message_attribute(".", "#[cfg_attr(test, derive(serde::Serialize))]")
        .compile_fds(files)?;
    Ok(())
}
