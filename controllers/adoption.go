// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// Whoever names a client gets a token for it. So a namespace may name only what the SfsPlatform lets it, and never what
// another namespace has by the name of its resource.

// mayName refuses an SfsClient that names a client which it may not name.
func mayName(ctx context.Context, c client.Reader, platform *v1alpha1.SfsPlatform, who *v1alpha1.SfsClient) error {
	switch {
	case !who.NamesItsClient():
		return nil
	case !allowsToName(platform, who):
		return &problem{
			reason:  v1alpha1.AdoptionNotAllowedReason,
			message: fmt.Sprintf("SfsPlatform %s does not let namespace %s name this customKey or clientKey; see its spec.adoption", platform.Name, who.Namespace),
			pace:    waits,
		}
	}
	// Of an imported client it is the customKey that SFS showed: the platform whose prefix it has may have come later.
	return notReserved(ctx, c, cmp.Or(who.Spec.CustomKey, who.Status.CustomKey))
}

// notReserved refuses a customKey that belongs to a namespace by its form: of any platform, since several may share an
// account.
func notReserved(ctx context.Context, c client.Reader, customKey string) error {
	var platforms v1alpha1.SfsPlatformList
	if err := c.List(ctx, &platforms); err != nil {
		return fmt.Errorf("listing the SfsPlatforms: %w", err)
	}
	for _, platform := range platforms.Items {
		// SFS may not tell upper from lower case; a prefix has lower case alone.
		if strings.HasPrefix(strings.ToLower(customKey), platform.Spec.CustomKeyPrefix+"/") {
			return &problem{
				reason: v1alpha1.AdoptionNotAllowedReason,
				message: fmt.Sprintf("the client at SFS has a customKey that begins with %s/: it belongs to the SfsClient of that namespace and name, and can not be named by another",
					platform.Spec.CustomKeyPrefix),
				pace: waits,
			}
		}
	}
	return nil
}

func allowsToName(platform *v1alpha1.SfsPlatform, who *v1alpha1.SfsClient) bool {
	for _, rule := range platform.Spec.Adoption {
		if !slices.Contains(rule.Namespaces, "*") && !slices.Contains(rule.Namespaces, who.Namespace) {
			continue
		}
		if who.Spec.ClientKey != "" && rule.AllowClientKey {
			return true
		}
		if who.Spec.CustomKey != "" && slices.ContainsFunc(rule.CustomKeyPatterns, func(p string) bool { return matches(p, who.Spec.CustomKey) }) {
			return true
		}
	}
	return false
}

// matches says whether a key fits a pattern, in which "*" stands for any characters.
func matches(pattern, key string) bool {
	quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
	return regexp.MustCompile("^(?:" + quoted + ")$").MatchString(key)
}
