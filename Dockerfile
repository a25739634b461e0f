# The image holds one static binary, the root certificates and an empty /data. No shell, no package
# manager, nothing to patch but the binary. The time zone data is inside the binary.
#
#   docker build -t hoymiles-smiles .
#   docker buildx build --platform linux/amd64,linux/arm64,linux/arm/v7 -t hoymiles-smiles .
#   docker buildx build --platform linux/amd64,linux/arm64 --target addon \
#       --build-arg ADDON_VERSION=0.1.0 -t ghcr.io/example/hoymiles-bridge-addon:0.1.0 --push .
#
# Each platform is built natively, under emulation where it is not the machine's own: slow (an
# hour is possible), but without a cross compiler that could differ from the one that is tested.

FROM rust:1.95-bookworm AS build

# musl, because a binary that is linked statically to glibc cannot resolve names reliably.
# TARGET_CC is for the two crates that bring C code: SQLite and ring.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates musl-tools \
    && rm -rf /var/lib/apt/lists/*
RUN case "$(dpkg --print-architecture)" in \
        amd64) target=x86_64-unknown-linux-musl ;; \
        arm64) target=aarch64-unknown-linux-musl ;; \
        armhf) target=armv7-unknown-linux-musleabihf ;; \
        *) echo "no target for $(dpkg --print-architecture)" >&2; exit 1 ;; \
    esac \
    && rustup target add "$target" \
    && echo "$target" > /target
ENV TARGET_CC=musl-gcc

# The folder that becomes /data, owned by the user that the daemon runs as.
RUN install --directory --owner=65532 --group=65532 --mode=0755 /empty-data

WORKDIR /source
COPY . .

# The cache keeps compiled dependencies between builds; the binary is copied out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/source/target,sharing=locked \
    cargo build --release --locked --bin hoymiles-bridge --target "$(cat /target)" \
    && install "target/$(cat /target)/release/hoymiles-bridge" /hoymiles-bridge \
    && /hoymiles-bridge --version


# What every image of the bridge has.
FROM scratch AS bridge

COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /hoymiles-bridge /usr/local/bin/hoymiles-bridge

# In the PATH, so that `docker exec hoymiles-smiles hoymiles-bridge read` works.
ENV PATH=/usr/local/bin

# Here the default of state_dir, "data", is /data; a configuration file may still name another.
WORKDIR /

EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["hoymiles-bridge"]
CMD ["run"]


# The add-on of Home Assistant (homeassistant-addon/). As root, because the Supervisor writes the
# options so that only root can read them. Without a HEALTHCHECK: the Supervisor has its own.
FROM bridge AS addon-amd64
LABEL io.hass.arch="amd64"

FROM bridge AS addon-arm64
LABEL io.hass.arch="aarch64"

FROM addon-${TARGETARCH} AS addon
ARG ADDON_VERSION
LABEL io.hass.type="app" io.hass.version="${ADDON_VERSION}"


# The image for Docker itself.
FROM bridge

COPY --from=build --chown=65532:65532 /empty-data /data

# Nobody's number: not root, and no user of the host. Compose may set another.
USER 65532:65532

# A volume, so that /data is writable even with a read-only root and even if nothing is mounted
# there. What must survive `docker rm` needs a mount of its own, as in docker-compose.yml.
VOLUME ["/data"]

# The bridge answers at once; a DTU may need some polls. Asleep at night counts as healthy.
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s --retries=3 \
    CMD ["hoymiles-bridge", "healthcheck"]
