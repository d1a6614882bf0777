// Command golangci-lint is golangci-lint with the two module plugins that this repository configures:
// kube-api-linter (.golangci-kal.yml) and logcheck (.golangci.yml).
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/golangci/golangci-lint/v2/pkg/commands"
	"github.com/golangci/golangci-lint/v2/pkg/exitcodes"

	// The plugins register themselves when they are imported.
	_ "sigs.k8s.io/kube-api-linter"
	_ "sigs.k8s.io/logtools/logcheck/gclplugin"
)

// golangciModule is the module whose version `golangci-lint version` reports.
const golangciModule = "github.com/golangci/golangci-lint/v2"

func main() {
	info := commands.BuildInfo{
		GoVersion: runtime.Version(),
		Version:   golangciVersion(),
		Commit:    "module",
		Date:      "(unknown)",
	}
	if err := commands.Execute(info); err != nil {
		fmt.Fprintf(os.Stderr, "golangci-lint: %v\n", err)
		os.Exit(exitcodes.Failure)
	}
}

// golangciVersion returns the version of golangci-lint that is linked into this binary, without its "v": golangci-lint
// compares it with the major version of the configuration file.
func golangciVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, dep := range info.Deps {
		if dep.Path == golangciModule {
			return strings.TrimPrefix(dep.Version, "v")
		}
	}
	return "unknown"
}
