// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

const group = "argoproj.io"

func applicationList() *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion(group + "/v1alpha1")
	list.SetKind("ApplicationList")
	return list
}

// The ways in which Argo CD applies what it syncs, by its syncOptions and annotations.
type way struct {
	name        string
	options     []any
	annotations map[string]any
}

var (
	clientSide = way{name: "client-side apply"}
	serverSide = way{name: "server-side apply", options: []any{"ServerSideApply=true"}}
	// serverDiff has the API server say what differs, too.
	serverDiff = way{
		name: "server-side apply and diff", options: []any{"ServerSideApply=true"},
		annotations: map[string]any{"argocd.argoproj.io/compare-options": "ServerSideDiff=true"},
	}
)

// word is what an Application says of itself.
type word struct {
	at                   time.Time
	sync, health         string
	revision             string
	phase, began, detail string // of the last sync
}

func (w word) String() string {
	return fmt.Sprintf("%s %s, %s at %.7s; sync of %s: %s %s", w.at.Format(time.TimeOnly), w.sync, w.health, w.revision, w.began, w.phase, w.detail)
}

// isWell says whether it is Synced and Healthy.
func (w word) isWell() bool { return w.sync == "Synced" && w.health == "Healthy" }

// application is an Application with its repository. It knows all that it has ever said, since a watch misses nothing.
type application struct {
	*instance
	*repository

	t      *testing.T
	name   string
	sim    *sfstest.Server
	object *unstructured.Unstructured

	mu       sync.Mutex
	said     []word          // whenever it was another
	compared map[string]bool // the times at which it was compared with Git
	problem  error           // of the watch
}

// newApplication makes a repository and what is to be the Application of it, and listens to that from now on.
func (a *instance) newApplication(t *testing.T, name string, how way, sim *sfstest.Server) *application {
	t.Helper()
	app := &application{instance: a, repository: newRepository(t), t: t, name: name, sim: sim, compared: map[string]bool{}}
	app.object = &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/v1alpha1", "kind": "Application",
		"metadata": map[string]any{
			"name": name, "namespace": a.namespace, "annotations": how.annotations,
			"finalizers": []any{"resources-finalizer.argocd.argoproj.io"},
		},
		"spec": map[string]any{
			"project":     "default",
			"source":      map[string]any{"repoURL": app.url(), "targetRevision": "main", "path": production},
			"destination": map[string]any{"server": "https://kubernetes.default.svc"},
			"syncPolicy": map[string]any{
				"automated":   map[string]any{"prune": true, "selfHeal": true},
				"syncOptions": how.options,
			},
		},
	}}
	w, err := app.watching.Watch(t.Context(), applicationList(), client.InNamespace(a.namespace), client.MatchingFields{"metadata.name": name})
	if err != nil {
		t.Fatal(err)
	}
	go app.listen(w)
	return app
}

// deploy makes a commit and the Application of it, and waits until it is well.
func (app *application) deploy(files map[string]string) {
	app.t.Helper()
	revision := app.commit(files)
	app.create()
	app.awaitWell(revision)
}

// create creates the Application. It is deleted with all that belongs to it at the end of the test, unless that has been done.
func (app *application) create() {
	app.t.Helper()
	if err := app.Client.Create(app.t.Context(), app.object.DeepCopy()); err != nil {
		app.t.Fatal(err)
	}
	app.t.Cleanup(func() {
		app.delete(context.Background())
		app.awaitGone(context.Background())
	})
}

func (app *application) listen(w watch.Interface) {
	for event := range w.ResultChan() {
		app.hear(event)
	}
	app.mu.Lock()
	defer app.mu.Unlock()
	if app.problem == nil {
		app.problem = fmt.Errorf("the watch on the Application %s has ended", app.name)
	}
}

func (app *application) hear(event watch.Event) {
	app.mu.Lock()
	defer app.mu.Unlock()
	if event.Type == watch.Error {
		app.problem = apierrors.FromObject(event.Object)
		return
	}
	o := event.Object.(*unstructured.Unstructured).Object
	read := func(path ...string) string {
		value, _, _ := unstructured.NestedString(o, append([]string{"status"}, path...)...)
		return value
	}
	if at := read("reconciledAt"); at != "" {
		app.compared[at] = true
	}
	now := word{
		sync: read("sync", "status"), health: read("health", "status"), revision: read("sync", "revision"),
		phase: read("operationState", "phase"), began: read("operationState", "startedAt"), detail: read("operationState", "message"),
	}
	conditions, _, _ := unstructured.NestedSlice(o, "status", "conditions")
	for _, condition := range conditions {
		now.detail += fmt.Sprint(" ", condition)
	}
	if n := len(app.said); n > 0 {
		now.at = app.said[n-1].at
		if now == app.said[n-1] {
			return
		}
	}
	now.at = time.Now()
	app.said = append(app.said, now)
}

// words returns all that it has said after the first n times.
func (app *application) words(n int) []word {
	app.mu.Lock()
	defer app.mu.Unlock()
	return append([]word(nil), app.said[n:]...)
}

// last returns what it said last, and how often it has said something.
func (app *application) last() (last word, n int) {
	app.mu.Lock()
	defer app.mu.Unlock()
	if n = len(app.said); n > 0 {
		last = app.said[n-1]
	}
	return last, n
}

func (app *application) comparisons() int {
	app.mu.Lock()
	defer app.mu.Unlock()
	return len(app.compared)
}

