// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

const (
	// between two outages each token that was due is renewed, and shown by each kubelet.
	between = 150 * time.Second
	// aimedFor is how long an outage waits for a renewal to begin with. Each token is renewed in it.
	aimedFor = 45 * time.Minute
)

// trouble is an outage of SFS, of the providers, of the API server, or of several.
type trouble struct {
	how    map[plane]string // the modes, of those that are not well
	length time.Duration
	// aimed: it begins with the next request for a token, or before the next Secret is written.
	aimed       bool
	pause       time.Duration // that a 429 names
	from, until time.Time
}

func (t *trouble) String() string {
	return fmt.Sprintf("{%v, from %s for %s}", t.how, t.from.Format(time.TimeOnly), t.length)
}

func (t *trouble) begin(now time.Time) { t.from, t.until = now, now.Add(t.length) }

// strikes says whether a call meets the trouble, which it may begin.
func (t *trouble) strikes(c *call, now time.Time) bool {
	if t == nil {
		return false
	}
	how := t.how[c.plane]
	begins := c.resource == "token" && (c.verb == "create" || c.plane == planeOAuth) || c.publishes()
	if t.from.IsZero() && t.aimed && how != "" && begins {
		t.begin(now)
	}
	return how != "" && !t.from.IsZero() && now.Before(t.until)
}

func (d *downtime) apiAway() bool {
	t := d.trouble
	return t != nil && t.how[planeKubernetes] != "" && !t.from.IsZero() && d.w.clock.Now().Before(t.until)
}

// troubled has the requests of the operator, and of nobody else, meet the trouble. That applications reach an API while the
// operator does not is the harder case: they could not be refused else.
func (d *downtime) troubled(p plane, next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		x := &exchange{wire: d.w.wire, call: describeCall(p, req), request: req, next: next}
		now := d.w.clock.Now()
		if !d.trouble.strikes(x.call, now) {
			return next.RoundTrip(req)
		}
		how := d.trouble.how[x.call.plane]
		switch m := modeNamed(how); {
		case how == throttles:
			left := min(d.trouble.pause, d.trouble.until.Sub(now)).Truncate(time.Second)
			header := http.Header{"Retry-After": {strconv.Itoa(max(1, int(left.Seconds())))}}
			return x.answer(http.StatusTooManyRequests, "application/json", `{"message":"Too many requests","code":429}`, header)
		case m.strikes(x.call):
			return m.strike(x)
		}
		return modeNamed("internal").strike(x) // what is no write can not be lost
	})
}

var (
	sfsOutages = []string{"unreachable", "503", throttles, "reset", "lost", "500-done", "html-502"}
	// Of refused and broken connections there are none: client-go tries reads again itself, for ten seconds of real time.
	apiOutages = []string{"busy", "internal", "forbidden", "internal-done", "lost-done", "timeout-done"}
)

func (d *downtime) upTo(most time.Duration) time.Duration {
	return time.Duration(1 + d.random.Int64N(int64(most))).Round(time.Second)
}

func oneOf[T any](d *downtime, all ...T) T { return all[d.random.IntN(len(all))] }

// outage has something be away, mostly for nearly as long as it may be, and mostly from the worst moment on.
func (d *downtime) outage(of ...plane) {
	t := &trouble{how: map[plane]string{}, aimed: d.random.IntN(4) > 0}
	most := d.longest[of[0]]
	for _, p := range of {
		most = min(most, d.longest[p])
		t.how[p] = oneOf(d, sfsOutages...)
		if p == planeKubernetes {
			t.how[p] = oneOf(d, apiOutages...)
		}
	}
	t.pause, t.length = d.upTo(most), d.upTo(most)
	if d.random.IntN(2) == 0 {
		t.length = most
	}
	d.suffers(t)
	if d.random.IntN(3) == 0 {
		d.w.run(max(0, t.until.Sub(d.w.clock.Now())) / 2)
		d.w.restart()
	}
	d.w.run(max(0, t.until.Sub(d.w.clock.Now())) + between)
	d.granted()
}

// suffersFor has something be away at once, for longer than it may.
func (d *downtime) suffersFor(length time.Duration, p plane) {
	d.suffers(&trouble{how: map[plane]string{p: "unreachable"}, length: length})
	d.w.run(length + between)
}

