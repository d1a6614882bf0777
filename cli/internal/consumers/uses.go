// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package consumers finds out which workloads read which Secrets, and how.
package consumers

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Use is one way in which the containers of a Pod read a Secret.
type Use struct {
	Secret string
	// How is "volume", "volume with subPath", "env <name of the variable>" or "envFrom".
	How string
	// Key is the only one that is read. Empty: there may be others.
	Key string
	// Frozen: what is read is what the Secret held when the container started.
	Frozen bool
}

// UsesOf returns how Pods of this form read Secrets, each way once.
func UsesOf(spec *corev1.PodSpec) []Use {
	var uses []Use
	add := func(use Use) {
		if !slices.Contains(uses, use) {
			uses = append(uses, use)
		}
	}
	volumes := map[string][]string{}
	for i := range spec.Volumes {
		volumes[spec.Volumes[i].Name] = secretsOf(&spec.Volumes[i])
	}
	visit(spec, func(c *corev1.Container) {
		for _, mount := range c.VolumeMounts {
			for _, secret := range volumes[mount.Name] {
				if mount.SubPath != "" || mount.SubPathExpr != "" {
					add(Use{Secret: secret, How: "volume with subPath", Frozen: true})
				} else {
					add(Use{Secret: secret, How: "volume"})
				}
			}
		}
		for _, from := range c.EnvFrom {
			if from.SecretRef != nil {
				add(Use{Secret: from.SecretRef.Name, How: "envFrom", Frozen: true})
			}
		}
		for _, env := range c.Env {
			if env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil {
				ref := env.ValueFrom.SecretKeyRef
				add(Use{Secret: ref.Name, How: "env " + env.Name, Key: ref.Key, Frozen: true})
			}
		}
	})
	return uses
}

func secretsOf(volume *corev1.Volume) []string {
	switch {
	case volume.Secret != nil:
		return []string{volume.Secret.SecretName}
	case volume.Projected != nil:
		var names []string
		for _, source := range volume.Projected.Sources {
			if source.Secret != nil {
				names = append(names, source.Secret.Name)
			}
		}
		return names
	}
	return nil
}

func visit(spec *corev1.PodSpec, each func(*corev1.Container)) {
	for i := range spec.InitContainers {
		each(&spec.InitContainers[i])
	}
	for i := range spec.Containers {
		each(&spec.Containers[i])
	}
	for i := range spec.EphemeralContainers {
		c := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
		each(&c)
	}
}
