// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	kubejson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// Where the golden files are. The states stand where Argo CD has the data of its own tests.
const (
	argoDirectory = "../config/argocd/sendforsign.com"
	statesFile    = "../test/health/testdata/states.json"
	columnsFile   = "testdata/columns.txt"
	gitopsPage    = "../docs/gitops.md"
)

// columnStates are those of which it is shown what kubectl prints.
var columnStates = map[string][]string{
	platformKind: {"unobserved", "ready", "throttled", "credentials-invalid"},
	clientKind:   {"unobserved", "first-sfs-away", "ready", "renewal-failing", "token-dead", "secret-conflict", "paused"},
	userKind:     {"unobserved", "client-not-ready", "ready", "client-taken"},
	oauthKind:    {"unobserved", "ready", "renewal-failing", "credentials-invalid-new", "account-suspended"},
}

// picture is one resource in one state.
type picture struct {
	text       []byte
	conditions []metav1.Condition
	columns    []metav1.TableColumnDefinition
	cells      []string
}

// album holds the pictures of all states.
type album struct {
	t        *testing.T
	mu       sync.Mutex
	pictures map[[2]string]*picture // by kind and name of the state
}

func newAlbum(t *testing.T) *album { return &album{t: t, pictures: map[[2]string]*picture{}} }

// photographer goes to a world of its own.
type photographer struct {
	*world
	t     *testing.T
	album *album
	start time.Time
}

func newPhotographer(t *testing.T, a *album) *photographer {
	w := newWorld(t)
	return &photographer{world: w, t: t, album: a, start: w.clock.Now()}
}

// take takes a picture of a resource as the API server has it now.
func (p *photographer) take(name string, of client.Object) {
	p.t.Helper()
	kind := kindOf(of)
	if !slices.ContainsFunc(states, func(s state) bool { return s.kind == kind && s.name == name }) {
		p.t.Errorf("the table has no state %s of a %s", name, kind)
		return
	}
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	if err := p.client.Get(p.t.Context(), client.ObjectKeyFromObject(of), o); err != nil {
		p.t.Errorf("%s: %v", name, err) // not Fatal: it may be the simulator who calls
		return
	}
	made := &picture{}
	typed := newObject(kind).(object)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, typed); err != nil {
		p.t.Error(err)
		return
	}
	made.conditions = *typed.GetConditions()
	canon := p.canonOf(o)
	var text bytes.Buffer
	yaml := kubejson.NewSerializerWithOptions(kubejson.DefaultMetaFactory, nil, nil, kubejson.SerializerOptions{Yaml: true})
	if err := yaml.Encode(canon.tidy(o), &text); err != nil {
		p.t.Error(err)
		return
	}
	made.text = []byte(canon.apply(text.String()))
	if slices.Contains(columnStates[kind], name) {
		p.print(made, of, canon)
	}
	p.album.mu.Lock()
	defer p.album.mu.Unlock()
	if p.album.pictures[[2]string{kind, name}] != nil {
		p.t.Errorf("there are two pictures of %s %s", kind, name)
	}
	p.album.pictures[[2]string{kind, name}] = made
}

// print asks for the columns as kubectl get does.
func (p *photographer) print(made *picture, of client.Object, canon *canon) {
	p.t.Helper()
	settings := rest.CopyConfig(config)
	settings.NegotiatedSerializer = serializer.NewCodecFactory(scheme)
	kubectl, err := rest.UnversionedRESTClientFor(settings)
	if err != nil {
		p.t.Error(err)
		return
	}
	path := "/apis/" + v1alpha1.GroupVersion.String() + "/"
	if of.GetNamespace() != "" {
		path += "namespaces/" + of.GetNamespace() + "/"
	}
	path += strings.ToLower(kindOf(of)) + "s/" + of.GetName()
	answer, err := kubectl.Get().AbsPath(path).SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(p.t.Context())
	var table metav1.Table
	if err == nil {
		err = json.Unmarshal(answer, &table)
	}
	if err != nil || len(table.Rows) != 1 {
		p.t.Errorf("reading the columns of %s: %d rows, %v", path, len(table.Rows), err)
		return
	}
	made.columns = table.ColumnDefinitions
	for i, cell := range table.Rows[0].Cells {
		switch {
		case table.ColumnDefinitions[i].Name == "Age":
			made.cells = append(made.cells, "1m")
		case cell == nil:
			made.cells = append(made.cells, "")
		default:
			made.cells = append(made.cells, canon.apply(fmt.Sprint(cell)))
		}
	}
}