// suffers waits until the trouble has begun.
func (d *downtime) suffers(t *trouble) {
	d.trouble = t
	if t.aimed {
		for waited := time.Duration(0); t.from.IsZero() && waited < aimedFor; waited += callEach {
			d.w.run(callEach)
		}
	}
	if t.from.IsZero() {
		t.begin(d.w.clock.Now())
	}
}

// disturbances are what happens, by name.
func (d *downtime) disturbances() map[string]func() {
	all := map[string]func(){
		"SFS away":                  func() { d.outage(planeSFS) },
		"SFS away at a renewal":     func() { d.outage(planeSFS) }, // twice as often
		"providers away":            func() { d.outage(planeOAuth) },
		"SFS and providers away":    func() { d.outage(planeSFS, planeOAuth) },
		"client secret changed":     d.changesClientSecret,
		"operator restarted":        d.w.restart,
		"operator starts behind":    d.startsBehind,
		"operator killed at a call": d.killed,
		"cache behind":              func() { d.w.fallBehind(20, 20*time.Second, secretKind, clientKind, platformKind) },
		"credentials changed":       d.changesCredentials,
		"spec edited":               d.editsSpec,
		"shape of Secret edited":    d.editsShape,
		"Secret renamed":            d.renames,
		"Secret deleted by hand":    d.deletesByHand,
		"Secret edited by hand":     d.editsByHand,
		"new token asked for": func() {
			annotate(d.w, d.one(), v1alpha1.RenewRequestedAtAnnotation, d.name("request"))
		},
	}
	if d.longest[planeKubernetes] > 0 {
		all["API server away"] = func() { d.outage(planeKubernetes) }
		all["SFS and API server away"] = func() { d.outage(planeSFS, planeKubernetes) }
		all["providers and API server away"] = func() { d.outage(planeOAuth, planeKubernetes) }
	}
	if d.refreshed() != nil {
		all["access granted anew"] = func() { d.reseed(d.refreshed().Name) }
		all["refresh token touched by hand"] = d.touchesState
	}
	return all
}

// one is a resource as it is now.
func (d *downtime) one() tokenHolder {
	o := d.named(oneOf(d, slices.Sorted(maps.Keys(d.current))...))
	d.w.reload(o)
	return o
}

func (d *downtime) named(name string) tokenHolder {
	meta := metav1.ObjectMeta{Namespace: d.w.namespace, Name: name}
	if d.grants[name] != nil {
		return &v1alpha1.OAuthToken{ObjectMeta: meta}
	}
	return &v1alpha1.SfsClient{ObjectMeta: meta}
}

// tokenShape is what the spec says of the token Secret.
func tokenShape(o tokenHolder) *v1alpha1.SecretSpec {
	if o, ok := o.(*v1alpha1.OAuthToken); ok {
		return &o.Spec.Token.Secret
	}
	return &o.(*v1alpha1.SfsClient).Spec.Token.Secret
}

func (d *downtime) name(of string) string {
	d.serial++
	return fmt.Sprintf("%s-%d", of, d.serial)
}

// startsBehind has a new process begin with the cluster as it was a while ago.
func (d *downtime) startsBehind() {
	d.w.look()
	before := maps.Clone(d.w.there)
	d.w.run(d.upTo(20 * time.Second))
	d.w.restartWith(before)
	d.w.fallBehind(5, 10*time.Second, secretKind, clientKind, platformKind)
}

// killed ends the process at one of the calls that come next, and another one begins.
func (d *downtime) killed() {
	d.w.wire.arm(map[int]*mode{1 + d.random.IntN(8): modeNamed(oneOf(d, "crash-before", "crash-after"))})
}

// changesCredentials has the old pair be refused for a while, before the new one is in the Secret.
func (d *downtime) changesCredentials() {
	pair := d.w.sim.RotateCredentials()
	d.w.run(d.upTo(2 * time.Minute))
	update(d.w, d.w.credentials(pair), func(s *corev1.Secret) { s.Data = d.w.credentials(pair).Data })
	d.w.run(between)
}

func (d *downtime) editsSpec() {
	o := d.one()
	if o, ok := o.(*v1alpha1.OAuthToken); ok {
		d.editsOAuthToken(o)
		return
	}
	update(d.w, o.(*v1alpha1.SfsClient), func(c *v1alpha1.SfsClient) {
		switch d.random.IntN(6) {
		case 0:
			c.Spec.FullName = d.name("Shop")
		case 1:
			c.Spec.Email = d.name("shop") + "@example.com"
		case 2:
			c.Spec.Token.RenewBefore = nil
		case 3:
			c.Spec.Token.RenewBefore = &metav1.Duration{Duration: time.Duration(oneOf(d, 10, 12, 15, 20, 23)) * time.Minute}
		case 4:
			c.Spec.DriftPolicy = oneOf(d, v1alpha1.DriftPolicyReport, v1alpha1.DriftPolicyCorrect)
		default:
			c.Spec.Token.Verification = oneOf(d, v1alpha1.TokenVerificationProbe, v1alpha1.TokenVerificationNone)
		}
	})
}

