// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// sbomSuffix is put after the name of a binary.
const sbomSuffix = ".cdx.json"

// binaryName is that of the operator or of the plugin, with the system that it is for.
var binaryName = regexp.MustCompile(`^(?:sfs-operator|kubectl-sendforsign)-(linux|darwin|windows)-(?:amd64|arm64)(?:\.exe)?$`)

// check looks at each binary in dir, by its SBOM. At least one must be there.
func check(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking for binaries: %w", err)
	}
	var wrong []error
	checked := 0
	for _, entry := range entries {
		name := binaryName.FindStringSubmatch(entry.Name())
		if name == nil {
			continue
		}
		checked++
		binary := filepath.Join(dir, entry.Name())
		problems := []error{checkSBOM(binary, binary+sbomSuffix)}
		if name[1] == "linux" {
			problems = append(problems, checkStatic(binary))
		}
		for _, problem := range problems {
			if problem != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", binary, problem))
			}
		}
	}
	if checked == 0 {
		return fmt.Errorf("there is no binary in %s", dir)
	}
	return errors.Join(wrong...)
}

// checkStatic fails if a binary wants an interpreter or a library. In an image without any it would not start.
func checkStatic(path string) error {
	binary, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("reading the binary: %w", err)
	}
	defer func() { _ = binary.Close() }()
	for _, program := range binary.Progs {
		if program.Type == elf.PT_INTERP || program.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("it is not static: it has a segment %s", program.Type)
		}
	}
	return nil
}

// bom is what is read of an SBOM in the format CycloneDX.
type bom struct {
	Metadata struct {
		Properties []struct{ Name, Value string }
	}
	Components []struct{ Name, Version string }
}

// checkSBOM fails unless an SBOM is of this very binary, and names each module in it and the version of Go.
func checkSBOM(binary, sbom string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("reading what it is built from: %w", err)
	}
	text, err := os.ReadFile(sbom)
	if err != nil {
		return fmt.Errorf("reading its SBOM: %w", err)
	}
	var told bom
	if err := json.Unmarshal(text, &told); err != nil {
		return fmt.Errorf("reading its SBOM: %w", err)
	}

	sum, err := fileSum(binary)
	if err != nil {
		return err
	}
	var wrong []error
	ofThis := false
	for _, property := range told.Metadata.Properties {
		ofThis = ofThis || property.Name == "cdx:gomod:binary:hash:SHA-256" && property.Value == sum
	}
	if !ofThis {
		wrong = append(wrong, errors.New("the SBOM is not of this binary"))
	}
	named := map[string]bool{}
	for _, component := range told.Components {
		named[component.Name+" "+component.Version] = true
	}
	wanted := []string{"std " + info.GoVersion}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		wanted = append(wanted, module.Path+" "+module.Version)
	}
	for _, module := range wanted {
		if !named[module] {
			wrong = append(wrong, fmt.Errorf("the SBOM lacks %s", module))
		}
	}
	return errors.Join(wrong...)
}
