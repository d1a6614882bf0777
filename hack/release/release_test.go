// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// pack writes a package as Helm does, at a time.
func pack(t *testing.T, path string, at time.Time) {
	t.Helper()
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	compressed.Comment, compressed.Extra = "Helm", []byte("+x")
	archive := tar.NewWriter(compressed)
	for _, name := range []string{"sfs-operator/Chart.yaml", "sfs-operator/values.yaml"} {
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(name)), ModTime: at, Typeflag: tar.TypeReg}
		must(t, archive.WriteHeader(header))
		_, err := archive.Write([]byte(name))
		must(t, err)
	}
	must(t, archive.Close())
	must(t, compressed.Close())
	must(t, os.WriteFile(path, out.Bytes(), 0o644))
}

func TestAPackageDoesNotTellWhenItWasMade(t *testing.T) {
	first, second := filepath.Join(t.TempDir(), "a.tgz"), filepath.Join(t.TempDir(), "a.tgz")
	at := time.Unix(1700000000, 0)
	for i, path := range []string{first, second} {
		pack(t, path, at.Add(time.Duration(i+1)*time.Hour))
		must(t, retime(path, at))
	}
	if read(t, first) != read(t, second) {
		t.Error("the packages differ")
	}

	compressed, err := gzip.NewReader(strings.NewReader(read(t, first)))
	must(t, err)
	if compressed.Comment != "Helm" || string(compressed.Extra) != "+x" {
		t.Errorf("what Helm says of itself is lost: %+v", compressed.Header)
	}
	archive := tar.NewReader(compressed)
	var names []string
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		content, err := io.ReadAll(archive)
		must(t, err)
		if string(content) != header.Name || !header.ModTime.Equal(at) || header.Mode != 0o644 {
			t.Errorf("%+v holds %q", header, content)
		}
		names = append(names, header.Name)
	}
	if want := []string{"sfs-operator/Chart.yaml", "sfs-operator/values.yaml"}; !slices.Equal(names, want) {
		t.Errorf("it holds %v, want %v", names, want)
	}
}

func TestTheSumsAreOfAllFiles(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "b"), []byte("hello\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "a"), nil, 0o644))
	const want = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n" +
		"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  b\n"
	for range 2 { // the second time there are sums already
		must(t, writeSums(dir))
		if got := read(t, filepath.Join(dir, sumsName)); got != want {
			t.Errorf("the sums are\n%swant\n%s", got, want)
		}
	}
}

// released is a directory with a binary, a very small one, and an SBOM of it, which may be spoilt first.
func released(t *testing.T, spoil func(sum string, named map[string]string) string) string {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "sfs-operator-linux-amd64")
	writeExample(t, binary)
	info, err := buildinfo.ReadFile(binary)
	must(t, err)
	named := map[string]string{"std": info.GoVersion}
	for _, module := range info.Deps {
		named[module.Path] = module.Version
	}
	if len(named) < 2 {
		t.Fatal("the binary is made of no module but its own")
	}
	sum, err := fileSum(binary)
	must(t, err)
	if spoil != nil {
		sum = spoil(sum, named)
	}
	components := []map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		components = append(components, map[string]string{"name": name, "version": named[name]})
	}
	text, err := json.Marshal(map[string]any{
		"metadata":   map[string]any{"properties": []map[string]string{{"name": "cdx:gomod:binary:hash:SHA-256", "value": sum}}},
		"components": components,
	})
	must(t, err)
	must(t, os.WriteFile(binary+sbomSuffix, text, 0o644))
	return dir
}

// example is a program that is small and has a module beside the standard library.
var example = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "sfs-release-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	output := filepath.Join(dir, "example")
	build := exec.Command("go", "build", "-trimpath", "-o", output, "../../docs/examples/go")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if said, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	return os.ReadFile(output)
})

func writeExample(t *testing.T, path string) {
	t.Helper()
	binary, err := example()
	must(t, err)
	must(t, os.WriteFile(path, binary, 0o755))
}

