// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/token"
)

// FuzzCustomKey tries whether two resources that are not the same can have the same derived customKey: one tenant would
// get the token of the other.
func FuzzCustomKey(f *testing.F) {
	for _, seed := range [][6]string{
		{"acme", "shop", "web", "acme", "shop", "web"},
		{"acme", "shop", "web", "acme", "shop-web", "web"},
		{"acme", "a", "b.c", "acme.a", "b", "c"},
		{"acme.shop", "a", "b", "acme", "shop.a", "b"},
		{"a", "b", "c", "a-b", "c", "c"},
		{"0", "0", "0", "0.0", "0", "0"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4], seed[5])
	}
	key := func(prefix, namespace, name string) string {
		return clientCustomKey(
			&v1alpha1.SfsPlatform{Spec: v1alpha1.SfsPlatformSpec{CustomKeyPrefix: prefix}},
			&v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	}
	f.Fuzz(func(t *testing.T, prefix1, namespace1, name1, prefix2, namespace2, name2 string) {
		for _, parts := range [][3]string{{prefix1, namespace1, name1}, {prefix2, namespace2, name2}} {
			// The API server lets nothing else through. A prefix may have 63 characters, and dots.
			if len(validation.IsDNS1123Subdomain(parts[0])) > 0 || len(parts[0]) > 63 ||
				len(validation.IsDNS1123Label(parts[1])) > 0 || len(validation.IsDNS1123Subdomain(parts[2])) > 0 || len(parts[2]) > 200 {
				t.Skip() // there is no resource of such a name that could have a key
			}
		}
		one, other := key(prefix1, namespace1, name1), key(prefix2, namespace2, name2)
		same := prefix1 == prefix2 && namespace1 == namespace2 && name1 == name2
		if (one == other) != same {
			t.Errorf("%q of %s %s %s, and %q of %s %s %s", one, prefix1, namespace1, name1, other, prefix2, namespace2, name2)
		}
		// Nobody may name a key that begins with the prefix of a platform and a slash, so that is where all of them must be,
		// and under no other prefix.
		if !strings.HasPrefix(one, prefix1+"/") || prefix1 != prefix2 && strings.HasPrefix(one, prefix2+"/") {
			t.Errorf("%q is not under %s alone", one, prefix1)
		}
		if strings.ContainsFunc(one, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q is not printable ASCII", one)
		}
	})
}

// FuzzTokenSecret tries what the operator believes of a Secret that anybody may have edited.
func FuzzTokenSecret(f *testing.F) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	stamp := func(d time.Duration) string { return now.Add(d).Format(preciseTime) }
	for _, seed := range [][4]string{
		{stamp(-time.Minute), stamp(29 * time.Minute), "1", "t"},
		{stamp(-time.Minute), stamp(29 * time.Minute), "9223372036854775807", "t"},
		{stamp(-time.Minute), stamp(29 * time.Minute), "99999999999999999999", ""},
		{stamp(time.Hour), stamp(2 * time.Hour), "-1", "t"},
		{stamp(0), stamp(0), "", "t"},
		{"0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0", "t"},
		{"2026-01-01T12:00:00.000000001Z", "2026-01-01T12:00:00.000000002+14:00", "1e3", "t"},
		{"soon", "later", "one", "\x00"},
	} {
		f.Add(seed[0], seed[1], seed[2], []byte(seed[3]), "")
		f.Add(seed[0], seed[1], seed[2], []byte(seed[3]), "00")
	}
	f.Fuzz(func(t *testing.T, issued, expires, revision string, value []byte, hash string) {
		written := tokenPublication(value)
		written.annotations = map[string]string{
			v1alpha1.IssuedAtAnnotation: issued, v1alpha1.ExpiresAtAnnotation: expires, v1alpha1.RevisionAnnotation: revision,
		}
		labels, annotations, sealed := written.metadata(ref{kind: clientKind, namespace: "shop", name: "web"}, "u")
		if hash != "" {
			annotations[v1alpha1.ContentHashAnnotation] = hash // else as the operator would have written it
		}
		have := observedIn(t, tokenSecretWith(written.data, labels, annotations), written)
		if intact := have.intact(); intact != (hash == "" || hash == sealed) {
			t.Errorf("intact is %t", intact)
		}
		if n, err := strconv.ParseInt(revision, 10, 64); err == nil && have.revision != n || err != nil && have.revision != 0 && have.revision != math.MaxInt64 && have.revision != math.MinInt64 {
			t.Errorf("the revision %q is read as %d", revision, have.revision)
		}
		c := &v1alpha1.SfsClient{ObjectMeta: metav1.ObjectMeta{UID: "u", Namespace: "shop", Name: "web"}}
		p := (&clientPass{client: c, tenantPass: &tenantPass{pass: &pass{object: c, now: now}}}).withToken()
		checkObserved(t, p.token.observed(have), have, now)
	})
}

