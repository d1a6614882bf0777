// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/secret"
)

// A provider may give another refresh token with each access token, and refuse the one before it from then on. Who loses the
// last one needs a person to have access granted anew. So it is stored, in a Secret of its own, before the access token that
// came with it is returned; it is kept in memory until it is stored; and no request is made meanwhile.

// storeTimeout is how long a write of the state may take that is not broken off when the process is asked to end.
const storeTimeout = 10 * time.Second

// refreshState is the refresh token of a resource.
type refreshState struct {
	owner types.UID
	// refreshToken is the one to use, and seed what it descends from; see oauthPass.seed.
	refreshToken secret.Text
	seed         string
	// over is what stood in the Secret when this one was asked for: what another process has written since is newer.
	over   secret.Text
	stored bool
	// revision is that of the Secret when it was written, or when this one was asked for: a lower one is of a back-up.
	revision int64
	// have is what was read of the Secret when this one was asked for.
	have *published
	// minted is the token that came with it, while it can not be published because the state is not stored.
	minted mintedToken
}

func (s refreshState) followedBy(refreshToken secret.Text) refreshState {
	return refreshState{owner: s.owner, refreshToken: refreshToken, seed: s.seed, over: s.over, revision: s.revision, have: s.have}
}

// refreshStates are those that this process was given.
type refreshStates struct{ *memory[refreshState] }

// mustStore says whether this process has the only copy of a refresh token.
func (s refreshStates) mustStore(who ref) bool {
	state, known := s.get(who)
	return known && !state.stored
}

// pending is a token that was minted, and could not be returned since its refresh token could not be stored.
func (s refreshStates) pending(p *oauthPass) (mintedToken, bool) {
	state, known := s.get(p.ref)
	m := state.minted
	if !known || m.value == "" {
		return m, false
	}
	state.minted = mintedToken{}
	s.put(p.ref, state)
	asked := p.kept.requests()
	return m, m.token.Owner == p.kept.owner() && m.of == p.kept.issuer.tokenOf() && !asked.wantRenewal(m.asked) &&
		!asked.wantRevocation(m.asked) && token.Decide(token.Observed{Token: &m.token}, p.kept.policy(), p.now) == token.NotDue
}

// publishes drops the token that came with a refresh token: it is returned.
func (s refreshStates) publishes(who ref) {
	state, _ := s.get(who)
	state.minted = mintedToken{}
	s.put(who, state)
}

// seed is a digest of the refresh token of the user, and of where it is used: one that another provider has given, or that was
// given to another client, is shown to nobody else, and serves when the spec names these again. A preset is known by its name:
// that its URL has become another one, by a flag or an upgrade of the operator, must cost nobody the refresh token.
func (p *oauthPass) seed() string {
	return briefly(cmp.Or(p.oauth.Spec.Provider.Preset(), p.provider.tokenURL)) + briefly(p.known.clientID) + p.known.seed
}

var stateForm = form{
	kind: corev1.SecretTypeOpaque, owned: true, labels: map[string]string{}, annotations: map[string]string{
		"reloader.stakater.com/ignore":               "true",
		"argocd.argoproj.io/ignore-resource-updates": "true",
	},
}

// refreshTokenOf returns the refresh token to use now: the last one that was given for the one that the user put into the
// credentials Secret, and else that one. There is an error where the next one could not be stored.
func (r *OAuthReconciler) refreshTokenOf(ctx context.Context, p *oauthPass) (refreshState, error) {
	seeded := refreshState{owner: p.oauth.UID, refreshToken: p.values.refreshToken, seed: p.seed()}
	have, err := r.stateSecret(ctx, p)
	if err != nil {
		return seeded, err
	}
	known, _ := r.states.get(p.ref)
	if have == nil && known.owner == seeded.owner {
		return seeded, deferred{after: staleRead} // it has vanished since it was settled
	}
	if have == nil {
		return seeded, nil
	}
	found, live, err := r.secrets.read(ctx, p.oauth, p.ref, p.oauth.StateSecretName())
	if err != nil {
		return seeded, err
	}
	if found == nil || known.owner == seeded.owner && live.revision < known.revision {
		return seeded, deferred{after: staleRead} // it has changed hands since it was looked at, or come back from a back-up
	}
	seeded.have, seeded.revision = live, live.revision
	last := secret.Text(found.Data[v1alpha1.KeyRefreshToken])
	seeded.over = last
	if last != "" && string(found.Data[v1alpha1.KeySeed]) == seeded.seed {
		seeded.refreshToken = last
	}
	return seeded, nil
}

