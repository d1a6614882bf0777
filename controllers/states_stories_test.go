// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

// asked is the value of an annotation with which a user asks for something.
const asked = "2026-01-01T09:10:00Z"

// storiesOf bring about all states. Each has a world of its own; in it a picture is taken of each state that comes by.
var storiesOf = map[string]func(*photographer){
	"a life":                     aLife,
	"edits":                      edits,
	"SFS is away from the start": awayFromTheStart,
	"SFS throttles at the start": throttledAtTheStart,
	"SFS throttles":              throttled,
	"an answer is lost":          lostAnswer,
	"many wait for their turn":   inTurn,
	"an outage":                  anOutage,
	"wrong credentials":          wrongCredentials,
	"no credentials":             noCredentials,
	"an unusable platform":       unusablePlatform,
	"the next credentials":       nextCredentials,
	"the platform goes":          platformGoes,
	"no platform":                noPlatform,
	"pauses":                     pauses,
	"drift":                      driftStory,
	"rival managers":             rivalManagers,
	"observation":                observation,
	"adoption":                   adoptionStory,
	"a predecessor":              predecessor,
	"users of a client":          usersOfAClient,
	"an unknown default user":    unknownDefaultUser,
	"refusals":                   refusalsStory,
	"a lost client":              lostClient,
	"several of one customKey":   severalOfOneKey,
	"a token that is refused":    refusedToken,
	"Secrets":                    secretsStory,
	"a Secret that is refused":   refusedSecret,
	"a namespace is shut out":    shutOut,
	"deletion":                   deletionStory,

	"a life of another API":             otherLife,
	"another API is away":               otherAway,
	"another API wants a pause":         otherThrottled,
	"credentials of another API":        otherCredentials,
	"scopes":                            scopesStory,
	"refresh tokens":                    refreshTokensStory,
	"answers of another API":            otherAnswers,
	"an account at another API":         accountStory,
	"specs that no other API is for":    otherSpecs,
	"pauses of an OAuthToken":           otherPauses,
	"an OAuthToken and other's Secrets": otherSecrets,
	"deletion of an OAuthToken":         otherDeletion,
}

func (p *photographer) userOf(client, name string, change ...func(*v1alpha1.SfsClientUser)) *v1alpha1.SfsClientUser {
	p.t.Helper()
	return p.newSfsClientUser(name, client, change...)
}

// away has SFS answer nothing but 503.
func (p *photographer) away() (heal func()) { return p.sim.Inject(sfstest.Fault{Status: 503}) }

// before has a picture taken when a request comes in.
func (p *photographer) before(endpoint, action, clientKey string, take func()) {
	p.sim.Inject(sfstest.Fault{Endpoint: endpoint, Action: action, ClientKey: clientKey, Times: 1, Before: take})
}

func profiled(c *v1alpha1.SfsClient) {
	c.Spec.FullName, c.Spec.Email, c.Spec.Organization = "Jane Roe", "jane@shop.example", "Shop Ltd"
}

func aLife(p *photographer) {
	c, u := p.newSfsClient("shop", profiled), p.userOf("shop", "jane")
	p.take("unobserved", p.sfsPlatform())
	p.take("unobserved", c)
	p.take("unobserved", u)
	p.before("client", "create", "", func() { p.take("first-create", c) })
	p.before("user", "create", "", func() { p.take("first-create", u) })
	p.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "create", Skip: 1, Times: 1, Before: func() { p.take("first-token", c) }})
	p.run(time.Minute)
	p.wantReady(p.sfsPlatform(), c, u)
	p.take("ready", p.sfsPlatform())
	p.take("ready", c)
	p.take("ready", u)
	p.before("token", "create", c.Status.ClientKey, func() { p.take("renewing", c) })
	p.saw = func(d delivery) { // no version in between is another state
		if now, ok := d.after.(*v1alpha1.SfsClient); ok && describe(now) != describe(c) {
			p.t.Errorf("a routine renewal has changed the conditions from%s\nto%s", describe(c), describe(now))
		}
	}
	p.run(25 * time.Minute)
	p.wantReady(c)
	p.take("renewed", c)
}

