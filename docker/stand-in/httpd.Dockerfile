# A stand-in for the official httpd image, for machines that reach no registry of images: a Debian root, and Debian's
# httpd source built into /usr/local/apache2 as docker-library/httpd builds its own (the same modules, MPMs, user, run-time
# packages and log files). `docker/stand-in/make` lays the build context.
FROM scratch
ADD userland.tar /

ENV HTTPD_PREFIX=/usr/local/apache2
ENV PATH=/usr/local/apache2/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV DEBIAN_FRONTEND=noninteractive
RUN set -eu; \
    mkdir -p "$HTTPD_PREFIX"; \
    chown www-data:www-data "$HTTPD_PREFIX"; \
    apt-get update; \
    apt-get install -y --no-install-recommends ca-certificates libaprutil1-ldap libldap-common; \
    installed="$(apt-mark showmanual)"; \
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list > /etc/apt/sources.list.d/source.list; \
    sed -n 's/^deb \(.*\)trixie/deb-src \1bookworm/p' /etc/apt/sources.list >> /etc/apt/sources.list.d/source.list; \
    apt-get update; \
    apt-get install -y --no-install-recommends dpkg-dev gcc libapr1-dev libaprutil1-dev libbrotli-dev \
        libcurl4-openssl-dev libjansson-dev liblua5.2-dev libnghttp2-dev libpcre2-dev libssl-dev libxml2-dev make \
        zlib1g-dev; \
    mkdir /usr/src/httpd; \
    cd /usr/src/httpd; \
    # The newest release whose source can be had. It is the ASF's tarball, whichever suite it comes from.
    for version in $(apt-cache showsrc apache2 | sed -n 's/^Version: //p' | sort -Vru); do \
        if apt-get source --download-only "apache2=$version"; then break; fi; \
    done; \
    tar -xf apache2_*.orig.tar.gz --strip-components=1; \
    # Without debugging information, unlike the official image: the compiler takes half the time.
    export DEB_CFLAGS_STRIP=-g; \
    ./configure --prefix="$HTTPD_PREFIX" --enable-mods-shared=reallyall --enable-mpms-shared=all --enable-pie \
        CFLAGS="-pipe $(dpkg-buildflags --get CFLAGS)" CPPFLAGS="$(dpkg-buildflags --get CPPFLAGS)" \
        LDFLAGS="-Wl,--as-needed $(dpkg-buildflags --get LDFLAGS)"; \
    make -j "$(nproc)"; \
    make install; \
    cd /; \
    rm -r /usr/src/httpd "$HTTPD_PREFIX/man" "$HTTPD_PREFIX/manual" /etc/apt/sources.list.d/source.list; \
    sed -ri -e 's!^(\s*CustomLog)\s+\S+!\1 /proc/self/fd/1!g' -e 's!^(\s*ErrorLog)\s+\S+!\1 /proc/self/fd/2!g' \
        -e 's!^(\s*TransferLog)\s+\S+!\1 /proc/self/fd/1!g' -e 's!^(\s*(User|Group))\s+daemon\s*$!\1 www-data!g' \
        "$HTTPD_PREFIX/conf/httpd.conf" "$HTTPD_PREFIX/conf/extra/httpd-ssl.conf"; \
    apt-mark auto '.*' > /dev/null; \
    apt-mark manual $installed > /dev/null; \
    find /usr/local -type f -executable -exec ldd '{}' ';' \
        | awk '/=>/ { so = $(NF-1); if (index(so, "/usr/local/") == 1) { next }; gsub("^/(usr/)?", "", so); print "*" so }' \
        | sort -u | xargs -r dpkg-query --search | cut -d: -f1 | sort -u | xargs -r apt-mark manual > /dev/null; \
    apt-get purge -y --auto-remove -o APT::AutoRemove::RecommendsImportant=false \
        -o APT::AutoRemove::SuggestsImportant=false; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/*; \
    httpd -v
COPY httpd-foreground /usr/local/bin/
WORKDIR /usr/local/apache2
STOPSIGNAL SIGWINCH
EXPOSE 80
CMD ["httpd-foreground"]
