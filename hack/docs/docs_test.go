// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sendforsign/sfs-operator/hack/reasons"
	"github.com/sendforsign/sfs-operator/internal/token"
)

const root = "../.."

func TestThePagesAreUpToDate(t *testing.T) {
	t.Parallel()
	pages, err := write(root)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range pages {
		if got := read(t, path); !bytes.Equal([]byte(got), want) {
			t.Errorf("%s is out of date: run make docs", path)
		}
	}
}

func TestEveryReasonHasAnEntryThatSaysSomething(t *testing.T) {
	t.Parallel()
	document, err := reasons.Read(filepath.Join(root, reasons.Source))
	if err != nil {
		t.Fatal(err)
	}
	page := sections(read(t, conditionsPath))
	states, err := readStates(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range document.Reasons {
		if text := strings.TrimSpace(page[r.Value]); text == "" || strings.HasPrefix(text, "-") {
			t.Errorf("the page says nothing of %s", r.Value)
		}
		seen := where(states, func(_, conditionType, reason string) bool {
			return reason == r.Value && slices.Contains(r.Conditions, conditionType)
		})
		if len(r.Conditions) > 0 && len(seen) == 0 {
			t.Errorf("%s is said to be of %v, and no state shows that", r.Name, r.Conditions)
		}
	}
}

// A reason that is new makes the page out of date, or is refused.
func TestANewReasonIsNoticed(t *testing.T) {
	t.Parallel()
	source := read(t, reasons.Source)
	for name, c := range map[string]struct{ from, to, refusal string }{
		"a new text":             {"all is well. Nothing to do.", "all is well.", ""},
		"no text":                {"	// InSyncReason (Synced): SFS holds what the spec asks for. Nothing to do.\n", "", "InSyncReason"},
		"a reason without state": {`"InSync"`, `"OutOfReach"`, "no state shows the reason OutOfReach"},
		"a type without state":   {`ThrottledCondition = "Throttled"`, `ThrottledCondition = "Braked"`, "no state shows the condition Braked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(source, c.from) {
				t.Fatalf("%q is not there any more", c.from)
			}
			states, err := readStates(root)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			put(t, dir, reasons.Source, strings.Replace(source, c.from, c.to, 1))
			put(t, dir, conditionsPath, read(t, conditionsPath))
			page, err := conditionsPage(dir, states)
			switch {
			case c.refusal == "" && err != nil:
				t.Error(err)
			case c.refusal == "" && string(page) == read(t, conditionsPath):
				t.Error("the page is the same")
			case c.refusal != "" && (err == nil || !strings.Contains(err.Error(), c.refusal)):
				t.Errorf("got the error %v, want one about %s", err, c.refusal)
			}
		})
	}
}

// Each field of a spec has a heading in the page of its kind, and under it what the API server checks.
func TestEveryFieldIsDocumented(t *testing.T) {
	t.Parallel()
	kinds, err := readKinds(filepath.Join(root, crds))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		page := read(t, pageOf(k.Name))
		for _, complaint := range missing(k, page, kinds) {
			t.Errorf("%s: %s", pageOf(k.Name), complaint)
		}
	}
}

func TestWhatIsNotDocumentedIsNoticed(t *testing.T) {
	t.Parallel()
	kinds, err := readKinds(filepath.Join(root, crds))
	if err != nil {
		t.Fatal(err)
	}
	of := func(name string) kind {
		return kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.Name == name })]
	}
	for name, c := range map[string]struct{ kind, from, to, want string }{
		"a field without a heading": {"SfsClient", "### spec.token.renewBefore\n", "", "spec.token.renewBefore has no heading"},
		"a heading of no field":     {"SfsClient", "### spec.suspend\n", "### spec.suspended\n", "spec.suspended is no field"},
		"another default":           {"SfsPlatform", "Default: `15s`", "Default: `20s`", "spec.timeout: `15s` is missing"},
		"another limit":             {"SfsPlatform", "at most 131072", "at most 131073", "spec.caBundle: 131072 is missing"},
		"a value that is left out":  {"SfsClient", "`Observe`: nothing", "another: nothing", "spec.managementPolicy: `Observe` is missing"},
		"an error that is left out": {"SfsClient", "- Refused: `email must be an e-mail address`", "", "spec.email: `email must be"},
		"required":                  {"SfsClientUser", "Required; 1 to 253 characters.", "1 to 253 characters.", "spec.clientRef.name: equired is missing"},
		"a status field":            {"SfsClient", "- `defaultUserKey`: of", "- of", "status.defaultUserKey is not told of"},
		"a rule of the whole": {
			"SfsPlatform", "set either names or selector", "set one", "spec.allowedNamespaces: `set either names or selector`",
		},
		"a page that refers to nothing": {"SfsClientUser", "(sfsclient.md#specsecrettype)", "", "spec.secret.type: 253 is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := read(t, pageOf(c.kind))
			if !strings.Contains(page, c.from) {
				t.Fatalf("%q is not there any more", c.from)
			}
			complaints := missing(of(c.kind), strings.ReplaceAll(page, c.from, c.to), kinds)
			if !slices.ContainsFunc(complaints, func(s string) bool { return strings.Contains(s, c.want) }) {
				t.Errorf("got the complaints %q, want %q", complaints, c.want)
			}
		})
	}
}

