# The builder runs on the machine that builds, and compiles for the platform of the image. A tag can be moved: to build
# from the very same image again, name it by digest, as golang@sha256:….
ARG BUILDER_IMAGE=golang:1.26
# Nothing but the operator and the authorities that it trusts: no shell, no package, no libc. Another base may be named
# here, by digest as well.
ARG BASE_IMAGE=scratch

FROM --platform=${BUILDPLATFORM} ${BUILDER_IMAGE} AS build
WORKDIR /src

# Where modules come from, and who vouches for them. Not given: what Go does by itself.
ARG GOPROXY
ARG GOSUMDB

# Modules change less often than code: a layer of their own is reused.
COPY go.mod go.sum ./
RUN go mod download

COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
# Whatever is not there by now would not be what go.sum pins.
RUN GOPROXY=off GOOS=${TARGETOS} GOARCH=${TARGETARCH} VERSION=${VERSION} hack/build /out/sfs-operator

# The time of the commit, in seconds, so that the layer does not tell when it was built.
ARG SOURCE_DATE_EPOCH=0
RUN mkdir -p /out/etc/ssl/certs && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ && \
    find /out -exec touch -d "@${SOURCE_DATE_EPOCH}" {} +

FROM ${BASE_IMAGE}
ARG VERSION=dev
LABEL org.opencontainers.image.title="sfs-operator" \
      org.opencontainers.image.description="Kubernetes operator for Sendforsign tenants and their tokens" \
      org.opencontainers.image.source="https://github.com/sendforsign/sfs-operator" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/ /
# By number, so that runAsNonRoot can be checked without looking into the image.
USER 65532:65532
ENTRYPOINT ["/sfs-operator"]
