// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/campaign"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// TestCampaignHostileAnswers has SFS or a provider of OAuthTokens, or what stands in its place, give each answer that does harm to each request that
// the operator makes. Whatever comes: what is there stays, what is said of it is clear, one tenant is made, and once the
// answers are good again all is well.
func TestCampaignHostileAnswers(t *testing.T) {
	c := campaign.Start(t, "hostile-answers")
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // so that what is measured is mostly in use
	elsewhere := newTrap(t)
	chance := rand.New(rand.NewPCG(c.Seed, 0))
	const sample = 2 // of the answers to each request
	drawn := func(answers []hostileAnswer) []hostileAnswer {
		if !c.Full && c.Plan == "" {
			chance.Shuffle(len(answers), func(i, j int) { answers[i], answers[j] = answers[j], answers[i] })
			answers = answers[:min(sample, len(answers))]
		}
		return answers
	}
	for _, p := range hostileProviders {
		t.Run(p.name, func(t *testing.T) { p.campaign(t, c, drawn(p.answers(elsewhere.url))) })
	}
	for _, s := range hostileSites {
		t.Run(s.name, func(t *testing.T) {
			answers := drawn(hostileAnswers(s, elsewhere.url))
			h := &hostility{t: t, c: c, w: newWorld(t), site: s}
			h.prepare()
			for i, a := range answers {
				plan := s.name + "/" + a.name
				if c.Plan == "" || c.Plan == plan {
					h.try(i, plan, a)
					c.Tried(s.name, 1)
				}
			}
		})
	}
	if n := elsewhere.requests.Load(); n > 0 {
		c.Broken(t, "redirect", "%d requests followed a redirect to another host", n)
	}
}

// trap is another host, to which no request may go. The operator would trust its certificate.
type trap struct {
	url      string
	requests atomic.Int64
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	trap := &trap{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { trap.requests.Add(1) }))
	t.Cleanup(server.Close)
	trap.url = server.URL
	return trap
}

// hostileSite is a request of the operator, and what makes it make one.
type hostileSite struct {
	name             string
	endpoint, action string
	// answer is a good one, in which %s stands for a key that SFS knows; essential are the fields without which it is none.
	answer    string
	essential []string
	// fresh has the request made for resources that are new, by provoke where there is one, once they are Ready; else it is made
	// for those that are there, by provoke.
	fresh bool
	// again has the new resources be those of a client that SFS has already, for which alone there is a list to be read.
	again   bool
	provoke func(w *world, c *v1alpha1.SfsClient, u *v1alpha1.SfsClientUser, turn int)
	// ofClient has only requests for the client hit, where others of the same action are made for the platform.
	ofClient bool
	ends     bool // the resources
	// spec is what the client asks for beside.
	spec func(*v1alpha1.SfsClient)
	// lacks says what is wrong in the end that is so with this request only; nothing is empty.
	lacks func(*hostility) string
}

const (
	tokenAnswer  = `{"access_token":"SFSTEST-TOKEN-hostile","token_type":"Bearer","expires_in":1800}`
	clientAnswer = `{"client":{"clientKey":"%s"},"code":"201"}`
	userAnswer   = `{"user":{"userKey":"%s"},"code":"201"}`
	revokeAnswer = `{"code":201,"message":"Token revoked"}`
)