// missing says what the page of a kind lacks.
func missing(k kind, page string, kinds []kind) []string {
	var complaints []string
	told := sections(page)
	fields := fieldsBelow("spec", k.Schema.Properties["spec"])
	for _, f := range fields {
		if twin, ok := twinOf(f, fields); ok && reflect.DeepEqual(bare(f.schema), bare(twin.schema)) {
			continue // it is told of there
		}
		text, ok := told[f.path]
		if !ok {
			complaints = append(complaints, f.path+" has no heading")
			continue
		}
		if other, ok := referredTo(f, text, kinds); ok && reflect.DeepEqual(bare(f.schema), bare(other.schema)) {
			continue
		}
		for _, fact := range facts(f) {
			if !strings.Contains(text, fact) {
				complaints = append(complaints, f.path+": "+fact+" is missing")
			}
		}
	}
	for heading := range told {
		if strings.HasPrefix(heading, "spec.") && !slices.ContainsFunc(fields, func(f field) bool { return f.path == heading }) {
			complaints = append(complaints, heading+" is no field")
		}
	}
	for _, r := range slices.Concat(k.Schema.Rules, k.Schema.Properties["spec"].Rules) {
		if !strings.Contains(joined(page), r.Message) {
			complaints = append(complaints, r.Message+" is missing")
		}
	}
	for name := range k.Schema.Properties["status"].Properties {
		if !strings.Contains(told["Status"], "`"+name) {
			complaints = append(complaints, "status."+name+" is not told of")
		}
	}
	return complaints
}

// facts are what the text about a field must hold.
func facts(f field) []string {
	var all []string
	if f.required {
		all = append(all, "equired")
	}
	for _, value := range f.schema.Enum {
		all = append(all, "`"+value+"`")
	}
	var text string
	if json.Unmarshal(f.schema.Default, &text) == nil && text != "" {
		all = append(all, "`"+text+"`")
	} else if len(f.schema.Default) > 0 && f.schema.Default[0] != '{' {
		all = append(all, "`"+string(f.schema.Default)+"`")
	}
	schemas := []schema{f.schema}
	if f.schema.Items != nil {
		schemas = append(schemas, *f.schema.Items)
	}
	if f.schema.AdditionalProperties != nil {
		schemas = append(schemas, *f.schema.AdditionalProperties)
	}
	for _, s := range schemas {
		for _, limit := range []*int64{s.MinLength, s.MaxLength, s.MinItems, s.MaxItems, s.MinProperties, s.MaxProperties, s.Minimum, s.Maximum} {
			if limit != nil && *limit > 1 {
				all = append(all, strconv.FormatInt(*limit, 10))
			}
		}
		if s.Pattern != "" {
			all = append(all, "`"+s.Pattern+"`")
		}
		for _, r := range s.Rules {
			all = append(all, "`"+r.Message+"`")
		}
	}
	return all
}

// twinOf is the field that stands for one below spec.token.secret, which has the shape of spec.secret.
func twinOf(f field, fields []field) (field, bool) {
	below, ok := strings.CutPrefix(f.path, "spec.token.secret.")
	at := slices.IndexFunc(fields, func(other field) bool { return other.path == "spec.secret."+below })
	if !ok || at < 0 {
		return field{}, false
	}
	return fields[at], true
}

var referred = regexp.MustCompile(`\((\w+\.md)#(\w+)\)`)

// referredTo is the field of another kind to whose heading a text refers, and which has the same path, or shapes a Secret
// in the same way.
func referredTo(f field, text string, kinds []kind) (field, bool) {
	link := referred.FindStringSubmatch(text)
	path := f.path
	if below, ok := strings.CutPrefix(path, "spec.token.secret."); ok {
		path = "spec.secret." + below
	}
	if len(link) == 0 || link[2] != anchor(path) {
		return field{}, false
	}
	for _, k := range kinds {
		if "docs/"+link[1] != pageOf(k.Name) {
			continue
		}
		for _, other := range fieldsBelow("spec", k.Schema.Properties["spec"]) {
			if other.path == path {
				return other, true
			}
		}
	}
	return field{}, false
}

