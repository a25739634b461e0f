//! The process: arguments in, exit status out. Everything else is in the library.

fn main() -> std::process::ExitCode {
    hoymiles_bridge::cli::main()
}
