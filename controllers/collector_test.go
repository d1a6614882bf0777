// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/metrics"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// exported are the series of a collector, without the prefix of their names.
func (w *world) exported(c prometheus.Collector, names ...string) []string {
	w.t.Helper()
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		w.t.Errorf("%v, %v", problems, err)
	}
	for i := range names {
		names[i] = metrics.Prefix + names[i]
	}
	text, err := testutil.CollectAndFormat(c, expfmt.TypeTextPlain, names...)
	if err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimPrefix(strings.TrimSpace(line), metrics.Prefix))
		}
	}
	return lines
}

func (w *world) collector(perResource bool) *Collector {
	w.watch()
	return NewCollector(w.cache, perResource)
}

func (w *world) wantExported(c prometheus.Collector, name string, want ...string) {
	w.t.Helper()
	if got := w.exported(c, name); !slices.Equal(got, want) {
		w.t.Errorf("exported\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// at is a time as a metric has it.
func at(t time.Time) string { return strconv.FormatFloat(unixSeconds(t), 'g', -1, 64) }

func TestEachResourceHasItsSeries(t *testing.T) {
	w := newWorld(t)
	shop := w.newSfsClient("shop")
	w.newSfsClientUser("jane", "shop")
	w.settle()
	w.wantReady(shop)
	all := w.collector(true)
	one := func(kind, namespace, name, reason, conditionType string) string {
		return fmt.Sprintf("condition{kind=%q,name=%q,namespace=%q,reason=%q,status=\"True\",type=%q} 1", kind, name, namespace, reason, conditionType)
	}
	w.wantExported(all, "condition",
		one(clientKind, w.namespace, "shop", "Available", "Ready"), one(clientKind, w.namespace, "shop", "InSync", "Synced"),
		one(clientKind, w.namespace, "shop", "Issued", "TokenValid"), one(clientKind, w.namespace, "shop", "Published", "SecretReady"),
		one(userKind, w.namespace, "jane", "Available", "Ready"), one(userKind, w.namespace, "jane", "InSync", "Synced"),
		one(userKind, w.namespace, "jane", "Published", "SecretReady"),
		one(platformKind, "", w.platform, "Available", "Ready"), one(platformKind, "", w.platform, "Verified", "CredentialsValid"),
	)
	of := fmt.Sprintf("{kind=\"SfsClient\",name=\"shop\",namespace=%q,platform=%q} ", w.namespace, w.platform)
	token := shop.Status.Token
	w.wantExported(all, "token_issued_timestamp_seconds", "token_issued_timestamp_seconds"+of+at(token.IssuedTime.Time))
	w.wantExported(all, "token_expiration_timestamp_seconds", "token_expiration_timestamp_seconds"+of+at(token.ExpirationTime.Time))
	renewal := w.exported(all, "token_renewal_timestamp_seconds")[0]
	value, err := strconv.ParseFloat(renewal[strings.LastIndex(renewal, " ")+1:], 64)
	if err != nil || int64(value) != token.RenewalTime.Unix() {
		t.Errorf("%s, but the status says %s", renewal, token.RenewalTime.UTC())
	}
	w.wantExported(all, "orphans") // not known yet
	w.run(11 * time.Minute)
	w.wantExported(w.collector(true), "orphans", fmt.Sprintf("orphans{platform=%q} 0", w.platform))

	// The condition that was takes its series away, and so does the resource.
	update(w, shop, func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.Template.Data = map[string]v1alpha1.SecretTemplateText{"x": "{{ .nothing }}"}
	})
	w.settle()
	ready := func() []string {
		return slices.DeleteFunc(w.exported(w.collector(true), "condition"), func(line string) bool {
			return !strings.Contains(line, "kind=\"SfsClient\"") || !strings.Contains(line, "type=\"Ready\"")
		})
	}
	// What no process looks at is not left out.
	unseen := w.newSfsClient("new")
	want := fmt.Sprintf("condition{kind=%q,name=\"new\",namespace=%q,reason=\"\",status=\"Unknown\",type=\"Ready\"} 1", clientKind, w.namespace)
	if got := ready(); !slices.Contains(got, want) {
		t.Errorf("of what is new %v is exported, want %s", got, want)
	}
	w.delete(unseen)
	if got := ready(); len(got) != 1 || !strings.Contains(got[0], "status=\"False\"") || !strings.Contains(got[0], "reason=\"TemplateError\"") {
		t.Errorf("Ready is exported as %v", got)
	}
	w.delete(shop)
	w.run(2 * time.Minute)
	if got := ready(); len(got) != 0 {
		t.Errorf("exported of a resource that is gone: %v", got)
	}
	w.wantExported(w.collector(true), "token_expiration_timestamp_seconds")
}

func TestAllResourcesShareTheirSeries(t *testing.T) {
	w := newWorld(t)
	first := w.newSfsClient("first")
	w.settle()
	w.reload(first)
	w.run(time.Minute)
	w.newSfsClient("second")
	w.settle()
	all := w.collector(false)
	w.wantExported(all, "token_issued_timestamp_seconds",
		fmt.Sprintf("token_issued_timestamp_seconds{kind=\"SfsClient\",platform=%q} %s", w.platform, at(first.Status.Token.IssuedTime.Time)))
	w.wantExported(all, "token_expiration_timestamp_seconds",
		fmt.Sprintf("token_expiration_timestamp_seconds{kind=\"SfsClient\",platform=%q} %s", w.platform, at(first.Status.Token.ExpirationTime.Time)))
	if got := w.exported(all, "token_renewal_timestamp_seconds"); len(got) != 1 {
		t.Errorf("exported %v", got)
	}
	if got := w.exported(all, "condition"); !slices.Contains(got, `condition{kind="SfsClient",reason="Available",status="True",type="Ready"} 2`) || len(got) != 6 {
		t.Errorf("exported %v", got)
	}
}

func TestASuspendedClientHasNoTokenToWatch(t *testing.T) {
	for _, perResource := range []bool{true, false} {
		w := newWorld(t)
		w.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = new(bool) })
		c := w.newSfsClient("bank")
		w.settle()
		if got := w.exported(w.collector(perResource), "token_expiration_timestamp_seconds"); len(got) != 1 {
			t.Errorf("exported %v, want the token of bank alone", got)
		}
		update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
		w.settle()
		w.wantExported(w.collector(perResource), "token_expiration_timestamp_seconds")
	}
}

