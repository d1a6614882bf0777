// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/conditions"
	"github.com/sendforsign/sfs-operator/oauth/oauthtest"
)

// reseedWithin is how long a person takes to have access granted anew, once a status asks for it. Rotation is strict in all
// worlds: where the answer to a refresh is lost, or the operator ends before it could store what came with it, nobody knows the
// refresh token that is taken from then on. That is the one thing that needs a person. The margin of the tokens leaves the time
// for one: a person comes, the operator looks at the credentials each minute, and an application reads the token in its time.
const reseedWithin = time.Minute

// grant is what a person has at a provider for one OAuthToken, and what the world knows of its refresh token.
type grant struct {
	client oauthtest.Client
	// last is the refresh token that the provider takes, if any.
	last string
	// heard is when the operator read the answer that it came with, in the process that by is; zero: it was lost.
	heard time.Time
	by    *informerCache
	// stored: it is in a Secret; touched: somebody has edited or deleted that Secret since.
	stored, touched bool
	revision        string // of the state Secret
	// refused: the provider has refused a refresh token, and has taken none since.
	refused bool
	asked   time.Time // when a person will have access granted anew; zero: nobody was asked to
}

// oauthTokens are the providers of the OAuthTokens of a world.
func (p downtimePlan) oauthTokens() []oauthtest.Provider {
	all := []oauthtest.Provider{oauthtest.SecuredSigning, oauthtest.SignicatExpress, oauthtest.Generic, oauthtest.SecuredSigning}
	if p.kind == kindShort || p.kind == kindEarly {
		all = []oauthtest.Provider{oauthtest.SignicatPlatform, oauthtest.SignicatPlatform}
	}
	return all[:min(len(all), max(1, p.clients-1))]
}

// newOAuthToken makes one of the kind of a world.
func (d *downtime) newOAuthToken(kind string, provider oauthtest.Provider) *v1alpha1.OAuthToken {
	o, client := d.providers.newOAuthToken(d.name("oauth"), provider, func(o *v1alpha1.OAuthToken) {
		if kind == kindOnRotate && (provider == oauthtest.SecuredSigning || provider == oauthtest.Generic) {
			o.Spec.Token.RevocationPolicy = v1alpha1.RevokeOnRotate
		}
		if kind == kindEarly {
			o.Spec.Token.RenewBefore = &metav1.Duration{Duration: 5 * time.Minute}
		}
		if provider == oauthtest.SecuredSigning && len(d.grants) == 0 {
			o.Spec.Provider.SecuredSigning.AccountCheck = v1alpha1.AccountCheckEnabled
		}
	})
	if provider == oauthtest.SecuredSigning {
		d.providers.providers.SetTokenLifetime(client.ID, time.Hour) // a day would be two renewals in a world
	}
	d.grants[o.Name] = &grant{client: client, last: client.RefreshToken.Reveal(), heard: d.w.clock.Now(), stored: true}
	return o
}

// refreshed is one of the OAuthTokens with refresh tokens, or nil.
func (d *downtime) refreshed() *v1alpha1.OAuthToken {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(d.grants)) {
		if d.grants[name].client.Provider == oauthtest.SecuredSigning {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	o := d.named(oneOf(d, names...)).(*v1alpha1.OAuthToken)
	d.w.reload(o)
	return o
}

// refresh is the refresh token of a request, and whose it is; nil where it is not such a request.
func (d *downtime) refresh(req *http.Request) (sent string, of *grant) {
	if req.GetBody == nil {
		return "", nil
	}
	body, err := req.GetBody()
	if err != nil {
		return "", nil
	}
	raw, _ := io.ReadAll(body)
	form, err := url.ParseQuery(string(raw))
	if err != nil || form.Get("grant_type") != "refresh_token" {
		return "", nil
	}
	for _, g := range d.grants {
		if g.client.ID == form.Get("client_id") {
			return form.Get("refresh_token"), g
		}
	}
	return "", nil
}

// telling is next to the providers. It notes which refresh token they take from now on, and which they have refused.
func (d *downtime) telling(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		sent, g := d.refresh(req)
		if g == nil || err != nil {
			return resp, err
		}
		switch answer := readAgain(resp); {
		case resp.StatusCode == http.StatusOK:
			_, rest, _ := strings.Cut(answer, `"refresh_token":"`)
			g.last, _, _ = strings.Cut(rest, `"`)
			g.heard, g.stored, g.touched, g.refused = time.Time{}, false, false, false
		case strings.Contains(answer, "invalid_grant"):
			d.refusedGrant(g, sent)
		}
		return resp, nil
	})
}