func TestAnSBOMNamesAllThatTheBinaryIsMadeOf(t *testing.T) {
	must(t, check(released(t, nil)))
	cases := map[string]struct {
		spoil func(sum string, named map[string]string) string
		says  string
	}{
		"of another binary": {
			spoil: func(string, map[string]string) string { return strings.Repeat("0", 64) },
			says:  "is not of this binary",
		},
		"without a module": {
			spoil: func(sum string, named map[string]string) string { delete(named, "golang.org/x/oauth2"); return sum },
			says:  "lacks golang.org/x/oauth2 v",
		},
		"with another version of a module": {
			spoil: func(sum string, named map[string]string) string { named["golang.org/x/oauth2"] = "v0.0.1"; return sum },
			says:  "lacks golang.org/x/oauth2 v",
		},
		"without Go": {
			spoil: func(sum string, named map[string]string) string { delete(named, "std"); return sum },
			says:  "lacks std go1.",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if err := check(released(t, c.spoil)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error that says %q", err, c.says)
			}
		})
	}
}

func TestABinaryWithoutAnSBOMIsNoRelease(t *testing.T) {
	dir := released(t, nil)
	must(t, os.Remove(filepath.Join(dir, "sfs-operator-linux-amd64"+sbomSuffix)))
	if err := check(dir); err == nil || !strings.Contains(err.Error(), "reading its SBOM") {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{"kubectl-sendforsign-linux-arm64", "kubectl-sendforsign-darwin-arm64", "kubectl-sendforsign-windows-amd64.exe"} {
		dir := released(t, nil)
		writeExample(t, filepath.Join(dir, name))
		if err := check(dir); err == nil || !strings.Contains(err.Error(), name+": reading its SBOM") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := check(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no binary") {
		t.Errorf("an empty directory: got %v", err)
	}
}

func TestABinaryThatNeedsAnInterpreterIsNoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "binary")
	writeExample(t, path)
	must(t, checkStatic(path))

	// The type of the first segment is the first word of the table of segments, of which byte 32 of the file tells the place.
	binary := []byte(read(t, path))
	segments := binary[binary[32]:]
	segments[0] = byte(elf.PT_INTERP)
	must(t, os.WriteFile(path, binary, 0o600))
	if err := checkStatic(path); err == nil || !strings.Contains(err.Error(), "PT_INTERP") {
		t.Errorf("got %v", err)
	}
}

func TestTheContextOfAnImageHoldsWhatItIsBuiltFromAndNoMore(t *testing.T) {
	rules, err := os.ReadFile("../../.dockerignore")
	must(t, err)
	ignored, err := parseIgnore(string(rules))
	must(t, err)
	for name, want := range map[string]bool{
		"go.mod": false, "main.go": false, "hack/build": false, "api/v1alpha1/client_types.go": false,
		"internal/token/token.go": false, "sendforsign/call.go": false,
		"README.md": true, "main_test.go": true, "controllers/client_test.go": true, "sendforsign/testdata/x.json": true,
		"sendforsign/sfstest/server.go": true, "hack/demo/main.go": true, "hack/builder": true, ".git/config": true, "bin/x": true,
		"apinot/x.go": true,
	} {
		if ignored(name) != want {
			t.Errorf("%s is ignored: %t, want %t", name, !want, want)
		}
	}
	for _, odd := range []string{"a/**/b", "[ab]", "file?"} {
		if _, err := parseIgnore(odd); err == nil {
			t.Errorf("%s: a pattern that is not understood is taken", odd)
		}
	}
}

func TestTheDockerfileBuildsByHackBuild(t *testing.T) {
	command, err := buildCommand("../..")
	must(t, err)
	if !strings.HasSuffix(command, ` hack/build "$OUTPUT"`) || !strings.HasPrefix(command, "GOPROXY=off ") {
		t.Errorf("it builds by %s", command)
	}
}

func TestBuildsThatDifferAreNoticed(t *testing.T) {
	dir := t.TempDir()
	one, other := filepath.Join(dir, "one"), filepath.Join(dir, "other")
	writeExample(t, one)
	must(t, os.WriteFile(other, []byte(read(t, one)), 0o644))
	must(t, compare(one, other))
	must(t, os.WriteFile(other, []byte(read(t, one)+"x"), 0o644))
	if err := compare(one, other); err == nil {
		t.Error("got no error")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
