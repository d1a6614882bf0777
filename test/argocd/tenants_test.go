// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// A wave begins when all of the one before is Healthy. Sendforsign is slow here, so that this takes seconds.
func TestWavesWaitForHealth(t *testing.T) {
	t.Parallel()
	const slow = 3 * time.Second
	app := newTenants(t, "waves", byAnnotation, serverSide)
	app.sim.Inject(sfstest.Fault{Latency: slow})
	began := time.Now()
	app.deploy(app.files())
	whole := time.Since(began)

	var users v1alpha1.SfsClientUserList
	if err := app.Client.List(t.Context(), &users, client.InNamespace(app.name)); err != nil || len(users.Items) != 2 {
		t.Fatalf("there are %d users: %v", len(users.Items), err)
	}
	// Sendforsign has answered the first request for a token, of the account or of a client, so long after it.
	healthy := func(clientKey string) time.Time {
		for _, call := range app.sim.Calls() {
			if call.Endpoint == "token" && call.Action == "create" && call.ClientKey == clientKey {
				return call.Time.Add(slow)
			}
		}
		t.Fatalf("nobody has asked for a token of %q", clientKey)
		return time.Time{}
	}
	after := func(o client.Object, before string, at time.Time) {
		if o.GetCreationTimestamp().Time.Before(at.Truncate(time.Second)) {
			t.Errorf("%s was applied at %s, and %s could not be Healthy before %s", o.GetName(), o.GetCreationTimestamp(), before, at)
		}
	}
	for _, name := range []string{"shop", "office"} {
		c := app.sfsClient(t, app.name, name)
		after(c, "the SfsPlatform", healthy(""))
		for i := range users.Items {
			after(&users.Items[i], name, healthy(c.Status.ClientKey))
		}
	}
	words := app.words(0)
	if n := syncs(words); n != 1 {
		t.Errorf("there were %d syncs:%s", n, write(words))
	}
	t.Logf("7 resources in 4 waves, each after the one before was Healthy: 1 sync, Synced and Healthy after %s", whole.Round(time.Second))
}

func TestAnEditInGitReachesSendforsign(t *testing.T) {
	t.Parallel()
	app := newTenants(t, "edit", byLabel, serverSide)
	app.deploy(app.files())
	key := app.sfsClient(t, app.name, "shop").Status.ClientKey
	_, before := app.last()
	began := time.Now()
	revision := app.push(map[string]string{"shop.yaml": app.clientManifest("shop", "Jane Doe") + "---\n" + app.userManifest("shop-john", "shop")})
	await(t, patience, "the new name at Sendforsign", func(context.Context) string {
		name := clientAt(app.sim, key).FullName
		if name == "Jane Doe" {
			return ""
		}
		return "it is " + name
	})
	took := time.Since(began)
	app.awaitWell(revision)
	words := app.words(0)
	if n := syncs(words); n != 2 || count(words[before:], isOutOfSync) == 0 {
		t.Errorf("there were %d syncs:%s", n, write(words))
	}
	if n := count(words[before:], func(w word) bool { return w.health == "Degraded" }); n > 0 {
		t.Errorf("it was Degraded:%s", write(words))
	}
	t.Logf("from the commit to Sendforsign in %s, by 1 sync", took.Round(100*time.Millisecond))
}

// clientAt returns what Sendforsign has under a clientKey.
func clientAt(sim *sfstest.Server, key string) sendforsign.Client {
	all := sim.Clients()
	if i := slices.IndexFunc(all, func(c sendforsign.Client) bool { return c.ClientKey == key }); i >= 0 {
		return all[i]
	}
	return sendforsign.Client{}
}