// editsShape changes how the token Secret looks. The keys that the applications read keep their names.
func (d *downtime) editsShape() {
	update(d.w, d.one(), func(o tokenHolder) {
		shape := tokenShape(o)
		switch d.random.IntN(6) {
		case 0:
			shape.Formats = []v1alpha1.SecretFormat{{Format: oneOf(d, "json", "env", "netrc", "nginx-header")}}
		case 1:
			shape.Formats, shape.Template.Data = nil, nil
		case 2:
			shape.Template.Data = map[string]v1alpha1.SecretTemplateText{d.name("header"): "Authorization: Bearer {{ .token }}"}
		case 3:
			shape.Template.Data = map[string]v1alpha1.SecretTemplateText{"wrong": "{{ .tokn }}"} // the last good shape stays
		case 4:
			shape.Template.Metadata.Annotations = map[string]v1alpha1.SecretAnnotationValue{"example.com/" + d.name("note"): "x"}
		default:
			shape.Keys = maps.Clone(shape.Keys)
			if shape.Keys == nil {
				shape.Keys = map[string]v1alpha1.SecretKey{}
			}
			shape.Keys["issuedAt"] = v1alpha1.SecretKey(oneOf(d, "", "issued", "since"))
		}
	})
}

// renames has a Secret get another name, to which the applications move while the former one is still there.
func (d *downtime) renames() {
	o := d.one()
	update(d.w, o, func(o tokenHolder) {
		shape := tokenShape(o) // a Secret that can not be made can not be moved to
		shape.Name = d.name(o.GetName() + "-tokens")
		shape.Formats, shape.Template = nil, v1alpha1.SecretTemplate{}
	})
	now := d.w.clock.Now()
	const moved = formerGracePeriod - 2*time.Minute
	for _, app := range d.consumers {
		if app.of == o.GetName() {
			app.moves, app.movesTo = now.Add(d.upTo(moved)), o.TokenSecretName()
		}
	}
	d.w.run(moved + callEach)
}

func (d *downtime) deletesByHand() { d.w.delete(d.w.secret(d.mended().TokenSecretName())) }

// mended is a resource whose template is good: of a Secret that is gone nobody knows the last good shape.
func (d *downtime) mended() tokenHolder {
	o := d.one()
	if _, wrong := tokenShape(o).Template.Data["wrong"]; wrong {
		update(d.w, o, func(o tokenHolder) { tokenShape(o).Template.Data = nil })
		d.w.run(callEach)
	}
	return o
}

// editsByHand changes what the operator wrote.
func (d *downtime) editsByHand() {
	o := d.mended()
	key := d.tokenKeys[o.GetName()]
	update(d.w, d.w.secret(o.TokenSecretName()), func(s *corev1.Secret) {
		switch d.random.IntN(4) {
		case 0:
			s.Data[key] = []byte("nonsense")
		case 1:
			delete(s.Data, key)
		case 2:
			s.Data[d.name("theirs")] = []byte("x")
		default:
			s.Labels = nil
		}
	})
}

// passes lets a time full of disturbances pass, and after it one in which all comes to rest.
func (d *downtime) passes(span time.Duration, spoil func(*downtime)) {
	all := d.disturbances()
	names := slices.Sorted(maps.Keys(all))
	for end := d.w.clock.Now().Add(span); d.w.clock.Now().Before(end); {
		if spoil != nil {
			spoil(d)
		}
		name := oneOf(d, names...)
		d.report.Disturbances[name]++
		d.history = append(d.history, name+" at "+d.w.clock.Now().Format(time.TimeOnly))
		all[name]()
		d.w.run(d.upTo(4 * time.Minute))
	}
	d.w.wire.heal()
	d.trouble = nil
	for _, name := range slices.Sorted(maps.Keys(d.current)) {
		update(d.w, d.named(name), func(o tokenHolder) { tokenShape(o).Template = v1alpha1.SecretTemplate{} })
	}
	d.w.run(aimedFor)
}