var hostileSites = []hostileSite{
	{
		name: "platform token", endpoint: "token", action: "create", answer: tokenAnswer, essential: []string{"access_token", "expires_in"},
		provoke: func(w *world, c *v1alpha1.SfsClient, _ *v1alpha1.SfsClientUser, turn int) {
			w.restart()
			annotate(w, c, v1alpha1.ReconcileRequestedAtAnnotation, fmt.Sprint("turn ", turn))
		},
	},
	{
		name: "client token", endpoint: "token", action: "create", ofClient: true, answer: tokenAnswer, essential: []string{"access_token", "expires_in"},
		provoke: func(w *world, c *v1alpha1.SfsClient, _ *v1alpha1.SfsClientUser, turn int) {
			annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, fmt.Sprint("turn ", turn))
		},
	},
	{name: "client lookup", endpoint: "client", action: "read", fresh: true, again: true, answer: clientAnswer, essential: []string{"clientKey"}},
	{name: "client list", endpoint: "client", action: "list", fresh: true, again: true, answer: `{"clients":[{"clientKey":"%s"}],"code":"200"}`, essential: []string{"clientKey", "clients"}},
	{name: "client create", endpoint: "client", action: "create", fresh: true, answer: clientAnswer, essential: []string{"clientKey", "client"}},
	{
		name: "client read", endpoint: "client", action: "read", answer: clientAnswer, essential: []string{"clientKey"},
		provoke: func(w *world, c *v1alpha1.SfsClient, _ *v1alpha1.SfsClientUser, turn int) {
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.FullName = fmt.Sprint("Globex ", turn) })
		},
	},
	{
		name: "client update", endpoint: "client", action: "update", answer: clientAnswer,
		provoke: func(w *world, c *v1alpha1.SfsClient, _ *v1alpha1.SfsClientUser, turn int) {
			update(w, c, func(c *v1alpha1.SfsClient) { c.Spec.FullName = fmt.Sprint("Globex ", turn) })
		},
	},
	{name: "user list", endpoint: "user", action: "list", fresh: true, answer: `{"users":[{"userKey":"%s"}],"code":"200"}`, essential: []string{"userKey", "users"}},
	{name: "user create", endpoint: "user", action: "create", fresh: true, answer: userAnswer, essential: []string{"userKey", "user"}},
	{
		name: "user update", endpoint: "user", action: "update", answer: userAnswer,
		provoke: func(w *world, _ *v1alpha1.SfsClient, u *v1alpha1.SfsClientUser, turn int) {
			update(w, u, func(u *v1alpha1.SfsClientUser) { u.Spec.FullName = fmt.Sprint("Jane ", turn) })
		},
	},
	{
		name: "probe", endpoint: "client", action: "read", ofClient: true, spec: probed, answer: clientAnswer, essential: []string{"clientKey"},
		// It comes by itself.
		provoke: func(w *world, _ *v1alpha1.SfsClient, _ *v1alpha1.SfsClientUser, _ int) { w.run(probeInterval) },
	},
	{
		name: "drift list", endpoint: "client", action: "list", spec: called("Globex"), lacks: noticesDrift,
		answer: `{"clients":[{"clientKey":"%s"}],"code":"200"}`, essential: []string{"clientKey", "clients"},
		provoke: func(w *world, _ *v1alpha1.SfsClient, _ *v1alpha1.SfsClientUser, _ int) {
			update(w, w.sfsPlatform(), func(p *v1alpha1.SfsPlatform) { p.Spec.DriftCheckInterval = &metav1.Duration{Duration: time.Minute} })
		},
	},
	{
		name: "revocation", endpoint: "token", action: "revoke", fresh: true, ends: true, answer: revokeAnswer,
		lacks: tellsOfTheRevocation, provoke: deleteClient,
	},
	{
		name: "revocation of the token before", endpoint: "token", action: "revoke", fresh: true, answer: revokeAnswer,
		spec: onRotate, lacks: tellsOfTheRevocation,
		provoke: func(w *world, c *v1alpha1.SfsClient, _ *v1alpha1.SfsClientUser, turn int) {
			annotate(w, c, v1alpha1.RenewRequestedAtAnnotation, fmt.Sprint("turn ", turn))
			w.run(defaultGracePeriod)
		},
	},
	{
		name: "retirement", endpoint: "client", action: "update", fresh: true, ends: true, answer: clientAnswer,
		spec: retiring, lacks: tellsOfTheRetirement, provoke: deleteClient,
	},
	{
		name: "read after the retirement", endpoint: "client", action: "read", fresh: true, ends: true, answer: clientAnswer,
		essential: []string{"clientKey"}, spec: retiring, lacks: tellsOfTheRetirement, provoke: deleteClient,
	},
}

func deleteClient(w *world, c *v1alpha1.SfsClient, _ *v1alpha1.SfsClientUser, _ int) { w.delete(c) }

// noticesDrift wants what somebody else changes to be undone again.
func noticesDrift(h *hostility) string {
	h.t.Helper()
	h.w.somebodyElse(h.status.ClientKey, sendforsign.ClientFields{FullName: "Theirs"})
	h.w.run(2 * time.Minute)
	if name := h.w.sim.Clients()[0].FullName; name != "Globex" {
		return "what somebody else has changed is not noticed"
	}
	return ""
}

// tellsOfTheRevocation wants the token that was published to be revoked, or users to be told that it is not.
func tellsOfTheRevocation(h *hostility) string {
	h.t.Helper()
	info, _ := h.w.sim.TokenState(string(h.secret[h.client.TokenSecretName()][v1alpha1.KeyToken]))
	if !info.Revoked && h.w.recorder.count(h.client.Name, "NotRevoked") == 0 {
		return "the token was not revoked, and nobody is told"
	}
	return ""
}