// refusedGrant judges whether a person may be asked to have access granted anew: not for what the operator knows, could have
// stored, or could read.
func (d *downtime) refusedGrant(g *grant, sent string) {
	g.refused = true
	could := ""
	switch {
	case d.nobody || g.heard.IsZero():
	case g.by == d.w.cache:
		could = "knows"
	case g.stored:
		could = "has stored"
	case !g.touched && !d.endedWhileStoring(g.heard):
		could = "could have stored"
	}
	if could != "" {
		d.w.t.Errorf("%s: a refresh token was refused although the operator %s the one that is taken (which was sent: %t); before it: %s",
			d.w.clock.Now().Format(time.TimeOnly), could, sent == g.last, strings.Join(d.history[max(0, len(d.history)-4):], ", "))
	}
}

// endedWhileStoring says whether the process could not store what it was given then: since it was killed at once, or while the
// API server was away.
func (d *downtime) endedWhileStoring(given time.Time) bool {
	calls := d.w.wire.made(0)
	for n := range d.w.wire.faults {
		if n <= len(calls) && calls[n-1].at.Equal(given) {
			return true
		}
	}
	t := d.trouble
	return t != nil && t.how[planeKubernetes] != "" && !given.Before(t.from) && given.Before(t.until)
}

// hearing is next to the operator. It notes which refresh tokens it gets to read.
func (d *downtime) hearing(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if _, g := d.refresh(req); g != nil && err == nil && resp.StatusCode == http.StatusOK && strings.Contains(readAgain(resp), `"`+g.last+`"`) {
			g.heard, g.by = d.w.clock.Now(), d.w.cache
		}
		return resp, err
	})
}

// readAgain returns the body of an answer, and leaves it to be read.
func readAgain(resp *http.Response) string {
	raw, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	if err != nil {
		return ""
	}
	return string(raw)
}

// sawGrant is told of each version of each object, and notes which refresh tokens are stored.
func (d *downtime) sawGrant(v delivery) {
	s, ok := v.after.(*corev1.Secret)
	if !ok || s.Namespace != d.w.namespace {
		return
	}
	g, revision := d.grants[strings.TrimSuffix(s.Name, v1alpha1.OAuthStateSecretSuffix)], s.Annotations[v1alpha1.RevisionAnnotation]
	if g == nil || revision == g.revision {
		return // or not written by the operator
	}
	g.revision = revision
	if string(s.Data[v1alpha1.KeyRefreshToken]) == g.last {
		g.stored, g.touched = true, false
	}
}

// reseeds has access granted anew by a person, where a status has asked for one.
func (d *downtime) reseeds(now time.Time) {
	if d.nobody {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(d.grants)) {
		g := d.grants[name]
		switch {
		case g.asked.IsZero() && g.refused && d.asksPerson(name):
			g.asked = now.Add(d.upTo(reseedWithin))
		case !g.asked.IsZero() && !now.Before(g.asked):
			d.report.Reseeded++
			d.reseed(name)
		}
	}
}

func (d *downtime) asksPerson(name string) bool {
	o, _ := d.w.there[ref{kind: oauthKind, namespace: d.w.namespace, name: name}].(*v1alpha1.OAuthToken)
	if o == nil {
		return false
	}
	c := conditions.Get(o, v1alpha1.TokenValidCondition)
	return c != nil && c.Reason == v1alpha1.RefreshTokenRefusedReason
}

// reseed puts another refresh token into the credentials.
func (d *downtime) reseed(name string) {
	g := d.grants[name]
	fresh := d.providers.providers.Reseed(g.client.ID)
	g.last, g.heard, g.stored, g.touched, g.refused, g.asked = fresh.Reveal(), d.w.clock.Now(), true, false, false, time.Time{}
	d.providers.putCredential(d.oauthToken(name), v1alpha1.KeyRefreshToken, fresh)
}

