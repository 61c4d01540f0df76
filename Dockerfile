# The studio on a CPU, for this machine alone:
#   docker build -t synfer-studio .
#   docker run -p 127.0.0.1:7860:7860 -e SYNFER_STUDIO_INSECURE=true synfer-studio
# For others, with users: -e SYNFER_STUDIO_AUTH=users:/run/users.txt -v "$PWD/users.txt:/run/users.txt:ro"
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends libegl1 libgles2 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home synfer

WORKDIR /home/synfer/studio
COPY requirements.lock requirements-torch-cpu.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements-torch-cpu.lock \
    --extra-index-url https://download.pytorch.org/whl/cpu \
    && pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE NOTICE ./
COPY synfer_core synfer_core
COPY app app
COPY assets assets
RUN pip install --no-cache-dir --no-deps --no-build-isolation .
# Kept beside the installed code, where every user can read it: the image runs with --read-only and
# with any --user.
RUN synfer facekit warm

USER synfer
ENV OMP_WAIT_POLICY=PASSIVE PYTHONUNBUFFERED=1
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/api/v1/health', timeout=5)"]
CMD ["synfer", "serve", "--host", "0.0.0.0"]
