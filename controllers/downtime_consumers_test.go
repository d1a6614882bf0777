// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/secretvolume"
	"github.com/sendforsign/sfs-operator/secret"
	"github.com/sendforsign/sfs-operator/tokenfile"
)

const (
	// callEach is how often each application calls its API.
	callEach = 10 * time.Second
	// volumeLag is what a kubelet needs at most to show what the API server holds.
	volumeLag = 90 * time.Second
	// readEach is how often an application reads its files, in the worst case that the docs allow for.
	readEach = time.Minute

	usesTokenfile = "tokenfile"
	usesNothing   = "plain"
)

// downtimeReport is what applications saw of the work of the operator.
type downtimeReport struct {
	SFS   tally `json:"sfsClients"`
	OAuth tally `json:"oauthTokens"`
	// Hours are those of the clock of the worlds, added up.
	Hours        float64        `json:"hours"`
	Disturbances map[string]int `json:"disturbances"`
	// Reseeded is how often a person had to have access granted anew, since an answer with a refresh token was lost.
	Reseeded int `json:"reseeded"`

	first string // refusal, in words
}

func ofSfsClients(r *downtimeReport) *tally  { return &r.SFS }
func ofOAuthTokens(r *downtimeReport) *tally { return &r.OAuth }

func (r *downtimeReport) calls() int   { return r.SFS.Calls + r.OAuth.Calls }
func (r *downtimeReport) refused() int { return r.SFS.Refused + r.OAuth.Refused }
func (r *downtimeReport) failed() int  { return r.SFS.Failed + r.OAuth.Failed }

// tally is that for one kind of resources.
type tally struct {
	Calls     int `json:"calls"`
	Refused   int `json:"refused"` // answered 401 or 403
	Failed    int `json:"failed"`  // answered otherwise than 200
	Rotations int `json:"rotations"`
	Resources int `json:"resources"`
	Consumers int `json:"consumers"`
	// WorstMargin is the least life that a token had left when it was sent.
	WorstMargin seconds64 `json:"worstMarginSeconds"`
	// LatestUse is how long after its successor was published a token was sent for the last time, at most.
	LatestUse seconds64 `json:"latestUseOfReplacedSeconds"`
	// LeastOverlap and LargestOverlap are for how long a token lived on after its successor was published.
	LeastOverlap   seconds64 `json:"leastOverlapSeconds"`
	LargestOverlap seconds64 `json:"largestOverlapSeconds"`
}

// seconds64 is a time in seconds; none where nothing was measured.
type seconds64 float64

const none seconds64 = -1

func newDowntimeReport() *downtimeReport {
	nothing := tally{WorstMargin: none, LatestUse: none, LeastOverlap: none, LargestOverlap: none}
	return &downtimeReport{SFS: nothing, OAuth: nothing, Disturbances: map[string]int{}}
}

func (s *seconds64) least(d time.Duration) {
	if n := seconds64(d.Seconds()); *s == none || n < *s {
		*s = n
	}
}

func (s *seconds64) most(d time.Duration) { *s = max(*s, seconds64(d.Seconds())) }

// add puts what was seen in another world to it.
func (r *downtimeReport) add(other *downtimeReport) {
	r.SFS.add(other.SFS)
	r.OAuth.add(other.OAuth)
	r.Hours, r.Reseeded = r.Hours+other.Hours, r.Reseeded+other.Reseeded
	for what, n := range other.Disturbances {
		r.Disturbances[what] += n
	}
	r.first = cmp.Or(r.first, other.first)
}

func (r *tally) add(other tally) {
	r.Calls, r.Refused, r.Failed = r.Calls+other.Calls, r.Refused+other.Refused, r.Failed+other.Failed
	r.Rotations, r.Resources, r.Consumers = r.Rotations+other.Rotations, r.Resources+other.Resources, r.Consumers+other.Consumers
	for _, s := range []struct{ into, from *seconds64 }{{&r.WorstMargin, &other.WorstMargin}, {&r.LeastOverlap, &other.LeastOverlap}} {
		if *s.into == none || *s.from != none && *s.from < *s.into {
			*s.into = *s.from
		}
	}
	r.LatestUse, r.LargestOverlap = max(r.LatestUse, other.LatestUse), max(r.LargestOverlap, other.LargestOverlap)
}

// mount is the directory at which an application has a Secret, as its kubelet keeps it.
type mount struct {
	secret string
	dir    string
	sync   time.Time // when the kubelet looks next, if there is something new
}

// consumer is an application that calls its API all the time.
type consumer struct {
	name, of  string // an SfsClient or an OAuthToken
	mount     *mount
	tokenKey  string
	expiryKey string

	// uses is tokenfile or plain. Those that are plain read the token each minute, and never try anything again.
	uses   string
	http   *http.Client
	held   string
	readAt time.Time

	moves   time.Time // it is started anew, and has the Secret of the new name
	movesTo string
}

