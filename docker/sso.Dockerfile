# The image (docker/Dockerfile) with mod_auth_openidc and a small OpenID Provider, for docker/compose.yaml: to try single
# sign-on out, and not for production.
ARG IMAGE=httpd-token-binding

# Of the versions of mod_auth_openidc that Debian has, Debian 12's 2.4.12 is the last with Token Binding of its own. The
# image's Debian is newer; the module's file from there works here, with the one library that is not here any more.
FROM ${IMAGE}
USER root
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt
COPY tools/setup/requirements.txt tests/provider/provider.py /opt/provider/
RUN cd /etc/apt \
    && for file in sources.list sources.list.d/debian.sources; do \
        [ ! -f "$file" ] || sed -e 's/trixie/bookworm/g' "$file" >"sources.list.d/bookworm.${file##*.}"; \
    done \
    && apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libcjose0 libcurl4t64 libhiredis0.14 libjansson4 \
        libpcre2-8-0 python3-venv \
    && cd /tmp \
    && apt-get download "libapache2-mod-auth-openidc=$(apt-cache madison libapache2-mod-auth-openidc \
        | awk '$3 ~ /^2\.4\.12/ { print $3; exit }')" \
    && dpkg-deb -x libapache2-mod-auth-openidc_*.deb openidc \
    && cp openidc/usr/lib/apache2/modules/mod_auth_openidc.so /usr/local/apache2/modules/ \
    && rm -r libapache2-mod-auth-openidc_*.deb openidc /etc/apt/sources.list.d/bookworm.* /var/lib/apt/lists/* \
    && python3 -m venv /opt/provider/venv \
    && /opt/provider/venv/bin/pip install --no-cache-dir -r /opt/provider/requirements.txt
COPY docs/conf/openidc.conf docs/conf/provider.conf /usr/local/apache2/conf/extra/
# The values of the pages become those of these two sites.
RUN cd /usr/local/apache2/conf/extra \
    && sed -i -e 's|https://op.example.org|https://op.localhost:8443|' -e 's|https://www.example.org|https://rp.localhost:8443|' \
        -e 's|the-secret-that-the-provider-gave|secret|' \
        -e 's|a-long-random-passphrase|exec:/usr/bin/openssl rand -base64 33|' openidc.conf \
    && sed -i 's|http://127.0.0.1:8000|http://127.0.0.1:8474|' provider.conf
COPY docker/sso/sites.conf /usr/local/apache2/conf/sites/
COPY docker/sso/htdocs/ /usr/local/apache2/htdocs/
USER www-data
