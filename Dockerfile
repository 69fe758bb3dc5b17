# One image for every process; which one it is, the command says. The base is an exact version: whoever builds for others
# pins its digest, too (docs/operate.md).
FROM python:3.11.14-slim-bookworm AS build
# Compiled here: the user that runs it may not write there, and would compile everything anew at each start.
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
WORKDIR /build
COPY requirements-bootstrap.lock requirements-build.lock requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-bootstrap.lock && python -m venv /opt/watchkeeper
RUN uv pip install --python /opt/watchkeeper/bin/python --require-hashes --no-cache -r requirements.lock
COPY pyproject.toml README.md LICENSE CHANGELOG.md CONTRIBUTING.md compose.yaml ./
COPY deploy deploy
COPY docs docs
COPY watchkeeper watchkeeper
COPY schema schema
COPY app app
COPY actors actors
COPY migrations migrations
RUN uv pip install --python /opt/watchkeeper/bin/python --no-deps --no-cache --build-constraints requirements-build.lock .

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="Watchkeeper" \
    org.opencontainers.image.description="Watches the services you host, alerts you when one fails, and can put it right." \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.authors="The Watchkeeper contributors" \
    org.opencontainers.image.documentation="file:///opt/watchkeeper/share/doc/watchkeeper/README.md"
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin watchkeeper \
    && install -d -o watchkeeper -g watchkeeper -m 700 /data
COPY --from=build /opt/watchkeeper /opt/watchkeeper
ENV PATH=/opt/watchkeeper/bin:$PATH \
    MALLOC_ARENA_MAX=2 \
    PYTHONUNBUFFERED=1 \
    MODE=prod \
    DATA_DIR=/data \
    SERVER_HOST=0.0.0.0
WORKDIR /data
USER watchkeeper
VOLUME /data
EXPOSE 8034
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m CMD ["watchkeeper-health"]
CMD ["watchkeeper", "up", "--verbose"]
