# The static binary in an image of its own.
#
#   docker build -t layerlab .
#   docker run --rm -i -v "$PWD:/images:ro" layerlab inspect /images/FILE
#
# serve needs what containers need, and listens on 127.0.0.1 only, so it runs
# in the host's namespaces:
#
#   docker run --rm --privileged --network host --pid host --cgroupns host \
#     -v /var/lib/layerlab:/var/lib/layerlab -v /sys/fs/cgroup:/sys/fs/cgroup layerlab serve
FROM golang:1.26-bookworm AS go

FROM node:20-bookworm AS build
COPY --from=go /usr/local/go /usr/local/go
ENV PATH=/usr/local/go/bin:$PATH
WORKDIR /src
# Dependencies first: they change less often than the code.
COPY go.mod go.sum ./
RUN go mod download
COPY web/package.json web/package-lock.json web/
RUN cd web && npm ci --no-audit --no-fund && touch node_modules/.ready
COPY . .
ARG VERSION=unknown
RUN make build VERSION="$VERSION" && mkdir -p /empty/tmp && chmod 1777 /empty/tmp

FROM scratch
COPY --from=build /empty/ /
COPY --from=build /src/bin/layerlab /bin/layerlab
ENV PATH=/bin
ENTRYPOINT ["/bin/layerlab"]
CMD ["--help"]
