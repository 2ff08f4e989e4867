# One image for every part; the command says which: migrate, api, keeper or worker.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN useradd --uid 1000 --create-home supercycle && install --directory --owner supercycle --group supercycle /data
WORKDIR /opt/supercycle

# What it needs first, without its code: a change of the code then does not fetch torch again.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN pip install --constraint constraints.txt ".[worker]"
COPY app app
COPY worker worker
COPY supercycle supercycle
COPY migrations migrations
RUN pip install --no-deps --force-reinstall .

USER supercycle
ENV SUPERCYCLE_DATA_DIR=/data
VOLUME /data
WORKDIR /data
ENTRYPOINT ["supercycle"]
CMD ["--help"]