// canon makes of what differs in each run what is always the same.
type canon struct {
	words   *strings.Replacer
	world   *regexp.Regexp
	keys    map[string]string
	times   map[string]string
	deleted string
}

var (
	uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	stamp = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	// began is when all worlds begin in the pictures, and interval what lies between two things that happen there: where
	// the real ones depend on chance, as that of a renewal does, the order is kept.
	began    = time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)
	interval = 30 * time.Minute
)

func (p *photographer) canonOf(o *unstructured.Unstructured) *canon {
	c := &canon{
		words: strings.NewReplacer(
			p.namespace, "team-a", p.operator, "sfs-system", p.sim.BaseURL(), v1alpha1.DefaultBaseURL),
		world: regexp.MustCompile(`\b` + p.platform + `\b`),
		keys:  map[string]string{},
		times: map[string]string{},
	}
	now := p.clock.Now().UTC()
	moments := []time.Time{p.start.UTC()}
	var written []string
	status, _ := json.Marshal(o.Object["status"])
	for _, text := range stamp.FindAllString(string(status), -1) {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			p.t.Error(err)
			continue
		}
		written = append(written, text)
		if !at.After(now) {
			moments = append(moments, at)
		}
	}
	slices.SortFunc(moments, time.Time.Compare)
	moments = slices.CompactFunc(moments, func(a, b time.Time) bool { return b.Sub(a) < 5*time.Second })
	told := func(at time.Time) time.Time {
		last := 0
		for i, m := range moments {
			if !m.After(at) {
				last = i
			}
		}
		shown := began.Add(time.Duration(last) * interval)
		if at.After(now) { // by as much later as it is
			shown = shown.Add(at.Sub(moments[last]).Round(10 * time.Second))
		}
		return shown
	}
	for _, text := range written {
		at, _ := time.Parse(time.RFC3339, text)
		c.times[text] = told(at).Format(time.RFC3339)
	}
	c.deleted = told(now).Format(time.RFC3339)
	c.dateToken(o, told)
	return c
}

// dateToken has a token live for as long as it does, and be renewed at its latest: when is a matter of chance.
func (c *canon) dateToken(o *unstructured.Unstructured, told func(time.Time) time.Time) {
	read := func(field string) string {
		text, _, _ := unstructured.NestedString(o.Object, "status", "token", field)
		return text
	}
	issued, err1 := time.Parse(time.RFC3339, read("issuedTime"))
	expires, err2 := time.Parse(time.RFC3339, read("expirationTime"))
	if err1 != nil || err2 != nil {
		return // there is no token
	}
	life := expires.Sub(issued)
	c.times[read("expirationTime")] = told(issued).Add(life).Format(time.RFC3339)
	c.times[read("renewalTime")] = told(issued).Add(life * 2 / 3).Format(time.RFC3339)
}

// tidy leaves out what the API server adds, and what only a test has.
func (c *canon) tidy(o *unstructured.Unstructured) *unstructured.Unstructured {
	for _, field := range []string{"managedFields", "uid", "resourceVersion"} {
		unstructured.RemoveNestedField(o.Object, "metadata", field)
	}
	set := func(value any, path ...string) {
		if _, found, _ := unstructured.NestedFieldNoCopy(o.Object, path...); found {
			_ = unstructured.SetNestedField(o.Object, value, path...)
		}
	}
	set(began.Format(time.RFC3339), "metadata", "creationTimestamp")
	set(c.deleted, "metadata", "deletionTimestamp")
	set("1", "status", "credentialsRevision")
	set(map[string]any{"burst": int64(20), "requestsPerSecond": int64(10)}, "spec", "rateLimit")
	if bundle, _, _ := unstructured.NestedString(o.Object, "spec", "caBundle"); len(bundle) > 100 {
		unstructured.RemoveNestedField(o.Object, "spec", "caBundle")
	}
	return o
}

func (c *canon) apply(text string) string {
	text = c.words.Replace(text)
	text = c.world.ReplaceAllString(text, "default")
	text = uuids.ReplaceAllStringFunc(text, func(key string) string {
		if c.keys[key] == "" {
			c.keys[key] = fmt.Sprintf("00000000-0000-4000-8000-%012d", len(c.keys)+1)
		}
		return c.keys[key]
	})
	return stamp.ReplaceAllStringFunc(text, func(at string) string {
		if shown, known := c.times[at]; known {
			return shown
		}
		return at
	})
}

