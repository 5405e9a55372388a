# A stand-in for the official Rust image: this machine's toolchain, in the same place.
FROM scratch
COPY . /usr/local/
