# In place of valkey/valkey:8-alpine: Debian's Redis 7.0 under Valkey's names and behind its entrypoint's stepping down.
FROM standin/debian
RUN groupadd -f valkey && useradd --system --no-create-home -g valkey valkey && install -d -o valkey -g valkey /data \
    && ln -s /usr/bin/redis-server /usr/local/bin/valkey-server && ln -s /usr/bin/redis-cli /usr/local/bin/valkey-cli
COPY valkey.sh /usr/local/bin/docker-entrypoint.sh
RUN chmod 755 /usr/local/bin/docker-entrypoint.sh
VOLUME /data
WORKDIR /data
ENTRYPOINT ["docker-entrypoint.sh"]
EXPOSE 6379
CMD ["valkey-server", "--protected-mode", "no"]