// replaced is a token in the place of which another one was published.
type replaced struct {
	value, of string
	at        time.Time
}

// tokenHolder is a resource whose token applications use.
type tokenHolder interface {
	object
	TokenSecretName() string
}

// downtime is a cluster with applications in it.
type downtime struct {
	w         *world
	providers *oauthWorld
	random    *rand.Rand
	report    *downtimeReport
	consumers []*consumer
	base      http.RoundTripper
	next      time.Time         // call
	current   map[string]string // token by the name of its resource
	replaced  map[string]time.Time
	overlaps  []replaced
	tokenKeys map[string]string // by the name of the resource
	trouble   *trouble
	history   []string // disturbances
	// longest is longestAway of this kind of world.
	longest map[plane]time.Duration
	serial  int // makes names and values new

	grants map[string]*grant // by the name of the OAuthToken
	nobody bool              // is there to have access granted anew
}

// tally is where what comes of a resource is counted.
func (d *downtime) tally(of string) *tally {
	if d.grants[of] != nil {
		return &d.report.OAuth
	}
	return &d.report.SFS
}

// tokenInfo is what the simulators know of a token.
type tokenInfo struct {
	expires        time.Time
	alive, revoked bool
}

func (d *downtime) tokenState(value string) (tokenInfo, bool) {
	if info, known := d.w.sim.TokenState(value); known {
		return tokenInfo{info.Expires, info.Alive, info.Revoked}, true
	}
	info, known := d.providers.providers.TokenState(secret.Text(value))
	return tokenInfo{info.Expires, info.Alive, info.Revoked}, known
}

// saw is told of each version of each Secret.
func (d *downtime) saw(v delivery) {
	d.sawGrant(v)
	if v.ref.kind != secretKind || v.ref.namespace != d.w.namespace {
		return
	}
	s, ok := v.after.(*corev1.Secret)
	if !ok || s.Annotations[v1alpha1.IssuedAtAnnotation] == "" || len(s.OwnerReferences) == 0 {
		return // a kubelet shows the files of a Secret that is gone as they were
	}
	now := d.w.clock.Now()
	for _, c := range d.consumers {
		if m := c.mount; m.secret == s.Name && m.sync.IsZero() {
			m.sync = now.Add(d.lag())
		}
	}
	of := s.OwnerReferences[0].Name
	value := string(s.Data[d.tokenKeys[of]])
	before := d.current[of]
	if value == before || !d.replaced[value].IsZero() {
		return // or a former name, which is behind
	}
	if _, known := d.tokenState(value); !known {
		return // written by hand
	}
	d.current[of] = value
	if before != "" {
		d.tally(of).Rotations++
		d.replaced[before] = now
		d.overlaps = append(d.overlaps, replaced{value: before, of: of, at: now})
	}
}

// lag is how long a kubelet takes, often as long as it may.
func (d *downtime) lag() time.Duration {
	if d.random.IntN(3) == 0 {
		return volumeLag
	}
	return time.Duration(d.random.Int64N(int64(volumeLag)))
}

// passing has kubelets and applications do their work while time passes. Each sees the time as it is then.
func (d *downtime) passing(_, to time.Time) {
	for ; !d.next.IsZero() && !d.next.After(to); d.next = d.next.Add(callEach) {
		d.w.clock.SetTime(d.next)
		d.measureOverlaps(d.next)
		d.reseeds(d.next)
		for _, c := range d.consumers {
			d.syncs(c, d.next)
			d.calls(c, d.next)
		}
	}
}

// syncs shows an application what the API server holds, if its kubelet looks before the next call: no lag is longer than it
// was drawn.
func (d *downtime) syncs(c *consumer, now time.Time) {
	if !c.moves.IsZero() && !now.Before(c.moves) && d.there(c.movesTo) != nil && !d.apiAway() {
		c.moves = time.Time{}
		d.start(c, c.movesTo)
		return
	}
	m := c.mount
	if m.sync.IsZero() || !m.sync.Before(now.Add(callEach)) {
		return
	}
	if d.apiAway() {
		m.sync = d.trouble.until.Add(d.lag())
		return
	}
	m.sync = time.Time{}
	if s := d.there(m.secret); s != nil {
		d.show(m, s)
	}
}

func (d *downtime) there(secret string) *corev1.Secret {
	s, _ := d.w.there[ref{kind: secretKind, namespace: d.w.namespace, name: secret}].(*corev1.Secret)
	return s
}

func (d *downtime) show(m *mount, s *corev1.Secret) {
	files := map[string]string{}
	for key, value := range s.Data {
		files[key] = string(value)
	}
	if err := secretvolume.Write(m.dir, files); err != nil {
		d.w.t.Errorf("mounting Secret %s: %v", s.Name, err)
	}
}

