// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

func digestsOf(values map[string]string) map[string][]byte {
	p := publication{data: map[string][]byte{}}
	for key, value := range values {
		p.data[key] = []byte(value)
	}
	return p.digests()
}

func TestContentHash(t *testing.T) {
	t.Parallel()
	keys := []string{"token", "clientKey", "baseURL"}
	written := map[string]string{"token": "t-1", "clientKey": "k-1", "baseURL": "https://sfs.example.com"}
	with := func(change func(map[string]string)) map[string]string {
		values := maps.Clone(written)
		change(values)
		return values
	}
	tests := map[string]struct {
		reason string
		found  map[string]string
		same   bool
	}{
		"what was written": {reason: "it is intact", found: written, same: true},
		"a key of somebody else": {
			reason: "others may add keys of their own",
			found:  with(func(v map[string]string) { v["note"] = "x" }), same: true,
		},
		"another value":  {reason: "it was edited", found: with(func(v map[string]string) { v["token"] = "t-2" })},
		"an empty value": {reason: "it was edited", found: with(func(v map[string]string) { v["token"] = "" })},
		"a missing key":  {reason: "it was edited", found: with(func(v map[string]string) { delete(v, "token") })},
		"a renamed key":  {reason: "it was edited", found: with(func(v map[string]string) { v["Token"] = v["token"]; delete(v, "token") })},
		"nothing at all": {reason: "it was emptied", found: map[string]string{}},
		"exchanged values": {
			reason: "each value belongs to its key",
			found:  with(func(v map[string]string) { v["token"], v["clientKey"] = v["clientKey"], v["token"] }),
		},
		"a value that has moved in part": {
			reason: "keys and values do not run into each other",
			found:  with(func(v map[string]string) { v["token"], v["clientKey"] = "t-1k", "-1" }),
		},
	}
	want := contentHash(digestsOf(written), keys)
	for name, test := range tests {
		if got := contentHash(digestsOf(test.found), keys) == want; got != test.same {
			t.Errorf("%s: the same: %t, want %t: %s", name, got, test.same, test.reason)
		}
	}
}

func TestContentHashDoesNotDependOnTheOrderOfKeys(t *testing.T) {
	t.Parallel()
	digests := digestsOf(map[string]string{"a": "1", "b": "2", "c": "3"})
	keys := []string{"c", "a", "b"}
	if contentHash(digests, keys) != contentHash(digests, []string{"a", "b", "c"}) {
		t.Error("the order matters")
	}
	if keys[0] != "c" {
		t.Error("the keys of the caller are sorted")
	}
	if contentHash(digests, []string{"a", "b"}) == contentHash(digests, []string{"a", "b", "c"}) {
		t.Error("one key more makes no difference")
	}
}

// It stands in an annotation: a new form would have each Secret of a fleet written anew after an upgrade.
func TestContentHashHasAKnownForm(t *testing.T) {
	t.Parallel()
	got := contentHash(digestsOf(map[string]string{"token": "t-1", "clientKey": "k-1"}), []string{"token", "clientKey"})
	if want := "7e1a1da3fe3e147d293db61e9c0f269c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDigestBelongsToItsKey(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2][]byte{
		{digest("a", []byte("x")), digest("b", []byte("x"))},
		{digest("a", []byte("x")), digest("a", []byte("y"))},
		{digest("a", nil), digest("b", nil)},
		{digest("a", []byte("b:c")), digest("a:b", []byte("c"))},
		{digest("1:a", []byte("x")), digest("a", []byte("x"))},
	} {
		if bytes.Equal(pair[0], pair[1]) {
			t.Errorf("two digests are the same: %x", pair[0])
		}
	}
	if !bytes.Equal(digest("a", nil), digest("a", []byte{})) {
		t.Error("an empty value has two digests")
	}
}

const digestedSecret = "sfs-secret-value-8c1f"

// wantNoValue looks for a value in all that is kept, in each way in which it may be written.
func wantNoValue(t *testing.T, kept any) {
	t.Helper()
	raw, err := json.Marshal(kept)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{
		digestedSecret, base64.StdEncoding.EncodeToString([]byte(digestedSecret)), hex.EncodeToString([]byte(digestedSecret)),
	} {
		if bytes.Contains(raw, []byte(form)) {
			t.Errorf("a value is kept as %q: %s", form, raw)
		}
	}
}