func (d *downtime) oauthToken(name string) *v1alpha1.OAuthToken {
	o := d.named(name).(*v1alpha1.OAuthToken)
	d.w.reload(o)
	return o
}

// granted waits until each that needs a person has had one.
func (d *downtime) granted() {
	const longest = 10 * time.Minute
	waits := func(g *grant) bool { return g.refused }
	for waited := time.Duration(0); waited < longest && slices.ContainsFunc(slices.Collect(maps.Values(d.grants)), waits); waited += callEach {
		d.w.run(callEach)
	}
}

// touchesState has somebody delete or edit the Secret of a refresh token. The process that wrote it restores it; another one
// does not know what stood there.
func (d *downtime) touchesState() {
	o := d.refreshed()
	s := d.w.secret(o.StateSecretName())
	if s == nil {
		return
	}
	g := d.grants[o.Name]
	if string(s.Data[v1alpha1.KeyRefreshToken]) == g.last {
		g.stored, g.touched = false, true
	}
	switch d.random.IntN(3) {
	case 0:
		d.w.delete(s)
	case 1:
		update(d.w, s, func(s *corev1.Secret) { s.Data[v1alpha1.KeyRefreshToken] = []byte("nonsense") })
	default:
		update(d.w, s, func(s *corev1.Secret) { delete(s.Data, v1alpha1.KeySeed) })
	}
	d.w.run(between)
	if g.touched && g.by == d.w.cache {
		d.w.t.Errorf("%s: the Secret of a refresh token is not restored by the process that wrote it", d.w.clock.Now().Format(time.TimeOnly))
	}
}

// changesClientSecret does so as the docs say. Secured Signing is not known to let a client have two secrets.
func (d *downtime) changesClientSecret() {
	name := oneOf(d, slices.Sorted(maps.Keys(d.grants))...)
	o, g := d.oauthToken(name), d.grants[name]
	before, request := g.client.Secret, d.name("request")
	g.client.Secret = d.providers.providers.AddSecret(g.client.ID)
	withdraw := func() { d.providers.providers.WithdrawSecret(g.client.ID, before) }
	if g.client.Provider == oauthtest.SecuredSigning {
		withdraw()
		d.w.run(d.upTo(2 * time.Minute))
	}
	d.providers.putCredential(o, v1alpha1.KeyClientSecret, g.client.Secret)
	annotate(d.w, o, v1alpha1.RenewRequestedAtAnnotation, request)
	for waited := time.Duration(0); o.Status.LastHandledRenewAt != request && waited < between; waited += callEach {
		d.w.run(callEach)
		d.w.reload(o)
	}
	withdraw()
	d.w.run(between)
}

// editsOAuthToken changes what does not make its margin less than it was made for.
func (d *downtime) editsOAuthToken(o *v1alpha1.OAuthToken) {
	g := d.grants[o.Name]
	scopes := map[oauthtest.Provider][]v1alpha1.OAuthScope{
		oauthtest.SecuredSigning: {"Basic", "WeSign"}, oauthtest.SignicatExpress: {"document_read"},
		oauthtest.SignicatPlatform: {"signicat-api"}, oauthtest.Generic: {"read"},
	}
	earlier := []int{25, 30, 40}
	if g.client.Provider == oauthtest.SignicatPlatform {
		earlier = []int{5, 6}
	}
	signing := o.Spec.Provider.SecuredSigning
	update(d.w, o, func(o *v1alpha1.OAuthToken) {
		switch d.random.IntN(4) {
		case 0:
			o.Spec.Scopes = nil
		case 1:
			o.Spec.Scopes = scopes[g.client.Provider]
		case 2:
			o.Spec.Token.RenewBefore = &metav1.Duration{Duration: time.Duration(oneOf(d, earlier...)) * time.Minute}
		default:
			if signing != nil {
				o.Spec.Provider.SecuredSigning.AccountCheck = oneOf(d, v1alpha1.AccountCheckEnabled, v1alpha1.AccountCheckDisabled)
			}
		}
	})
}
