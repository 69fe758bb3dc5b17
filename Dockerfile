# One image for every process; which one it is, the command says. The base is an exact version: whoever builds for others
# pins its digest, too (docs/operate.md).
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /build
COPY requirements-bootstrap.lock requirements-build.lock requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-bootstrap.lock && python -m venv /opt/watchkeeper
RUN uv pip install --python /opt/watchkeeper/bin/python --require-hashes --no-cache -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY schema schema
COPY app app
COPY actors actors
COPY migrations migrations
RUN uv pip install --python /opt/watchkeeper/bin/python --no-deps --no-cache --build-constraints requirements-build.lock .

FROM python:3.11.14-slim-bookworm
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
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["watchkeeper", "doctor"]
CMD ["watchkeeper", "up", "--verbose"]