// broken returns what the watch has met with. It ends with the test, or with the Application.
func (app *application) broken() error {
	app.mu.Lock()
	defer app.mu.Unlock()
	return app.problem
}

// syncs returns how many syncs these words tell of.
func syncs(words []word) int {
	began := map[string]bool{}
	for _, w := range words {
		if w.began != "" {
			began[w.began] = true
		}
	}
	return len(began)
}

// count returns how many words are of this kind.
func count(words []word, is func(word) bool) (n int) {
	for _, w := range words {
		if is(w) {
			n++
		}
	}
	return n
}

func isOutOfSync(w word) bool { return w.sync != "Synced" }

func isUnhealthy(w word) bool { return w.health != "Healthy" }

// write writes words one below the other.
func write(words []word) string {
	var text strings.Builder
	for _, w := range words {
		fmt.Fprintf(&text, "\n  %s", w)
	}
	return text.String()
}

// awaitWord waits until it says something of this kind.
func (app *application) awaitWord(what string, is func(word) bool) word {
	app.t.Helper()
	var last word
	await(app.t, patience, app.name+" to be "+what, func(context.Context) string {
		if err := app.broken(); err != nil {
			app.t.Fatal(err)
		}
		if last, _ = app.last(); is(last) {
			return ""
		}
		return "it has said:" + write(app.words(0))
	})
	return last
}

// awaitWell waits until it is Synced with a revision, and Healthy, and no sync is under way.
func (app *application) awaitWell(revision string) {
	app.t.Helper()
	app.awaitWord("Synced and Healthy", func(w word) bool {
		return w.isWell() && w.revision == revision && w.phase == "Succeeded"
	})
}

// refresh has Argo CD look at Git now, as its refresh button does.
func (app *application) refresh() {
	app.t.Helper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"argocd.argoproj.io/refresh":"normal"}}}`))
	if err := app.Client.Patch(app.t.Context(), app.object.DeepCopy(), patch); err != nil {
		app.t.Fatal(err)
	}
}

// push makes a commit and has Argo CD look at it.
func (app *application) push(files map[string]string) (revision string) {
	app.t.Helper()
	revision = app.commit(files)
	app.refresh()
	return revision
}

// delete deletes the Application with all that belongs to it.
func (app *application) delete(ctx context.Context) {
	app.t.Helper()
	if err := app.Client.Delete(ctx, app.object.DeepCopy()); client.IgnoreNotFound(err) != nil {
		app.t.Error(err)
	}
}

// awaitGone waits until it is deleted.
func (app *application) awaitGone(ctx context.Context) {
	app.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := app.Client.Get(ctx, client.ObjectKeyFromObject(app.object), app.object.DeepCopy())
		switch {
		case apierrors.IsNotFound(err):
			return
		case ctx.Err() != nil:
			app.t.Errorf("%s is still there %s after it was deleted", app.name, patience)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// The manifests are for an Application that has a namespace, an SfsPlatform and a credentials Secret of its own name.

// platformManifest has the waves of docs/gitops.md.
func (app *application) platformManifest() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  annotations:
    argocd.argoproj.io/sync-wave: "-2"
---
apiVersion: sendforsign.com/v1alpha1
kind: SfsPlatform
metadata:
  name: %[1]s
  annotations:
    argocd.argoproj.io/sync-wave: "-1"
spec:
  baseURL: %[2]s
  caBundle: %[3]s
  credentialsSecretRef:
    name: %[1]s
  customKeyPrefix: %[1]s
  allowedNamespaces:
    names: [%[1]s]
`, app.name, app.sim.BaseURL(), base64.StdEncoding.EncodeToString(app.sim.CABundle()))
}

func (app *application) clientManifest(name, fullName string) string {
	return fmt.Sprintf(`apiVersion: sendforsign.com/v1alpha1
kind: SfsClient
metadata:
  name: %[2]s
  namespace: %[1]s
spec:
  platformRef:
    name: %[1]s
  fullName: %[3]s
  email: %[2]s@shop.example
  token:
    revocationPolicy: OnDelete
  secret:
    template:
      metadata:
        labels:
          team: shop
`, app.name, name, fullName)
}

func (app *application) userManifest(name, of string) string {
	return fmt.Sprintf(`apiVersion: sendforsign.com/v1alpha1
kind: SfsClientUser
metadata:
  name: %[2]s
  namespace: %[1]s
  annotations:
    argocd.argoproj.io/sync-wave: "1"
spec:
  clientRef:
    name: %[3]s
  fullName: John Roe
`, app.name, name, of)
}

// files are a platform, two tenants and a person of each.
func (app *application) files() map[string]string {
	return map[string]string{
		"platform.yaml": app.platformManifest(),
		"shop.yaml":     app.clientManifest("shop", "Jane Roe") + "---\n" + app.userManifest("shop-john", "shop"),
		"office.yaml":   app.clientManifest("office", "Max Roe") + "---\n" + app.userManifest("office-john", "office"),
	}
}

// newTenants makes an Application of a platform, two tenants and a person of each, in the shared stage.
func newTenants(t *testing.T, name, tracking string, how way, options ...sfstest.Option) *application {
	t.Helper()
	all := ready(t)
	app := all.argo[tracking].newApplication(t, name, how, newSimulator(t, options...))
	all.createCredentials(t, name, app.sim)
	return app
}
