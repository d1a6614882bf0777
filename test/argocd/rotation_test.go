// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// TestRotationIsNoNewsForArgoCD lets tokens rotate for ROTATE_FOR. A token of a minute is renewed after 6 to 12 s, and Argo CD
// compares at least each 10 s.
func TestRotationIsNoNewsForArgoCD(t *testing.T) {
	t.Parallel()
	for _, tracking := range []string{byAnnotation, byLabel} {
		for _, how := range []way{clientSide, serverSide, serverDiff} {
			t.Run("tracked by "+tracking+", "+how.name, func(t *testing.T) {
				t.Parallel()
				name := "rotation-" + tracking + "-" + strings.ReplaceAll(how.name, " ", "-")
				rotate(t, newTenants(t, name, tracking, how, sfstest.WithTokenLifetime(time.Minute)))
			})
		}
	}
}

func rotate(t *testing.T, app *application) {
	app.deploy(app.files())
	_, before := app.last()
	minted, compared := mints(app.sim), app.comparisons()
	select {
	case <-time.After(rotateFor): // which is the plan, and no wait for anything
	case <-t.Context().Done():
	}
	if err := app.broken(); err != nil {
		t.Fatal(err)
	}
	words := app.words(before)
	renewals, compares := mints(app.sim)-minted, app.comparisons()-compared
	outOfSync, unhealthy := count(words, isOutOfSync), count(words, isUnhealthy)
	synced := syncs(app.words(0))
	if synced != 1 || outOfSync > 0 || unhealthy > 0 {
		t.Errorf("%d syncs, %d times OutOfSync, %d times not Healthy:%s", synced, outOfSync, unhealthy, write(app.words(0)))
	}
	// However busy the machine is: in a minute each of the tokens dies, and there are six times to compare.
	if least := 2 + 2*int(rotateFor/time.Minute); renewals < least || compares < least {
		t.Errorf("%d renewals and %d comparisons show nothing", renewals, compares)
	}
	for _, name := range []string{"shop", "office"} {
		secret, _ := app.token(t, app.name, name)
		if info, known := app.sim.TokenState(secret); !known || !info.Alive {
			t.Errorf("the token of %s is no good: %+v", name, info)
		}
	}
	noticed, healed := app.drift()
	t.Logf("%s for %s: %d renewals, %d comparisons, %d sync, %d OutOfSync, %d not Healthy; then an edit by hand: OutOfSync after %s, undone by a second sync after %s",
		app.name, rotateFor, renewals, compares, synced, outOfSync, unhealthy, noticed.Round(100*time.Millisecond), healed.Round(100*time.Millisecond))
}

// mints is how many tokens clients were given.
func mints(sim *sfstest.Server) (n int) {
	for _, call := range sim.Calls() {
		if call.Endpoint == "token" && call.Action == "create" && call.ClientKey != "" && call.Effect {
			n++
		}
	}
	return n
}

// drift shows that what was looked for would have been seen: after an edit of the live object Argo CD says that it is OutOfSync,
// and undoes it. It returns how long each took.
func (app *application) drift() (noticed, healed time.Duration) {
	app.t.Helper()
	_, before := app.last()
	began := time.Now()
	edit := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"fullName":"Nobody"}}`))
	if err := app.Client.Patch(app.t.Context(), app.sfsClient(app.t, app.name, "shop"), edit); err != nil {
		app.t.Fatal(err)
	}
	app.awaitWord("well after a second sync", func(w word) bool {
		return w.isWell() && w.phase == "Succeeded" && syncs(app.words(0)) == 2
	})
	healed = time.Since(began)
	for _, w := range app.words(before) {
		if isOutOfSync(w) {
			noticed = w.at.Sub(began)
			break
		}
	}
	if name := app.sfsClient(app.t, app.name, "shop").Spec.FullName; noticed == 0 || name != "Jane Roe" {
		app.t.Errorf("the fullName is %q:%s", name, write(app.words(before)))
	}
	return noticed, healed
}