// unreadable is a cache that is not filled.
type unreadable struct{ *Cache }

func (unreadable) allClients() ([]*v1alpha1.SfsClient, error) { return nil, errors.New("not yet") }

func TestACacheThatIsNotFilledHoldsNoOtherMetricBack(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics.New(), NewCollector(unreadable{}, true))
	got, err := registry.Gather()
	if err != nil || len(got) == 0 {
		t.Errorf("gathered %d metrics, %v", len(got), err)
	}
}

func TestWhatIsDoneIsCounted(t *testing.T) {
	w := newWorld(t)
	w.options.Metrics = metrics.New()
	w.restart()
	c := w.newSfsClient("shop", called("The Shop"))
	w.settle()
	w.run(2 * time.Hour)
	count := func(name string) string { return strings.Join(w.exported(w.options.Metrics, name), "\n") }
	has := func(name string, lines ...string) {
		t.Helper()
		for _, line := range lines {
			if got := count(name); !strings.Contains(got+"\n", line+"\n") {
				t.Errorf("exported\n%s\nwant %s", got, line)
			}
		}
	}
	w.reload(c)
	renewals := c.Status.Token.Revision - 1
	if renewals < 6 {
		t.Fatalf("%d renewals in two hours", renewals)
	}
	// The clock stands still while the operator works, so all is done to the moment.
	has("token_renewal_lateness_seconds", fmt.Sprintf(`token_renewal_lateness_seconds_bucket{le="0.1"} %d`, renewals),
		fmt.Sprintf("token_renewal_lateness_seconds_count %d", renewals))
	has("token_overlap_seconds", `token_overlap_seconds_bucket{le="450"} 0`, fmt.Sprintf("token_overlap_seconds_count %d", renewals))
	has("secret_writes_total", `secret_writes_total{operation="create"} 2`, fmt.Sprintf(`secret_writes_total{operation="update"} %d`, renewals))
	has("token_requests_total", fmt.Sprintf(`token_requests_total{operation="client",result="success"} %d`, renewals+1))
	has("api_requests_total", `api_requests_total{action="create",code="201",endpoint="client"} 1`)

	w.reload(c)
	w.somebodyElse(c.Status.ClientKey, sendforsign.ClientFields{FullName: "Renamed"})
	w.run(11 * time.Minute)
	has("drift_total", `drift_total{field="fullName",kind="SfsClient"} 1`)

	// An outage from before a renewal until a minute after the token has died.
	back := w.sim.Inject(sfstest.Fault{Status: 503})
	w.reload(c)
	due, dead := c.Status.Token.RenewalTime.Time, c.Status.Token.ExpirationTime.Time
	w.run(dead.Add(time.Minute).Sub(w.clock.Now()))
	back()
	w.run(time.Minute)
	late := w.exported(w.options.Metrics, "token_renewal_lateness_seconds")
	var sum float64
	for _, line := range late {
		if rest, ok := strings.CutPrefix(line, "token_renewal_lateness_seconds_sum "); ok {
			sum, _ = strconv.ParseFloat(rest, 64)
		}
	}
	if least := dead.Add(time.Minute).Sub(due); sum < least.Seconds()-1 || sum > (least+time.Minute).Seconds() {
		t.Errorf("a lateness of %.0f s in all, want %s and some seconds", sum, least)
	}
	has("token_overlap_seconds", `token_overlap_seconds_bucket{le="0"} 1`)

	w.throttle(1, "30")
	update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.FullName = "The New Shop" })
	w.run(time.Minute)
	has("api_throttled_seconds_total", fmt.Sprintf("api_throttled_seconds_total{platform=%q} 30", w.platform))
	w.delete(c)
	w.run(time.Minute)
	has("secret_writes_total", `secret_writes_total{operation="delete"} 0`) // Kubernetes does that by itself
	has("token_requests_total", `token_requests_total{operation="revoke",result="success"} 1`)
	w.delete(w.sfsPlatform())
	w.run(2 * time.Minute)
	if got := count("api_throttled_seconds_total"); got != "" {
		t.Errorf("of a platform that is gone: %s", got)
	}
}

