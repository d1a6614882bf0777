// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command links checks the links between the pages of a repository: each file that one names must be there, and each heading,
// by the anchor that GitHub gives it. It asks no network, so links to other sites are not looked at.
//
//	links -root /path/to/repository README.md docs/design.md
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	root := flag.String("root", ".", "the root of the repository, from which the pages are named")
	flag.Parse()
	broken, err := check(os.DirFS(*root), flag.Args())
	for _, b := range broken {
		fmt.Fprintln(os.Stderr, b)
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "links:", err)
		os.Exit(1)
	case len(broken) > 0:
		fmt.Fprintf(os.Stderr, "links: %d are broken\n", len(broken))
		os.Exit(1)
	}
}
