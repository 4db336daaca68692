# docker build -t fourseven --build-arg VERSION=1.2.3 --build-arg REVISION="$(git rev-parse HEAD)" .
# docker buildx build --platform linux/amd64,linux/arm64 -t fourseven .
#
# Go compiles for the image's platform on the builder's own, so nothing is emulated. Without
# BuildKit, which sets BUILDPLATFORM, TARGETOS and TARGETARCH, both are this machine's.
#
# The image has the binary, an SBOM (/sbom.cdx.json, CycloneDX) and the licences of all that is
# linked (/licenses). The binary keeps the list of its modules, which go version -m prints. No
# label holds a date, so that the same commit makes the same image configuration.
#
# RUN stands in its exec form, and the flags in the environment, so that the builder needs Go
# and nothing else, not even a shell.
ARG GO_IMAGE=golang:1.26

# What writes the SBOM runs in the builder.
FROM --platform=${BUILDPLATFORM:-linux} ${GO_IMAGE} AS inventory
WORKDIR /src
ENV CGO_ENABLED=0
COPY internal/inventory .
RUN ["go", "build", "-buildvcs=false", "-o", "/out/inventory", "."]

FROM --platform=${BUILDPLATFORM:-linux} ${GO_IMAGE} AS build
WORKDIR /src
ENV CGO_ENABLED=0
COPY go.mod go.sum ./
# The modules that are linked, and none of the tests' and the bench's. The list is written by
# go test ./internal/e2e -run TestDockerfileModules -update
RUN ["go", "mod", "download", \
    "github.com/KimMachineGun/automemlimit", \
    "github.com/beorn7/perks", \
    "github.com/caarlos0/env/v11", \
    "github.com/cespare/xxhash/v2", \
    "github.com/coreos/go-systemd/v22", \
    "github.com/hashicorp/errwrap", \
    "github.com/hashicorp/go-multierror", \
    "github.com/klauspost/compress", \
    "github.com/miekg/dns", \
    "github.com/molecule-man/go-brrr", \
    "github.com/munnerz/goautoneg", \
    "github.com/pbnjay/memory", \
    "github.com/pires/go-proxyproto", \
    "github.com/prometheus/client_golang", \
    "github.com/prometheus/client_model", \
    "github.com/prometheus/common", \
    "github.com/prometheus/procfs", \
    "github.com/valyala/bytebufferpool", \
    "github.com/valyala/fasthttp", \
    "golang.org/x/crypto", \
    "golang.org/x/crypto/x509roots/fallback", \
    "golang.org/x/net", \
    "golang.org/x/sys", \
    "golang.org/x/text", \
    "google.golang.org/protobuf"]
COPY . .
ARG VERSION=dev
ARG TARGETOS
ARG TARGETARCH
ENV GOOS=${TARGETOS} GOARCH=${TARGETARCH}
ENV GOFLAGS="-trimpath -buildvcs=false '-ldflags=-s -w -X main.version=${VERSION}'"
RUN ["go", "build", "-o", "/out/fourseven", "."]

# The backend of docker-compose.yml: docker build --target backend .
FROM build AS build-backend
RUN ["go", "build", "-o", "/out/backend", "./testdata/backend"]

FROM scratch AS backend
COPY --from=build-backend /out/backend /backend
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/backend"]

FROM build AS describe
ARG VERSION=dev
COPY --from=inventory /out/inventory /out/inventory
RUN ["/out/inventory", "/out/fourseven", "/out/about"]

FROM scratch AS fourseven
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fourseven" \
      org.opencontainers.image.description="TCP (L4) and HTTP (L7) load balancer, configured by environment variables" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT"
COPY LICENSE /LICENSE
COPY --from=describe /out/about /
COPY --from=build /out/fourseven /fourseven
USER 65532:65532
EXPOSE 9000 8000 9900
# Whether the process runs, and not whether it is ready: what restarts unhealthy containers would
# otherwise restart the balancer because its backends are down.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=2 CMD ["/fourseven", "healthcheck"]
ENTRYPOINT ["/fourseven"]
