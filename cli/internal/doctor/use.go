// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/cli/internal/advice"
	"github.com/sendforsign/sfs-operator/cli/internal/consumers"
	"github.com/sendforsign/sfs-operator/cli/internal/kinds"
)

func (d *Doctor) checkPlatforms(ctx context.Context) error {
	const check = "credentials"
	var platforms v1alpha1.SfsPlatformList
	if err := d.Client.List(ctx, &platforms); err != nil {
		return d.failed(check, err)
	}
	if len(platforms.Items) == 0 {
		owners, namespace, err := d.tokenOwners(ctx)
		needsOne := func(o kinds.Resource) bool { return kinds.Of(o) != kinds.OAuthToken }
		switch {
		case err != nil:
			return d.failed(check, err)
		case len(owners) > 0 && !slices.ContainsFunc(owners, needsOne):
			d.found(OK, check, "", "all tokens %s are of OAuthTokens, which need no SfsPlatform", within(namespace))
		default:
			d.found(Warning, check, "Create an SfsPlatform, as config/samples has one.", "there is no SfsPlatform, so there are no accounts at SFS")
		}
	}
	for i := range platforms.Items {
		p := &platforms.Items[i]
		switch valid := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.CredentialsValidCondition); {
		case valid == nil:
			d.found(Warning, check, "Is the operator running?", "the operator has not tried the credentials of the SfsPlatform %s yet", p.Name)
		case valid.ObservedGeneration != p.Generation:
			d.found(Warning, check, "Is the operator running?", "the operator has not tried those of the present spec of the SfsPlatform %s yet", p.Name)
		case valid.Status == metav1.ConditionTrue:
			d.found(OK, check, "", "SFS accepts those of the SfsPlatform %s", p.Name)
		default:
			d.found(Problem, check, advice.For(valid.Reason), "SfsPlatform %s: %s: %s", p.Name, valid.Reason, valid.Message)
		}
		d.checkTrouble(p)
	}
	return nil
}

// checkTrouble is about an SfsPlatform whose credentials may be good.
func (d *Doctor) checkTrouble(p *v1alpha1.SfsPlatform) {
	const check = "credentials"
	if next := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.NextCredentialsValidCondition); next != nil && next.Status == metav1.ConditionFalse {
		d.found(Warning, check, advice.For(next.Reason), "SfsPlatform %s: those of spec.nextCredentialsSecretRef: %s: %s", p.Name, next.Reason, next.Message)
	}
	if throttled := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ThrottledCondition); throttled != nil && throttled.Status == metav1.ConditionTrue {
		d.found(Warning, check, advice.For(throttled.Reason), "SfsPlatform %s: %s: %s", p.Name, throttled.Reason, throttled.Message)
	}
}

// The ConfigMap of Argo CD, and where it mostly is.
const (
	argoConfig    = "argocd-cm"
	argoNamespace = "argocd"
)

func (d *Doctor) checkArgoCD(ctx context.Context) error {
	const check = "Argo CD"
	var found corev1.ConfigMapList
	err := d.Client.List(ctx, &found, client.MatchingFields{"metadata.name": argoConfig})
	everywhere := !apierrors.IsForbidden(err)
	if !everywhere {
		err = d.Client.List(ctx, &found, client.MatchingFields{"metadata.name": argoConfig}, client.InNamespace(argoNamespace))
	}
	if err != nil {
		return d.failed(check, err)
	}
	switch {
	case len(found.Items) > 0:
	case everywhere:
		d.found(OK, check, "", "there is none here that would need health checks")
	default:
		d.found(Unknown, check, askForRight, "there is none in the namespace %s, and you may not look in others", argoNamespace)
	}
	for i := range found.Items {
		config := &found.Items[i]
		var missing []string
		for _, kind := range kinds.All {
			if config.Data["resource.customizations.health."+v1alpha1.GroupVersion.Group+"_"+kind.Name] == "" {
				missing = append(missing, kind.Name)
			}
		}
		if len(missing) > 0 {
			d.found(Warning, check,
				fmt.Sprintf("kubectl patch configmap %s -n %s --patch-file config/argocd/argocd-cm.yaml", argoConfig, config.Namespace),
				"the ConfigMap %s/%s has no health check for %s: Argo CD takes them to be healthy whatever their conditions say",
				config.Namespace, argoConfig, strings.Join(missing, ", "))
			continue
		}
		d.found(OK, check, "", "the ConfigMap %s/%s has the health checks", config.Namespace, argoConfig)
	}
	return nil
}

// checkConsumers looks for workloads that read a token where it never changes.
func (d *Doctor) checkConsumers(ctx context.Context) error {
	const check = "consumers"
	owners, namespace, err := d.tokenOwners(ctx)
	if err != nil {
		return d.failed(check, err)
	}
	workloads, unseen, err := consumers.List(ctx, d.Client, namespace, d.Namespace)
	if err != nil {
		return d.failed(check, err)
	}
	if len(unseen.Nowhere) > 0 {
		d.found(Unknown, check, askForRight, "you may not list %s", strings.Join(unseen.Nowhere, ", "))
	}
	if len(unseen.Elsewhere) > 0 {
		d.found(Unknown, check, askForRight, "outside of the namespace %s you may not list %s", d.Namespace, strings.Join(unseen.Elsewhere, ", "))
	}
	stale := 0
	for _, owner := range owners {
		t := kinds.TokenOf(owner)
		if !t.Wanted {
			continue
		}
		for _, w := range workloads {
			uses := consumers.Stale(w, owner)
			if len(uses) == 0 {
				continue
			}
			stale++
			var ways []string
			for _, use := range uses {
				ways = append(ways, use.How)
			}
			d.found(Problem, check, "Mount the Secret as a volume without subPath, and read the file again: docs/consuming-tokens.md.",
				"%s %s/%s reads the Secret %s by %s: it never sees a new token", w.Kind, w.Namespace, w.Name, t.SecretName, strings.Join(ways, ", "))
		}
	}
	if stale == 0 && len(unseen.Nowhere)+len(unseen.Elsewhere) == 0 {
		d.found(OK, check, "", "no workload %s reads a token where it never sees a new one", within(namespace))
	}
	return nil
}

func within(namespace string) string {
	if namespace == "" {
		return "in the cluster"
	}
	return "in the namespace " + namespace
}

// tokenOwners are the resources with tokens: those of all namespaces, or of the one of the context, which it returns then, if
// one of their kinds may not be listed everywhere.
func (d *Doctor) tokenOwners(ctx context.Context) (owners []kinds.Resource, namespace string, err error) {
	all := func() error {
		owners = nil
		for _, kind := range kinds.WithToken {
			found := kind.NewList()
			if err := d.Client.List(ctx, found, client.InNamespace(namespace)); err != nil {
				return err
			}
			if err := meta.EachListItem(found, func(o runtime.Object) error {
				owners = append(owners, o.(kinds.Resource))
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	}
	if err = all(); apierrors.IsForbidden(err) {
		namespace = d.Namespace
		err = all()
	}
	return owners, namespace, err
}