// isWhole fails for a state that no story brings about.
func (a *album) isWhole() {
	a.t.Helper()
	for _, s := range states {
		if a.pictures[[2]string{s.kind, s.name}] == nil {
			a.t.Errorf("no story brings a %s into the state %s", s.kind, s.name)
		}
	}
}

// compare compares all with the golden files, or writes these.
func (a *album) compare() {
	a.t.Helper()
	var list []map[string]string
	wanted := map[string]bool{}
	for _, s := range sortedStates() {
		picture := a.pictures[[2]string{s.kind, s.name}]
		if picture == nil {
			continue
		}
		file := filepath.Join(argoDirectory, s.kind, "testdata", s.name+".yaml")
		wanted[file] = true
		golden(a.t, file, picture.text)
		list = append(list, map[string]string{
			"kind": s.kind, "state": s.name, "when": s.when, "kstatus": s.kstatus, "health": s.health,
		})
	}
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		a.t.Fatal(err)
	}
	golden(a.t, statesFile, append(text, '\n'))
	golden(a.t, columnsFile, a.columns())
	golden(a.t, gitopsPage, a.intoPage())
	there, err := filepath.Glob(filepath.Join(argoDirectory, "*", "testdata", "*.yaml"))
	if err != nil {
		a.t.Fatal(err)
	}
	for _, file := range there {
		if !wanted[file] {
			a.t.Errorf("%s is of no state", file)
		}
	}
}

// columns is what kubectl get prints, and with -o wide.
func (a *album) columns() []byte {
	a.t.Helper()
	var text bytes.Buffer
	for _, kind := range []string{platformKind, clientKind, userKind, oauthKind} {
		for _, wide := range []bool{false, true} {
			command := "$ kubectl get " + strings.ToLower(kind)
			if wide {
				command += " -o wide"
			}
			fmt.Fprintln(&text, command)
			table := tabwriter.NewWriter(&text, 6, 4, 3, ' ', 0)
			for i, name := range columnStates[kind] {
				shot := a.pictures[[2]string{kind, name}]
				if shot == nil {
					a.t.Errorf("there is no picture of %s %s", kind, name)
					continue
				}
				var heads, cells []string
				for at, column := range shot.columns {
					if wide || column.Priority == 0 {
						heads, cells = append(heads, strings.ToUpper(column.Name)), append(cells, shot.cells[at])
					}
				}
				cells[0] = name // instead of the name of the resource
				if i == 0 {
					fmt.Fprintln(table, strings.Join(heads, "\t"))
				}
				fmt.Fprintln(table, strings.Join(cells, "\t"))
			}
			_ = table.Flush()
			fmt.Fprintln(&text)
		}
	}
	return regexp.MustCompile(` +\n`).ReplaceAll(text.Bytes(), []byte("\n"))
}

// intoPage puts the table of the states in its place in the documentation.
func (a *album) intoPage() []byte {
	a.t.Helper()
	page, err := os.ReadFile(gitopsPage)
	if err != nil {
		a.t.Fatal(err)
	}
	const from, to = "<!-- states begin -->\n", "<!-- states end -->\n"
	before, rest, ok := strings.Cut(string(page), from)
	_, after, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		a.t.Fatalf("%s has no place for the states", gitopsPage)
	}
	var text strings.Builder
	text.WriteString(before + from)
	for _, kind := range []string{platformKind, clientKind, userKind, oauthKind} {
		fmt.Fprintf(&text, "\n### %s\n\n| State | `Ready` | kstatus | Argo CD |\n|---|---|---|---|\n", kind)
		for _, s := range states {
			if s.kind != kind {
				continue
			}
			ready := "none yet"
			for _, c := range a.pictures[[2]string{kind, s.name}].conditions {
				if c.Type == v1alpha1.ReadyCondition {
					ready = fmt.Sprintf("%s, %#q", c.Status, c.Reason)
				}
			}
			fmt.Fprintf(&text, "| %s%s | %s | %s | %s |\n", strings.ToUpper(s.when[:1]), s.when[1:], ready, s.kstatus, s.health)
		}
	}
	text.WriteString("\n" + to + after)
	return []byte(text.String())
}

// golden compares a text with what a file holds, or writes it there.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	want, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	if !*writeGolden {
		t.Errorf("%s differs; if that is meant, run make states. Now it is\n%s", file, got)
		return
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, got, 0o644); err != nil {
		t.Fatal(err)
	}
}