// stateSecret is what is known of the Secret, or why it can not be that of this resource.
func (r *OAuthReconciler) stateSecret(ctx context.Context, p *oauthPass) (*published, error) {
	name := p.oauth.StateSecretName()
	have, err := r.secrets.observe(ctx, p.ref, p.oauth.UID, name)
	if err != nil {
		return nil, err
	}
	return have, r.secrets.mayWrite(ctx, p.oauth, have, name, stateForm)
}

// storeRefreshToken stores a refresh token that was just given. It is kept in memory whatever comes of that. Nothing is asked
// first: until it is written, this process has the only copy.
func (r *OAuthReconciler) storeRefreshToken(ctx context.Context, p *oauthPass, state refreshState) error {
	r.states.put(p.ref, state)
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := r.writeState(ctx, p, state, state.have)
	var lost deferred
	if errors.As(err, &lost) {
		err = r.settleState(ctx, p) // at once, over what somebody has written meanwhile
	}
	if err != nil {
		log.FromContext(ctx).Error(err, "Storing a refresh token, which is kept in memory until that succeeds")
		return err
	}
	return nil
}

// writeState writes the Secret over what was read of it: under an optimistic lock.
func (r *OAuthReconciler) writeState(ctx context.Context, p *oauthPass, state refreshState, have *published) error {
	revision := max(revisionOf(have), state.revision) + 1 // also where it was deleted
	err := r.secrets.write(ctx, p.oauth, p.ref, have, publication{
		name: p.oauth.StateSecretName(), form: stateForm,
		data: map[string][]byte{
			v1alpha1.KeyRefreshToken: []byte(state.refreshToken.Reveal()), v1alpha1.KeySeed: []byte(state.seed),
		},
		annotations: map[string]string{v1alpha1.RevisionAnnotation: strconv.FormatInt(revision, 10)},
	})
	if err != nil {
		return err
	}
	known, _ := r.states.get(p.ref)
	known.stored, known.over, known.revision, known.have = true, known.refreshToken, revision, nil
	r.states.put(p.ref, known)
	return nil
}

// settleState stores what could not be stored before, and restores what somebody has deleted or damaged, or has taken from a
// back-up: what stands there is used up. What is of no use by the spec of now is stored, and then left alone.
func (r *OAuthReconciler) settleState(ctx context.Context, p *oauthPass) error {
	state, known := r.states.get(p.ref)
	if !known {
		return nil
	}
	if state.owner != p.oauth.UID || state.stored && p.oauth.Grant() != v1alpha1.GrantRefreshToken {
		r.states.drop(p.ref)
		return nil
	}
	name := p.oauth.StateSecretName()
	have, err := r.stateSecret(ctx, p)
	if err != nil {
		return p.wrote(ctx, name, err)
	}
	if state.stored {
		if have != nil && have.intact() && have.revision >= state.revision {
			return nil
		}
		if err := r.secrets.mayRepair(ctx, p.oauth, p.ref, have, name, stateForm); err != nil {
			return p.later(err)
		}
	}
	if have == nil {
		return p.wrote(ctx, name, r.writeState(ctx, p, state, nil))
	}
	found, live, err := r.secrets.read(ctx, p.oauth, p.ref, name)
	if err != nil {
		return err
	}
	if found == nil {
		return p.later(deferred{after: staleRead}) // it has changed hands since it was looked at
	}
	last := secret.Text(found.Data[v1alpha1.KeyRefreshToken])
	if live.intact() && live.revision > state.revision && last != state.over && last != state.refreshToken {
		r.states.drop(p.ref) // another process was given one later
		return nil
	}
	return p.wrote(ctx, name, r.writeState(ctx, p, state, live))
}