// checkObserved wants nothing to be believed that would leave a dead token where it is.
func checkObserved(t *testing.T, o token.Observed, have *published, now time.Time) {
	t.Helper()
	due := token.Decide(o, token.Policy{}, now)
	if o.Token == nil {
		if due != token.Missing {
			t.Errorf("there is no token, and it is %q", due)
		}
		return
	}
	if !o.Token.Expires.After(o.Token.Issued) {
		t.Errorf("a token is believed in that is issued %s and expires %s", o.Token.Issued, o.Token.Expires)
	}
	if o.Damaged == have.intact() {
		t.Errorf("damaged is %t", o.Damaged)
	}
	renewal := token.Policy{}.RenewalTime(*o.Token)
	if renewal.Before(o.Token.Issued) || renewal.After(o.Token.Expires) {
		t.Errorf("a token of %s to %s is renewed at %s", o.Token.Issued, o.Token.Expires, renewal)
	}
	if due == token.NotDue && (!o.Token.Expires.After(now) || !renewal.After(now) || o.Damaged) {
		t.Errorf("a token that expires %s and is due %s is left as it is at %s", o.Token.Expires, renewal, now)
	}
}

// tokenPublication is what a token Secret holds beside the times.
func tokenPublication(value []byte) publication {
	return publication{name: "web-sfs-token", form: formOf(v1alpha1.SecretSpec{}, nil), data: map[string][]byte{
		v1alpha1.KeyToken: value, v1alpha1.KeyTokenType: []byte("Bearer"), v1alpha1.KeyIssuedAt: []byte("x"),
		v1alpha1.KeyExpiresAt: []byte("y"), v1alpha1.KeyClientKey: []byte("k"), v1alpha1.KeyBaseURL: []byte("https://sfs"),
	}}
}

func tokenSecretWith(data map[string][]byte, labels, annotations map[string]string) *corev1.Secret {
	controller := true
	annotations[corev1.LastAppliedConfigAnnotation] = string(data[v1alpha1.KeyToken])
	secret := &corev1.Secret{Data: map[string][]byte{}, ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "web-sfs-token", Annotations: annotations, Labels: labels,
		OwnerReferences: []metav1.OwnerReference{{Kind: clientKind, Name: "web", UID: "u", Controller: &controller}},
	}}
	for key, v := range data {
		secret.Data[key] = bytes.Clone(v)
	}
	return secret
}

// digested is what the cache shows of a Secret: no value of it, however often it passes.
func observedIn(t *testing.T, secret *corev1.Secret, written publication) *published {
	t.Helper()
	for range 2 {
		if _, err := digestSecret(secret); err != nil {
			t.Fatal(err)
		}
		for key, v := range secret.Data {
			if len(v) != sha256.Size || !bytes.Equal(v, written.digests()[key]) {
				t.Errorf("%s is not the digest of what was written", key)
			}
		}
		if _, repeated := secret.Annotations[corev1.LastAppliedConfigAnnotation]; repeated {
			t.Error("an annotation that repeats the values is kept")
		}
	}
	return seen(secret, ref{kind: clientKind, namespace: "shop", name: "web"}, types.UID("u"))
}

// FuzzContentHash tries whether an edit of the values can go unnoticed.
func FuzzContentHash(f *testing.F) {
	f.Add("token", []byte("t"), "clientKey", []byte("k"), "token", []byte("tk"), "clientKey", []byte(""))
	f.Add("a", []byte("1"), "b", []byte("2"), "b", []byte("1"), "a", []byte("2"))
	f.Add("a", []byte("1:b:2"), "b", []byte(""), "a", []byte("1"), "b", []byte(":2"))
	f.Add("a:1", []byte(""), "b", []byte("2"), "a", []byte(":1"), "b", []byte("2"))
	f.Fuzz(func(t *testing.T, key1 string, value1 []byte, key2 string, value2 []byte, key3 string, value3 []byte, key4 string, value4 []byte) {
		one := publication{data: map[string][]byte{key1: value1, key2: value2}}
		other := publication{data: map[string][]byte{key3: value3, key4: value4}}
		same := len(one.data) == len(other.data)
		for key, v := range one.data {
			found, ok := other.data[key]
			same = same && ok && bytes.Equal(v, found)
		}
		if (contentHash(one.digests(), slices.Collect(maps.Keys(one.data))) == contentHash(other.digests(), slices.Collect(maps.Keys(other.data)))) != same {
			t.Errorf("%q and %q: same is %t", one.data, other.data, same)
		}
	})
}
