// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/shape"
)

// tenantPass is a pass over a resource that stands for something at SFS: a client or a user.
type tenantPass struct {
	*pass
	sessions *Sessions
	platform *v1alpha1.SfsPlatform
	session  *session
	drift    *drift
	at       comparison
	policy   profilePolicy
}

// comparison is where the status tells of the last comparison with SFS.
type comparison struct {
	time    **metav1.Time
	handled *string // lastHandledReconcileAt
	pending *[]v1alpha1.PendingChange
}

// lookAgain is when a pass comes that nothing else brings about.
const lookAgain = time.Minute

// connect returns the session with SFS.
func (p *tenantPass) connect(ctx context.Context) (*session, error) {
	if p.session == nil {
		session, err := p.sessions.forPlatform(ctx, p.platform)
		if err != nil {
			p.wakeIn(lookAgain) // a Secret that is replaced by the same pair changes nothing else that is watched
			return nil, err
		}
		p.session = session
	}
	return p.session, nil
}

// envPrefix begins the names that the format env has.
const envPrefix = "SFS_"

// identifiers are the values of a Secret of identifiers.
func identifiers(clientKey, userKey, baseURL string) shape.Source {
	return shape.Source{
		Values:  map[string]string{v1alpha1.KeyClientKey: clientKey, v1alpha1.KeyUserKey: userKey, v1alpha1.KeyBaseURL: baseURL},
		Aliases: map[string]string{v1alpha1.KeyEnvClientKey: v1alpha1.KeyClientKey, v1alpha1.KeyEnvUserKey: v1alpha1.KeyUserKey},
		URLKey:  v1alpha1.KeyBaseURL, EnvPrefix: envPrefix,
	}
}

// baseURL is where the tokens of a platform are good for, as it stands in the Secrets.
func baseURL(platform *v1alpha1.SfsPlatform) string {
	if platform.Spec.BaseURL == "" {
		return v1alpha1.DefaultBaseURL
	}
	return strings.TrimRight(platform.Spec.BaseURL, "/")
}
