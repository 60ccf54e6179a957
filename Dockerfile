# Two stages: the first builds, the second only runs. Nothing that can build or install is in the image that ships.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY constraints.txt ./
RUN pip install --constraint constraints.txt hatchling
COPY pyproject.toml README.md LICENSE ./
COPY adapters adapters
COPY controller controller
COPY xds xds
COPY gateway-configs gateway-configs
# The wheel is built with the pinned hatchling above, and every dependency is the one that the tests ran with.
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/turnout \
    && pip --python /opt/turnout/bin/python install --constraint constraints.txt /wheels/*.whl

FROM python:${PYTHON}-slim-bookworm
# The base image's own installers are of no use to a program that is already there.
RUN python -m pip uninstall --yes --root-user-action=ignore wheel setuptools pip \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/turnout \
    && install --directory /etc/turnout
COPY --from=build /opt/turnout /opt/turnout
COPY --chmod=0555 deploy/probe.py /usr/local/bin/turnout-probe
ENV PATH=/opt/turnout/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TURNOUT_CONFIG=/etc/turnout \
    TURNOUT_STATE_DIR=/var/lib/turnout
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/turnout
# All that is ever written: the root file system can be read-only.
VOLUME /var/lib/turnout
# HTTP: API, probes, metrics. Listens on loopback until tokens are configured.
EXPOSE 8900
# xDS: where Envoys subscribe.
EXPOSE 18000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["turnout-probe", "/healthz"]
ENTRYPOINT ["turnout"]
CMD ["run"]
