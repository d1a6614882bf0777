// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package orphans reads what an SfsPlatform tells of the clients at SFS that have no SfsClient.
package orphans

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Status is what it tells.
type Status struct {
	// Count is how many there are, Clients the first of them by their customKeys.
	Count   int32    `json:"count"`
	Clients []Client `json:"clients"`
}

// Client is one at SFS.
type Client struct {
	CustomKey string `json:"customKey"`
	ClientKey string `json:"clientKey"`
}

// Of returns the orphans of an SfsPlatform, or nil before its operator has listed the clients at SFS.
func Of(platform *unstructured.Unstructured) (*Status, error) {
	told, there, err := unstructured.NestedMap(platform.Object, "status", "orphans")
	if err != nil || !there {
		return nil, err
	}
	status := &Status{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(told, status); err != nil {
		return nil, fmt.Errorf("reading status.orphans of the SfsPlatform %s: %w", platform.GetName(), err)
	}
	return status, nil
}
