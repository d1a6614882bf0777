# The builder runs on the machine that builds, and compiles for the platform of the image.
ARG BUILDER_IMAGE=golang:1.26
# Nothing but the operator and the authorities that it trusts: no shell, no package, no libc. Another base that has the
# latter may be named here.
ARG BASE_IMAGE=scratch

FROM --platform=${BUILDPLATFORM} ${BUILDER_IMAGE} AS build
WORKDIR /src

# Modules change less often than code: a layer of their own is reused.
COPY go.mod go.sum ./
RUN go mod download

COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
RUN CGO_ENABLED=0 GOOS=${TARGETOS:-linux} GOARCH=${TARGETARCH} \
    go build -mod=readonly -buildvcs=false -trimpath \
    -ldflags "-s -w -X github.com/sendforsign/sfs-operator/internal/version.Version=${VERSION}" \
    -o /sfs-operator .

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="sfs-operator" \
      org.opencontainers.image.description="Kubernetes operator for Sendforsign tenants and their tokens" \
      org.opencontainers.image.source="https://github.com/sendforsign/sfs-operator" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /sfs-operator /sfs-operator
# By number, so that runAsNonRoot can be checked without looking into the image.
USER 65532:65532
ENTRYPOINT ["/sfs-operator"]
