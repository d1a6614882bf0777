// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package localcluster

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/rest"
)

func TestACertificateThatIsAboutToBeWrittenIsWaitedFor(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "apiserver.crt")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &ControlPlane{
		Config:     &rest.Config{Host: "https://127.0.0.1:1", TLSClientConfig: rest.TLSClientConfig{CAFile: file}},
		Kubeconfig: filepath.Join(t.TempDir(), "kubeconfig"),
	}
	if err := p.connect(); err == nil || p.Client != nil {
		t.Error("kube-apiserver would never be trusted")
	}
}