// tellsOfTheRetirement wants users to be told once how it went, and nothing that is not so.
func tellsOfTheRetirement(h *hostility) string {
	h.t.Helper()
	retired, told, wrong := h.w.isRetired(h.status.ClientKey), 0, false
	for _, event := range h.w.recorder.all() {
		switch {
		case !strings.HasPrefix(event, h.client.Name+" "):
		case strings.Contains(event, " Retired: "):
			told, wrong = told+1, wrong || !retired
		case strings.Contains(event, " NotRetired: "):
			told, wrong = told+1, wrong || retired && !strings.Contains(event, "may be as it was")
		}
	}
	if told != 1 || wrong {
		return fmt.Sprintf("that the client is retired is %t, and this is told: %v", retired, h.w.recorder.all())
	}
	return ""
}

// hostility is one request under attack.
type hostility struct {
	t    *testing.T
	c    *campaign.Campaign
	w    *world
	site hostileSite

	client *v1alpha1.SfsClient
	user   *v1alpha1.SfsClientUser
	secret map[string]map[string][]byte // by name, what was published before
	status v1alpha1.SfsClientStatus
}

func (h *hostility) prepare() {
	h.t.Helper()
	var p v1alpha1.SfsPlatform
	p.Name = h.w.platform
	update(h.w, &p, func(p *v1alpha1.SfsPlatform) { p.Spec.Timeout = &metav1.Duration{Duration: time.Second} })
	if !h.site.fresh || h.site.again {
		h.deploy("globex")
	}
	if h.site.again {
		h.remove("before " + h.site.name)
	}
}

func (h *hostility) deploy(name string) {
	h.t.Helper()
	h.client, h.user = h.w.newSfsClient(name, func(c *v1alpha1.SfsClient) {
		if h.site.spec != nil {
			h.site.spec(c)
		}
	}), h.w.newSfsClientUser(name+"-jane", name)
	h.w.run(2 * time.Minute)
	h.w.wantReady(h.client, h.user)
}

func (h *hostility) try(turn int, plan string, a hostileAnswer) {
	h.t.Helper()
	w, name := h.w, fmt.Sprint("globex-", turn)
	if h.site.again {
		name = "globex"
	}
	switch {
	case h.site.fresh && h.site.provoke != nil:
		h.deploy(name)
	case h.site.fresh:
		h.client, h.user = nil, nil
	}
	h.remember()
	fault := a.fault(w)
	fault.Endpoint, fault.Action = h.site.endpoint, h.site.action
	if h.site.ofClient {
		fault.ClientKey = h.client.Status.ClientKey
	}
	stop := w.sim.Inject(fault)
	w.sim.ResetCalls()
	used := peak(func() {
		switch {
		case h.site.provoke != nil:
			h.site.provoke(w, h.client, h.user, turn)
		default:
			h.client, h.user = w.newSfsClient(name), w.newSfsClientUser(name+"-jane", name)
		}
		if h.site.ends {
			w.run(time.Minute + 5*time.Second) // which a deletion may wait at most; the API server rounds its time
		} else {
			w.run(a.lasts)
		}
	})
	if used > mostMemory {
		h.c.Broken(h.t, plan, "the operator used %d MiB, want at most %d", used>>20, mostMemory>>20)
	}
	if w.sim.CountCalls(h.site.endpoint, h.site.action) == 0 {
		h.c.Broken(h.t, plan, "the request was not made, so nothing was tried")
	}
	h.checkDuring(plan, fault.Status)
	stop()
	w.run(12 * time.Minute) // what a person is needed for is tried again after ten minutes at the latest
	h.checkAfter(plan)
}

// mostMemory is what any answer may cost, that of the simulator in the same process included.
const mostMemory = 64 << 20

// peak is how much the heap grows at most while something is done.
func peak(do func()) uint64 {
	// What is garbage already must not count, whatever the tests before this one have left.
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	most := before.HeapAlloc
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
	}()
	do()
	close(done)
	<-ended
	return most - before.HeapAlloc
}

// remember notes what must not be lost.
func (h *hostility) remember() {
	h.t.Helper()
	h.secret, h.status = map[string]map[string][]byte{}, v1alpha1.SfsClientStatus{}
	if h.client == nil {
		return
	}
	h.w.reload(h.client)
	h.status = *h.client.Status.DeepCopy()
	for _, name := range []string{h.client.SecretName(), h.client.TokenSecretName(), h.user.SecretName()} {
		if s := h.w.secret(name); s != nil {
			h.secret[name] = s.Data
		}
	}
}

// longestMessage is what a condition may say: what an operator writes of its own, and 200 characters of SFS.
const longestMessage = 600