// start begins the Pod of an application, with a Secret mounted.
func (d *downtime) start(c *consumer, secret string) {
	dir, err := os.MkdirTemp(d.w.t.TempDir(), "mount")
	if err != nil {
		d.w.t.Fatal(err)
	}
	c.mount = &mount{secret: secret, dir: dir}
	d.show(c.mount, d.there(secret))
	// Applications do not read all at the same time.
	c.readAt = d.w.clock.Now().Add(-time.Duration(d.random.Int64N(int64(readEach))))
	c.held = ""
	c.http = &http.Client{Transport: d.counting(d.base, c)}
	if c.uses == usesTokenfile {
		source := tokenfile.New(dir, tokenfile.WithClock(d.w.clock.Now), tokenfile.WithFiles(c.tokenKey, c.expiryKey))
		c.http.Transport = source.Transport(c.http.Transport)
	}
}

// calls has an application call its API once.
func (d *downtime) calls(c *consumer, now time.Time) {
	method, url, body := http.MethodPost, d.w.sim.BaseURL()+"/user", `{"data":{"action":"list"}}`
	if d.grants[c.of] != nil {
		method, url, body = http.MethodGet, d.providers.providers.CanaryURL(), ""
	}
	req, err := http.NewRequestWithContext(d.w.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		d.w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.uses == usesNothing {
		if c.held == "" || now.Sub(c.readAt) >= readEach {
			raw, err := os.ReadFile(filepath.Join(c.mount.dir, c.tokenKey))
			if err != nil {
				d.w.t.Errorf("%s can not read its token: %v", c.name, err)
				return
			}
			if c.held != "" {
				c.readAt = now
			}
			c.held = string(raw)
		}
		req.Header.Set("Authorization", "Bearer "+c.held)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		d.tally(c.of).Failed++
		d.report.first = cmp.Or(d.report.first, err.Error())
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

// counting counts the requests of an application, also those that tokenfile sends again.
func (d *downtime) counting(next http.RoundTripper, c *consumer) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		now, value := d.w.clock.Now(), strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
		count := d.tally(c.of)
		count.Calls++
		info, _ := d.tokenState(value)
		count.WorstMargin.least(info.expires.Sub(now))
		if at := d.replaced[value]; !at.IsZero() {
			count.LatestUse.most(now.Sub(at))
		}
		resp, err := next.RoundTrip(req)
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
			d.refused(c, value, now)
		case resp.StatusCode != http.StatusOK:
			count.Failed++
		}
		return resp, err
	})
}

// refused notes a call that applications would have noticed.
func (d *downtime) refused(c *consumer, value string, now time.Time) {
	d.tally(c.of).Refused++
	info, known := d.tokenState(value)
	text := strings.Builder{}
	text.WriteString(now.Format(time.TimeOnly) + ": " + c.name + " was refused")
	switch {
	case !known:
		text.WriteString(" with what is no token")
	case info.revoked:
		text.WriteString(" with a token that is revoked")
	default:
		text.WriteString(" with a token that expired at " + info.expires.Format(time.TimeOnly))
	}
	if at := d.replaced[value]; !at.IsZero() {
		text.WriteString(", whose successor was published at " + at.Format(time.TimeOnly))
	}
	text.WriteString(", from Secret " + c.mount.secret + "; before it: " + strings.Join(d.history[max(0, len(d.history)-4):], ", "))
	if d.trouble != nil {
		text.WriteString("; the last trouble was " + d.trouble.String())
	}
	d.report.first = cmp.Or(d.report.first, text.String())
}

// measureOverlaps notes which replaced tokens have ended. When one was revoked is known to within the pace of the calls; the
// shorter time counts.
func (d *downtime) measureOverlaps(now time.Time) {
	var living []replaced
	for _, o := range d.overlaps {
		info, _ := d.tokenState(o.value)
		if info.alive {
			living = append(living, o)
			continue
		}
		lasted := info.expires.Sub(o.at)
		if info.revoked {
			lasted = max(0, now.Add(-callEach).Sub(o.at))
		}
		d.tally(o.of).LeastOverlap.least(lasted)
		d.tally(o.of).LargestOverlap.most(lasted)
	}
	d.overlaps = living
}

// trusting is the network of the applications.
func (d *downtime) trusting(t testing.TB) http.RoundTripper {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(d.w.sim.CABundle()) || !pool.AppendCertsFromPEM(d.providers.providers.CABundle()) {
		t.Fatal("a simulator has no authority")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// withKeys returns the keys of a token Secret that an application has to know.
func withKeys(o tokenHolder) (token, expiresAt string) {
	names := maps.Clone(tokenShape(o).Keys)
	return cmp.Or(string(names[v1alpha1.KeyToken]), v1alpha1.KeyToken), cmp.Or(string(names[v1alpha1.KeyExpiresAt]), v1alpha1.KeyExpiresAt)
}
