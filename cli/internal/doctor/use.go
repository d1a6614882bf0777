// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/cli/internal/advice"
	"github.com/sendforsign/sfs-operator/cli/internal/consumers"
)

func (d *Doctor) checkPlatforms(ctx context.Context) error {
	const check = "credentials"
	var platforms v1alpha1.SfsPlatformList
	if err := d.Client.List(ctx, &platforms); err != nil {
		return d.failed(check, err)
	}
	if len(platforms.Items) == 0 {
		d.found(Warning, check, "Create an SfsPlatform, as config/samples has one.", "there is no SfsPlatform, so there are no accounts at SFS")
	}
	for i := range platforms.Items {
		p := &platforms.Items[i]
		switch valid := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.CredentialsValidCondition); {
		case valid == nil:
			d.found(Warning, check, "Is the operator running?", "the operator has not tried the credentials of the SfsPlatform %s yet", p.Name)
		case valid.Status == metav1.ConditionTrue:
			d.found(OK, check, "", "SFS accepts those of the SfsPlatform %s", p.Name)
		default:
			d.found(Problem, check, advice.For(valid.Reason), "SfsPlatform %s: %s: %s", p.Name, valid.Reason, valid.Message)
		}
	}
	return nil
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
	if apierrors.IsForbidden(err) {
		err = d.Client.List(ctx, &found, client.MatchingFields{"metadata.name": argoConfig}, client.InNamespace(argoNamespace))
	}
	if err != nil {
		return d.failed(check, err)
	}
	if len(found.Items) == 0 {
		d.found(OK, check, "", "there is none here that would need health checks")
	}
	for i := range found.Items {
		config := &found.Items[i]
		var missing []string
		for _, kind := range []string{"SfsPlatform", "SfsClient", "SfsClientUser"} {
			if config.Data["resource.customizations.health."+v1alpha1.GroupVersion.Group+"_"+kind] == "" {
				missing = append(missing, kind)
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
	namespace := ""
	var clients v1alpha1.SfsClientList
	err := d.Client.List(ctx, &clients)
	if apierrors.IsForbidden(err) {
		namespace = d.Namespace
		err = d.Client.List(ctx, &clients, client.InNamespace(namespace))
	}
	if err != nil {
		return d.failed(check, err)
	}
	workloads, unseen, err := consumers.List(ctx, d.Client, namespace)
	if err == nil && namespace == "" && len(unseen) > 0 {
		// What may be looked at in one namespace is better than nothing.
		namespace = d.Namespace
		workloads, unseen, err = consumers.List(ctx, d.Client, namespace)
	}
	if err != nil {
		return d.failed(check, err)
	}
	if len(unseen) > 0 {
		d.found(Unknown, check, askForRight, "you may not list %s", strings.Join(unseen, ", "))
	}
	stale := 0
	for i := range clients.Items {
		c := &clients.Items[i]
		if !c.TokenEnabled() {
			continue
		}
		for _, w := range workloads {
			uses := consumers.Stale(w, c)
			if len(uses) == 0 {
				continue
			}
			stale++
			var ways []string
			for _, use := range uses {
				ways = append(ways, use.How)
			}
			d.found(Problem, check, "Mount the Secret as a volume without subPath, and read the file again: docs/consuming-tokens.md.",
				"%s %s/%s reads the Secret %s by %s: it never sees a new token", w.Kind, w.Namespace, w.Name, c.TokenSecretName(), strings.Join(ways, ", "))
		}
	}
	if stale == 0 && len(unseen) == 0 {
		where := "in the cluster"
		if namespace != "" {
			where = "in the namespace " + namespace
		}
		d.found(OK, check, "", "no workload %s reads a token where it never sees a new one", where)
	}
	return nil
}
