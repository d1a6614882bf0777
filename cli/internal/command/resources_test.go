// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
)

func TestAnExpiredOAuthTokenIsNotReady(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	o := &v1alpha1.OAuthToken{Status: v1alpha1.OAuthTokenStatus{
		Conditions: []metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue, Reason: v1alpha1.AvailableReason}},
		Token:      &v1alpha1.TokenStatus{ExpirationTime: metav1.NewTime(now.Add(-5 * time.Minute))},
	}}
	if got := judge(o, now); got.ready || got.message != "its token expired 5m ago; is the operator running?" {
		t.Errorf("got %+v", got)
	}
	if got := judge(o, now.Add(-6*time.Minute)); !got.ready {
		t.Errorf("while it lives: %+v", got)
	}
	if o.Spec.Suspend = true; !judge(o, now).ready {
		t.Error("it is told as suspended, and is called so again")
	}
}

func TestWhoseTokenIsMeant(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"shop": "SfsClient OAuthToken", "client/shop": "SfsClient", "oat/shop": "OAuthToken", "OAuthTokens/shop": "OAuthToken",
		"user/shop": "user/shop is an SfsClientUser, and this is about an SfsClient or OAuthToken",
		"pod/shop":  `"pod/shop" is neither a name nor one of sfsplatform/NAME, sfsclient/NAME, sfsclientuser/NAME and oauthtoken/NAME`,
		"oat/":      `"oat/" is neither a name nor one of sfsplatform/NAME, sfsclient/NAME, sfsclientuser/NAME and oauthtoken/NAME`,
	} {
		of, name, err := parseHolder(arg)
		got := ""
		for _, k := range of {
			got += " " + k.Name
		}
		if err != nil {
			got = " " + err.Error()
		}
		if got != " "+want || err == nil && name != "shop" {
			t.Errorf("%s: %s, name %s", arg, got, name)
		}
	}
}

// Without an operator the last thing that it said stays for ever.
func TestAnExpiredTokenIsNotReady(t *testing.T) {
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		expires time.Duration
		change  func(*v1alpha1.SfsClient)
		ready   bool
		message string
	}{
		"it lives":                {expires: time.Second, ready: true},
		"it has expired":          {expires: -5 * time.Minute, message: "its token expired 5m ago; is the operator running?"},
		"it expires now":          {message: "its token expired 0s ago; is the operator running?"},
		"it is told as suspended": {expires: -time.Minute, ready: true, change: func(c *v1alpha1.SfsClient) { c.Spec.Suspend = true }},
		"it is not wanted":        {expires: -time.Minute, ready: true, change: func(c *v1alpha1.SfsClient) { c.Spec.Token.Enabled = ptr.To(false) }},
		"there is none":           {ready: true, change: func(c *v1alpha1.SfsClient) { c.Status.Token = nil }},
		"what the operator says is more": {
			expires: -time.Minute, message: "SFS is away",
			change: func(c *v1alpha1.SfsClient) {
				c.Status.Conditions[0].Status, c.Status.Conditions[0].Message = metav1.ConditionFalse, "SFS is away"
			},
		},
	} {
		o := &v1alpha1.SfsClient{Status: v1alpha1.SfsClientStatus{
			Conditions: []metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue, Reason: v1alpha1.AvailableReason}},
			Token:      &v1alpha1.TokenStatus{ExpirationTime: metav1.NewTime(now.Add(c.expires))},
		}}
		if c.change != nil {
			c.change(o)
		}
		if got := judge(o, now); got.ready != c.ready || got.message != c.message {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
