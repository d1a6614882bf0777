// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command external-secrets is the controller of External Secrets as it is released, for the benchmarks.
package main

import controller "github.com/external-secrets/external-secrets/cmd/controller"

func main() { controller.Execute() }
