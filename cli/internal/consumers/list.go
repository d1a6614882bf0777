// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package consumers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Workload is what somebody has made that runs Pods which read Secrets: a Deployment, for example, or a Pod by itself.
type Workload struct {
	Kind, Namespace, Name string
	Labels                map[string]string
	Uses                  []Use
	// Pods is how many of them there are now.
	Pods int
}

// Of returns those of the uses that are of this Secret.
func (w *Workload) Of(secret string) []Use {
	var uses []Use
	for _, use := range w.Uses {
		if use.Secret == secret {
			uses = append(uses, use)
		}
	}
	return uses
}

// Unseen are the kinds that the user may not list.
type Unseen struct {
	// Nowhere: at all. Elsewhere: in other namespaces than one.
	Nowhere, Elsewhere []string
}

// List returns the workloads of a namespace that read Secrets. If it is empty, those of all namespaces; of kinds that the user
// may not list everywhere those of the namespace instead, if that is not empty.
func List(ctx context.Context, c client.Reader, namespace, instead string) (all []*Workload, unseen Unseen, err error) {
	f := &finder{parents: map[types.UID]*metav1.ObjectMeta{}, hidden: map[string]bool{}, found: map[key]*Workload{}}
	for _, of := range []struct {
		kind string
		list client.ObjectList
	}{
		// What makes others comes first, and Pods last.
		{"Deployment", &appsv1.DeploymentList{}},
		{"StatefulSet", &appsv1.StatefulSetList{}},
		{"DaemonSet", &appsv1.DaemonSetList{}},
		{"CronJob", &batchv1.CronJobList{}},
		{"ReplicaSet", &appsv1.ReplicaSetList{}},
		{"Job", &batchv1.JobList{}},
		{"Pod", &corev1.PodList{}},
	} {
		err := c.List(ctx, of.list, client.InNamespace(namespace))
		f.hidden[of.kind] = apierrors.IsForbidden(err)
		if apierrors.IsForbidden(err) && namespace == "" && instead != "" {
			everywhere := err
			err = c.List(ctx, of.list, client.InNamespace(instead))
			if err == nil {
				unseen.Elsewhere = append(unseen.Elsewhere, resourceOf(everywhere))
			}
		}
		switch {
		case apierrors.IsForbidden(err):
			unseen.Nowhere = append(unseen.Nowhere, resourceOf(err))
		case err != nil:
			return nil, Unseen{}, fmt.Errorf("looking for workloads: %w", err)
		default:
			f.addAll(of.kind, of.list)
		}
	}
	for _, w := range f.found {
		if len(w.Uses) > 0 {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b *Workload) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return all, unseen, nil
}

// resourceOf is what the API server says that somebody may not list.
func resourceOf(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		return status.Status().Details.Kind
	}
	return err.Error()
}

type key struct{ kind, namespace, name string }

type finder struct {
	parents map[types.UID]*metav1.ObjectMeta
	// hidden are the kinds of which not all could be listed.
	hidden map[string]bool
	found  map[key]*Workload
}

func (f *finder) addAll(kind string, list client.ObjectList) {
	switch l := list.(type) {
	case *appsv1.DeploymentList:
		for i := range l.Items {
			f.add(kind, &l.Items[i].ObjectMeta, &l.Items[i].Spec.Template.Spec)
		}
	case *appsv1.StatefulSetList:
		for i := range l.Items {
			f.add(kind, &l.Items[i].ObjectMeta, &l.Items[i].Spec.Template.Spec)
		}
	case *appsv1.DaemonSetList:
		for i := range l.Items {
			f.add(kind, &l.Items[i].ObjectMeta, &l.Items[i].Spec.Template.Spec)
		}
	case *batchv1.CronJobList:
		for i := range l.Items {
			f.add(kind, &l.Items[i].ObjectMeta, &l.Items[i].Spec.JobTemplate.Spec.Template.Spec)
		}
	case *appsv1.ReplicaSetList:
		for i := range l.Items {
			f.add(kind, &l.Items[i].ObjectMeta, &l.Items[i].Spec.Template.Spec)
		}
	case *batchv1.JobList:
		for i := range l.Items {
			f.add(kind, &l.Items[i].ObjectMeta, &l.Items[i].Spec.Template.Spec)
		}
	case *corev1.PodList:
		for i := range l.Items {
			f.addPod(&l.Items[i])
		}
	}
}

// add takes what nothing else has made. The templates of the others, such as an old ReplicaSet, run nothing by themselves:
// their Pods tell.
func (f *finder) add(kind string, o *metav1.ObjectMeta, spec *corev1.PodSpec) {
	f.parents[o.UID] = o
	if metav1.GetControllerOf(o) == nil {
		f.workload(kind, o).use(UsesOf(spec))
	}
}

func (f *finder) addPod(pod *corev1.Pod) {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return
	}
	kind, o := "Pod", &pod.ObjectMeta
	for owner := metav1.GetControllerOf(o); owner != nil; owner = metav1.GetControllerOf(o) {
		kind = owner.Kind
		if f.parents[owner.UID] == nil {
			if f.hidden[kind] {
				return // who made it, and what that says of restarts, is not known
			}
			// A kind that is not listed here, such as a Rollout.
			o = &metav1.ObjectMeta{Namespace: pod.Namespace, Name: owner.Name}
			break
		}
		o = f.parents[owner.UID]
	}
	w := f.workload(kind, o)
	w.use(UsesOf(&pod.Spec))
	w.Pods++
}

func (f *finder) workload(kind string, o *metav1.ObjectMeta) *Workload {
	k := key{kind, o.Namespace, o.Name}
	if f.found[k] == nil {
		f.found[k] = &Workload{Kind: kind, Namespace: o.Namespace, Name: o.Name, Labels: o.Labels}
	}
	return f.found[k]
}

func (w *Workload) use(uses []Use) {
	for _, use := range uses {
		if !slices.Contains(w.Uses, use) {
			w.Uses = append(w.Uses, use)
		}
	}
}
