# The image holds one static binary, the root certificates and an empty /data. No shell, no package
# manager, nothing to patch but the binary. The time zone data is inside the binary.
#
#   docker build -t hoymiles-smiles .
#   docker buildx build --platform linux/amd64,linux/arm64,linux/arm/v7 -t hoymiles-smiles .
#
# It needs no BuildKit. Each platform is built natively, under emulation where it is not the machine's
# own: slow (an hour is possible), but with the compiler that the tests use.

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

# Shown by `hoymiles-bridge --version`; the sources come without git.
ARG HOYMILES_COMMIT=""
RUN HOYMILES_COMMIT="$HOYMILES_COMMIT" \
        cargo build --release --locked --bin hoymiles-bridge --target "$(cat /target)" \
    && mkdir /files \
    && install "target/$(cat /target)/release/hoymiles-bridge" /files/ \
    && /files/hoymiles-bridge manual /files \
    && /files/hoymiles-bridge --version


# For releases: the binary, completions and manual pages as files (`docker build --target files`).
FROM scratch AS files
COPY --from=build /files/ /


FROM scratch AS bridge-image

ARG HOYMILES_VERSION=""
ARG HOYMILES_COMMIT=""
ARG HOYMILES_REPOSITORY=""
LABEL org.opencontainers.image.title="hoymiles-bridge" \
      org.opencontainers.image.description="Reads Hoymiles DTUs and pushes their values to Home Assistant" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${HOYMILES_VERSION}" \
      org.opencontainers.image.revision="${HOYMILES_COMMIT}" \
      org.opencontainers.image.source="${HOYMILES_REPOSITORY}"

COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /files/hoymiles-bridge /usr/local/bin/hoymiles-bridge
COPY --from=build --chown=65532:65532 /empty-data /data

# In the PATH, so that `docker exec hoymiles-smiles hoymiles-bridge read` works.
ENV PATH=/usr/local/bin

# Here the default of state_dir, "data", is /data; a configuration file may still name another.
WORKDIR /

# Not root, and no user of the host. Compose may set another.
USER 65532:65532

# A volume, so that /data is writable even with a read-only root and even if nothing is mounted
# there. What must survive `docker rm` needs a mount of its own, as in docker-compose.yml.
VOLUME ["/data"]

EXPOSE 8080
STOPSIGNAL SIGTERM

# The bridge answers at once; a DTU may need some polls. Asleep at night counts as healthy.
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s --retries=3 \
    CMD ["hoymiles-bridge", "healthcheck"]

ENTRYPOINT ["hoymiles-bridge"]
CMD ["run"]