func edits(p *photographer) {
	c, u := p.newSfsClient("shop", profiled), p.userOf("shop", "jane")
	p.run(time.Minute)
	p.away()
	update(p.world, p.sfsPlatform(), func(o *v1alpha1.SfsPlatform) {
		o.Spec.DriftCheckInterval = &metav1.Duration{Duration: 5 * time.Minute}
	})
	update(p.world, c, called("Joan Roe"))
	update(p.world, u, func(u *v1alpha1.SfsClientUser) { u.Spec.FullName = "Jane" })
	p.take("edited", p.sfsPlatform())
	p.take("edited", c)
	p.take("edited", u)
	p.run(10 * time.Second)
	p.take("edited-sfs-away", c)
	p.take("edited-sfs-away", u)
}

func awayFromTheStart(p *photographer) {
	p.away()
	c, u := p.newSfsClient("shop"), p.userOf("shop", "jane")
	stray := p.userOf("nobody", "stray")
	p.run(10 * time.Second)
	p.take("first-sfs-away", p.sfsPlatform())
	p.take("first-sfs-away", c)
	p.take("client-not-ready", u)
	p.take("client-not-found", stray)
}

func throttledAtTheStart(p *photographer) {
	p.throttle(1, "300")
	c := p.newSfsClient("shop")
	p.run(10 * time.Second)
	p.take("first-throttled", p.sfsPlatform())
	p.take("first-throttled", c)
}

func throttled(p *photographer) {
	c := p.newSfsClient("shop", profiled)
	p.run(time.Minute)
	p.throttle(1, "300")
	annotate(p.world, c, v1alpha1.RenewRequestedAtAnnotation, asked)
	p.run(10 * time.Second)
	p.take("throttled", p.sfsPlatform())
	p.take("renewal-throttled", c)
	p.create(p.pair("next", p.sim.RotateCredentials()))
	p.nameNext("next")
	update(p.world, c, called("Joan Roe"))
	p.run(10 * time.Second)
	p.take("next-credentials-waiting", p.sfsPlatform())
	p.take("edited-throttled", c)
}

func lostAnswer(p *photographer) {
	p.sim.Inject(sfstest.Fault{Endpoint: "client", Action: "create", CustomKey: "acme/" + p.namespace + "/shop", CutBefore: true})
	p.sim.Inject(sfstest.Fault{Endpoint: "user", Action: "create", CutBefore: true})
	c := p.newSfsClient("shop")
	p.newSfsClient("other")
	u := p.userOf("other", "jane")
	p.run(10 * time.Second)
	p.take("create-outcome-unknown", c)
	p.take("create-outcome-unknown", u)
}

func inTurn(p *photographer) {
	update(p.world, p.sfsPlatform(), func(o *v1alpha1.SfsPlatform) { o.Spec.RateLimit = v1alpha1.RateLimit{RequestsPerSecond: 1, Burst: 1} })
	c := p.newSfsClient("shop")
	p.settle()
	p.take("first-in-turn", c)
}

func anOutage(p *photographer) {
	c := p.newSfsClient("shop")
	p.run(17 * time.Minute) // shortly before the renewal
	p.away()
	p.run(5 * time.Minute)
	p.take("renewal-failing", c)
	p.run(10 * time.Minute)
	p.take("token-dead", c)
}

func wrongCredentials(p *photographer) {
	c := p.newSfsClient("shop")
	p.run(time.Minute)
	update(p.world, p.credentials(wrongPair), func(s *corev1.Secret) { s.Data = p.credentials(wrongPair).Data })
	p.run(10 * time.Second)
	p.take("credentials-invalid", p.sfsPlatform())
	p.take("credentials-invalid", c)
	newcomer, u := p.newSfsClient("newcomer"), p.userOf("shop", "jane")
	p.run(10 * time.Second)
	p.take("credentials-invalid-new", newcomer)
	p.take("credentials-invalid", u)
	p.run(32 * time.Minute)
	p.take("credentials-invalid-dead", c)
}

