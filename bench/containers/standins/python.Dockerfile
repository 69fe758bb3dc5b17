# In place of python:3.11-slim: Debian's CPython 3.11 under the official image's names. What pip and uv install comes from
# /wheels, so that nothing is asked for outside.
FROM standin/debian
COPY wheels /wheels
RUN rm -f /usr/lib/python3.11/EXTERNALLY-MANAGED \
    && ln -s /usr/bin/python3.11 /usr/local/bin/python \
    && mkdir -p /etc/uv \
    && printf 'no-index = true\nfind-links = ["/wheels"]\n' >/etc/uv/uv.toml \
    && printf '[global]\nno-index = true\nfind-links = /wheels\n' >/etc/pip.conf
CMD ["python"]
