FROM python:3.11-slim-trixie AS build

WORKDIR /build
COPY requirements/uv.txt requirements/build.txt requirements/run.txt requirements/
RUN python -m pip install --no-cache-dir --root-user-action ignore --require-hashes -r requirements/uv.txt
RUN uv venv --python /usr/local/bin/python3.11 /opt/packshot
RUN PKG_CONFIG=false uv pip install --python /opt/packshot/bin/python --require-hashes \
        --build-constraints requirements/build.txt -r requirements/run.txt

COPY src/packshot /opt/packshot/lib/python3.11/site-packages/packshot
COPY deploy/packshot /opt/packshot/bin/packshot
RUN /opt/packshot/bin/python -m compileall -q -j 0 /opt/packshot/lib


FROM python:3.11-slim-trixie

LABEL org.opencontainers.image.title="Packshot" \
      org.opencontainers.image.description="Turns product image URLs into small, safe pictures" \
      org.opencontainers.image.licenses="MIT"

# A volume that is mounted on an empty folder for the first time gets the folder's owner.
RUN useradd --uid 10001 --user-group --home-dir /data --no-create-home --shell /usr/sbin/nologin packshot \
    && install -d -o packshot -g packshot -m 0700 /data /keys
COPY --from=build /opt/packshot /opt/packshot

ENV PATH=/opt/packshot/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PACKSHOT_DATA_DIR=/data \
    PACKSHOT_HOST=0.0.0.0 \
    PACKSHOT_PORT=8080

USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/readyz', timeout=5)"]

ENTRYPOINT ["packshot"]
CMD ["serve"]