func noCredentials(p *photographer) {
	p.settle()
	update(p.world, p.credentials(wrongPair), func(s *corev1.Secret) { delete(s.Data, v1alpha1.KeyAPISecret) })
	p.run(10 * time.Second)
	p.take("credentials-secret-malformed", p.sfsPlatform())
	p.delete(p.credentials(wrongPair))
	p.run(10 * time.Second)
	p.take("credentials-secret-not-found", p.sfsPlatform())
}

func unusablePlatform(p *photographer) {
	p.settle()
	update(p.world, p.sfsPlatform(), func(o *v1alpha1.SfsPlatform) { o.Spec.CABundle = []byte("no certificate") })
	p.run(10 * time.Second)
	p.take("invalid-configuration", p.sfsPlatform())
}

func nextCredentials(p *photographer) {
	p.run(time.Minute)
	p.create(p.pair("next", wrongPair))
	p.nameNext("next")
	p.run(10 * time.Second)
	p.take("next-credentials-refused", p.sfsPlatform())
	good := p.pair("next", p.sim.Credentials())
	update(p.world, p.pair("next", wrongPair), func(s *corev1.Secret) { s.Data = good.Data })
	p.run(10 * time.Second)
	p.take("next-credentials-accepted", p.sfsPlatform())
}

func platformGoes(p *photographer) {
	c := p.newSfsClient("shop")
	p.run(time.Minute)
	p.delete(p.sfsPlatform())
	p.run(10 * time.Second)
	p.take("deleting", p.sfsPlatform())
	p.run(time.Minute)
	p.take("platform-gone", c)
}

func noPlatform(p *photographer) {
	p.delete(p.sfsPlatform())
	c := p.newSfsClient("shop")
	p.run(10 * time.Second)
	p.take("platform-not-found", c)
}

func pauses(p *photographer) {
	c, u := p.newSfsClient("shop"), p.userOf("shop", "jane")
	other, joe := p.newSfsClient("other"), p.userOf("shop", "joe")
	late := p.newSfsClient("late", func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
	p.run(time.Minute)
	annotate(p.world, c, v1alpha1.PausedAnnotation, "true")
	annotate(p.world, u, v1alpha1.PausedAnnotation, "true")
	update(p.world, other, func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true })
	update(p.world, joe, func(u *v1alpha1.SfsClientUser) { u.Spec.Suspend = true })
	p.run(10 * time.Second)
	p.take("paused", c)
	p.take("paused", u)
	p.take("suspended", other)
	p.take("suspended", joe)
	p.take("suspended-new", late)
	p.run(32 * time.Minute)
	p.take("suspended-dead", other)
}

func driftStory(p *photographer) {
	c := p.newSfsClient("shop", called("The Shop"), func(c *v1alpha1.SfsClient) { c.Spec.DriftPolicy = v1alpha1.DriftPolicyReport })
	u := p.userOf("shop", "jane", func(u *v1alpha1.SfsClientUser) {
		u.Spec.FullName, u.Spec.DriftPolicy = "Jane", v1alpha1.DriftPolicyReport
	})
	p.run(time.Minute)
	p.wantReady(c, u)
	p.somebodyElse(c.Status.ClientKey, sendforsign.ClientFields{FullName: "Renamed"})
	key := sendforsign.APIKey(p.sim.Credentials().APIKey)
	if err := p.sfs().UpdateUser(p.t.Context(), key, c.Status.ClientKey, u.Status.UserKey, sendforsign.UserFields{FullName: "Joan"}); err != nil {
		p.t.Fatal(err)
	}
	p.run(12 * time.Minute)
	p.take("drift-reported", c)
	p.take("drift-reported", u)
}

func rivalManagers(p *photographer) {
	c := p.newSfsClient("shop", called("The Shop"))
	p.settle()
	p.reload(c)
	for range 6 {
		if p.sim.Clients()[0].FullName == "The Shop" {
			p.somebodyElse(c.Status.ClientKey, sendforsign.ClientFields{FullName: "Theirs"})
		}
		p.run(10 * time.Minute)
	}
	p.take("conflicting-manager", c)
}

