// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/cli/internal/kinds"
)

// operatorName is what the label app.kubernetes.io/name of the operator says, and leaseName how it elects its leader.
const (
	operatorName = "sfs-operator"
	leaseName    = "sfs-operator.sendforsign.com"
)

// checkDefinitions goes by what the API server serves, which anybody may ask.
func (d *Doctor) checkDefinitions() (installed bool, err error) {
	const check, do = "definitions", "Install the CustomResourceDefinitions of this version: kubectl apply --server-side -k config/crd"
	groups, err := d.Discovery.ServerGroups()
	if err != nil {
		return false, fmt.Errorf("asking the API server what it serves: %w", err)
	}
	var versions []string
	for i := range groups.Groups {
		if groups.Groups[i].Name == v1alpha1.GroupVersion.Group {
			for _, version := range groups.Groups[i].Versions {
				versions = append(versions, version.Version)
			}
		}
	}
	if len(versions) == 0 {
		d.found(Problem, check, do, "the API server does not know the group %s: the operator is not installed", v1alpha1.GroupVersion.Group)
		return false, nil
	}
	if !slices.Contains(versions, v1alpha1.GroupVersion.Version) {
		d.found(Problem, check, "Use the version of this tool that belongs to the operator.", "the API server serves %s in the version %s, and this tool knows %s",
			v1alpha1.GroupVersion.Group, strings.Join(versions, ", "), v1alpha1.GroupVersion.Version)
		return false, nil
	}
	served, err := d.Discovery.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if err != nil {
		return false, fmt.Errorf("asking the API server what it serves: %w", err)
	}
	var missing []string
	for _, kind := range kinds.All {
		known := false
		for i := range served.APIResources {
			known = known || served.APIResources[i].Name == kind.Plural
		}
		if !known {
			missing = append(missing, kind.Plural)
		}
	}
	if len(missing) > 0 {
		d.found(Problem, check, do, "the API server does not know %s", strings.Join(missing, ", "))
		return false, nil
	}
	d.found(OK, check, "", "the API server serves %s", v1alpha1.GroupVersion)
	return true, nil
}

// checkOperator looks for the Deployment everywhere, or where it is said to be.
func (d *Doctor) checkOperator(ctx context.Context) error {
	const check = "operator"
	var found appsv1.DeploymentList
	labelled := client.MatchingLabels{"app.kubernetes.io/name": operatorName}
	err := d.Client.List(ctx, &found, labelled)
	where := "the cluster"
	if apierrors.IsForbidden(err) {
		where = "the namespace " + d.OperatorNamespace
		err = d.Client.List(ctx, &found, labelled, client.InNamespace(d.OperatorNamespace))
	}
	if err != nil {
		return d.failed(check, err)
	}
	if len(found.Items) == 0 {
		d.found(Problem, check, "Install the operator, as docs/installation.md says.",
			"there is no Deployment with the label app.kubernetes.io/name=%s in %s", operatorName, where)
		return nil
	}
	d.operator = &found.Items[0]
	if len(found.Items) > 1 {
		d.found(Warning, check, "Keep one: a cluster has one operator, since SfsPlatforms have no namespace.",
			"there are %d Deployments with the label app.kubernetes.io/name=%s", len(found.Items), operatorName)
	}
	name := d.operator.Namespace + "/" + d.operator.Name
	switch wanted, available := ptr.Deref(d.operator.Spec.Replicas, 1), d.operator.Status.AvailableReplicas; {
	case wanted == 0:
		d.found(Problem, check, fmt.Sprintf("kubectl scale deployment %s -n %s --replicas=1", d.operator.Name, d.operator.Namespace),
			"the Deployment %s is scaled to 0: no token is renewed", name)
	case available == 0:
		d.found(Problem, check, fmt.Sprintf("kubectl describe pods -n %s -l app.kubernetes.io/name=%s", d.operator.Namespace, operatorName),
			"no Pod of the Deployment %s is available: no token is renewed", name)
	default:
		d.found(OK, check, "", "the Deployment %s has %d of %d Pods available, with the image %s", name, available, wanted, image(d.operator))
	}
	return nil
}

func image(o *appsv1.Deployment) string {
	if containers := o.Spec.Template.Spec.Containers; len(containers) > 0 {
		return containers[0].Image
	}
	return "(none)"
}

func (d *Doctor) home() string {
	if d.operator != nil {
		return d.operator.Namespace
	}
	return d.OperatorNamespace
}

// checkLease says whether a leader is at work now: a Pod may be available and stand still.
func (d *Doctor) checkLease(ctx context.Context) error {
	const check = "leader"
	do := fmt.Sprintf("kubectl logs -n %s -l app.kubernetes.io/name=%s --tail=50", d.home(), operatorName)
	lease := &coordinationv1.Lease{}
	err := d.Client.Get(ctx, client.ObjectKey{Namespace: d.home(), Name: leaseName}, lease)
	switch {
	case apierrors.IsNotFound(err):
		d.found(Warning, check, "With --leader-elect=false there is none; else look at the log: "+do,
			"there is no Lease %s in the namespace %s", leaseName, d.home())
		return nil
	case err != nil:
		return d.failed(check, err)
	}
	holder := ptr.Deref(lease.Spec.HolderIdentity, "")
	if holder == "" || lease.Spec.RenewTime == nil {
		d.found(Problem, check, do, "nobody leads: no token is renewed")
		return nil
	}
	life := time.Duration(ptr.Deref(lease.Spec.LeaseDurationSeconds, 15)) * time.Second
	if age := d.now().Sub(lease.Spec.RenewTime.Time); age > life+patience {
		d.found(Problem, check, do, "the last leader was heard of %s ago: no token is renewed", duration.HumanDuration(age))
		return nil
	}
	pod, _, _ := strings.Cut(holder, "_") // behind it, what makes it unique
	d.found(OK, check, "", "%s leads", pod)
	return nil
}