func (h *hostility) checkDuring(plan string, status int) {
	h.t.Helper()
	w := h.w
	if h.site.ends {
		if !w.isGone(h.client) {
			h.c.Broken(h.t, plan, "the deletion hangs, with the finalizers %v", h.client.Finalizers)
		}
		return
	}
	for _, o := range []object{h.client, h.user, w.sfsPlatform()} {
		w.reload(o)
		h.checkConditions(plan, o)
	}
	if h.status.ClientKey == "" {
		return
	}
	if s := h.client.Status; s.ClientKey != h.status.ClientKey || s.CustomKey != h.status.CustomKey || s.DefaultUserKey != h.status.DefaultUserKey {
		h.c.Broken(h.t, plan, "the keys in the status have changed from %s %s to %s %s", h.status.ClientKey, h.status.CustomKey, s.ClientKey, s.CustomKey)
	}
	// Only a sure refusal says anything against a token that lives.
	if c := conditions.Get(h.client, v1alpha1.TokenValidCondition); c.Status != metav1.ConditionTrue &&
		(c.Reason != v1alpha1.TokenRejectedReason || status != http.StatusForbidden) {
		h.c.Broken(h.t, plan, "nothing is wrong with the token, and it is said: %s: %s", c.Reason, c.Message)
	}
	for name, before := range h.secret {
		s := w.secret(name)
		if s == nil || !maps.EqualFunc(before, s.Data, func(a, b []byte) bool { return string(a) == string(b) }) && !h.isGoodToken(s) {
			h.c.Broken(h.t, plan, "Secret %s was lost or holds something else", name)
		}
	}
}

// isGoodToken says whether a Secret was rightly given another token.
func (h *hostility) isGoodToken(s *corev1.Secret) bool {
	info, known := h.w.sim.TokenState(string(s.Data[v1alpha1.KeyToken]))
	return s.Name == h.client.TokenSecretName() && known && info.Alive
}

func (h *hostility) checkConditions(plan string, o object) {
	h.t.Helper()
	if conditions.Get(o, v1alpha1.ReadyCondition) == nil {
		h.c.Broken(h.t, plan, "%T says nothing", o)
	}
	for _, c := range *o.GetConditions() {
		if len(c.Message) > longestMessage || c.Reason == "" || strings.ContainsFunc(c.Message, func(r rune) bool { return r < ' ' }) {
			h.c.Broken(h.t, plan, "%T: the condition %s %s has a message of %d bytes: %.300q", o, c.Type, c.Reason, len(c.Message), c.Message)
		}
		if strings.Contains(c.Message, sfstest.CanaryPrefix) {
			h.c.Broken(h.t, plan, "%T: the condition %s tells a secret", o, c.Type)
		}
	}
}

func (h *hostility) checkAfter(plan string) {
	h.t.Helper()
	w := h.w
	if !h.site.ends {
		for _, o := range []object{h.client, h.user, w.sfsPlatform()} {
			w.reload(o)
			if !conditions.IsTrue(o, v1alpha1.ReadyCondition) {
				h.c.Broken(h.t, plan, "%T has not recovered: %s", o, describe(o))
			}
		}
		s := w.secret(h.client.TokenSecretName())
		if s == nil || !h.isGoodToken(s) {
			h.c.Broken(h.t, plan, "there is no living token in the end")
		}
		if n := w.sim.Users(h.client.Status.ClientKey); len(n) != 2 {
			h.c.Broken(h.t, plan, "the client has %d users, want the default one and jane", len(n))
		}
	}
	own := 0
	for _, c := range w.sim.Clients() {
		if customKey, _, _ := strings.Cut(c.CustomKey, retiredMark); customKey == "acme/"+w.namespace+"/"+h.client.Name {
			own++
		}
	}
	if own != 1 {
		h.c.Broken(h.t, plan, "SFS has %d clients for one SfsClient", own)
	}
	if h.site.lacks != nil {
		if what := h.site.lacks(h); what != "" {
			h.c.Broken(h.t, plan, "%s", what)
		}
	}
	if h.site.fresh {
		h.remove(plan)
	}
}

// remove takes fresh resources away, and wants that not to take for ever.
func (h *hostility) remove(plan string) {
	h.t.Helper()
	for _, o := range []object{h.client, h.user} {
		_ = h.w.client.Delete(h.t.Context(), o)
	}
	h.w.run(2 * time.Minute)
	for _, o := range h.w.everything() {
		if c, ok := o.(*v1alpha1.SfsClient); ok {
			h.c.Broken(h.t, plan, "the SfsClient %s can not be deleted", c.Name)
		}
		if s, ok := o.(*corev1.Secret); ok && s.Namespace == h.w.namespace {
			_ = h.w.client.Delete(h.t.Context(), s) // there is no garbage collector here
		}
	}
}