func observation(p *photographer) {
	p.adopting(p.legacyRule())
	observe := func(c *v1alpha1.SfsClient) { c.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve }
	p.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7", FullName: "Old Name"})
	c := p.newSfsClient("shop", named("legacy-7"), observe, called("New Name"))
	u := p.userOf("shop", "jane", func(u *v1alpha1.SfsClientUser) { u.Spec.ManagementPolicy = v1alpha1.ManagementPolicyObserve })
	missing := p.newSfsClient("missing", named("legacy-8"), observe)
	p.run(time.Minute)
	p.take("observe-pending", c)
	p.take("observe-nothing", u)
	p.take("observe-nothing", missing)
}

func adoptionStory(p *photographer) {
	p.adopting(p.legacyRule())
	p.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7"})
	p.newSfsClient("a-older", named("legacy-7"))
	p.run(10 * time.Second)
	taken := p.newSfsClient("b-younger", named("legacy-7"))
	refused := p.newSfsClient("refused", named("theirs-7"))
	missing := p.newSfsClient("missing", named("legacy-8"), func(c *v1alpha1.SfsClient) { c.Spec.AdoptionPolicy = v1alpha1.AdoptionPolicyAdopt })
	p.atSFS(sendforsign.ClientFields{CustomKey: "legacy-9"})
	there := p.newSfsClient("there", named("legacy-9"), func(c *v1alpha1.SfsClient) { c.Spec.AdoptionPolicy = v1alpha1.AdoptionPolicyCreate })
	p.run(10 * time.Second)
	p.take("client-taken", taken)
	p.take("adoption-not-allowed", refused)
	p.take("nothing-to-adopt", missing)
	p.take("already-exists", there)
	// Without the right to list its users a client does without the key of the default one.
	p.sim.Inject(sfstest.Fault{Endpoint: "user", Action: "list", Status: 403})
	unknown := p.newSfsClient("imported", imported(p.atSFS(sendforsign.ClientFields{CustomKey: "legacy-10"})))
	p.run(10 * time.Second)
	p.take("default-user-unknown", unknown)
}

func predecessor(p *photographer) {
	p.adopting(p.legacyRule())
	p.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7"})
	older := p.newSfsClient("a-older", named("legacy-7"))
	younger := p.newSfsClient("b-younger", named("legacy-7"))
	p.run(time.Minute)
	p.sim.Inject(sfstest.Fault{Endpoint: "token", Action: "revoke", Status: 503})
	p.delete(older)
	p.run(10 * time.Second)
	p.take("predecessor-leaving", younger)
}

func usersOfAClient(p *photographer) {
	c := p.newSfsClient("shop")
	boss := p.userOf("shop", "boss", func(u *v1alpha1.SfsClientUser) { u.Spec.Default = true })
	p.run(time.Minute)
	p.wantReady(c, boss)
	rival := p.userOf("shop", "rival", func(u *v1alpha1.SfsClientUser) { u.Spec.Default = true })
	spelled := p.userOf("shop", "spelled", func(u *v1alpha1.SfsClientUser) { u.Spec.CustomKey = c.Status.CustomKey + "/anna" })
	p.newSecretOf("jane-sfs-user")
	conflict := p.userOf("shop", "jane")
	p.run(time.Minute)
	p.take("default", boss)
	p.take("client-taken", rival)
	p.take("adoption-not-allowed", spelled)
	p.take("secret-conflict", conflict)
}

func unknownDefaultUser(p *photographer) {
	p.adopting(p.legacyRule())
	key := p.atSFS(sendforsign.ClientFields{CustomKey: "legacy-7"})
	if _, err := p.sfs().CreateUser(p.t.Context(), sendforsign.APIKey(p.sim.Credentials().APIKey), key, sendforsign.UserFields{FullName: "Another"}); err != nil {
		p.t.Fatal(err)
	}
	p.newSfsClient("shop", imported(key))
	u := p.userOf("shop", "boss", func(u *v1alpha1.SfsClientUser) { u.Spec.Default = true })
	p.run(time.Minute)
	p.take("default-user-unknown", u)
}

