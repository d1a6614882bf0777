// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controllers holds one Reconcile per kind of api/v1alpha1.
//
// A pass looks at a resource, does what is due, and ends in one place (pass.finish), where the status is written once
// and then the events are sent. What has been done is kept where it survives a restart: the identity of a client or user
// in the status, the token and its times in the Secret. What is kept in memory only saves work.
//
// Who owns what:
//
//	Sessions      the connection to each SFS account: credentials, platform token, rate limit
//	Secrets       what is known of published Secrets, and their writes
//	creator       exactly-once creation of a client or user at SFS
//	ClientReconciler, UserReconciler, PlatformReconciler   the order of the work
package controllers
