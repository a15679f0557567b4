# The operator's image (default) and the emulator's (--target emulator):
#   docker build -t defender-tenant-operator .
# `make image` builds both with whatever tool works, checks them and writes archives: docs/images.md.

# The Rust of rust-toolchain.toml (`make image` sees to it) with a C compiler, on a Debian.
ARG BUILD_IMAGE=rust:1.95.0-slim-bookworm

# Compiles on the machine's own architecture for TARGETARCH: an emulated compiler would take ten times as long.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
ARG TARGETARCH
WORKDIR /build
COPY tools/image/compile.sh tools/image/
RUN tools/image/compile.sh prepare
COPY . .

# Crates and compiled dependencies outlive a build in the two caches: a changed source compiles its own crate alone.
# The secret ca-bundle is optional: a CA that a company's proxy needs. It is seen by cargo and by nothing else.
# A new value of FRESH leaves aside what is compiled already (tools/image/reproducible.sh).
ARG FRESH=
RUN --mount=type=cache,id=defender-tenant-operator-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=defender-tenant-operator-compiled,target=/cache,sharing=locked \
    --mount=type=secret,id=ca-bundle,target=/run/ca-bundle \
    tools/image/compile.sh defender-tenant-operator entra-emulator

# Nothing but the program, its licence and the roots that Debian trusts. 65532 is the usual "nonroot"; it needs no name.
FROM scratch AS emulator
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="entra-emulator" \
      org.opencontainers.image.description="Microsoft Entra token service and Defender API, played by one local process" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/entra-emulator/ /
# Where it writes its CA's certificate unless --ca-file says otherwise. With a read-only root, mount a volume here.
COPY --from=build --chown=65532:65532 /out/data/ /data/
WORKDIR /data
USER 65532:65532
ENTRYPOINT ["/entra-emulator"]

FROM scratch AS operator
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="defender-tenant-operator" \
      org.opencontainers.image.description="Keeps a live Microsoft Defender API token per customer tenant in a Kubernetes Secret" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/defender-tenant-operator/ /
USER 65532:65532
ENTRYPOINT ["/defender-tenant-operator"]