func refusalsStory(p *photographer) {
	c, u, denied := p.newSfsClient("shop"), p.userOf("shop", "jane"), p.newSfsClient("denied")
	p.run(time.Minute)
	p.wantReady(c, u, denied)
	undeliverable := `{"code":400,"message":"email is not deliverable"}`
	p.sim.Inject(sfstest.Fault{Endpoint: "client", Action: "update", ClientKey: c.Status.ClientKey, Status: 400, Body: undeliverable})
	p.sim.Inject(sfstest.Fault{Endpoint: "client", Action: "update", ClientKey: denied.Status.ClientKey, Status: 403})
	p.sim.Inject(sfstest.Fault{Endpoint: "user", Action: "update", Status: 400, Body: undeliverable})
	update(p.world, c, func(c *v1alpha1.SfsClient) { c.Spec.Email = "jane@nowhere.example" })
	update(p.world, denied, called("The Shop"))
	update(p.world, u, func(u *v1alpha1.SfsClientUser) { u.Spec.Email = "jane@nowhere.example" })
	p.run(time.Minute)
	p.take("request-refused", c)
	p.take("access-denied", denied)
	p.take("request-refused", u)
}

func lostClient(p *photographer) {
	c := p.newSfsClient("shop")
	p.settle()
	p.reload(c)
	p.sim.RemoveClient(c.Status.ClientKey)
	annotate(p.world, c, v1alpha1.ReconcileRequestedAtAnnotation, asked)
	p.run(10 * time.Second)
	p.take("remote-missing", c)
}

func severalOfOneKey(p *photographer) {
	for range 2 {
		p.atSFS(sendforsign.ClientFields{CustomKey: "acme/" + p.namespace + "/shop"})
	}
	c := p.newSfsClient("shop")
	p.run(10 * time.Second)
	p.take("ambiguous-custom-key", c)
}

func refusedToken(p *photographer) {
	c := p.newSfsClient("shop", probed)
	p.settle()
	p.sim.Inject(sfstest.Fault{Endpoint: "client", Action: "read", Status: 401})
	p.run(probeInterval + time.Minute)
	p.take("token-rejected", c)
}

func secretsStory(p *photographer) {
	p.newSecretOf("foreign-sfs-token")
	conflict := p.newSfsClient("foreign")
	missing := p.newSfsClient("merging", func(c *v1alpha1.SfsClient) {
		c.Spec.Token.Secret.Name, c.Spec.Token.Secret.CreationPolicy = "app", v1alpha1.SecretMerge
	})
	misspelt := p.newSfsClient("misspelt", func(c *v1alpha1.SfsClient) {
		c.Spec.Secret.Template.Data = map[string]v1alpha1.SecretTemplateText{"url": "{{ .baseUrl }}"}
	})
	disabled := p.newSfsClient("disabled", func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = ptr.To(false) })
	moved := p.newSfsClient("moved")
	p.run(time.Minute)
	update(p.world, moved, renamed)
	p.run(time.Minute)
	p.take("secret-conflict", conflict)
	p.take("secret-not-found", missing)
	p.take("template-error", misspelt)
	p.take("token-disabled", disabled)
	p.take("secret-renamed", moved)
}

func refusedSecret(p *photographer) {
	c := p.newSfsClient("shop", func(c *v1alpha1.SfsClient) { c.Spec.Secret.Type = "kubernetes.io/tls" }) // which demands other keys
	p.run(time.Minute)
	p.take("secret-write-failed", c)
}

func shutOut(p *photographer) {
	update(p.world, p.sfsPlatform(), func(o *v1alpha1.SfsPlatform) { o.Spec.AllowedNamespaces.Names = []string{"team-b"} })
	c := p.newSfsClient("shop")
	p.run(10 * time.Second)
	p.take("namespace-not-allowed", c)
}

func deletionStory(p *photographer) {
	c := p.newSfsClient("shop")
	u := p.userOf("shop", "jane", func(u *v1alpha1.SfsClientUser) { u.Spec.DeletionPolicy = v1alpha1.DeletionPolicyRetire })
	p.run(time.Minute)
	p.away()
	p.delete(u)
	p.delete(c)
	p.run(10 * time.Second)
	p.take("deleting", c)
	p.take("deleting", u)
}
