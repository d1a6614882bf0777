// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package reasons reads what the API says of its conditions and of their reasons, from the comments of the constants in
// api/v1alpha1/conditions.go. What users are shown elsewhere is made from these, so that it is written once.
package reasons

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// Source is the file that is meant to be read, from the root of the repository.
const Source = "api/v1alpha1/conditions.go"

// Document is what the file says, in its order.
type Document struct {
	Conditions []Condition
	Reasons    []Reason
}

// Condition is a type of condition.
type Condition struct {
	// Name is that of the constant, Value what stands in the status.
	Name, Value string
	// Text is the comment of the constant. Constants that share a comment have the same.
	Text string
}

// Reason is a reason of conditions.
type Reason struct {
	// Name is that of the constant, Value what stands in the status.
	Name, Value string
	// Group is the comment of the constants that it stands among, such as "Reasons that need a person."
	Group string
	// Conditions are those that the comment names in brackets behind the name. None: it names none, since there are several.
	Conditions []string
	// Text is the rest of the comment, in one line: what the reason means and what to do.
	Text string
}

// Read reads the file at path.
func Read(path string) (Document, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return Document{}, fmt.Errorf("reading the reasons: %w", err)
	}
	var document Document
	for _, declaration := range file.Decls {
		if constants, ok := declaration.(*ast.GenDecl); ok && constants.Tok == token.CONST {
			if err := document.add(constants); err != nil {
				return Document{}, fmt.Errorf("reading the reasons of %s: %w", path, err)
			}
		}
	}
	if err := document.check(); err != nil {
		return Document{}, fmt.Errorf("reading the reasons of %s: %w", path, err)
	}
	return document, nil
}

func (d *Document) add(constants *ast.GenDecl) error {
	var last string // the comment of the constant before
	for _, s := range constants.Specs {
		spec, ok := s.(*ast.ValueSpec)
		if !ok || len(spec.Names) != 1 || len(spec.Values) != 1 {
			return errors.New("a constant does not have a name and a value of its own")
		}
		name := spec.Names[0].Name
		value, err := text(spec.Values[0])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		comment, group := line(spec.Doc), line(constants.Doc)
		if !constants.Lparen.IsValid() {
			comment, group = group, ""
		}
		if comment == "" && last != "" && strings.Contains(last, name) {
			comment = last // of two that stand together
		}
		last = comment
		switch {
		case strings.HasSuffix(name, "Condition"):
			d.Conditions = append(d.Conditions, Condition{Name: name, Value: value, Text: comment})
		case strings.HasSuffix(name, "Reason"):
			conditions, rest, err := split(name, comment)
			if err != nil {
				return err
			}
			d.Reasons = append(d.Reasons, Reason{Name: name, Value: value, Group: group, Conditions: conditions, Text: rest})
		}
	}
	return nil
}

// split takes the comment "<name> (<conditions>): <text>" apart.
func split(name, comment string) (conditions []string, rest string, err error) {
	head, rest, found := strings.Cut(comment, ": ")
	head, named := strings.CutPrefix(head, name)
	if !found || !named || rest == "" {
		return nil, "", fmt.Errorf("the comment of %s does not begin with its name, a colon and what to do", name)
	}
	if head = strings.TrimSpace(head); head == "" {
		return nil, rest, nil
	}
	if !strings.HasPrefix(head, "(") || !strings.HasSuffix(head, ")") {
		return nil, "", fmt.Errorf("the comment of %s has more than conditions in brackets before the colon", name)
	}
	return strings.Split(strings.Trim(head, "()"), ", "), rest, nil
}

func (d *Document) check() error {
	if len(d.Conditions) == 0 || len(d.Reasons) == 0 {
		return errors.New("there are no conditions, or no reasons")
	}
	for _, condition := range d.Conditions {
		if condition.Text == "" {
			return fmt.Errorf("%s has no comment", condition.Name)
		}
	}
	values := map[string]bool{}
	for _, reason := range d.Reasons {
		if values[reason.Value] {
			return fmt.Errorf("the reason %s is there twice", reason.Value)
		}
		values[reason.Value] = true
		for _, condition := range reason.Conditions {
			if !slices.ContainsFunc(d.Conditions, func(c Condition) bool { return c.Value == condition }) {
				return fmt.Errorf("%s is said to be of the condition %s, which there is not", reason.Name, condition)
			}
		}
	}
	return nil
}

// line is a comment in one line.
func line(comment *ast.CommentGroup) string {
	return strings.Join(strings.Fields(comment.Text()), " ")
}

func text(value ast.Expr) (string, error) {
	literal, ok := value.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", errors.New("the value is not a text")
	}
	return strconv.Unquote(literal.Value)
}
