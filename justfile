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

fuzz TARGET SECONDS="300":
    cp Cargo.lock fuzz/ && mkdir -p fuzz/corpus/{{TARGET}}
    cargo +nightly fuzz run -s none {{TARGET}} fuzz/corpus/{{TARGET}} fuzz/seeds/{{TARGET}} -- -max_total_time={{SECONDS}}

deny:
    cargo deny check

image:
    docker build --tag hoymiles-smiles .
