# Short names for what is typed often. Nothing here is needed: each line works without `just`.

default: check

check:
    bash .ci/run

test *ARGS:
    cargo test --locked {{ARGS}}

lint:
    cargo fmt --all --check && cargo clippy --locked --all-targets -- -D warnings

demo:
    cargo run --release --locked -- demo

sim *ARGS:
    cargo run --release --locked -- simulate --modbus 127.0.0.1:5020 {{ARGS}}

run *ARGS:
    cargo run --release --locked -- run {{ARGS}}

bench:
    cargo bench --locked

deny:
    cargo deny check

image:
    docker build --tag hoymiles-smiles .
