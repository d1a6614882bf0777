// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package shape

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode/utf8"
)

const (
	// maxTemplate is how long a template may be, maxAllTemplates how long those of a Shape may be together, and
	// maxTemplates how many they may be.
	maxTemplate     = 16 << 10
	maxAllTemplates = 64 << 10
	maxTemplates    = 16
	// maxText is how long the result of a function, and what a template writes, may be. The arguments of a function may
	// have twice as much together.
	maxText = 64 << 10
	// maxWork is how much text the templates of a Shape may have functions read and write, in all. Large values and many
	// calls stay far below; what reaches it takes a fraction of a second.
	maxWork = 4 << 20
	// maxDepth is how deep conditions and parentheses of a template may be nested.
	maxDepth = 100

	notCarriedOut = "it can not be carried out"
	tooDeep       = "conditions and parentheses are nested more than 100 deep"
	tooMuchWork   = "the templates together do too much: some calls of functions with long texts must go"
)

// name of each template. The errors of text/template begin with it, so that it is read in "in action started at line:3".
const name = "line"

// render applies a template to values. The problem has no field.
func render(text string, all values, m *meter) (result []byte, problem *Error) {
	// Nothing is known that panics. If a later version of Go has something, it must not end the process.
	defer func() {
		if recover() != nil {
			result, problem = nil, &Error{Message: notCarriedOut}
		}
	}()
	if len(text) > maxTemplate {
		return nil, &Error{Message: fmt.Sprintf("it has %d bytes, and may have %d", len(text), maxTemplate)}
	}
	tree, used, problem := parsed(text, all)
	if problem != nil {
		return nil, problem
	}
	t, err := template.New(name).Option("missingkey=error").Funcs(m.metered(used)).AddParseTree(name, tree)
	if err != nil {
		return nil, &Error{Message: notCarriedOut}
	}
	var out limited
	if err := t.Execute(&out, all); err != nil {
		return nil, executed(err, text)
	}
	return out.text.Bytes(), nil
}

// limited takes what a template writes.
type limited struct{ text bytes.Buffer }

var errTooLong = errors.New("it writes too much")

func (l *limited) Write(text []byte) (int, error) {
	if l.text.Len()+len(text) > maxText {
		return 0, errTooLong
	}
	return l.text.Write(text)
}

// parsed is the tree of a template that holds nothing but what is allowed, and the functions that it names.
func parsed(text string, all values) (*parse.Tree, map[string]bool, *Error) {
	if problem := shallow(text); problem != nil {
		return nil, nil, problem
	}
	trees := map[string]*parse.Tree{}
	tree, err := parse.New(name).Parse(text, "", "", trees, known)
	if err != nil {
		return nil, nil, unparsed(err)
	}
	c := checker{text: text, values: all, used: map[string]bool{}}
	for _, other := range trees {
		if other != tree {
			return nil, nil, &Error{Message: "define can not be used here"}
		}
	}
	if problem := c.list(tree.Root, true, 0); problem != nil {
		return nil, nil, problem
	}
	return tree, c.used, nil
}

// shallow refuses parentheses that would take the parser, which goes into each of them, megabytes of stack. It does not
// tell those of the template from others; so many that are never closed are in no file.
func shallow(text string) *Error {
	open := 0
	for i := range len(text) {
		switch {
		case text[i] == '(':
			open++
		case text[i] == ')' && open > 0:
			open--
		}
		if open > maxDepth {
			line, column := place(text, i)
			return &Error{Line: line, Column: column, Message: tooDeep}
		}
	}
	return nil
}

// checker walks a tree. What it does not know is refused, so that a later version of Go brings nothing in.
type checker struct {
	text   string
	values values
	// used are the functions that were found.
	used map[string]bool
}

