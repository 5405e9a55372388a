# The image with the black-box suite in it: compiled in the same userland, run against the image's own httpd and module.
ARG IMAGE=httpd-token-binding
ARG BUILD=httpd-token-binding-build

FROM ${BUILD} AS suite
COPY tests tests
RUN cargo build --locked --package mod_token_binding --features fault-injection \
    && cp target/debug/libmod_token_binding.so target/faulty.so \
    && cargo build --locked --package tokbind-cli \
    && cargo test --locked --package mod_token_binding --test blackbox --no-run \
    && find target/debug/deps -name 'blackbox-*' -type f -executable -exec cp '{}' target/blackbox ';'

FROM ${IMAGE}
USER root
RUN apt-get update && apt-get install -y --no-install-recommends binutils curl haproxy php-fpm procps \
    && rm -rf /var/lib/apt/lists/*
COPY --from=suite /src/target/blackbox /src/target/faulty.so /src/target/debug/tokbind /src/target/
# Without these, the image's apxs answers nothing.
COPY --from=suite /usr/bin/apr-1-config /usr/bin/apu-1-config /usr/bin/
# What the suite reads of the repository, where it was compiled.
COPY apache /src/apache
COPY docs /src/docs
COPY crates/token-binding-server/src/directives.rs /src/crates/token-binding-server/src/directives.rs
ENV APXS=/usr/local/apache2/bin/apxs \
    TOKEN_BINDING_MODULE=/usr/local/apache2/modules/mod_token_binding.so \
    TOKEN_BINDING_FAULTY_MODULE=/src/target/faulty.so \
    TOKBIND=/src/target/tokbind
ENTRYPOINT ["/src/target/blackbox"]
