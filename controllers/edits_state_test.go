// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// stateOf is all that a client, a user and their platform have led to, in lines that do not tell times, tokens and generated
// names.
func stateOf(w *world, c *v1alpha1.SfsClient, u *v1alpha1.SfsClientUser) string {
	w.t.Helper()
	w.reload(c)
	w.reload(u)
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	platform := w.sfsPlatform()
	w.reload(platform)
	add("platform uses %v", platform.Status.ActiveCredentialsSecretRef)
	for _, o := range []object{c, u, platform} {
		for _, condition := range *o.GetConditions() {
			add("%T %s=%s %s: %s", o, condition.Type, condition.Status, condition.Reason, condition.Message)
			if condition.ObservedGeneration != o.GetGeneration() {
				add("%T %s is of another generation", o, condition.Type)
			}
		}
		add("%T finalizers %v", o, slices.Sorted(slices.Values(o.GetFinalizers()))) // a set
	}
	s := c.Status
	add("client status %s %s %s %s %v", s.ClientKey, s.CustomKey, s.Origin, s.DefaultUserKey, s.SecretRef)
	add("client pending %v intent %v", s.PendingChanges, s.CreateIntent)
	if s.Token != nil {
		add("client token %s", s.Token.SecretRef.Name)
		if s.Token.PreviousRevocationTime != nil {
			add("previous tokens in the status")
		}
	}
	add("user status %s %s %s %s %v", u.Status.UserKey, u.Status.ClientKey, u.Status.CustomKey, u.Status.Origin, u.Status.SecretRef)
	add("user pending %v intent %v", u.Status.PendingChanges, u.Status.CreateIntent)
	for _, o := range w.everything() {
		secret, ok := o.(*corev1.Secret)
		if owner := metav1.GetControllerOf(o); ok && owner != nil && (owner.UID == c.UID || owner.UID == u.UID) {
			lines = append(lines, secretLines(secret)...)
		}
	}
	for _, found := range w.sim.Clients() {
		if found.ClientKey == s.ClientKey {
			add("sfs client %s fullName %s", found.CustomKey, found.FullName)
			add("sfs client %s email %s", found.CustomKey, found.Email)
			add("sfs client %s organization %s", found.CustomKey, found.Organization)
		}
	}
	users := w.sim.Users(s.ClientKey)
	add("sfs users %d", len(users))
	for _, found := range users {
		if found.UserKey == u.Status.UserKey {
			add("sfs user %s fullName %s", found.CustomKey, found.FullName)
			add("sfs user %s email %s", found.CustomKey, found.Email)
		}
	}
	slices.Sort(lines)
	state := strings.NewReplacer(
		s.ClientKey, "<clientKey>", s.DefaultUserKey, "<defaultUserKey>", u.Status.UserKey, "<userKey>",
		string(c.UID), "<uid>", string(u.UID), "<uid>",
		w.namespace+"/"+c.Name+"/"+u.Name, "<namespace>/<client>/<user>", w.namespace+"/"+c.Name, "<namespace>/<client>",
	).Replace(strings.Join(lines, "\n"))
	// A Secret may be called by a letter, of which there are many.
	for _, name := range [][2]string{{c.SecretName(), "<secret>"}, {c.TokenSecretName(), "<token>"}, {u.SecretName(), "<user secret>"}} {
		state = regexp.MustCompile(`\b`+regexp.QuoteMeta(name[0])+`\b`).ReplaceAllLiteralString(state, name[1])
	}
	return state
}

func secretLines(s *corev1.Secret) []string {
	lines := []string{fmt.Sprintf("secret %s type %s labels %v", s.Name, s.Type, s.Labels)}
	for _, key := range slices.Sorted(maps.Keys(s.Data)) {
		value := string(s.Data[key])
		switch key {
		case v1alpha1.KeyPreviousTokens:
			lines = append(lines, "previous tokens in secret "+s.Name)
			continue
		case v1alpha1.KeyToken, v1alpha1.KeyExpiresAt, v1alpha1.KeyIssuedAt, "credentials.json", "x.env":
			value = "<some>"
		}
		lines = append(lines, fmt.Sprintf("secret %s %s=%s", s.Name, key, value))
	}
	return lines
}

// onlySpecified leaves out what an absent field leaves as it is at SFS, and what is there for a time.
func onlySpecified(state string, c *v1alpha1.SfsClient, u *v1alpha1.SfsClientUser) string {
	absent := map[string]bool{
		"sfs client fullName": c.Spec.FullName == "", "sfs client email": c.Spec.Email == "", "sfs client organization": c.Spec.Organization == "",
		"sfs user fullName": u.Spec.FullName == "", "sfs user email": u.Spec.Email == "",
	}
	lines := slices.DeleteFunc(strings.Split(state, "\n"), func(line string) bool {
		words := strings.Fields(line)
		return words[0] == "previous" || len(words) > 3 && absent[words[0]+" "+words[1]+" "+words[3]]
	})
	return strings.Join(lines, "\n")
}

// unlike shows the lines that only one of two states has.
func unlike(before, after string) string {
	var b strings.Builder
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	for _, line := range old {
		if !slices.Contains(now, line) {
			fmt.Fprintf(&b, "\n  - %.300s", line)
		}
	}
	for _, line := range now {
		if !slices.Contains(old, line) {
			fmt.Fprintf(&b, "\n  + %.300s", line)
		}
	}
	return b.String()
}

// removeOrphans does the work of the garbage collector, which there is none of.
func (e *editor) removeOrphans() {
	e.t.Helper()
	for _, o := range e.w.everything() {
		owner := metav1.GetControllerOf(o)
		if owner != nil && owner.UID != e.client.UID && owner.UID != e.user.UID {
			e.w.delete(o)
		}
	}
}
