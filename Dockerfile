# syntax=docker/dockerfile:1
# The image holds the binary and nothing it does not need: page and SDK are compiled in.
#   docker build -t enfilade .
#   docker run --network host enfilade

FROM rust:1.95-bookworm AS build
WORKDIR /enfilade
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/enfilade/target \
    cargo build --release --locked --package enfilade \
    && cp target/release/enfilade /usr/local/bin/enfilade

FROM debian:bookworm-slim
COPY --from=build /usr/local/bin/enfilade /usr/local/bin/enfilade
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
# Signalling, WHIP, WHEP, health, metrics, the page; and the media of the first four shards.
EXPOSE 7880/tcp 7882-7885/udp 7882-7885/tcp
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/enfilade"]