func (c checker) problem(at parse.Node, format string, args ...any) *Error {
	line, column := place(c.text, int(at.Position()))
	return &Error{Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
}

// list checks a part of a template. all says whether the dot stands for all values, as it does outside of with.
func (c checker) list(list *parse.ListNode, all bool, depth int) *Error {
	if list == nil {
		return nil
	}
	for _, node := range list.Nodes {
		if problem := c.statement(node, all, depth); problem != nil {
			return problem
		}
	}
	return nil
}

func (c checker) statement(node parse.Node, all bool, depth int) *Error {
	switch n := node.(type) {
	case *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		return c.pipe(n.Pipe, all, depth)
	case *parse.IfNode:
		return c.branch(&n.BranchNode, all, all, depth)
	case *parse.WithNode:
		return c.branch(&n.BranchNode, false, all, depth)
	case *parse.RangeNode:
		return c.problem(n, "range can not be used here")
	case *parse.TemplateNode:
		return c.problem(n, "template and block can not be used here")
	}
	return c.problem(node, "this can not be used here")
}

// branch checks an if or a with, in whose first part the dot may be something else.
func (c checker) branch(n *parse.BranchNode, then, otherwise bool, depth int) *Error {
	if problem := c.deeper(n, depth); problem != nil {
		return problem
	}
	if problem := c.pipe(n.Pipe, otherwise, depth+1); problem != nil {
		return problem
	}
	if problem := c.list(n.List, then, depth+1); problem != nil {
		return problem
	}
	return c.list(n.ElseList, otherwise, depth+1)
}

func (c checker) deeper(at parse.Node, depth int) *Error {
	if depth >= maxDepth {
		return c.problem(at, tooDeep)
	}
	return nil
}

func (c checker) pipe(pipe *parse.PipeNode, all bool, depth int) *Error {
	for _, command := range pipe.Cmds {
		for _, arg := range command.Args {
			if problem := c.argument(arg, all, depth); problem != nil {
				return problem
			}
		}
	}
	return nil
}

func (c checker) argument(node parse.Node, all bool, depth int) *Error {
	switch n := node.(type) {
	case *parse.BoolNode, *parse.NumberNode, *parse.StringNode, *parse.DotNode:
		return nil
	case *parse.IdentifierNode:
		if known[n.Ident] == nil { // The parser has refused it already.
			return c.problem(n, "there is no function %s", quoted(n.Ident))
		}
		c.used[n.Ident] = true
		return nil
	case *parse.FieldNode:
		if !all && len(n.Ident) == 1 {
			return nil // With what the dot stands for is seen when it is executed.
		}
		return c.value(n, n.Ident)
	case *parse.VariableNode:
		if n.Ident[0] == "$" && len(n.Ident) > 1 {
			return c.value(n, n.Ident[1:])
		}
		if len(n.Ident) > 1 {
			return c.problem(n, "a value has no fields")
		}
		return nil
	case *parse.PipeNode:
		if problem := c.deeper(n, depth); problem != nil {
			return problem
		}
		return c.pipe(n, all, depth+1)
	case *parse.ChainNode:
		return c.problem(n, "a value has no fields")
	case *parse.NilNode:
		return c.problem(n, "nil can not be used here")
	}
	return c.problem(node, "this can not be used here")
}

// value checks the name of a value. That its key is unknown shows also in a branch that is not taken today.
func (c checker) value(at parse.Node, path []string) *Error {
	if _, found := c.values[path[0]]; !found {
		return c.problem(at, "there is no value %s; there are: %s", quoted(path[0]), c.values.names())
	}
	if len(path) > 1 {
		return c.problem(at, "a value has no fields")
	}
	return nil
}

// place is the line and the column of a byte in a text.
func place(text string, at int) (line, column int) {
	before := text[:min(max(at, 0), len(text))]
	return 1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
}

var (
	parseError = regexp.MustCompile(`(?s)^template: ` + name + `:(\d+): (.*)$`)
	startedAt  = regexp.MustCompile(`( in action|) started at ` + name + `:(\d+)$`)
)

// unparsed is the problem that the parser found. It has seen no values.
func unparsed(err error) *Error {
	found := parseError.FindStringSubmatch(err.Error())
	if found == nil {
		return &Error{Message: "it can not be read"}
	}
	line, _ := strconv.Atoi(found[1])
	if found[2] == "unexpected EOF" {
		return &Error{Line: line, Message: "the {{end}} of an {{if}} or {{with}} is missing"}
	}
	return &Error{Line: line, Message: shortened(startedAt.ReplaceAllString(found[2], "$1 that begins in line $2"))}
}

// shortened is a text that may hold a part of a template, for a message. The parser quotes what can not be printed.
func shortened(text string) string {
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

var (
	executeError = regexp.MustCompile(`^template: ` + name + `:(\d+):(\d+): executing `)
	// executeErrors are the ends of the errors that can come, and what is said of them. Nothing of a value is in them: what
	// they repeat is a name in the template, a number of arguments, or a kind of value.
	executeErrors = []struct {
		end     *regexp.Regexp
		message func(found []string) string
	}{
		{regexp.MustCompile(`: wrong number of args for (\w+): want (at least )?(\d+) got (\d+)$`), func(found []string) string {
			return fmt.Sprintf("%s: the number of arguments is %s, and should be %s%s", found[1], found[4], found[2], found[3])
		}},
		{regexp.MustCompile(`: wrong type for value; expected ([\w.{} ]+); got ([\w.{} ]+)$`), func(found []string) string {
			return kind(found[1]) + " is needed, not " + kind(found[2])
		}},
		{regexp.MustCompile(`: expected (string|integer|bool); found `), func(found []string) string {
			return kind(found[1]) + " is needed"
		}},
		{regexp.MustCompile(`: can't handle .* for arg of type ([\w.]+)$`), func(found []string) string {
			return kind(found[1]) + " is needed"
		}},
		{regexp.MustCompile(`: can't evaluate field (\w+) in type \w+$`), func(found []string) string {
			return fmt.Sprintf("within with, the dot stands for another value: write $.%s", found[1])
		}},
		{regexp.MustCompile(`: map has no entry for key "(\w+)"$`), func(found []string) string {
			return fmt.Sprintf("there is no value %q", found[1])
		}},
		{regexp.MustCompile(`: (can't give argument to non-function |\w+ is not a method but has arguments$)`), func([]string) string {
			return "only a function has arguments"
		}},
		{regexp.MustCompile(` overflows int$`), func([]string) string { return "the number is too large" }},
	}
	calling = regexp.MustCompile(`: error calling (\w+): $`)
)

// executed is the problem that came up while a template was carried out. The text of the error is not passed on: it may
// quote values, which a time that can not be read, for one, does.
func executed(err error, text string) *Error {
	if errors.Is(err, errTooLong) {
		return &Error{Message: fmt.Sprintf("it writes more than %d KiB", maxText>>10)}
	}
	said := err.Error()
	problem := &Error{Message: notCarriedOut}
	if found := executeError.FindStringSubmatch(said); found != nil {
		line, _ := strconv.Atoi(found[1])
		offset, _ := strconv.Atoi(found[2])
		problem.Line, problem.Column = line, column(text, line, offset)
	}
	var ours *fault
	if errors.As(err, &ours) {
		problem.Message = ours.Error()
		return problem
	}
	var failed template.ExecError
	if !errors.As(err, &failed) {
		return problem
	}
	if theirs := errors.Unwrap(failed.Err); theirs != nil {
		if found := calling.FindStringSubmatch(strings.TrimSuffix(said, theirs.Error())); found != nil {
			problem.Message = found[1] + ": the arguments do not fit, or are of different kinds"
		}
		return problem
	}
	for _, e := range executeErrors {
		if found := e.end.FindStringSubmatch(said); found != nil {
			problem.Message = e.message(found)
			break
		}
	}
	return problem
}

// column makes a column of characters, from 1, of one of bytes, from 0.
func column(text string, line, offset int) int {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		return 0
	}
	within := lines[line-1]
	return 1 + utf8.RuneCountInString(within[:min(offset, len(within))])
}

// kind says in words what Go calls a value.
func kind(of string) string {
	switch of {
	case "string":
		return "a text"
	case "int", "integer":
		return "a whole number"
	case "float64", "complex128":
		return "a number"
	case "bool":
		return "true or false"
	case "shape.values":
		return "the whole of the values (. or $)"
	}
	return "something else"
}