func TestAnOutageIsSeenWhenATokenDies(t *testing.T) {
	t.Parallel()
	const lifetime = 90 * time.Second
	app := newTenants(t, "outage", byAnnotation, clientSide, sfstest.WithTokenLifetime(lifetime))
	app.deploy(app.files())
	_, before := app.last()
	back := app.sim.Inject(sfstest.Fault{Status: 503})
	away := time.Now()
	dead := app.awaitWord("Degraded", func(w word) bool { return w.health == "Degraded" })
	var expires time.Time // of the token that was the first to be too old
	for _, name := range []string{"shop", "office"} {
		if _, at := app.token(t, app.name, name); expires.IsZero() || at.Before(expires) {
			expires = at
		}
	}
	// Times in the Secret are whole seconds.
	left := token.MinRemaining(lifetime)
	if dead.at.Before(expires.Add(-left - time.Second)) {
		t.Errorf("it was Degraded at %s, and the token that expires first does so at %s:%s", dead.at, expires, write(app.words(before)))
	}
	refused := len(app.sim.Calls())
	back()
	returned := time.Now()
	well := app.awaitWord("Healthy", word.isWell)
	words := app.words(before)
	for i, w := range words {
		if isOutOfSync(w) || w.health != "Degraded" && w.at.After(dead.at) && w.at.Before(well.at) {
			t.Errorf("word %d is not to be expected:%s", i, write(words))
		}
	}
	if n := syncs(app.words(0)); n != 1 {
		t.Errorf("there were %d syncs:%s", n, write(words))
	}
	t.Logf("503 for %s and %d calls: Healthy for %s, Degraded %s before the first token expires, and Healthy again %s after the return; 1 sync",
		returned.Sub(away).Round(time.Second), refused, dead.at.Sub(away).Round(time.Second),
		expires.Sub(dead.at).Round(time.Second), well.at.Sub(returned).Round(time.Second))
}

func TestWhatIsTakenOutOfGitComesBackTheSame(t *testing.T) {
	t.Parallel()
	app := newTenants(t, "prune", byLabel, clientSide)
	files := app.files()
	app.deploy(files)
	key := app.sfsClient(t, app.name, "shop").Status.ClientKey
	if all := app.namesOf(t.Context(), "shop"); len(all) != 5 {
		t.Fatalf("shop has %v, want an SfsClient with two Secrets, and an SfsClientUser with one", all)
	}

	began := time.Now()
	revision := app.push(map[string]string{"shop.yaml": ""})
	await(t, patience, "shop and what belongs to it to be removed", func(ctx context.Context) string {
		if left := app.namesOf(ctx, "shop"); len(left) > 0 {
			return fmt.Sprint("there are ", left)
		}
		return ""
	})
	pruned := time.Since(began)
	app.awaitWell(revision)
	if clientAt(app.sim, key).ClientKey != key {
		t.Error("the client is not at Sendforsign any more")
	}
	if n := app.sim.LiveTokens(key); n != 0 {
		t.Errorf("%d tokens of the client are alive", n)
	}
	app.sfsClient(t, app.name, "office") // is still there

	began = time.Now()
	app.awaitWell(app.push(map[string]string{"shop.yaml": files["shop.yaml"]}))
	if again := app.sfsClient(t, app.name, "shop").Status; again.ClientKey != key || again.Origin != v1alpha1.OriginRecovered {
		t.Errorf("it is %s %s, and was %s", again.Origin, again.ClientKey, key)
	}
	secret, _ := app.token(t, app.name, "shop")
	if info, known := app.sim.TokenState(secret); !known || !info.Alive || info.ClientKey != key {
		t.Errorf("its token is no good: %+v", info)
	}
	if n := app.sim.CountCalls("client", "create"); n != 2 {
		t.Errorf("%d clients were made, for 2 tenants", n)
	}
	if n := syncs(app.words(0)); n != 3 {
		t.Errorf("there were %d syncs:%s", n, write(app.words(0)))
	}
	t.Logf("pruned with its Secrets in %s, with the client and no living token left at Sendforsign; back with the same clientKey in %s; 3 syncs",
		pruned.Round(100*time.Millisecond), time.Since(began).Round(100*time.Millisecond))
}

// namesOf returns the names of the resources and Secrets that begin so.
func (app *application) namesOf(ctx context.Context, prefix string) (names []string) {
	for _, list := range []client.ObjectList{&v1alpha1.SfsClientList{}, &v1alpha1.SfsClientUserList{}, &corev1.SecretList{}} {
		if err := app.Client.List(ctx, list, client.InNamespace(app.name)); err != nil {
			return append(names, err.Error())
		}
		objects, err := meta.ExtractList(list)
		if err != nil {
			return append(names, err.Error())
		}
		for _, o := range objects {
			if name := o.(client.Object).GetName(); strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
	}
	return names
}