// bare is a schema without what it says to readers.
func bare(s schema) schema {
	s.Description = ""
	if s.Items != nil {
		item := bare(*s.Items)
		s.Items = &item
	}
	below := map[string]schema{}
	for name, property := range s.Properties {
		below[name] = bare(property)
	}
	s.Properties = below
	return s
}

// sections returns the text under each heading, in one line.
func sections(page string) map[string]string {
	all := map[string]string{}
	for _, part := range strings.Split("\n"+page, "\n#")[1:] {
		heading, text, _ := strings.Cut(part, "\n")
		all[strings.TrimLeft(heading, "# ")] = joined(text)
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func put(t *testing.T, dir, path, text string) {
	t.Helper()
	at := filepath.Join(dir, path)
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The picture of a token's life has the figures by which the operator renews.
func TestThePictureOfATokenHasTheRealFigures(t *testing.T) {
	t.Parallel()
	const life = 1800 * time.Second // which SFS gives
	latest := life - token.Policy{}.Margin(life)
	earliest := latest
	for i := range 1000 {
		issued := time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)
		of := token.Token{Issued: issued, Expires: issued.Add(life), Owner: "shop"}
		earliest = min(earliest, token.Policy{}.RenewalTime(of).Sub(issued))
	}
	want := fmt.Sprintf("0 %.0f %.0f %.0f %.0f",
		earliest.Round(10*time.Second).Seconds(), latest.Seconds(), (life - token.MinRemaining(life)).Seconds(), life.Seconds())
	if page := joined(read(t, "docs/concepts.md")); !strings.Contains(page, "in seconds "+want+" ") {
		t.Errorf("the picture is not one of %s", want)
	}
}

// An index that does not name a page hides it.
func TestEveryPageIsInAnIndex(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"docs", filepath.Join("docs", "adr")} {
		index := read(t, filepath.Join(dir, "README.md"))
		pages, err := filepath.Glob(filepath.Join(root, dir, "*.md"))
		if err != nil || len(pages) < 10 {
			t.Fatalf("%s has the pages %v, %v", dir, pages, err)
		}
		for _, page := range pages {
			if name := filepath.Base(page); name != "README.md" && !strings.Contains(index, "]("+name+")") {
				t.Errorf("%s/README.md does not name %s", dir, name)
			}
		}
	}
}

var (
	namedTest   = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`")
	testDefined = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	namedTarget = regexp.MustCompile("(?m)(?:^|`)make ([a-z-]+)(?:[^a-z/-]|$)") // but for files
	target      = regexp.MustCompile(`(?m)^([a-z-]+):`)
)

// What a page says a test proves is worth nothing where there is no such test. The same goes for targets of make.
func TestNamedTestsAndTargetsExist(t *testing.T) {
	t.Parallel()
	tests, pages := map[string]bool{}, []string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "bin" || entry.Name() == "dist" || entry.Name() == ".git"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".md"):
			pages = append(pages, path)
		case strings.HasSuffix(path, "_test.go"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, match := range testDefined.FindAllSubmatch(text, -1) {
				tests[string(match[1])] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{"campaign-": true}
	for _, match := range target.FindAllStringSubmatch(read(t, "Makefile"), -1) {
		targets[match[1]] = true
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range namedTest.FindAllStringSubmatch(string(text), -1) {
			if !tests[match[1]] {
				t.Errorf("%s: there is no %s", page, match[1])
			}
		}
		for _, match := range namedTarget.FindAllStringSubmatch(string(text), -1) {
			if !targets[match[1]] && !targets[strings.SplitAfter(match[1], "campaign-")[0]] {
				t.Errorf("%s: the Makefile has no target %s", page, match[1])
			}
		}
	}
}

var told = regexp.MustCompile(`(?:normal|warning)\("(\w+)"`)

func TestEveryEventIsDocumented(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(root, "controllers", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	table, seen := sections(read(t, "docs/sfsclient.md"))["Events"], 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range told.FindAllStringSubmatch(string(text), -1) {
			if seen++; !strings.Contains(table, "`"+match[1]+"`") {
				t.Errorf("docs/sfsclient.md does not tell of the event %s", match[1])
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d events were found", seen)
	}
}
