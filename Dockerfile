# docker build -t fourseven --build-arg VERSION=1.2.3 --build-arg REVISION="$(git rev-parse HEAD)" .
#
# The binary keeps the list of its modules, for those who ask what is in an image:
# go version -m reads it, and so do the tools that write an SBOM. No label holds
# a date, so that the same commit makes the same image configuration.
#
# RUN stands in its exec form, and the flags in the environment, so that the
# builder needs Go and nothing else, not even a shell.
ARG GO_IMAGE=golang:1.26

FROM ${GO_IMAGE} AS build
WORKDIR /src
ENV CGO_ENABLED=0
COPY go.mod go.sum ./
RUN ["go", "mod", "download"]
COPY . .
ARG VERSION=dev
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

FROM scratch AS fourseven
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fourseven" \
      org.opencontainers.image.description="TCP (L4) and HTTP (L7) load balancer, configured by environment variables" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT"
COPY LICENSE /LICENSE
COPY --from=build /out/fourseven /fourseven
USER 65532:65532
EXPOSE 9000 8000 9900
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=2 CMD ["/fourseven", "healthcheck"]
ENTRYPOINT ["/fourseven"]