func TestWhatIsNotLateIsNotCountedAsLate(t *testing.T) {
	for name, test := range map[string]struct {
		do func(*world, *v1alpha1.SfsClient)
		// overlap is the greatest bucket of what is left of the replaced token that has none, renewals how many were planned.
		left, renewals string
	}{
		"a suspended client that goes on": {
			do: func(w *world, c *v1alpha1.SfsClient) {
				update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
				w.run(2 * time.Hour)
				update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = false })
			},
			left: `bucket{le="0"} 1`, renewals: "count 0",
		},
		"a longer margin": {
			do: func(w *world, c *v1alpha1.SfsClient) {
				w.run(15 * time.Minute)
				update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.Token.RenewBefore = &metav1.Duration{Duration: 24 * time.Minute} })
			},
			left: `bucket{le="450"} 0`, renewals: `bucket{le="0.1"} 1`,
		},
		"a token that is revoked at once": {
			do: func(w *world, c *v1alpha1.SfsClient) {
				w.run(time.Minute)
				update(w, c, func(c *v1alpha1.SfsClient) {
					c.Annotations = map[string]string{v1alpha1.RevokeRequestedAtAnnotation: w.clock.Now().Format(time.RFC3339)}
				})
			},
			left: `bucket{le="0"} 1`, renewals: "count 0",
		},
		"a token that is revoked after its replacement": {
			do: func(w *world, c *v1alpha1.SfsClient) {
				update(w, c, onRotate)
				w.run(20 * time.Minute)
			},
			left: `bucket{le="300"} 1`, renewals: `bucket{le="0.1"} 1`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.options.Metrics = metrics.New()
			w.restart()
			c := w.newSfsClient("shop")
			w.settle()
			test.do(w, c)
			w.settle()
			w.wantReady(c)
			for metric, want := range map[string]string{"token_overlap_seconds": test.left, "token_renewal_lateness_seconds": test.renewals} {
				if got := w.exported(w.options.Metrics, metric); !slices.Contains(got, metric+"_"+want) {
					t.Errorf("exported\n%s\nwant %s", strings.Join(got, "\n"), want)
				}
			}
		})
	}
}