func TestDigestSecretKeepsNoValue(t *testing.T) {
	t.Parallel()
	values := map[string][]byte{"apiKey": []byte(digestedSecret), "secret": []byte(digestedSecret)}
	kept, err := digestSecret(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: "sendforsign", Namespace: "sfs-system", ResourceVersion: "7",
			Annotations:   map[string]string{v1alpha1.RevisionAnnotation: "3"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		},
		Data: maps.Clone(values),
	})
	if err != nil {
		t.Fatal(err)
	}
	wantNoValue(t, kept)
	secret, ok := kept.(*corev1.Secret)
	if !ok {
		t.Fatalf("a Secret has become a %T", kept)
	}
	if len(secret.Data) != 2 || !bytes.Equal(secret.Data["apiKey"], digest("apiKey", values["apiKey"])) {
		t.Errorf("the digests are %x", secret.Data)
	}
	if bytes.Equal(secret.Data["apiKey"], secret.Data["secret"]) {
		t.Error("equal values are seen to be equal")
	}
	if secret.ResourceVersion != "7" || secret.Annotations[v1alpha1.RevisionAnnotation] != "3" || secret.ManagedFields != nil {
		t.Errorf("the rest is %v", secret.ObjectMeta)
	}
}

// kubectl apply repeats a Secret with its values in an annotation, and credentials are often made by it.
func TestDigestSecretKeepsNoValueOfKubectlApply(t *testing.T) {
	t.Parallel()
	encoded := base64.StdEncoding.EncodeToString([]byte(digestedSecret))
	for name, applied := range map[string]string{
		"data":       `{"apiVersion":"v1","data":{"apiKey":"` + encoded + `"},"kind":"Secret"}`,
		"stringData": `{"apiVersion":"v1","kind":"Secret","stringData":{"apiKey":"` + digestedSecret + `"}}`,
	} {
		kept, err := digestSecret(&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{corev1.LastAppliedConfigAnnotation: applied}},
			Data:       map[string][]byte{"apiKey": []byte(digestedSecret)},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) { t.Parallel(); wantNoValue(t, kept) })
	}
}

func TestDigestSecretLetsOtherObjectsPass(t *testing.T) {
	t.Parallel()
	tombstone := cache.DeletedFinalStateUnknown{Key: "shop/x"}
	if got, err := digestSecret(tombstone); err != nil || got != any(tombstone) {
		t.Errorf("got %v, %v", got, err)
	}
	empty := &corev1.Secret{}
	if got, err := digestSecret(empty); err != nil || got != any(empty) || len(empty.Data) != 0 {
		t.Errorf("a Secret without data: got %v, %v", got, err)
	}
}

func TestIntact(t *testing.T) {
	t.Parallel()
	digests := digestsOf(map[string]string{"token": "t-1"})
	annotations := map[string]string{v1alpha1.KeysAnnotation: "token", v1alpha1.ExpiresAtAnnotation: "soon"}
	annotations[v1alpha1.ContentHashAnnotation] = sealOf(digests, []string{"token"}, annotations)
	with := func(name, value string) map[string]string {
		changed := maps.Clone(annotations)
		changed[name] = value
		return changed
	}
	tests := map[string]struct {
		reason string
		have   published
		want   bool
	}{
		"as it was written": {reason: "nothing to do", have: published{labelled: true, digests: digests, annotations: annotations}, want: true},
		"without its label": {reason: "it would not be watched", have: published{digests: digests, annotations: annotations}},
		"without its hash":  {reason: "who knows who wrote it", have: published{labelled: true, digests: digests}},
		"with another time": {
			reason: "the operator goes by it",
			have:   published{labelled: true, digests: digests, annotations: with(v1alpha1.ExpiresAtAnnotation, "later")},
		},
		"with fewer keys": {
			reason: "then an edit of the others would not be noticed",
			have:   published{labelled: true, digests: digests, annotations: with(v1alpha1.KeysAnnotation, "")},
		},
		"with an annotation of somebody else": {
			reason: "it is theirs", have: published{labelled: true, digests: digests, annotations: with("note", "x")}, want: true,
		},
		"without its value": {reason: "it was edited", have: published{labelled: true, annotations: annotations}},
		"with another value": {
			reason: "it was edited",
			have:   published{labelled: true, digests: digestsOf(map[string]string{"token": "t-2"}), annotations: annotations},
		},
		"with another key too": {
			reason: "others may add keys of their own",
			have:   published{labelled: true, digests: digestsOf(map[string]string{"token": "t-1", "note": "x"}), annotations: annotations}, want: true,
		},
	}
	for name, test := range tests {
		if got := test.have.intact(); got != test.want {
			t.Errorf("%s: got %t, want %t: %s", name, got, test.want, test.reason)
		}
	}
}
