// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kinds

import (
	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

// Token is what a resource says of the token that the operator keeps for it.
type Token struct {
	// Wanted: the spec asks for one. Suspended: no work is done on it.
	Wanted, Suspended bool
	// Status is a part of the resource. Nil while there is no token.
	Status             *v1alpha1.TokenStatus
	LastHandledRenewAt string
	// Irrevocable: who gives it knows no way to revoke it.
	Irrevocable bool
	// SecretName is that of the Secret that holds it, Keys what is called otherwise in there, and Lasting the default names of
	// what stays as it is from one token to the next.
	SecretName string
	Keys       map[string]v1alpha1.SecretKey
	Lasting    []string
	// Restarts are the workloads that are restarted with each token.
	Restarts []v1alpha1.RestartedWorkload
}

// TokenOf returns what a resource says of its token, and nil for a kind that has none.
func TokenOf(o Resource) *Token {
	switch o := o.(type) {
	case *v1alpha1.SfsClient:
		t := &Token{
			Wanted: o.TokenEnabled(), Suspended: o.IsSuspended(), Status: o.Status.Token, LastHandledRenewAt: o.Status.LastHandledRenewAt,
			SecretName: o.TokenSecretName(), Keys: o.Spec.Token.Secret.Keys,
			Lasting: []string{v1alpha1.KeyClientKey, v1alpha1.KeyBaseURL, v1alpha1.KeyTokenType},
		}
		for i := range o.Spec.RolloutRestartTargets {
			if target := &o.Spec.RolloutRestartTargets[i]; target.When == v1alpha1.RestartWhenTokenChanged {
				t.Restarts = append(t.Restarts, target.RestartedWorkload)
			}
		}
		return t
	case *v1alpha1.OAuthToken:
		generic := o.Spec.Provider.Generic
		return &Token{
			Wanted: true, Suspended: o.IsSuspended(), Status: o.Status.Token, LastHandledRenewAt: o.Status.LastHandledRenewAt,
			Irrevocable: o.Spec.Provider.Signicat != nil || generic != nil && generic.RevocationURL == "",
			SecretName:  o.TokenSecretName(), Keys: o.Spec.Token.Secret.Keys,
			Lasting:  []string{v1alpha1.KeyBaseURL, v1alpha1.KeyTokenType, v1alpha1.KeyScope},
			Restarts: o.Spec.RolloutRestartTargets,
		}
	}
	return nil
}
