// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"net/http"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// seed is a bug that is planted into the operator of one world, at the places where a test can get hold of it.
type seed struct {
	name            string
	sfs, kubernetes func(w *world, next http.RoundTripper) http.RoundTripper
	parts           func(w *world, parts *reconcilers)
	start           func(w *world) // when the caches of a new process are full
	pass            func(w *world, r reconcile.Reconciler) reconcile.Reconciler
}

func (s seed) onSFS(w *world, next http.RoundTripper) http.RoundTripper {
	if s.sfs == nil {
		return next
	}
	return s.sfs(w, next)
}

func (s seed) onKubernetes(w *world, next http.RoundTripper) http.RoundTripper {
	if s.kubernetes == nil {
		return next
	}
	return s.kubernetes(w, next)
}

func (s seed) onParts(w *world, parts *reconcilers) {
	if s.parts != nil {
		s.parts(w, parts)
	}
}

func (s seed) onStart(w *world) {
	if s.start != nil {
		s.start(w)
	}
}

func (s seed) onPass(w *world, r reconcile.Reconciler) reconcile.Reconciler {
	if s.pass == nil {
		return r
	}
	return s.pass(w, r)
}
